"""What a module can do with its session: the others' commands go on, and the operator reads why."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
import time
from collections.abc import Iterator

import grpc
from fixture import (
    DEADLINE,
    TEST_MODULES,
    Manager,
    RawSession,
    error_info,
    hammer,
    run_tests,
    until,
)
from memory import MIB, Growth


@contextlib.contextmanager
def others_go_on(manager: Manager, growth: int = 64 * MIB) -> Iterator[None]:
    """Another module's commands are answered all the while; the manager's memory is bounded."""
    grown = Growth(manager)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            grown.look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with hammer(manager, "hello-cpp") as interval:
            yield
    finally:
        over.set()
        watcher.join()
    print(f"the other module: {interval()}")
    assert interval().failures == []
    assert interval().answers > 0
    grown.check(growth)


def ask(manager: Manager, prefix: str, *, inbuf: int, times: int, timeout: float) -> list[str]:
    """Run a command so many times at once; what came of each."""
    outcomes: list[str] = []

    def one() -> None:
        try:
            result = manager.run(prefix, inbuf=b"x" * inbuf, timeout=timeout).result
            outcomes.append(errno.errorcode.get(-result.retval, "OK") + " " + result.stderr)
        except grpc.RpcError as error:
            outcomes.append(str(error.code().name))

    threads = [threading.Thread(target=one) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_a_module_that_reads_nothing_from_its_stream() -> None:
    flags = ["--shutdown-grace", "0.5", "--heartbeat-interval", "0.5"]
    with Manager("hello_cpp", flags=flags) as manager, others_go_on(manager):
        manager.install_program("mute", "/usr/bin/python3", TEST_MODULES / "mute/mute.py")
        pid = manager.settled("mute").pid
        manager.wait_for_state("mute", "RUNNING")
        outcomes = ask(manager, "mute", inbuf=MIB // 4, times=40, timeout=DEADLINE)
        # All had been sent, and nobody waits longer than its heartbeats are waited for.
        assert len(outcomes) == 40
        for outcome in outcomes:
            assert outcome.startswith("EIO "), outcome
            assert "whether it did its work is not known" in outcome
        until("its end", lambda: manager.modules()["mute"].last_process.pid == pid)
        last = manager.modules()["mute"].last_process
        assert last.reason == "did not answer 3 heartbeats in 1.5s"
        manager.wait_for_state("mute", "RUNNING")
        assert last.reason in manager.check("module", "ls", "--verbose")


def test_one_by_hand_that_reads_nothing() -> None:
    flags = ["--slow-reader-timeout", "1", "--heartbeat-interval", "20"]
    with Manager("hello_cpp", flags=flags) as manager, others_go_on(manager, growth=256 * MIB):
        session = manager.session(
            name="raw", commands=[{"signature": "raw"}], max_concurrency=1000
        ).serve()
        manager.wait_for_state("raw", "RUNNING")
        outcomes = ask(manager, "raw", inbuf=MIB, times=90, timeout=DEADLINE)
        # Those that come later find that there is no such command any more.
        assert {outcome.split()[0] for outcome in outcomes} <= {"EIO", "EINVAL"}, outcomes
        assert any("whether it did its work is not known" in outcome for outcome in outcomes)
        line = manager.wait_for_log(
            r".*(has not taken a message of \S+ for 1s|does not read: \d+ messages).*"
        )
        assert "cut off" in line[0]
        assert "raw" not in manager.modules()
        assert session.refusal().code() is grpc.StatusCode.CANCELLED


def test_a_command_that_nobody_reads_has_a_deadline() -> None:
    with Manager("hello_cpp") as manager, others_go_on(manager):
        session = manager.session(name="raw", commands=[{"signature": "raw"}]).serve()
        manager.wait_for_state("raw", "RUNNING")
        begin = time.monotonic()
        rc, _, err = manager.outpost("raw", "--timeout", "0.5")
        assert rc == errno.ETIMEDOUT, err
        assert time.monotonic() - begin < 0.5 + 5
        session.close()


# --- registrations ---


def test_a_flood_of_registrations_under_one_name() -> None:
    with Manager("hello_cpp") as manager:
        reasons: list[str] = []
        served = 0
        with others_go_on(manager):
            end = time.monotonic() + 3
            while time.monotonic() < end:
                session = RawSession(manager.channel, name="flood", commands=[{"signature": "f"}])
                try:
                    session.receive()
                    served += 1
                    session.close()
                except grpc.RpcError as error:
                    assert error.code() is grpc.StatusCode.UNAVAILABLE, error
                    reasons.append(error_info(error).reason)
        print(f"{served} were served, {len(reasons)} refused")
        # Ten times the rate at once, then the rate.
        assert 100 <= served <= 100 + 10 * 8
        assert set(reasons) == {"TOO_MANY_REGISTRATIONS"}
        line = manager.wait_for_log(r"\d+ registrations were refused: .*")
        assert "module 'flood' registers more often than 10 times a second" in line[0]
        assert "--registrations-per-second" in line[0]
        assert manager.log().count("registrations were refused") < 10
        assert "was refused" not in manager.log()

        def registered() -> bool:
            session = RawSession(manager.channel, name="flood")
            try:
                session.receive()
            except grpc.RpcError:
                return False
            session.close()
            return True

        until("it may register again", registered)


def test_a_flood_under_the_name_of_a_module_does_not_keep_it_out() -> None:
    over = threading.Event()
    with Manager("hello_cpp", "hello") as manager:

        def flood() -> None:
            while not over.is_set():
                RawSession(manager.channel, name="hello").refusal()

        flooder = threading.Thread(target=flood)
        flooder.start()
        try:
            manager.wait_for_log(r"registrations were refused: module 'hello' registers more")
            with others_go_on(manager):
                pid = manager.modules()["hello"].pid
                os.kill(pid, signal.SIGKILL)
                until("its next process", lambda: manager.modules()["hello"].pid not in (0, pid))
                manager.wait_for_state("hello", "RUNNING")
                assert manager.outpost("hello").rc == 0
        finally:
            over.set()
            flooder.join()


def test_thousands_of_commands_in_a_registration() -> None:
    def commands(count: int) -> list[dict[str, str]]:
        return [{"signature": f"huge {n} name=what,type=CephString"} for n in range(count)]

    with Manager("hello_cpp", "hello") as manager:
        with others_go_on(manager):
            begin = time.monotonic()
            session = manager.session(name="huge", commands=commands(4096)).serve()
            print(f"registered in {time.monotonic() - begin:.2f} s")
            manager.wait_for_state("huge", "RUNNING")
            assert manager.outpost("hello").rc == 0
            rc, _, err = manager.outpost("huge", "4095", "x", "--timeout", "0.2")
            assert rc == errno.ETIMEDOUT, err
            error = manager.session(name="larger", commands=commands(4097)).refusal()
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert error_info(error).reason == "BAD_REGISTER"
            assert "4097 commands" in (error.details() or "")
            # And again and again: it counts as 41 registrations.
            session.close()
            served = 0
            for _ in range(5):
                again = manager.session(name="huge", commands=commands(4096))
                try:
                    again.receive()
                    again.close()
                    served += 1
                except grpc.RpcError as refused:
                    assert error_info(refused).reason == "TOO_MANY_REGISTRATIONS"
            assert 1 <= served <= 2
        until("its commands to be gone", lambda: manager.outpost("huge", "1", "x").rc == 22)


if __name__ == "__main__":
    run_tests(__file__)
