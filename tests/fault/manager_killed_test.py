"""The manager is killed a hundred times under load: nothing acknowledged is lost."""

from __future__ import annotations

import errno
import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
from fixture import DEADLINE, Manager, run_tests
from outpost.v1 import (
    commands_pb2,
    commands_pb2_grpc,
    key_value_pb2,
    key_value_pb2_grpc,
    remote_pb2,
    remote_pb2_grpc,
    types_pb2,
)

_TIMES = 100
_MODULES = ("probe", "probe_cpp")
_HELLO = r"Hello, (world|place \d+)!"
# What gRPC says of a connection that ended under a call, and the command line of it.
_CUT_OFF = re.compile(
    r"(Socket closed|recvmsg:|Broken pipe)|may or may not have run$|is outpostd running\?"
)


class Load:
    """Clients that go on over all ends of the manager: what was acknowledged, and how calls failed.

    Each has a connection of its own, and waits for a manager before it calls.
    """

    def __init__(self, manager: Manager) -> None:
        self.acknowledged = 0
        self.kept: dict[str, dict[str, str]] = {module: {} for module in _MODULES}
        self.places: list[str] = []  # what an option may be: what was acknowledged last, or later
        self.failures: list[str] = []
        self.wrong: list[str] = []
        self._manager = manager
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._up = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        loops: list[Callable[[grpc.Channel, int], str]] = [
            lambda channel, i: self._module_writes(channel, "probe", i),
            lambda channel, i: self._module_writes(channel, "probe_cpp", i),
            lambda channel, i: self._command(channel, "probe", r"probe"),
            lambda channel, i: self._command(channel, "hello-cpp", _HELLO),
            self._operator_sets,
            self._operator_asks,
        ]
        threads = [threading.Thread(target=self._run, args=(loop,)) for loop in loops]
        self._up.set()
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._up.set()
            for thread in threads:
                thread.join()

    def wait(self, count: int) -> None:
        """Wait for so many more acknowledged calls."""
        with self._changed:
            goal = self.acknowledged + count
            assert self._changed.wait_for(lambda: self.acknowledged >= goal, DEADLINE), (
                "nobody gets on",
                self.wrong,
                self.failures[-5:],
            )

    def down(self) -> None:
        """There is no manager for now."""
        self._up.clear()

    def up(self) -> None:
        self._up.set()

    def _run(self, loop: Callable[[grpc.Channel, int], str]) -> None:
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 20),
            ("grpc.min_reconnect_backoff_ms", 20),
            ("grpc.max_reconnect_backoff_ms", 50),
        ]
        with grpc.insecure_channel(self._manager.address, options=options) as channel:
            i = 0
            while self._up.wait() and not self._stop.is_set():
                i += 1
                try:
                    failure = loop(channel, i)
                except grpc.RpcError as error:
                    failure = f"{error.code().name}: {error.details()}"
                with self._changed:
                    if failure:
                        cut_off = _CUT_OFF.search(failure)
                        (self.failures if cut_off else self.wrong).append(failure)
                    else:
                        self.acknowledged += 1
                        self._changed.notify_all()

    # Each returns what was wrong.

    def _module_writes(self, channel: grpc.Channel, module: str, i: int) -> str:
        """The module sets one of its keys."""
        key, value = f"key{i:06}", str(i)
        request = remote_pb2.RemoteCallRequest(
            module=module, method="put", args_json=json.dumps([key, value])
        )
        stub = remote_pb2_grpc.RemoteStub(channel)
        response = stub.Call(request, timeout=DEADLINE, wait_for_ready=True)
        if response.result_json != '""':
            return str(response)
        self.kept[module][key] = value
        return ""

    def _command(self, channel: grpc.Channel, prefix: str, answer: str) -> str:
        result = self._answer(channel, prefix)
        well = result.retval == 0 and re.fullmatch(answer, result.stdout)
        return "" if well else f"{prefix}: {result}"

    def _operator_sets(self, channel: grpc.Channel, i: int) -> str:
        value = f"place {i}"
        self.places.append(value)
        result = self._answer(channel, "config", "set", "mgr/hello_cpp/place", value)
        if result.retval != 0:
            return f"config set: {result}"
        self.places = [value]
        return ""

    def _operator_asks(self, channel: grpc.Channel, i: int) -> str:
        """With the real command line."""
        rc, out, err = self._manager.outpost("hello-cpp")
        if rc in (errno.ECONNRESET, errno.ECONNREFUSED):
            return err.rstrip()
        well = rc == 0 and re.fullmatch(_HELLO, out.rstrip("\n"))
        return "" if well else f"outpost hello-cpp: {rc}: {out}{err}"

    def _answer(self, channel: grpc.Channel, *words: str) -> types_pb2.CommandResult:
        stub = commands_pb2_grpc.CommandsStub(channel)
        request = commands_pb2.CommandsRunRequest(words=words)
        return stub.Run(request, timeout=DEADLINE, wait_for_ready=True).result


def test_the_manager_is_killed_a_hundred_times_under_load() -> None:
    chance = random.Random(1)
    with Manager(*_MODULES, "hello_cpp", flags=["--log-level", "warning"]) as manager:
        before = manager.modules()
        load = Load(manager)
        begin = time.monotonic()
        slowest = 0.0
        with load.running():
            for _ in range(_TIMES):
                load.wait(chance.randrange(1, 20))
                manager.kill9()
                died = time.monotonic()
                load.down()
                manager.restart()
                load.up()
                load.wait(1)
                slowest = max(slowest, time.monotonic() - died)
            load.wait(50)
        print(
            f"{load.acknowledged} acknowledged, {len(load.failures)} cut off, in"
            f" {time.monotonic() - begin:.0f} s; at most {slowest:.2f} s without an answer"
        )
        # In-flight calls, and those only, have failed, and say why.
        assert load.wrong == []
        assert len(load.failures) > _TIMES / 2

        # They are the processes that they were.
        after = manager.modules()
        assert {n: (m.pid, m.restarts) for n, m in after.items()} == {
            n: (m.pid, 0) for n, m in before.items()
        }
        assert manager.module_processes() == {m.pid for m in before.values()}
        stub = manager.stub(key_value_pb2_grpc.KeyValueStub)
        for module, kept in load.kept.items():
            listed = stub.List(key_value_pb2.KeyValueListRequest(module=module))
            there = {entry.key: entry.value.decode() for entry in listed.entries}
            assert kept
            assert kept.items() <= there.items()
        place = manager.check("config", "get", "mgr/hello_cpp/place").rstrip("\n")
        assert place in load.places
        assert "MGR_STORE" not in manager.check("health", "detail")


if __name__ == "__main__":
    run_tests(__file__)
