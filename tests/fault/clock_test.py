"""The wall clock is set back an hour, and later forward, while everything runs."""

from __future__ import annotations

import errno
import json
import queue
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from fixture import DEADLINE, RUNFILES, Manager, hammer, run_tests, until
from outpost.v1 import (
    health_pb2,
    health_pb2_grpc,
    ingest_pb2,
    ingest_pb2_grpc,
    key_value_pb2,
    key_value_pb2_grpc,
    manager_pb2,
    manager_pb2_grpc,
)

_HOUR = 3600
_FLAGS = [
    *("--heartbeat-interval", "1"),
    *("--shutdown-grace", "0.5"),
    *("--take-reports", "--report-interval", "0.5", "--report-lease", "1"),
    *("--report-drop-after", "3"),
    *("--module-setting", "breaks.first-backoff=2"),
]


class Clock:
    """The wall clock of all programs that are started from now on."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file = directory / "clock"
        self.ahead = 0
        self.set(0)
        monkeypatch.setenv("OUTPOST_TEST_CLOCK", str(self._file))
        monkeypatch.setenv("LD_PRELOAD", str(RUNFILES / "tests/fault/libset_clock.so"))
        monkeypatch.setenv("ASAN_OPTIONS", "verify_asan_link_order=0")

    def set(self, ahead: int) -> None:
        """By how many seconds it is ahead of the machine's."""
        self.ahead = ahead
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("q", ahead))

    def now(self) -> float:
        return time.time() + self.ahead


def rest_of_mute(manager: Manager, clock: Clock, code: str) -> float | None:
    """For how many seconds a check is muted yet."""
    report = manager.stub(health_pb2_grpc.HealthStub).Get(health_pb2.HealthGetRequest())
    for mute in report.mutes:
        if mute.code == code:
            return mute.until.seconds - clock.now()
    return None


@contextmanager
def listening(stream: grpc.Call) -> Iterator[Callable[[], object]]:
    """What comes on a stream, one by one."""
    came: queue.Queue[object] = queue.Queue()

    def read() -> None:
        try:
            for message in stream:
                came.put(message)
        except grpc.RpcError:
            return

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield lambda: came.get(timeout=DEADLINE)
    finally:
        stream.cancel()
        thread.join()


def events_of(manager: Manager, module: str) -> list[manager_pb2.TailEventsResponse]:
    stream = manager.stub(manager_pb2_grpc.ManagerStub).TailEvents(
        manager_pb2.TailEventsRequest(module=module), timeout=DEADLINE
    )
    return list(stream)


def audited(manager: Manager, command: str) -> list[dict[str, Any]]:
    """The lines of the audit that tell of a command."""
    lines = json.loads(manager.check("audit", "--format", "json"))
    return [line for line in lines if line.get("command") == command]


