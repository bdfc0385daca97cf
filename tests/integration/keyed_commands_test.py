"""Commands that are asked for again: run once, whatever ends meanwhile."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import grpc
import pytest
from fixture import DEADLINE, Manager, error_info, run_tests, until
from outpost.v1 import commands_pb2, commands_pb2_grpc


class Gate:
    """What `slow toil` and `api-cpp toil` wait for, and where they leave a trace."""

    def __init__(self, directory: Path) -> None:
        self.gate = directory / "gate"
        self.tally = directory / "tally"
        os.mkfifo(self.gate)
        self._writer = -1

    def words(self, command: str) -> list[str]:
        return [*command.split(), str(self.gate), str(self.tally)]

    def await_reader(self) -> None:
        """Return when the command has begun: it waits in the module."""

        def opened() -> bool:
            try:
                self._writer = os.open(self.gate, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody reads
                return False
            return True

        until("the command to begin", opened)

    def open(self) -> None:
        os.close(self._writer)

    def times(self) -> int:
        return len(self.tally.read_text().splitlines()) if self.tally.exists() else 0


def run(manager: Manager, key: str, *words: str) -> commands_pb2.CommandsRunResponse:
    request = commands_pb2.CommandsRunRequest(words=words, idempotency_key=key)
    return manager.stub(commands_pb2_grpc.CommandsStub).Run(request, timeout=DEADLINE)


def refusal(manager: Manager, key: str, *words: str) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as refused:
        run(manager, key, *words)
    return refused.value


@pytest.mark.parametrize("command", ["slow toil", "api-cpp toil"])
def test_once_though_the_manager_is_killed(command: str, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with Manager("slow", "api_cpp") as manager:
        asked = manager.outpost_background("--retry", "60", *gate.words(command))
        gate.await_reader()
        manager.kill9()
        manager.restart()
        gate.open()
        assert asked.end() == (0, "done\n", "")
        assert gate.times() == 1


@pytest.mark.parametrize("command", ["slow toil", "api-cpp toil"])
def test_a_result_is_told_again(command: str, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with Manager("slow", "api_cpp") as manager:
        stub = manager.stub(commands_pb2_grpc.CommandsStub)
        request = commands_pb2.CommandsRunRequest(words=gate.words(command), idempotency_key="k")
        first = stub.Run.future(request, timeout=DEADLINE)
        gate.await_reader()
        second = stub.Run.future(request, timeout=DEADLINE)
        gate.open()
        assert {first.result().replayed, second.result().replayed} == {False, True}
        manager.kill9()
        manager.restart()
        told = run(manager, "k", *gate.words(command))
        assert (told.replayed, told.result.stdout, told.prefix) == (True, "done\n", command)
        assert gate.times() == 1


def test_a_command_that_killed_its_module_is_not_run_again(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with Manager("slow") as manager:
        stub = manager.stub(commands_pb2_grpc.CommandsStub)
        words = gate.words("slow toil")
        request = commands_pb2.CommandsRunRequest(words=words, idempotency_key="k")
        asked = stub.Run.future(request, timeout=DEADLINE)
        gate.await_reader()
        os.kill(manager.modules()["slow"].pid, signal.SIGKILL)
        lost = asked.result()
        assert lost.result.retval < 0
        manager.settled("slow")
        again = run(manager, "k", *words)
        assert again.replayed
        assert again.result == lost.result
        assert gate.times() == 0


def test_where_nobody_knows_what_came_of_it_it_is_not_run_again(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with Manager("slow") as manager:
        words = gate.words("slow toil")
        request = commands_pb2.CommandsRunRequest(words=words, idempotency_key="k")
        asked = manager.stub(commands_pb2_grpc.CommandsStub).Run.future(request, timeout=DEADLINE)
        gate.await_reader()
        pid = manager.modules()["slow"].pid
        manager.kill9()
        assert isinstance(asked.exception(), grpc.RpcError)
        os.kill(pid, signal.SIGKILL)
        manager.restart()
        error = refusal(manager, "k", *words)
        assert error.code() == grpc.StatusCode.ABORTED
        assert error_info(error).reason == "OUTCOME_UNKNOWN"
        assert "it is not run again" in error.details()
        assert gate.times() == 0


def test_the_audit_tells_a_result_that_is_told_again_from_a_run() -> None:
    with Manager("slow") as manager:
        for words, result in (
            (("config", "set", "mgr", "mgr/slow/log_level", "info"), 0),
            (("config", "set", "mgr", "mgr/slow/log_level", "loud"), -errno.EINVAL),
        ):
            for _ in range(2):
                run(manager, f"k{result}", *words)
            first, again = json.loads(manager.check("audit", "2", "--format", "json"))
            assert first["arguments"] == again["arguments"]
            assert (first["result"], again["result"]) == (result, result)
            assert "replayed" not in first and again["replayed"] is True
        lines = manager.check("audit", "4").splitlines()
        assert [("not run again" in line) for line in lines] == [False, True, False, True]
        # That nothing is told again, as the key is another command's, is no replay.
        refusal(manager, "k0", "config", "set", "mgr", "mgr/slow/log_level", "debug")
        [other] = json.loads(manager.check("audit", "1", "--format", "json"))
        assert "replayed" not in other and "idempotency key" in other["error"]


def test_keys_that_are_wrong() -> None:
    with Manager("slow") as manager:
        assert run(manager, "k", "config", "set", "mgr", "mgr/slow/log_level", "info").prefix
        error = refusal(manager, "k", "config", "set", "mgr", "mgr/slow/log_level", "debug")
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert error_info(error).reason == "KEY_REUSED"
        for key in ("a b", "x" * 129, "\u00e9"):
            error = refusal(manager, key, "status")
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert "idempotency key" in error.details()


def test_retry_gives_up() -> None:
    with Manager() as manager:
        manager.kill9()
        rc, out, err = manager.outpost("--retry", "0.5", "status")
        assert (rc, out) == (111, "")
        assert "no manager answers" in err


if __name__ == "__main__":
    run_tests(__file__)
