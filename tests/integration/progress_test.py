"""Module progress: what is shown while a cluster moves its data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fixture import Manager, run_tests, until

_OUT = "Rebalancing after osd.3 marked out"
_IN = "Rebalancing after osd.3 marked in"
_GLOBAL = "Global Recovery Event"


def start(directory: Path, script: str, *modules: str, speed: int = 10) -> Manager:
    """A manager of a simulated cluster."""
    path = directory / "script"
    path.write_text(script)
    flags = ["--sim-osds", "9", "--sim-speed", str(speed), "--sim-script", path]
    return Manager("progress", *modules, flags=flags)


def progress(manager: Manager) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads(manager.check("progress", "json"))
    return found


def going_on(manager: Manager, message: str) -> list[float]:
    """How far the events of this message are."""
    return [e["progress"] for e in progress(manager)["events"] if e["message"] == message]


def done(manager: Manager, message: str) -> list[dict[str, Any]]:
    return [e for e in progress(manager)["completed"] if e["message"] == message]


def see_through(manager: Manager, message: str) -> list[float]:
    """Wait until an event comes, and is done; returns how far it was seen."""
    until(message, lambda: going_on(manager, message) or done(manager, message))
    seen: list[float] = []

    def ended() -> bool:
        seen.extend(going_on(manager, message))
        return bool(done(manager, message)) and not going_on(manager, message)

    until(f"the end of {message}", ended, deadline=120)
    return seen


def look_often(manager: Manager) -> None:
    """Let the module look each second; it has looked once when this ends."""
    manager.wait_for_log("follows the cluster from OSD map")
    manager.check("config", "set", "mgr/progress/sleep_interval", "1")


def test_an_osd_goes_out_and_comes_back(tmp_path: Path) -> None:
    with start(tmp_path, "at 60s osd 3 out\nat 62s log info it is out\n") as manager:
        look_often(manager)
        seen = see_through(manager, _OUT)
        assert all(0 <= share < 1 for share in seen), seen
        manager.check("osd", "in", "3")
        see_through(manager, _IN)
        [ended] = done(manager, _IN)
        assert ended["module"] == "progress" and ended["finished_at"] >= ended["started_at"]
        until("nothing to go on", lambda: not progress(manager)["events"])
        assert f"[Complete]: {_IN}" in manager.check("progress")


def test_what_comes_back_at_once_need_not_go_on(tmp_path: Path) -> None:
    with start(tmp_path, "", speed=1) as manager:
        look_often(manager)
        manager.check("osd", "out", "3")
        until(_OUT, lambda: going_on(manager, _OUT))
        manager.check("osd", "in", "3")
        until("the first to end", lambda: done(manager, _OUT))
        assert not going_on(manager, _OUT)


def test_recovery_of_all_is_in_the_status(tmp_path: Path) -> None:
    with start(tmp_path, "at 30s host host2 down for 60s\n") as manager:
        look_often(manager)
        until(_GLOBAL, lambda: going_on(manager, _GLOBAL))
        until("the status to show it", lambda: _GLOBAL in manager.check("status"), deadline=30)
        see_through(manager, _GLOBAL)
        assert _GLOBAL not in manager.check("status")


def test_off_and_on(tmp_path: Path) -> None:
    with start(tmp_path, "", "hello", speed=1) as manager:
        look_often(manager)
        manager.check("osd", "out", "3")
        until(_OUT, lambda: going_on(manager, _OUT))
        assert manager.outpost("progress", "off") == (0, "", "progress disabled\n")
        assert manager.outpost("progress", "off") == (0, "", "progress is already disabled\n")
        until("nothing", lambda: not progress(manager)["events"])
        assert manager.outpost("progress", "on") == (0, "", "progress enabled\n")
        assert manager.outpost("progress", "on") == (0, "", "progress is already enabled\n")
        # what was begun unseen is not told of; what is not whole is
        until(_GLOBAL, lambda: going_on(manager, _GLOBAL))
        assert not going_on(manager, _OUT)
        manager.check("progress", "clear")
        until("it to come back", lambda: going_on(manager, _GLOBAL))


def test_without_events_of_osds(tmp_path: Path) -> None:
    with start(tmp_path, "", speed=1) as manager:
        manager.check("config", "set", "mgr/progress/allow_pg_recovery_event", "false")
        look_often(manager)
        manager.check("osd", "out", "3")
        until(_GLOBAL, lambda: going_on(manager, _GLOBAL))
        assert not going_on(manager, _OUT)
        assert manager.outpost("config", "set", "mgr/progress/sleep_interval", "0").rc != 0


def test_other_modules_and_a_restart_of_the_manager(tmp_path: Path) -> None:
    with start(tmp_path, "", speed=1) as manager:
        manager.call("progress", "update", "job", "Doing it", 0.25, add_to_ceph_s=True)
        assert going_on(manager, "Doing it") == [0.25]
        assert "Doing it" in manager.check("status")
        manager.kill9()
        manager.restart()
        until("the module to tell again", lambda: going_on(manager, "Doing it") == [0.25])
        manager.call("progress", "complete", "job")
        assert len(done(manager, "Doing it")) == 1
        manager.call("progress", "update", "other", "Trying it", 0.5)
        manager.call("progress", "fail", "other", "no space")
        assert len(done(manager, "Trying it: failed: no space")) == 1
        manager.call("progress", "complete", "nothing")


if __name__ == "__main__":
    run_tests(__file__)
