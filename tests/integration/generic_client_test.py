"""A client that has nothing of ours, and learns all from the manager: `buf curl` with reflection.

And what else every gRPC tool expects: grpc.health.v1, channelz, words where something is missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from fixture import DEADLINE, Background, Manager, error_info, run_tests
from outpost.v1 import (
    ingest_pb2,
    ingest_pb2_grpc,
    manager_pb2,
    manager_pb2_grpc,
    orchestrator_pb2,
    orchestrator_pb2_grpc,
)


def find_buf() -> str:
    """The program buf, of the workspace that this file really is in."""
    installed = Path(__file__).resolve().parents[2] / ".tools/venv/bin/buf"
    for candidate in (os.environ.get("OUTPOST_BUF"), installed, shutil.which("buf")):
        if candidate and os.access(candidate, os.X_OK):
            return str(candidate)
    pytest.fail(
        f"there is no buf: not as $OUTPOST_BUF, {installed}, or in the PATH; `./dev lint`"
        " installs it",
        pytrace=False,
    )


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    with Manager("hello", flags=["--listen-plaintext-tcp", "127.0.0.1:0"]) as manager:
        yield manager


class Curl:
    """buf curl, against the manager's TCP port."""

    def __init__(self, manager: Manager) -> None:
        port = manager.wait_for_log(r"and tcp ports (\d+);").group(1)
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {"HOME": str(manager.directory), "PATH": os.environ["PATH"]}
        self._words = [find_buf(), "curl", "--protocol", "grpc", "--http2-prior-knowledge"]

    def argv(self, method: str, request: dict[str, Any]) -> list[str]:
        return [*self._words, "--data", json.dumps(request), f"{self.url}/{method}"]

    def run(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, capture_output=True, text=True, env=self.environment, timeout=DEADLINE
        )

    def call(self, method: str, **request: Any) -> Any:
        """Make a call that must succeed; returns the response."""
        done = self.run(self.argv(method, request))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def error(self, method: str, **request: Any) -> Any:
        """Make a call that must fail; returns the error."""
        done = self.run(self.argv(method, request))
        assert done.returncode != 0, done.stdout
        return json.loads(done.stderr)

    def services(self) -> list[str]:
        done = self.run([*self._words, "--list-services", self.url])
        assert done.returncode == 0, done.stderr
        return done.stdout.split()


@pytest.fixture(scope="module")
def curl(manager: Manager) -> Curl:
    return Curl(manager)


def test_reflection_lists_the_services(curl: Curl) -> None:
    ours = "Auth Cluster Commands Config Health Ingest KeyValue Manager ModuleHost Notifications"
    wanted = {f"outpost.v1.{name}" for name in [*ours.split(), "Orchestrator", "Remote"]}
    wanted |= {"grpc.health.v1.Health", "grpc.channelz.v1.Channelz"}
    assert wanted <= set(curl.services())


def test_a_command(curl: Curl) -> None:
    assert curl.call("outpost.v1.Commands/Run", words=["hello", "Joe"]) == {
        "result": {"stdout": "Hello, Joe!"},
        "prefix": "hello",
        "provider": "module/hello",
    }
    failed = curl.call("outpost.v1.Commands/Run", words=["hello", "count", "x"])
    assert failed["result"]["retval"] == -22
    listed = curl.call("outpost.v1.Commands/List", prefix="hello")
    assert [command["usage"] for command in listed["commands"]] == [
        "hello [<person_name>]",
        "hello count <num:int>",
    ]


def test_cluster_data(curl: Curl) -> None:
    response = curl.call("outpost.v1.Cluster/Get", name="osd_map")
    assert len(json.loads(response["json"])["osds"]) == 3
    again = curl.call("outpost.v1.Cluster/Get", name="mon_map")
    unchanged = curl.call(
        "outpost.v1.Cluster/Get", name="mon_map", if_newer_than=int(again["version"])
    )
    assert unchanged == {"name": "mon_map", "version": again["version"], "unchanged": True}
    error = curl.error("outpost.v1.Cluster/Get", name="osdmap")
    assert error["code"] == "not_found"
    assert "nearest are osd_map" in error["message"]
    assert [detail["type"] for detail in error["details"]] == ["google.rpc.ErrorInfo"]


def test_notifications(manager: Manager, curl: Curl) -> None:
    request = {"types": ["osd_map"]}
    watch = Background(curl.argv("outpost.v1.Notifications/Subscribe", request), curl.environment)
    messages = json_messages(watch.line)
    try:
        assert next(messages)["subscribed"]["types"] == ["osd_map"]
        assert manager.outpost("osd", "set", "noout").rc == 0
        epoch = json.loads(manager.check("get", "osd_map"))["epoch"]
        notification = next(messages)["notification"]
        assert (notification["type"], notification["sequence"]) == ("osd_map", "1")
        assert int(notification["id"]) <= epoch
    finally:
        watch.kill()


def json_messages(line: Callable[[], str]) -> Iterator[dict[str, Any]]:
    """The JSON objects that lines of text hold, one behind the other."""
    text = ""
    while True:
        text += line()
        try:
            message = json.loads(text)
        except json.JSONDecodeError:
            continue
        yield message
        text = ""


def test_health_service(manager: Manager) -> None:
    check = manager.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"") == b"\x08\x01"  # {status: SERVING}


def test_channelz(curl: Curl) -> None:
    (server,) = curl.call("grpc.channelz.v1.Channelz/GetServers")["server"]
    assert int(server["data"]["callsStarted"]) > 0
    sockets = " ".join(socket["name"] for socket in server["listenSocket"])
    assert "127.0.0.1" in sockets  # at the unix socket it is the manager that listens


def test_what_is_not_there_yet_says_so(manager: Manager) -> None:
    managers = manager.stub(manager_pb2_grpc.ManagerStub)
    orchestrator = manager.stub(orchestrator_pb2_grpc.OrchestratorStub)
    missing: list[tuple[Callable[[], Any], str]] = [
        (
            lambda: orchestrator.ListHosts(orchestrator_pb2.ListHostsRequest()),
            "typed orchestrator interface",
        ),
        (
            lambda: next(orchestrator.ListInventory(orchestrator_pb2.ListInventoryRequest())),
            "typed orchestrator interface",
        ),
        (lambda: managers.ListManagers(manager_pb2.ListManagersRequest()), "managers"),
        (lambda: managers.FailManager(manager_pb2.FailManagerRequest()), "standby"),
    ]
    for call, words in missing:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        error = caught.value
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED, error
        assert error.details().startswith("not yet in this manager: "), error.details()
        assert words in error.details()
        assert error_info(error).reason == "NOT_IMPLEMENTED"
    assert manager.outpost("hello") == (0, "Hello, world!\n", "")


def test_reports_beside_a_simulator_are_taken_only_when_it_was_asked_for(manager: Manager) -> None:
    ingest = manager.stub(ingest_pb2_grpc.IngestStub)
    with pytest.raises(grpc.RpcError) as caught:
        next(ingest.Report(iter([ingest_pb2.ReportRequest()])))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert error_info(caught.value).reason == "NO_INGEST"
    assert "--take-reports" in caught.value.details()


if __name__ == "__main__":
    run_tests(__file__)
