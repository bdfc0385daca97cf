"""What a module can do to itself: the others' commands go on, and the operator reads why."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from fixture import TEST_MODULES, Manager, others_go_on, run_tests, until
from memory import MIB, Growth
from outpost.v1 import commands_pb2, commands_pb2_grpc, manager_pb2, manager_pb2_grpc

_HEARTBEAT = ("--heartbeat-interval", "0.3")
_QUICK_END = ("--shutdown-grace", "0.5")


def start(*settings: str, flags: tuple[str, ...] = ()) -> Manager:
    """A manager with the module that breaks, and one that does not."""
    more = [word for setting in settings for word in ("--module-setting", f"breaks.{setting}")]
    return Manager("hello_cpp", "breaks", flags=[*_QUICK_END, *flags, *more])


def ended(manager: Manager, pid: int) -> manager_pb2.ProcessExit:
    """How the process ended, once the manager knows of it."""
    until(
        f"the end of process {pid}",
        lambda: manager.modules()["breaks"].last_process.pid == pid,
    )
    return manager.modules()["breaks"].last_process


def isolation(manager: Manager, name: str) -> manager_pb2.IsolationMeasure:
    """What came of a limit."""
    (measure,) = [m for m in manager.modules()["breaks"].isolation if m.name == name]
    print(measure)
    return measure


def well_again(manager: Manager) -> None:
    manager.wait_for_state("breaks", "RUNNING")
    assert manager.outpost("breaks") == (0, "whole\n", "")


@pytest.mark.parametrize(
    ("words", "how"),
    [
        (["segfault"], "signal 11 (Segmentation fault)"),
        (["abort"], "signal 6 (Aborted)"),
        (["exit", "3"], "exit status 3"),
        (["exit", "0"], "exit status 0"),
    ],
)
def test_it_ends(words: list[str], how: str) -> None:
    with start() as manager, others_go_on(manager):
        pid = manager.modules()["breaks"].pid
        rc, out, err = manager.outpost("breaks", *words)
        # Run once: it is not sent to the next process, which it would kill, too.
        assert (rc, out) == (errno.EIO, "")
        assert "before it answered; whether it did its work is not known" in err
        last = ended(manager, pid)
        assert manager.modules()["breaks"].last_exit.removesuffix(", core dumped") == how
        assert last.reason == ""
        log = manager.wait_for_log(
            rf"breaks is backoff: ended with {re.escape(how)}.* while it ran command"
            rf' "breaks {words[0]}".*'
        )
        assert log
        if how.startswith("signal"):
            assert any("in " + words[0] in line for line in last.output), last.output
            assert re.search(r': File ".*", line \d+ in \w+$', log.group())
        well_again(manager)
        assert manager.modules()["breaks"].restarts == 1
        assert f"  process {pid} ended at " in manager.check("module", "ls", "--verbose")


@pytest.mark.parametrize(
    ("code", "state", "told"),
    [
        ("import sys; sys.exit('no coffee')", "BACKOFF", "no coffee"),
        ("import os; os._exit(4)", "BACKOFF", "ended with exit status 4"),
        ("import nosuch", "BACKOFF", "No module named 'nosuch'"),
        ("raise SystemExit(78)", "FAILED", "`outpost module restart early`"),
        ("raise SystemExit(6)", "CANNOT_RUN", "is not configured"),
    ],
)
def test_exit_at_import(code: str, state: str, told: str) -> None:
    with Manager("hello_cpp") as manager, others_go_on(manager):
        early = manager.module_path / "early"
        early.mkdir()
        (early / "module.py").write_text(code + "\n")
        manager.outpost("module", "enable", "early")
        assert told in manager.wait_for_state("early", state).reason
        assert told in manager.check("health", "detail")


@pytest.mark.parametrize("name", ["no_such_program", "not_executable"])
def test_exec_failure(name: str) -> None:
    with Manager("hello_cpp", installed=[name]) as manager, others_go_on(manager):
        rc, _, err = manager.outpost("module", "enable", name)
        assert rc == errno.EIO
        assert "can't execute " in err
        info = manager.wait_for_state(name, "BACKOFF")
        assert "can't execute " in info.reason


def test_out_of_memory() -> None:
    with start("memory=1G") as manager:
        measure = isolation(manager, "memory")
        assert measure.applied
        assert measure.wanted == "1024 MiB"
        by_group = measure.how.startswith("cgroup")
    # RLIMIT_DATA also counts the stacks of threads, used or not.
    with start("memory=64M" if by_group else "memory=512M") as manager, others_go_on(manager):
        pid = manager.modules()["breaks"].pid
        rc, out, err = manager.outpost("breaks", "eat", "1024")
        if by_group:
            assert (rc, out) == (errno.EIO, "")
            assert ended(manager, pid).out_of_memory
            manager.wait_for_log(
                r"breaks is backoff: ended with signal 9 \(Killed\), out of memory: it came over"
                r' its limit while it ran command "breaks eat"'
            )
        else:
            assert measure.how.startswith("RLIMIT_DATA")
            assert rc == errno.EINVAL
            assert "MemoryError" in err
        well_again(manager)


def test_without_a_limit_memory_is_there() -> None:
    with start() as manager:
        assert manager.outpost("breaks", "eat", "96") == (0, "96 MiB\n", "")


def test_a_fork_bomb() -> None:
    most = 200  # its own threads count, too
    with start(f"pids={most}") as manager:
        limit = isolation(manager, "pids")
        if not limit.applied:
            pytest.skip(f"no limit, no bomb: {limit.how}")
        with others_go_on(manager):
            assert manager.outpost("breaks", "fork") == (0, "lit\n", "")
            bomb = until("the bomb", lambda: len(manager.module_processes()) > 30)
            assert bomb
            assert len(manager.module_processes()) <= most + 2
            manager.check("module", "disable", "breaks")
            until("all of them to be gone", lambda: len(manager.module_processes()) == 1)


def test_a_leak_of_files() -> None:
    with start("open-files=64") as manager, others_go_on(manager):
        assert isolation(manager, "open-files").how == "RLIMIT_NOFILE"
        rc, out, _ = manager.outpost("breaks", "leak")
        assert rc == errno.EMFILE
        assert int(out) < 64
        well_again(manager)


@pytest.mark.parametrize("weight", ["20", "idle"])
def test_spinning_with_every_processor(weight: str) -> None:
    with start(f"cpu-weight={weight}") as manager:
        measure = isolation(manager, "cpu-weight")
        print(measure)
        assert measure.applied and measure.wanted == weight
        if measure.how.startswith("SCHED_IDLE"):
            pid = manager.modules()["breaks"].pid
            assert os.sched_getscheduler(pid) == os.SCHED_IDLE
        manager.check("breaks", "spin")
        with others_go_on(manager):
            assert manager.outpost("status").rc == 0
        manager.check("module", "disable", "breaks")
        until("its children to be gone", lambda: len(manager.module_processes()) == 1)


def test_top_shows_who_spins() -> None:
    with start() as manager:

        def rows() -> list[dict[str, Any]]:
            # The command line would repeat it, as it is for being looked at.
            result = manager.stub(commands_pb2_grpc.CommandsStub).Run(
                commands_pb2.CommandsRunRequest(words=["top"], format="json")
            )
            found: list[dict[str, Any]] = json.loads(result.result.stdout)
            return found

        assert {row["name"] for row in rows()} == {"breaks", "hello_cpp"}
        manager.check("breaks", "burn")

        def shares() -> dict[str, float]:
            return {row["name"]: row["cpu_percent"] or 0.0 for row in rows()}

        until("its share", lambda: shares()["breaks"] > 5 * shares()["hello_cpp"] + 5)
        assert manager.run("top").result.stdout.splitlines()[1].startswith("breaks ")
        for row in rows():
            assert row["rss_bytes"] > 1 << 20
            assert row["threads"] > 1
            assert row["open_files"] > 3
            assert row["pid"] == manager.modules()[row["name"]].pid


def test_a_handler_that_throws() -> None:
    with start() as manager, others_go_on(manager):
        rc, _, err = manager.outpost("breaks", "raise")
        assert rc == errno.EINVAL
        assert "ValueError: there is no bottom to this" in err
        assert manager.modules()["breaks"].restarts == 0


@pytest.mark.parametrize("fault", ["stop", "lock"])
def test_a_process_that_does_nothing_any_more(fault: str) -> None:
    """SIGSTOP, and an interpreter that is deadlocked."""
    with start(flags=_HEARTBEAT) as manager, others_go_on(manager):
        pid = manager.modules()["breaks"].pid
        rc, _, _ = manager.outpost("breaks", fault)
        assert rc == errno.EIO
        last = ended(manager, pid)
        assert last.reason == "did not answer 3 heartbeats in 900ms"
        assert last.signal == (signal.SIGKILL if fault == "stop" else signal.SIGQUIT)
        if fault == "lock":
            assert re.search(r'module.py", line \d+ in lock\n', manager.log()), manager.log()
        well_again(manager)


def test_a_serve_that_breaks_its_promise() -> None:
    with start(flags=_HEARTBEAT) as manager, others_go_on(manager):
        pid = manager.modules()["breaks"].pid
        manager.check("breaks", "freeze")
        last = ended(manager, pid)
        assert re.match(
            r"is stuck: serve\(\) promised to say within 0\.5 s that it gets on, and has not for"
            r" [\d.]+ s; it is in serve\(\) \(\S+/breaks/module\.py:\d+\) > wait\(\)",
            last.reason,
        ), last.reason
        well_again(manager)


def test_a_serve_in_cpp_that_breaks_its_promise() -> None:
    with Manager("hello_cpp", "faulty_cpp", flags=[*_QUICK_END, *_HEARTBEAT]) as manager:
        before = manager.modules()["faulty_cpp"]
        with others_go_on(manager):
            manager.check("faulty-cpp", "freeze")
            until("its end", lambda: manager.modules()["faulty_cpp"].last_process.pid == before.pid)
            last = manager.modules()["faulty_cpp"].last_process
            assert re.match(
                r"is stuck: Serve promised to say within 500ms that it gets on, and has not for"
                r" [\d.]+(ms|s)$",
                last.reason,
            ), last.reason
            assert last.signal == signal.SIGQUIT
            manager.wait_for_state("faulty_cpp", "RUNNING")
            assert manager.outpost("faulty-cpp") == (0, "here\n", "")


def test_a_launch_that_hangs() -> None:
    """As of a program on a file system that does not answer: its loader waits for a file."""
    flags = ["--module-setting", "hangs.ready-timeout=4"]
    with Manager("hello_cpp", flags=[*_QUICK_END, *flags]) as manager:
        place = manager.install_program("hangs", "/bin/true")
        os.mkfifo(place / "never")
        with (place / "module.toml").open("a") as manifest:
            manifest.write(f'LD_PRELOAD = "{place}/never"\n')
        stub = manager.stub(manager_pb2_grpc.ManagerStub)
        with others_go_on(manager):
            stub.EnableModule(manager_pb2.EnableModuleRequest(name="hangs", wait={}))
            begin = time.monotonic()
            # What needs the supervisor's lock goes on, too.
            for name in ("hello_cpp", "hangs", "hello_cpp"):
                assert manager.modules()[name].pid > 0
            manager.check("module", "restart", "hello_cpp")
            manager.wait_for_state("hello_cpp", "RUNNING")
            assert manager.state("hangs") == "STARTING"
            assert time.monotonic() - begin < 4
            info = manager.wait_for_state("hangs", "BACKOFF")
            assert info.reason == (
                "did not get ready in 4s; its program has not begun: does the file system answer"
                " that it is on?"
            )
            manager.check("module", "disable", "hangs")
        until("its process to be gone", lambda: len(manager.module_processes()) == 1)


@pytest.mark.parametrize(("name", "prefix"), [("breaks", "breaks"), ("faulty_cpp", "faulty-cpp")])
def test_one_that_writes_while_there_is_no_manager(name: str, prefix: str) -> None:
    """More than a pipe holds: it does not wait for the next manager to read it."""
    with Manager("hello_cpp") as manager:
        # In a directory of its own, where it leaves a file.
        place = manager.module_path / name
        shutil.copytree(TEST_MODULES / name, place)
        pid = manager.settled(name).pid
        manager.check(prefix, "babble")
        manager.kill9()
        until("it to have written", (place / "babbled").exists)
        manager.restart()
        assert manager.wait_for_state(name, "RUNNING").pid == pid
        assert manager.outpost(prefix).rc == 0
        manager.wait_for_log(r"\d+ bytes of output were dropped: no manager read them")
        manager.wait_for_log("line 19999 of many")


@pytest.mark.parametrize("what", ["calls", "logs", "keys"])
def test_a_flood(what: str) -> None:
    with start() as manager:
        grown = Growth(manager)
        with others_go_on(manager):
            assert manager.outpost("breaks", "flood", what) == (0, "done\n", "")
        grown.check(64 * MIB)
        well_again(manager)


def test_calls_beyond_its_share_wait() -> None:
    with start("calls-per-second=500") as manager, others_go_on(manager):
        begin = time.monotonic()
        assert manager.outpost("breaks", "flood", "calls") == (0, "done\n", "")
        assert time.monotonic() - begin > 1.5  # a thousand calls, less what is let in at once
        manager.wait_for_log("module/breaks makes more calls than 500 a second")


def test_lines_beyond_its_share_are_left_out() -> None:
    with start("log-lines-per-second=100") as manager, others_go_on(manager):
        assert manager.outpost("breaks", "flood", "logs") == (0, "done\n", "")
        manager.wait_for_log(r"breaks: \d+ lines were left out: it logs more than 100 a second")


def test_the_view_of_the_file_system(tmp_path: Path) -> None:
    allowed, denied = tmp_path / "allowed", tmp_path / "denied"
    allowed.mkdir()
    denied.mkdir()
    settings = ["read-only=true", f"writable={allowed}", "landlock=true", "seccomp=true"]
    with start(*settings) as manager, others_go_on(manager):
        applied = {m.name: m.applied for m in manager.modules()["breaks"].isolation}
        print(manager.modules()["breaks"].isolation)
        assert applied["no-new-privileges"]
        assert manager.outpost("breaks", "write", allowed / "file").rc == 0
        rc = manager.outpost("breaks", "write", denied / "file").rc
        if applied["read-only"] or applied["landlock"]:
            assert rc in (errno.EROFS, errno.EACCES)
        if applied["seccomp"]:
            assert manager.outpost("breaks", "mount").rc == errno.EPERM
        told = manager.check("module", "ls", "--verbose")
        assert re.search(r"^  seccomp true: ", told, re.MULTILINE)


def test_a_tmp_of_its_own() -> None:
    name = f"/tmp/outpost-fault-{os.getpid()}"
    flags = ["--module-setting", "scribe.private-tmp=true"]
    with Manager("hello_cpp", flags=flags) as manager, others_go_on(manager):
        # Its own directory is below /tmp, too, and stays where it is.
        place = manager.install_program(
            "scribe", "/bin/sh", "-c", f"echo x > {name}; echo x > written; exec sleep 600"
        )
        stub = manager.stub(manager_pb2_grpc.ManagerStub)
        stub.EnableModule(manager_pb2.EnableModuleRequest(name="scribe", wait={}))
        until("it to have written", (place / "written").exists)
        (measure,) = [m for m in manager.modules()["scribe"].isolation if m.name == "private-tmp"]
        print(measure)
        assert Path(name).exists() is not measure.applied
        Path(name).unlink(missing_ok=True)


def test_a_module_that_is_killed_a_thousand_times() -> None:
    flags = ["--log-level", "warning", "--starts-per-second", "1000"]
    for setting in ("first-backoff=0.001", "max-backoff=0.001", "start-limit=0"):
        flags += ["--module-setting", f"dies.{setting}"]
    with Manager("hello_cpp", flags=flags) as manager, others_go_on(manager):
        assert manager.process is not None
        manager.install_program("dies", "/bin/sh", "-c", "kill -9 $$")
        proc = Path(f"/proc/{manager.process.pid}")
        manager.outpost("module", "enable", "dies")
        files = len(list((proc / "fd").iterdir()))
        grown = Growth(manager)
        until("a thousand deaths", lambda: manager.modules()["dies"].restarts >= 1000, deadline=120)
        assert manager.modules()["dies"].last_process.signal == signal.SIGKILL
        grown.check(16 * MIB)
        assert len(list((proc / "fd").iterdir())) < files + 16


def test_a_hundred_modules_at_once() -> None:
    program = json.dumps([str(TEST_MODULES / "faulty_cpp/faulty_cpp")])
    names = [f"m{number:02}" for number in range(100)]
    flags = ["--log-level", "warning", "--starts-per-second", "20"]
    with Manager("hello_cpp", flags=flags) as manager:
        for name in names:
            place = manager.module_path / name
            place.mkdir()
            (place / "module.toml").write_text(
                f'argv = {program}\n[environment]\nFAULTY_PREFIX = "{name}"\n'
            )
        with others_go_on(manager):
            stub = manager.stub(manager_pb2_grpc.ManagerStub)
            for name in names:
                stub.EnableModule(manager_pb2.EnableModuleRequest(name=name, wait={}))
            last = manager.modules()[names[-1]]
            assert (last.state, last.reason) == (
                manager_pb2.MODULE_STATE_STARTING,
                "waits for its turn to start",
            )
            # One that is asked for again, as one that fails is, does not wait behind all of them.
            manager.check("module", "restart", "hello_cpp")
            assert manager.modules()["hello_cpp"].state == manager_pb2.MODULE_STATE_RUNNING
            assert manager.modules()[names[-1]].state == manager_pb2.MODULE_STATE_STARTING
            until(
                "all to run",
                lambda: all(
                    module.state == manager_pb2.MODULE_STATE_RUNNING
                    for module in manager.modules().values()
                ),
                deadline=60,
            )
        assert manager.outpost("m57") == (0, "here\n", "")
        assert sum(manager.modules()[name].restarts for name in names) == 0


if __name__ == "__main__":
    run_tests(__file__)
