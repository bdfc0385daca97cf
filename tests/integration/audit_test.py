"""The audit log: who did what, without secrets; read back, followed, over restarts."""

from __future__ import annotations

import errno
import json
import signal
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from fixture import DEADLINE, Manager, run_tests, until
from outpost.v1 import (
    auth_pb2,
    auth_pb2_grpc,
    commands_pb2,
    commands_pb2_grpc,
    config_pb2,
    config_pb2_grpc,
    manager_pb2,
    manager_pb2_grpc,
    types_pb2,
)

_SECRETS = [
    types_pb2.OptionDescriptor(name="password", type=types_pb2.OPTION_TYPE_STR, secret=True),
    types_pb2.OptionDescriptor(name="pin", type=types_pb2.OPTION_TYPE_INT, secret=True),
    types_pb2.OptionDescriptor(name="place", type=types_pb2.OPTION_TYPE_STR),
]


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    with Manager("hello") as manager:
        yield manager


def entries(manager: Manager) -> list[dict[str, Any]]:
    """All that is remembered, by the wire."""
    stream = manager.stub(auth_pb2_grpc.AuthStub).TailAudit(
        auth_pb2.TailAuditRequest(), timeout=DEADLINE
    )
    found = []
    for entry in stream:
        found.append(json.loads(entry.entry_json))
        assert found[-1]["n"] == entry.number
    return found


def test_what_changes_something_is_written(manager: Manager) -> None:
    before = len(entries(manager))
    manager.check("status")  # only reads
    manager.check("hello")
    manager.check("config", "set", "mgr/hello/place", "Oslo")
    assert manager.outpost("config", "set", "mgr/hello/emphatic", "maybe").rc == errno.EINVAL
    manager.stub(config_pb2_grpc.ConfigStub).Set(
        config_pb2.ConfigSetRequest(key="mgr/hello/place", value="Rome"), timeout=DEADLINE
    )
    done, failed, called = entries(manager)[before:]
    assert done["who"] == "user/admin" and done["from"].startswith("uid ")
    assert done["command"] == "config set" and done["result"] == 0 and done["seconds"] > 0
    assert "Oslo" in json.dumps(done["arguments"])
    assert failed["result"] == -errno.EINVAL and "maybe" in failed["error"]
    assert called["method"] == "outpost.v1.Config.Set" and called["result"] == 0
    assert called["arguments"] == {"key": "mgr/hello/place"} and called["seconds"] > 0
    # The command shows the same.
    shown = json.loads(manager.check("audit", "3", "--format", "json"))
    assert shown == [done, failed, called]
    lines = manager.check("audit", "--last", "2").splitlines()
    assert " user/admin config set " in lines[0] and " -> EINVAL: " in lines[0]
    assert " outpost.v1.Config.Set key=mgr/hello/place -> ok (uid " in lines[1]
    # And so does the file, in a moment.
    until(
        "the file to have it",
        lambda: f'"n":{called["n"]},' in (manager.data / "audit.log").read_text(),
    )
    manager.check("config", "rm", "mgr/hello/place")


def test_a_key_that_is_taken_is_written(manager: Manager) -> None:
    stub = manager.stub(commands_pb2_grpc.CommandsStub)

    def put(value: str) -> None:
        words = ["config-key", "set", "audited", value]
        stub.Run(
            commands_pb2.CommandsRunRequest(words=words, idempotency_key="once"), timeout=DEADLINE
        )

    put("a")
    before = len(entries(manager))
    with pytest.raises(grpc.RpcError):
        put("b")
    (line,) = entries(manager)[before:]
    assert line["command"] == "config-key set"
    assert line["result"] == -errno.EINVAL


def test_secrets_are_nowhere(manager: Manager) -> None:
    """Not the value of a secret option, not what an error says of it, not a key's."""
    session = manager.session(name="demo", options=_SECRETS).serve()
    try:
        manager.check("config", "set", "mgr/demo/password", "hunter2")
        rc, _, err = manager.outpost("config", "set", "mgr/demo/pin", "hunter3")
        assert rc == errno.EINVAL
        manager.check("config-key", "set", "mgr/demo/tls", "hunter4")
        manager.check("config", "set", "mgr/demo/place", "shown")
        last = entries(manager)[-4:]
        assert [entry["command"] for entry in last] == [
            "config set",
            "config set",
            "config-key set",
            "config set",
        ]
        assert [entry["result"] for entry in last] == [0, -errno.EINVAL, 0, 0]
        assert last[1]["error"] == "(not shown)"
        assert "shown" in json.dumps(last[3]["arguments"])
        until("the file to have it", lambda: '"shown"' in (manager.data / "audit.log").read_text())
        for text in (
            json.dumps(last),
            (manager.data / "audit.log").read_text(),
            manager.log(),
            manager.check("config", "dump"),
            manager.check("config", "log"),
            manager.check("module", "events"),
            manager.check("log", "last", "100"),
        ):
            assert "hunter" not in text
    finally:
        session.close()


