"""Module crash: reports of modules that crash, and of daemons, as an operator uses them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fixture import Manager, run_tests, until

_ID = "2026-11-22T06:28:37.123456Z_0b5bd4a2-4d5e-4c4e-9d2e-6d3cc07f5c0e"


@pytest.fixture
def manager() -> Iterator[Manager]:
    with Manager("crash", "crasher") as running:
        yield running


def reports(manager: Manager, command: str = "ls") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(manager.check("crash", command, "--format", "json"))
    return found


def await_reports(manager: Manager, count: int) -> list[dict[str, Any]]:
    until(f"{count} reports", lambda: len(reports(manager)) >= count)
    found = reports(manager)
    assert len(found) == count, found
    return found


def checks(manager: Manager) -> dict[str, Any]:
    """The health checks of crashes, by code."""
    health = json.loads(manager.check("health", "detail", "--format", "json"))
    return {code: check for code, check in health["checks"].items() if code.startswith("RECENT")}


def daemon_report(**changes: Any) -> dict[str, Any]:
    """What ceph-crash posts."""
    return {
        "crash_id": _ID,
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "process_name": "ceph-osd",
        "entity_name": "osd.3",
        "ceph_version": "17.2.7",
        "utsname_hostname": "node3",
        "utsname_machine": "x86_64",
        "backtrace": ["(main()+0x69) [0x5581]", "_start()"],
        **changes,
    }


def post(manager: Manager, directory: Path, report: object) -> None:
    file = directory / "meta"
    file.write_text(json.dumps(report))
    manager.check("crash", "post", "-i", file)


def test_a_module_that_segfaults(manager: Manager) -> None:
    manager.outpost("crasher", "segfault")
    [listed] = await_reports(manager, 1)
    report = json.loads(manager.check("crash", "info", listed["crash_id"]))
    assert report == listed
    assert report["mgr_module"] == "crasher"
    assert report["exit_signal"] == signal.SIGSEGV
    assert report["mgr_python_exception"] == "Segmentation fault"
    assert any("in segfault" in line for line in report["backtrace"])
    assert report["entity_name"].startswith("mgr.")
    assert report["utsname_hostname"] == os.uname().nodename
    check = until("the check", lambda: checks(manager))["RECENT_MGR_MODULE_CRASH"]
    assert check["summary"]["message"] == "1 mgr modules have recently crashed"
    assert check["summary"]["count"] == 1
    assert [d["message"] for d in check["detail"]] == [
        f"mgr module crasher crashed in daemon {report['entity_name']} on host"
        f" {report['utsname_hostname']} at {report['timestamp']}"
    ]
    assert reports(manager, "ls-new") == [report]
    title, line = manager.check("crash", "ls").splitlines()
    assert title.split() == ["ID", "ENTITY", "NEW"]
    assert line.split() == [report["crash_id"], report["entity_name"], "module", "crasher", "*"]
    # what an operator has seen is not news
    manager.check("crash", "archive", report["crash_id"])
    assert checks(manager) == {}
    assert reports(manager, "ls-new") == []
    assert "archived" in reports(manager)[0]
    assert not manager.check("crash", "ls").endswith("*\n")


def test_a_module_that_raises_in_serve(manager: Manager) -> None:
    manager.check("crasher", "raise")
    [report] = await_reports(manager, 1)
    assert report["mgr_python_exception"] == "LostError"
    assert report["mgr_module_caller"] == "serve"
    assert report["backtrace"][0] == "Traceback (most recent call last):"
    assert "no way home" in report["backtrace"][-1]


def test_who_ends_as_asked_did_not_crash(manager: Manager) -> None:
    manager.check("module", "restart", "crasher")
    manager.check("module", "disable", "crasher")
    manager.check("module", "enable", "crasher")
    manager.outpost("crasher", "exit", "3")
    [report] = await_reports(manager, 1)
    assert (report["exit_status"], report["backtrace"]) == (3, [])


def test_its_own_crash(manager: Manager) -> None:
    os.kill(manager.modules()["crash"].pid, signal.SIGSEGV)
    until("it to end", lambda: manager.modules()["crash"].restarts == 1)
    manager.wait_for_state("crash", "RUNNING")
    [report] = await_reports(manager, 1)
    assert report["mgr_module"] == "crash"


def test_reports_survive_and_are_made_once(manager: Manager) -> None:
    manager.outpost("crasher", "segfault")
    first = await_reports(manager, 1)
    manager.stop()
    manager.restart()
    assert reports(manager) == first
    manager.check("crash", "rm", first[0]["crash_id"])
    # what happens while nobody writes reports is reported later
    manager.check("module", "disable", "crash")
    manager.wait_for_state("crasher", "RUNNING")
    manager.outpost("crasher", "segfault")
    until("the crash", lambda: manager.modules()["crasher"].restarts > 0)
    manager.wait_for_state("crasher", "RUNNING")
    manager.kill9()
    manager.restart()
    manager.check("module", "enable", "crash")
    [second] = await_reports(manager, 1)
    assert second["crash_id"] != first[0]["crash_id"]
    manager.check("module", "restart", "crash")
    assert reports(manager) == [second]


def test_reports_of_daemons(manager: Manager, tmp_path: Path) -> None:
    report = daemon_report()
    post(manager, tmp_path, report)
    post(manager, tmp_path, daemon_report(entity_name="osd.4"))  # known: nothing happens
    kept = json.loads(manager.check("crash", "info", _ID))
    assert len(kept.pop("stack_sig")) == 64
    assert kept == report
    check = checks(manager)["RECENT_CRASH"]
    assert check["summary"]["message"] == "1 daemons have recently crashed"
    assert [d["message"] for d in check["detail"]] == [
        f"osd.3 crashed on host node3 at {report['timestamp']}"
    ]
    for days, name in ((2, "two"), (8, "eight")):
        then = datetime.now(UTC) - timedelta(days=days)
        post(
            manager,
            tmp_path,
            daemon_report(crash_id=name, timestamp=str(then), process_name="ceph-mon"),
        )
    assert manager.check("crash", "stat").splitlines() == [
        "3 crashes recorded",
        "2 older than 1 days old:",
        "eight",
        "two",
        "1 older than 3 days old:",
        "eight",
        "1 older than 7 days old:",
        "eight",
    ]
    assert json.loads(manager.check("crash", "json_report", "24")) == {"ceph-osd": 1}
    assert json.loads(manager.check("crash", "json_report", "100")) == {
        "ceph-mon": 1,
        "ceph-osd": 1,
    }
    manager.check("crash", "prune", "7")
    assert [r["crash_id"] for r in reports(manager)] == [_ID, "two"]
    manager.check("crash", "archive-all")
    assert checks(manager) == {} and reports(manager, "ls-new") == []
    manager.check("crash", "rm", "two")
    manager.check("crash", "rm", "two")
    manager.check("crash", "rm", _ID)
    assert reports(manager) == []
    assert manager.check("crash", "stat") == "0 crashes recorded\n"


def test_what_is_no_report_among_its_keys_hides_no_other(manager: Manager, tmp_path: Path) -> None:
    post(manager, tmp_path, daemon_report())
    manager.check(
        "config-key", "set", "mgr/crash/crash/odd", '{"timestamp": "2026-11-22T06:28:37Z"}'
    )
    manager.check("module", "restart", "crash")
    assert [r["crash_id"] for r in reports(manager)] == [_ID]
    assert list(until("the check", lambda: checks(manager))) == ["RECENT_CRASH"]
    manager.wait_for_log('the key crash/odd holds no crash report: it has no "crash_id"')


def test_many_crashes_are_not_all_told(manager: Manager, tmp_path: Path) -> None:
    for number in range(32):
        post(manager, tmp_path, daemon_report(crash_id=f"{number:02}", backtrace=[]))
    check = checks(manager)["RECENT_CRASH"]
    assert check["summary"]["count"] == 32
    assert len(check["detail"]) == 31
    assert check["detail"][-1]["message"] == "and 2 more"


def test_options(manager: Manager, tmp_path: Path) -> None:
    post(manager, tmp_path, daemon_report())
    assert list(checks(manager)) == ["RECENT_CRASH"]
    manager.check("config", "set", "mgr/crash/warn_recent_interval", "1")
    until("the check to go", lambda: not checks(manager))
    assert len(reports(manager)) == 1
    manager.check("config", "set", "mgr/crash/retain_interval", "1")
    until("the report to go", lambda: not reports(manager))
    manager.check("config", "set", "mgr/crash/retain_interval", "3600")
    manager.check("config", "set", "mgr/crash/max_reports_per_module", "2")
    seen: list[str] = []
    for _ in range(3):
        manager.wait_for_state("crasher", "RUNNING")
        manager.outpost("crasher", "exit", "1")
        seen.append(
            until(
                "a new report",
                lambda: [r["crash_id"] for r in reports(manager) if r["crash_id"] not in seen],
            )[0]
        )
    assert [r["crash_id"] for r in reports(manager)] == seen[1:]
    for option in ("warn_recent_interval", "retain_interval"):
        assert manager.outpost("config", "set", f"mgr/crash/{option}", "-1").rc != 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "of what"),
        (b"no JSON", "malformed crash metadata: it is not JSON"),
        (b"[]", "no JSON object, but a list"),
        (b'{"timestamp": "2026-11-22T06:28:37.1Z"}', 'no "crash_id"'),
        (b'{"crash_id": "x"}', 'no "timestamp"'),
        (b'{"crash_id": "x", "timestamp": "now"}', "'now'"),
        (b'{"crash_id": "\xff"}', ""),
    ],
)
def test_malformed_reports(shared: Manager, tmp_path: Path, text: bytes, says: str) -> None:
    file = tmp_path / "meta"
    file.write_bytes(text)
    rc, out, err = shared.outpost("crash", "post", "-i", file)
    assert (rc, out) == (22, "") and says in err, err
    assert reports(shared) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["info", "x"], "x not found"),
        (["archive", "x"], "x not found"),
        (["prune", "soon"], "int"),
        (["prune", "-1"], "range"),
        (["json_report", "x"], "int"),
        (["post"], "-i FILE"),
        (["ls", "--format", "yaml"], "yaml"),
        (["info"], "id"),
    ],
)
def test_what_is_asked_wrongly(shared: Manager, words: list[str], says: str) -> None:
    rc, out, err = shared.outpost("crash", *words)
    assert (rc, out) == (22, "") and says in err, (rc, err)


@pytest.fixture(scope="module")
def shared() -> Iterator[Manager]:
    """A manager with no reports."""
    with Manager("crash") as running:
        yield running


if __name__ == "__main__":
    run_tests(__file__)
