"""A manager in front of a real Ceph that misbehaves: clients without rights, monitors without a
quorum, monitors and OSDs that hang. Three monitors, three OSDs, a mgr."""

from __future__ import annotations

import errno
import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fixture import Manager, hammer, run_tests, until

from tests.integration.ceph.cluster import CephCluster

_BOTH = ("probe", "probe_cpp")
# What the manager is, in the cluster's audit log.
_CLIENT = "client.outpost"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CephCluster]:
    with CephCluster(tmp_path_factory.mktemp("ceph"), mons=3) as cluster:
        client(cluster, _CLIENT, "mon", "allow *", "osd", "allow *", "mgr", "allow *")
        yield cluster


@pytest.fixture(scope="module")
def manager(cluster: CephCluster) -> Iterator[Manager]:
    with Manager("hello", *_BOTH, flags=flags(cluster, _CLIENT)) as manager:
        until("the manager to be connected", lambda: connected(manager))
        until("the counters of every OSD", lambda: len(sampled(manager)) == 3)
        yield manager


def ceph(cluster: CephCluster, *words: str) -> str:
    rc, out, err = cluster.ceph(*words)
    assert rc == 0, f"ceph {' '.join(words)}: {err}"
    return out


def client(cluster: CephCluster, name: str, *caps: str) -> Path:
    """Makes a client of the cluster; returns its keyring."""
    keyring = cluster.dir / f"{name}.keyring"
    keyring.write_text(ceph(cluster, "auth", "get-or-create", name, *caps))
    return keyring


def flags(cluster: CephCluster, name: str) -> list[str | Path]:
    keyring = cluster.dir / f"{name}.keyring"
    return [
        *("--source", "ceph", "--ceph-conf", Path(cluster.conf_path)),
        *("--ceph-name", name, "--ceph-keyring", keyring),
    ]


def connected(manager: Manager) -> bool:
    there: bool = json.loads(manager.check("status", "--format", "json"))["source"]["connected"]
    return there


def checks(manager: Manager) -> dict[str, str]:
    """The summary of each health check."""
    found = json.loads(manager.check("health", "--format", "json"))["checks"]
    return {code: check["summary"]["message"] for code, check in found.items()}


def moment(text: str) -> float:
    """A time as the manager prints it, in seconds."""
    seconds = re.sub(r"\.(\d{1,6})\d*", r".\1", text)
    return datetime.fromisoformat(seconds).timestamp()


def sampled(manager: Manager) -> dict[str, float]:
    """When the counters of each daemon were last read."""
    daemons = json.loads(manager.check("perf", "--format", "json"))
    return {d["daemon"]: moment(d["sampled"]) for d in daemons if d["sampled"]}


def age(manager: Manager, structure: str) -> float:
    entries = json.loads(manager.check("structures", "--format", "json"))
    return time.time() - next(moment(e["confirmed"]) for e in entries if e["name"] == structure)


# --- clients without rights ---


def test_what_is_missing_at_the_start_is_named(cluster: CephCluster) -> None:
    conf, missing = Path(cluster.conf_path), cluster.dir / "missing"
    for words, told in (
        (("--ceph-conf", missing), ["ceph.conf", str(missing), "can't be read"]),
        (("--ceph-conf", conf, "--ceph-keyring", missing), [str(missing), "key of client.admin"]),
        (("--ceph-conf", conf, "--ceph-name", "client.who"), ["client.who", "auth get client.who"]),
        (("--ceph-conf", conf, "--ceph-name", "who"), ['"who"']),
    ):
        refused = Manager(flags=["--source", "ceph", *words])
        try:
            outcome = refused.refused()
        finally:
            refused.close()
        assert outcome.rc != 0
        for text in told:
            assert text in outcome.err, outcome.err


