"""The life of modules: enabled, disabled, restarted, killed, by hand, outliving a manager."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import time
from collections.abc import Callable
from datetime import datetime

import grpc
import pytest
from fixture import (
    SHIPPED_MODULES,
    TEST_MODULES,
    Manager,
    hammer,
    run_tests,
    until,
)
from outpost.v1 import key_value_pb2, key_value_pb2_grpc, manager_pb2, manager_pb2_grpc

# Seconds, on a machine that may be busy with something else; ceph-mgr holds commands for 13 to 19.
# What they really are is measured by `./dev bench faults`.
_LONGEST_GAP = 5.0
_LONGEST_START = 10.0


def log_times(manager: Manager, what: str) -> list[float]:
    """When the log says something, in seconds."""
    lines = re.findall(rf"^(\S+) \w+ \[module\] {what}", manager.log(), re.MULTILINE)
    return [datetime.fromisoformat(stamp).timestamp() for stamp in lines]


def undisturbed(manager: Manager, words: list[str], change: Callable[[], None]) -> None:
    """Run a command over and over beside a change: no error, and nobody waits for the change."""
    with hammer(manager, *words) as interval:
        change()
    print(f"{words}: {interval()}")
    assert not interval().failures
    assert interval().answers > 10
    assert interval().longest_gap < _LONGEST_GAP


def seconds(change: Callable[[], object]) -> float:
    begin = time.monotonic()
    change()
    return time.monotonic() - begin


@pytest.mark.parametrize("name", ["hello", "hello_cpp"])
def test_a_module_serves_soon_after_it_is_enabled(name: str) -> None:
    with Manager(installed=[name]) as manager:
        command = name.replace("_", "-")
        assert manager.outpost(command).rc == errno.EINVAL  # nobody has said yet that it has it
        took = seconds(lambda: manager.check("module", "enable", name))
        print(f"enabling {name} took {took:.3f} s")
        assert took < _LONGEST_START
        assert manager.outpost(command) == (0, "Hello, world!\n", "")
        assert manager.outpost("module", "enable", name) == (
            0,
            "",
            f"module '{name}' is already enabled\n",
        )

        assert manager.outpost("module", "disable", name) == (0, "", "")
        assert manager.module_processes() == set()
        assert manager.outpost(command) == (
            errno.EOPNOTSUPP,
            "",
            f"Error ENOTSUP: Module '{name}' is not enabled/loaded (required by command"
            f" '{command}'): use `outpost module enable {name}` to enable it\n",
        )
        # Ceph's words for the same.
        took = seconds(lambda: manager.check("mgr", "module", "enable", name))
        assert took < _LONGEST_START
        assert manager.outpost(command) == (0, "Hello, world!\n", "")


def test_changes_of_one_module_disturb_no_other() -> None:
    with Manager("hello_cpp", "probe", installed=["hello"]) as manager:

        def change() -> None:
            manager.check("module", "enable", "hello")
            manager.check("module", "restart", "hello")
            manager.check("module", "disable", "hello")

        undisturbed(manager, ["hello-cpp"], change)
        undisturbed(manager, ["probe"], change)


def test_a_restart_loses_no_command() -> None:
    with Manager("hello", "hello_cpp") as manager:
        for name in ("hello", "hello_cpp"):
            pid = manager.modules()[name].pid
            with hammer(manager, name.replace("_", "-")) as interval:
                manager.check("module", "restart", name)
            print(f"{name}: {interval()}")
            assert not interval().failures
            assert manager.modules()[name].pid != pid
            assert manager.modules()[name].restarts == 1


def test_a_killed_module_is_started_again() -> None:
    with Manager("hello", "probe") as manager:
        before = manager.modules()

        def kill() -> None:
            pid = manager.modules()["hello"].pid
            os.kill(pid, signal.SIGKILL)
            until("another process", lambda: manager.modules()["hello"].pid not in (0, pid))
            # A command waits for a module that is starting.
            assert manager.outpost("hello") == (0, "Hello, world!\n", "")

        undisturbed(manager, ["probe"], kill)
        after = manager.modules()
        assert after["probe"].pid == before["probe"].pid
        assert after["hello"].restarts >= 1
        assert after["hello"].last_exit == "signal 9 (Killed)"

        row = re.search(r"^hello .*$", manager.check("module", "ls"), re.MULTILINE)
        assert row and re.search(r"running .* last ended with signal 9 \(Killed\)", row.group())
        detail = manager.check("health", "detail")
        assert re.search(r"^\[WRN\] RECENT_MGR_MODULE_CRASH: ", detail, re.MULTILINE)
        assert re.search(r"module hello crashed at \S+Z with signal 9 \(Killed\)$", detail, re.M)


def test_a_module_that_is_killed_at_work() -> None:
    with Manager("slow", "hello") as manager:
        slow = manager.outpost_background("slow")
        until("the command to be at work", lambda: manager.modules()["slow"].in_flight == 1)
        os.kill(manager.modules()["slow"].pid, signal.SIGKILL)
        rc, out, err = slow.end()
        assert (rc, out) == (errno.EIO, "")
        # The end of its stream may be noticed before that of the process.
        assert re.match(
            r'Error EIO: command "slow": module slow (ended \(signal 9 \(Killed\)\)|has ended its'
            r" session|has lost its session) before it answered; whether it did its work is not"
            r" known$",
            err,
        ), err
        assert manager.outpost("hello").rc == 0
        assert manager.outpost("slow", "release").rc == 0


def test_a_command_that_is_given_up() -> None:
    with Manager("slow", "hello") as manager:
        slow = manager.outpost_background("slow")
        until("the command to be at work", lambda: manager.modules()["slow"].in_flight == 1)
        assert slow.end(signal.SIGINT) == (128 + signal.SIGINT, "", "")
        with pytest.raises(grpc.RpcError) as caught:
            manager.run("slow", timeout=1.0)  # time enough to be begun
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        # Both slots of the module are taken by what nobody waits for any more.
        assert manager.outpost("slow", "release", "--timeout", "0.2").rc == errno.ETIMEDOUT
        assert manager.outpost("hello").rc == 0
        os.kill(manager.modules()["slow"].pid, signal.SIGKILL)
        assert manager.outpost("slow", "release") == (0, "", "")


def test_a_crash_loop_backs_off() -> None:
    with Manager("hello", installed=["crash_loop"]) as manager:
        rc, _, err = manager.outpost("module", "enable", "crash_loop")
        assert rc == errno.EIO
        assert re.match(
            r"Error EIO: module 'crash_loop' is enabled, but is backoff: ended with exit status 1:"
            r" no coffee \(next start: \S+\)$",
            err,
        ), err
        until("four new starts", lambda: manager.modules()["crash_loop"].restarts >= 4)
        starts = log_times(manager, "crash_loop is starting")
        waits = [b - a for a, b in zip(starts, starts[1:])]
        assert all(b > 1.2 * a for a, b in zip(waits, waits[1:])), waits

        info = manager.wait_for_state("crash_loop", "BACKOFF")
        left = info.next_start.ToDatetime().timestamp() - time.time()
        assert info.reason == "ended with exit status 1: no coffee"
        assert left < 4
        listed = json.loads(manager.check("module", "ls", "--format", "json"))
        row = next(row for row in listed if row["name"] == "crash_loop")
        assert row["state"] == "backoff" and row["next_start"].endswith("Z")
        assert re.search(
            r"^crash_loop +backoff .* no coffee \(next start: [\w.]+\) *$",
            manager.check("module", "ls"),
            re.MULTILINE,
        )
        assert (
            "[ERR] MGR_MODULE_ERROR: Module 'crash_loop' has failed: ended with exit status 1: no"
            " coffee\n" in manager.check("health", "detail")
        )
        assert manager.outpost("hello").rc == 0
        manager.check("module", "disable", "crash_loop")
        assert manager.state("crash_loop") == "DISABLED"


def test_a_serve_that_fails() -> None:
    with Manager("hello", "raises") as manager:
        why = "serve() failed: ValueError: there is no bottom to this"
        manager.wait_for_log(re.escape(why))
        info = manager.wait_for_state("raises", "BACKOFF")
        assert info.reason == why
        assert f"Module 'raises' has failed: {why}" in manager.check("health", "detail")
        manager.wait_for_log(r"raises: serve\(\) failed:\nTraceback ")
        assert manager.outpost("hello").rc == 0


def test_libraries_that_load_once_a_process_load_in_every_module() -> None:
    with Manager("hello") as manager:
        text = (TEST_MODULES / "compiled/module.py").read_text()
        names = ["compiled", "compiled_too"]
        for name in names:
            directory = manager.module_path / name
            directory.mkdir()
            directory.joinpath("module.py").write_text(text.replace('"hashed"', f'"{name} hashed"'))
            manager.check("module", "enable", name)
        for name in names:
            assert manager.check(name, "hashed", "coffee") == f"{name}: True\n"


def test_a_noisy_module() -> None:
    with Manager("noisy", "hello") as manager:
        assert manager.outpost("noisy", "2000") == (0, "all written\n", "")
        manager.wait_for_log("noisy/output: noise 1999 on stdout")
        manager.wait_for_log("noisy/output: noise 1999 on stderr")
        manager.wait_for_log("noisy/output: .* no text")
        described = manager.stub(manager_pb2_grpc.ManagerStub).DescribeModule(
            manager_pb2.DescribeModuleRequest(name="noisy")
        )
        assert described.stderr_tail[-1].endswith(" no text")
        assert len(described.stderr_tail) <= 20
        assert manager.outpost("hello").rc == 0


def test_a_module_that_does_not_end() -> None:
    with Manager("hello", flags=["--shutdown-grace", "0.3"]) as manager:
        manager.install_program(
            "stubborn", "/usr/bin/python3", TEST_MODULES / "stubborn/stubborn.py"
        )
        manager.install("ignores_sigterm")
        assert manager.settled("stubborn").state == manager_pb2.MODULE_STATE_RUNNING
        # The other one never attaches, and has a child.
        manager.stub(manager_pb2_grpc.ManagerStub).EnableModule(
            manager_pb2.EnableModuleRequest(name="ignores_sigterm", wait={})
        )
        until("three processes more", lambda: len(manager.module_processes()) == 4)
        for name in ("stubborn", "ignores_sigterm"):
            took = seconds(lambda name=name: manager.check("module", "disable", name))
            assert 0.6 <= took < 3
            assert manager.modules()[name].last_exit == "signal 9 (Killed)"
            assert manager.state(name) == "DISABLED"
            manager.wait_for_log(f"{name} did not end after SIGTERM: SIGKILL")
        until("their processes to be gone", lambda: len(manager.module_processes()) == 1)
        assert manager.outpost("hello").rc == 0


def test_modules_that_are_started_by_hand() -> None:
    with Manager("probe", installed=["hello"]) as manager:
        first = manager.start_module(SHIPPED_MODULES / "hello", "--name", "visitor")
        until("it to attach", lambda: "visitor" in manager.modules())
        manager.wait_for_state("visitor", "RUNNING")
        assert manager.outpost("hello") == (0, "Hello, world!\n", "")
        manager.check("config", "set", "mgr/visitor/place", "Mars")
        manager.wait_for_log("visitor: place is now Mars")
        info = manager.modules()["visitor"]
        assert (info.supervised, info.enabled, info.path) == (False, False, "")
        assert info.pid == first.process.pid
        assert re.search(
            r"^visitor +running .*\(started by hand\)",
            manager.check("module", "ls", "detail"),
            re.MULTILINE,
        )

        second = manager.start_module(SHIPPED_MODULES / "hello", "--name", "visitor")
        rc, _, err = second.end()
        assert rc == os.EX_CONFIG
        assert "module 'visitor' is running; end that one first, or register under" in err, err
        assert manager.outpost("hello") == (0, "Hello, Mars!\n", "")
        rc, _, err = manager.outpost("module", "restart", "visitor")
        assert rc == errno.EOPNOTSUPP
        assert "was not started by this manager; start it again where it was started" in err

        assert first.end(signal.SIGTERM).rc == 0
        until("it to be forgotten", lambda: "visitor" not in manager.modules())

        # Of a name that is installed, one is as good as the other.
        third = manager.start_module(SHIPPED_MODULES / "hello")
        manager.wait_for_state("hello", "RUNNING")
        assert manager.outpost("hello") == (0, "Hello, world!\n", "")
        manager.check("module", "disable", "hello")
        assert third.end().rc == 0


def test_what_is_enabled_is_kept() -> None:
    with Manager("hello", "hello_cpp", installed=["probe"]) as manager:
        manager.check("module", "enable", "probe")
        manager.check("module", "disable", "hello")
        manager.stop()
        assert manager.module_processes() == set()
        manager.restart()
        assert {name: manager.state(name) for name in manager.modules()} == {
            "hello": "DISABLED",
            "hello_cpp": "RUNNING",
            "probe": "RUNNING",
        }
        # The commands of what does not run are known all the same.
        assert manager.outpost("hello").rc == errno.EOPNOTSUPP


def test_modules_outlive_the_manager() -> None:
    with Manager("hello", "hello_cpp", "probe", installed=["status"]) as manager:
        manager.check("module", "enable", "status")
        manager.check("config", "set", "mgr/hello/place", "Mars")
        manager.check("config", "set", "mgr/hello_cpp/emphatic", "false")
        assert manager.call("probe", "put", "key", "value") == ""
        manager.call("probe", "raise_health", "PROBE_SAD", "the probe is sad", "very")
        before = manager.modules()

        manager.kill9()
        assert manager.module_processes() == {info.pid for info in before.values()}
        manager.restart()
        after = manager.modules()
        for name, info in before.items():
            assert (name, after[name].pid) == (name, info.pid)
            assert after[name].state == manager_pb2.MODULE_STATE_RUNNING
            assert after[name].restarts == 0
            assert after[name].supervised and after[name].enabled
        assert manager.outpost("hello") == (0, "Hello, Mars!\n", "")
        assert manager.outpost("hello-cpp") == (0, "Hello, world.\n", "")
        assert manager.outpost("osd", "status").rc == 0
        assert manager.call("probe", "get_store", "key") == "value"
        until(
            "the check to be raised again", lambda: "PROBE_SAD" in manager.check("health", "detail")
        )

        # They are this manager's now: it notices their end, and ends them.
        os.kill(after["hello"].pid, signal.SIGKILL)
        until("a new one", lambda: manager.modules()["hello"].pid not in (0, after["hello"].pid))
        assert manager.outpost("hello") == (0, "Hello, Mars!\n", "")
        assert manager.modules()["hello"].restarts == 1
        manager.check("module", "disable", "probe")
        manager.stop()
        assert manager.module_processes() == set()


def test_a_command_at_work_when_the_manager_crashes() -> None:
    with Manager("slow") as manager:
        pid = manager.modules()["slow"].pid
        slow = manager.outpost_background("slow")
        until("the command to be at work", lambda: manager.modules()["slow"].in_flight == 1)
        manager.kill9()
        rc, out, err = slow.end()
        assert (rc, out) == (errno.ECONNRESET, "")
        assert re.match(
            r"Error ECONNRESET: the connection to the manager at unix:\S+ was lost: .*; the command"
            r" may or may not have run$",
            err,
        ), err
        manager.restart()
        assert manager.modules()["slow"].pid == pid
        assert manager.outpost("slow", "release") == (0, "", "")


def test_nothing_that_was_acknowledged_is_lost_in_a_crash() -> None:
    with Manager("hello") as manager:
        stub = manager.stub(key_value_pb2_grpc.KeyValueStub)
        for i in range(50):
            stub.Put(key_value_pb2.KeyValuePutRequest(module="hello", key=f"{i:02}", value=b"v"))
        manager.kill9()
        manager.restart()
        listed = manager.stub(key_value_pb2_grpc.KeyValueStub).List(
            key_value_pb2.KeyValueListRequest(module="hello", keys_only=True)
        )
        assert [entry.key for entry in listed.entries] == [f"{i:02}" for i in range(50)]


if __name__ == "__main__":
    run_tests(__file__)