@pytest.mark.parametrize("step", [-_HOUR, _HOUR])
def test_the_clock_is_set(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(tmp_path, monkeypatch)
    with Manager(
        "hello_cpp", "hello", "breaks", "probe", "slow", "faulty_cpp", flags=_FLAGS
    ) as manager:
        pids = {name: module.pid for name, module in manager.modules().items()}
        stub = manager.stub(key_value_pb2_grpc.KeyValueStub)

        def put(key: str) -> None:
            stub.Put(key_value_pb2.KeyValuePutRequest(module="hello", key=key, value=b"v"))

        # What is under way when the clock is set: a lease, mutes, watches, a backoff, a command.
        hello = ingest_pb2.IngestHello(
            service_type="backup",
            daemon_id="a",
            hostname="host",
            instance="1",
            protocol_versions=[1],
        )
        wordless = threading.Event()

        def one_report() -> Iterator[ingest_pb2.ReportRequest]:
            yield ingest_pb2.ReportRequest(sequence=1, hello=hello)
            wordless.wait()

        report = manager.stub(ingest_pb2_grpc.IngestStub).Report(one_report())
        assert next(report).HasField("welcome")
        for code, ttl in (("LONG", "2h"), ("SHORT", "4s")):
            manager.call("probe", "raise_health", code, f"{code} is sad", "very")
            manager.check("health", "mute", code, ttl, "--sticky")
        manager.check("config", "set", "mgr/hello/place", "Mars")
        watch = stub.Watch(key_value_pb2.KeyValueWatchRequest(module="hello", prefix="w"))
        with (
            hammer(manager, "hello-cpp") as commands,
            listening(watch) as heard,
        ):
            watch.initial_metadata()
            put("w1")
            assert heard().change.key == "w1"
            assert manager.outpost("breaks", "segfault").rc == errno.EIO
            manager.wait_for_state("breaks", "BACKOFF")
            slow = manager.outpost_background("slow", "--timeout", "3")
            until("the command to be at work", lambda: manager.modules()["slow"].in_flight == 1)
            asked = time.monotonic()
            hanging = manager.outpost_background("faulty-cpp", "hang", "--timeout", "60")
            until("one in C++, too", lambda: manager.modules()["faulty_cpp"].in_flight == 1)
            newest = events_of(manager, "breaks")[-1]

            clock.set(step)
            begin = time.monotonic()
            # The backoff and the command's deadline are what they were.
            told = manager.check("module", "ls")
            print(told)
            manager.wait_for_state("breaks", "RUNNING")
            assert manager.outpost("breaks") == (0, "whole\n", "")
            assert slow.end().rc == errno.ETIMEDOUT
            manager.check("slow", "release")
            manager.check("faulty-cpp", "well")
            assert hanging.end() == (0, "here\n", ""), "its caller waits yet"
            until("the audit to tell of it", lambda: audited(manager, "faulty-cpp hang"))
            (hung,) = audited(manager, "faulty-cpp hang")
            assert 0 < hung["seconds"] <= time.monotonic() - asked
            print(f"{time.monotonic() - begin:.1f} s later")

            # Watchers hear; keys and options are written, and their history goes on.
            put("w2")
            assert heard().change.key == "w2"
            manager.check("config", "set", "mgr/hello/place", "Venus")
            assert manager.outpost("hello") == (0, "Hello, Venus!\n", "")
            log = json.loads(manager.check("config", "log", "2", "--format", "json"))
            assert log[0]["version"] == log[1]["version"] + 1
            assert [entry["changes"][0]["new_value"] for entry in log] == ["Venus", "Mars"]

            # A silent daemon's lease ends, as do heartbeats that nobody answers.
            until("the lease to end", lambda: "backup.a" not in manager.check("report", "ls"))
            pid = manager.modules()["breaks"].pid
            assert manager.outpost("breaks", "stop").rc == errno.EIO
            until("its end", lambda: manager.modules()["breaks"].last_process.pid == pid)
            assert manager.modules()["breaks"].last_process.signal == signal.SIGKILL
            manager.wait_for_state("breaks", "RUNNING")

            # Mutes last as long as was said.
            until("the mute to end", lambda: rest_of_mute(manager, clock, "SHORT") is None)
            assert time.monotonic() - begin < _HOUR / 10
            assert "[WRN] SHORT: SHORT is sad" in manager.check("health", "detail")
            rest = rest_of_mute(manager, clock, "LONG")
            assert rest is not None and 2 * _HOUR - 120 < rest <= 2 * _HOUR + 1

            # Events are told in the order in which they happened, with the new time.
            later = [e for e in events_of(manager, "breaks") if e.sequence > newest.sequence]
            kinds = [manager_pb2.EventKind.Name(e.kind) for e in later]
            assert "EVENT_KIND_EXITED" in kinds and "EVENT_KIND_SPAWNED" in kinds, kinds
            shift = later[-1].time.seconds - newest.time.seconds
            assert step <= shift < step + 60, "the programs have the clock of this test"
        wordless.set()
        print(f"the commands: {commands()}")
        assert commands().failures == []
        assert commands().longest_gap < 5
        status = json.loads(manager.check("status", "--format", "json"))
        assert 0 <= status["manager"]["uptime_seconds"] < 100
        after = {name: module.pid for name, module in manager.modules().items()}
        del pids["breaks"], after["breaks"]
        assert after == pids


def test_who_looks_for_a_manager_goes_on_when_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(tmp_path, monkeypatch)
    modules = ("hello_cpp", "probe_cpp", "hello", "probe")
    with Manager(*modules, flags=["--heartbeat-interval", "1"]) as manager:
        before = {name: module.pid for name, module in manager.modules().items()}
        manager.kill9()
        time.sleep(2)  # they have noticed, and wait between one try and the next
        clock.set(-_HOUR)
        manager.restart()
        for name in modules:
            manager.wait_for_state(name, "RUNNING")
        assert {name: module.pid for name, module in manager.modules().items()} == before


if __name__ == "__main__":
    run_tests(__file__)