def test_a_client_without_rights(cluster: CephCluster) -> None:
    name = "client.none"
    keyring = client(cluster, name)
    with Manager("hello", "probe", flags=flags(cluster, name)) as manager:
        # It may nothing: that is said wherever one looks, and the manager goes on.
        manager.wait_for_log(f"refuse {name} ")
        reason = until("the reason", lambda: checks(manager).get("CLUSTER_NOT_CONNECTED"))
        until("the refusal", lambda: "refuse" in checks(manager)["CLUSTER_NOT_CONNECTED"])
        reason = checks(manager)["CLUSTER_NOT_CONNECTED"]
        for text in (f"refuse {name}", str(keyring), "its present key", "mon 'allow r'"):
            assert text in reason
        assert f"NOT CONNECTED: the monitors at {mon_hosts(cluster)} refuse {name}" in (
            manager.check("status")
        )
        assert manager.outpost("hello") == (0, "Hello, world!\n", "")
        rc, _, err = manager.outpost("osd", "set", "noout")
        assert rc == errno.EINVAL or name in err, err

        # It may read the monitors: what it still lacks is named, and the rest is there.
        ceph(cluster, "auth", "caps", name, "mon", "allow r")
        until("the manager to be connected", lambda: connected(manager))
        lacking = until("what it lacks", lambda: denied(manager, 2))
        assert lacking.startswith(f"{name} may not read all of the cluster: ")
        assert "mon_status takes the capability mon 'allow *'" in lacking
        assert "the counters of OSDs takes the capability osd 'allow *'" in lacking
        assert lacking in manager.check("status")
        for line in lacking.partition(": ")[2].split("; "):
            manager.wait_for_log(re.escape(f"{name} may not read all of the cluster: {line}"))
        until("the map", lambda: manager.call("probe", "get", "osd_map")["max_osd"] == 3)
        until("placement groups", lambda: manager.outpost("get", "pg_summary").rc == 0)
        assert "mon_status" not in manager.check("structures")
        rc, _, err = manager.outpost("osd", "set", "noout")
        assert rc == errno.EACCES
        assert f"access denied: {name}, as which the manager asks, lacks a capability" in err
        assert manager.call("probe", "send", {"prefix": "osd set", "key": "noout"}, "")[0] == (
            -errno.EACCES
        )

        # What it was given counts when it connects the next time.
        everything = ("mon", "allow *", "osd", "allow *", "mgr", "allow *")
        ceph(cluster, "auth", "caps", name, *everything)
        manager.stop()
        manager.restart()
        until("the manager to be connected", lambda: connected(manager))
        until("the counters", lambda: len(sampled(manager)) == 3)
        assert "CLUSTER_ACCESS_DENIED" not in checks(manager)


def mon_hosts(cluster: CephCluster) -> str:
    conf = Path(cluster.conf_path).read_text()
    found = re.search(r"mon_host = (.*)", conf)
    assert found is not None
    return found[1]


def denied(manager: Manager, count: int) -> str:
    summary = checks(manager).get("CLUSTER_ACCESS_DENIED", "")
    return summary if summary.count("capability") >= count else ""


# --- daemons that hang ---


def test_an_osd_that_hangs_delays_nobody(manager: Manager, cluster: CephCluster) -> None:
    cluster.pause("osd.1")
    try:
        time_of = sampled(manager)
        begin = time.monotonic()
        rc, _, err = manager.outpost("tell", "osd.1", "version", "--timeout", "2")
        assert rc == errno.ETIMEDOUT, err
        assert time.monotonic() - begin < 5
        assert json.loads(manager.check("tell", "osd.0", "version"))["version"]

        def others_go_on() -> bool:
            now = sampled(manager)
            return all(now[osd] > time_of[osd] + 9 for osd in ("osd.0", "osd.2"))

        until("two more samples of the others", others_go_on)
        now = sampled(manager)
        assert now["osd.1"] - time_of["osd.1"] < 6  # one may have been under way
        assert time.time() - now["osd.1"] > 4
        assert re.search(r"osd\.1 +\d+ +\S+s ago", manager.check("perf"))
        assert age(manager, "osd_map") < 5
        assert connected(manager)
    finally:
        cluster.resume("osd.1")
    until("its counters", lambda: sampled(manager)["osd.1"] > time.time() - 5)


def test_a_monitor_that_hangs_while_others_answer(manager: Manager, cluster: CephCluster) -> None:
    mon = monitor_of_the_manager(cluster)
    cluster.pause(f"mon.{mon}")
    try:
        # Another one is found, while this one still hangs.
        until("the outage", lambda: age(manager, "osd_map") > 2.5)
        until("another monitor", lambda: connected(manager) and age(manager, "osd_map") < 2)
        set_and_unset_noout(manager, cluster)
    finally:
        cluster.resume(f"mon.{mon}")


def monitor_of_the_manager(cluster: CephCluster) -> str:
    for mon in cluster.mons:
        sessions = json.loads(ceph(cluster, "tell", f"mon.{mon}", "sessions", "-f", "json"))
        if any(session["entity_name"] == _CLIENT for session in sessions):
            return mon
    raise AssertionError("the manager has no session with any monitor")


def set_and_unset_noout(manager: Manager, cluster: CephCluster) -> None:
    def set_it() -> bool:
        rc, _, err = manager.outpost("osd", "set", "noout")
        assert rc in (0, errno.ETIMEDOUT, errno.ENOTCONN), err
        return rc == 0

    until("the cluster to take a change", set_it)
    for module in _BOTH:
        manager.call(module, "await_osd_flag", "noout", True)
    assert manager.outpost("osd", "unset", "noout").rc == 0
    for module in _BOTH:
        manager.call(module, "await_osd_flag", "noout", False)