def test_a_call_is_written_with_what_it_came_to(manager: Manager) -> None:
    """Once it has ended: what it was about, its errno, and nothing of its values."""
    commands = manager.stub(commands_pb2_grpc.CommandsStub)

    def send(prefix: str) -> int:
        request = commands_pb2.SendClusterCommandRequest(
            service_type="osd", service_id="0", command_json=json.dumps({"prefix": prefix})
        )
        return commands.SendClusterCommand(request, timeout=DEADLINE).result.retval

    before = len(entries(manager))
    with pytest.raises(grpc.RpcError):
        manager.stub(manager_pb2_grpc.ManagerStub).EnableModule(
            manager_pb2.EnableModuleRequest(name="nosuch"), timeout=DEADLINE
        )
    with pytest.raises(grpc.RpcError):
        manager.stub(config_pb2_grpc.ConfigStub).Set(
            config_pb2.ConfigSetRequest(key="mgr/hello/emphatic", value="hunter5"),
            timeout=DEADLINE,
        )
    assert send("version") == 0
    assert send("nosuch") == -errno.EINVAL
    enable, setting, sent, failed = entries(manager)[before:]
    assert enable["method"] == "outpost.v1.Manager.EnableModule"
    assert enable["arguments"] == {"name": "nosuch"}
    assert enable["result"] == -errno.ENOENT and "nosuch" in enable["error"]
    assert "refused" not in enable and enable["seconds"] > 0
    assert setting["result"] == -errno.EINVAL and setting["error"] == "(not shown)"
    about = {"service_type": "osd", "service_id": "0"}
    assert sent["arguments"] == {**about, "prefix": "version"} and sent["result"] == 0
    assert failed["arguments"] == {**about, "prefix": "nosuch"}
    assert failed["result"] == -errno.EINVAL
    assert "hunter" not in json.dumps([enable, setting])


def test_who_may_not_be_a_module_is_written(manager: Manager) -> None:
    """A session that is refused, for the token that it brings."""
    before = len(entries(manager))
    session = manager.session(name="hello", token="0" * 64)
    with pytest.raises(grpc.RpcError):
        session.close()
    (refused,) = entries(manager)[before:]
    assert refused["method"] == "outpost.v1.ModuleHost.Attach"
    assert refused["arguments"] == {"name": "hello"} and refused["who"] == "user/admin"
    assert refused["result"] == -errno.EACCES and refused["refused"] is True
    assert "the token of module 'hello'" in refused["error"]


def test_it_is_followed_over_a_restart() -> None:
    with Manager("hello") as manager:
        manager.check("config", "set", "mgr/hello/place", "a")
        following = manager.outpost_background(
            "audit", "--follow", "--last", "1", "--format", "json"
        )
        first = json.loads(following.line())
        assert '"a"' in json.dumps(first)
        manager.check("config", "set", "mgr/hello/place", "b")
        second = json.loads(following.line())
        until("the file to have it", lambda: '"b"' in (manager.data / "audit.log").read_text())
        manager.kill9()
        manager.restart()
        manager.check("config", "set", "mgr/hello/place", "c")
        assert '"b"' in json.dumps(second)
        numbers = [first["n"], second["n"]]
        while '"c"' not in json.dumps(third := json.loads(following.line())):
            numbers.append(third["n"])
        numbers.append(third["n"])
        assert numbers == list(range(first["n"], first["n"] + len(numbers)))
        assert following.end(signal.SIGINT).rc == 0
        following = manager.outpost_background("audit", "--follow", "--last", "1")
        assert " value=c -> ok (uid " in following.line()
        assert following.end(signal.SIGINT).rc == 0
        rc, _, err = manager.outpost("audit", "--follow", "--last", "x")
        assert rc == errno.EINVAL and "audit [--last N] [--follow]" in err


if __name__ == "__main__":
    run_tests(__file__)