# --- no quorum ---


def test_the_quorum_is_lost_and_regained(manager: Manager, cluster: CephCluster) -> None:
    assert manager.process is not None
    pid = manager.process.pid
    before = json.loads(manager.check("get", "osd_map"))
    for mon in "bc":
        cluster.stop_mon(mon)
    until("the outage to be noticed", lambda: not connected(manager))
    reason = checks(manager)["CLUSTER_NOT_CONNECTED"]
    assert re.search(r"the monitors at .* have not answered since \d{4}-\S+Z$", reason), reason
    for module in _BOTH:
        assert manager.call(module, "have_mon_connection") is False
        assert manager.call(module, "osd_flags") == before["flags"]
    assert json.loads(manager.check("get", "osd_map")) == before
    first = age(manager, "osd_map")
    until("it to grow older", lambda: age(manager, "osd_map") > first + 2)
    assert re.search(r"osd_map .* \S+s ago +\S+s ago", manager.check("structures"))
    # Commands are refused at once, and say why; others do not notice.
    begin = time.monotonic()
    rc, _, err = manager.outpost("osd", "set", "noout", "--timeout", "5")
    assert rc == errno.ENOTCONN and "have not answered since" in err, err
    assert time.monotonic() - begin < 3
    for module in _BOTH:
        assert manager.call(module, "send", {"prefix": "osd set", "key": "noout"}, "")[0] == (
            -errno.ENOTCONN
        )
    assert manager.outpost("hello") == (0, "Hello, world!\n", "")

    for mon in "bc":
        cluster.start_mon(mon)
    until("the manager to be connected again", lambda: connected(manager))
    assert "CLUSTER_NOT_CONNECTED" not in checks(manager)
    for module in _BOTH:
        assert manager.call(module, "have_mon_connection") is True
    set_and_unset_noout(manager, cluster)
    until("it to be young", lambda: age(manager, "osd_map") < 3)
    assert manager.process.pid == pid and manager.process.poll() is None


def test_nothing_was_written_but_what_was_told(manager: Manager, cluster: CephCluster) -> None:
    # Whoever asks for a change is in the audit log, above the level of what only reads.
    log = (cluster.dir / "log" / "cluster.log").read_text()
    asked = [
        line
        for line in log.splitlines()
        if "audit [INF]" in line and "cmd=" in line and f"entity='{_CLIENT}'" in line
    ]
    commands = {json.dumps(json.loads(c), sort_keys=True) for line in asked for c in cmds(line)}
    assert any('"osd set"' in command for command in commands), "the log is not what is meant here"
    assert {json.loads(command)["prefix"] for command in commands} <= {"osd set", "osd unset"}


def cmds(line: str) -> list[Any]:
    found = re.search(r"cmd='?(\[\{.*\}\])'?", line)
    assert found is not None, line
    return [json.dumps(command) for command in json.loads(found[1])]


def test_monitors_that_hang(manager: Manager, cluster: CephCluster) -> None:
    """The last of these tests: it ends the manager."""
    results: dict[str, list[Any]] = {}
    command = {"prefix": "osd set", "key": "noout"}

    def send(module: str) -> None:
        begin = time.monotonic()
        result = manager.call(module, "send", command, "")
        results[module] = [*result, time.monotonic() - begin]

    threads = [threading.Thread(target=send, args=(module,)) for module in _BOTH]
    for mon in cluster.mons:
        cluster.pause(f"mon.{mon}")
    try:
        with hammer(manager, "hello") as seen:
            for thread in threads:
                thread.start()
            begin = time.monotonic()
            rc, _, err = manager.outpost("osd", "set", "noout", "--timeout", "2")
            # The command line and the manager end it at the same moment.
            assert rc == errno.ETIMEDOUT, err
            assert "within 2s" in err or "not answered before its deadline" in err, err
            assert time.monotonic() - begin < 4
            for thread in threads:
                thread.join()
        assert seen().failures == [] and seen().longest_gap < 5, seen()
        for retval, _, err, seconds in results.values():
            assert retval == -errno.ETIMEDOUT, results
            assert "no answer from the monitors within 10 s" in err
            assert seconds < 15
        until("the outage to be noticed", lambda: not connected(manager))
        # It ends while something is under way.
        thread = threading.Thread(target=lambda: manager.outpost("osd", "tree"))
        thread.start()
        begin = time.monotonic()
        manager.stop()
        assert time.monotonic() - begin < 15
        thread.join()
    finally:
        for mon in cluster.mons:
            cluster.resume(f"mon.{mon}")


if __name__ == "__main__":
    run_tests(__file__)
