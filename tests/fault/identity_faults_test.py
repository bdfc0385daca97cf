"""Who is not who they say, or may not what they try: they learn why, the operator reads it, and
nobody else notices."""

from __future__ import annotations

import errno
import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from fixture import DEADLINE, Manager, error_info, others_go_on, run_tests, until
from outpost.v1 import (
    auth_pb2,
    auth_pb2_grpc,
    manager_pb2,
    manager_pb2_grpc,
    module_host_pb2,
    module_host_pb2_grpc,
)
from remote import Remote, cert
from users import ALICE, as_user, needs_root, open_to_all


def audited(manager: Manager, words: str) -> dict[str, object]:
    """The last entry of the audit log that has these words."""
    found: dict[str, object] = {}

    def there() -> bool:
        for entry in json.loads(manager.check("audit", "1000", "--format", "json")):
            if words in json.dumps(entry):
                found.update(entry)
        return bool(found)

    until(f"an entry with {words}", there)
    return found


# --- tokens ---


def replay(manager: Manager, name: str, token: str) -> grpc.RpcError:
    register = module_host_pb2.AttachRequest()
    register.register.name = name
    register.register.protocol_versions.append(1)
    register.register.token = token
    stream = manager.stub(module_host_pb2_grpc.ModuleHostStub).Attach(
        iter([register]), timeout=DEADLINE
    )
    with pytest.raises(grpc.RpcError) as caught:
        list(stream)
    return caught.value


def test_tokens_are_tried_again_and_again() -> None:
    """Those that are refused hear so later, where there are many."""
    with Manager("hello_cpp", "hello") as manager, others_go_on(manager):
        begin = time.monotonic()
        for attempt in range(60):
            error = replay(manager, "hello", f"guess {attempt}")
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
            assert error_info(error).reason == "BAD_TOKEN"
        assert time.monotonic() - begin > 1
        assert manager.outpost("hello").rc == 0


def test_a_token_is_replayed(tmp_path: Path) -> None:
    """A real one, stolen from a module's process while that has not used it, and before."""
    stolen = tmp_path / "token"
    with Manager("hello_cpp") as manager:
        manager.install_program(
            "leaks", "/bin/sh", "-c", f"cat <&$OUTPOST_TOKEN_FD > {stolen}.new; "
            f"mv {stolen}.new {stolen}; exec sleep 600"
        )  # fmt: skip
        with others_go_on(manager):
            manager.run("module", "enable", "leaks")
            token = until("the token", lambda: stolen.exists() and stolen.read_text().strip())
            assert re.fullmatch("[0-9a-f]{64}", token)
            for name in ("leaks", "hello_cpp"):  # as whose it is, and as another
                error = replay(manager, name, token)
                assert error.code() is grpc.StatusCode.UNAUTHENTICATED
                assert error_info(error).reason == "BAD_TOKEN"
                assert "is no process of that module's" in error.details()
        manager.wait_for_log(r'module "leaks" was refused: .*the token of module')
        assert manager.outpost("hello-cpp").rc == 0
        # It is nowhere that others read.
        assert token not in manager.log()
        assert token not in (manager.data / "audit.log").read_text()
        for path in manager.data.glob("state.db*"):
            assert token.encode() not in path.read_bytes()


# --- certificates ---


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    remote = Remote(tmp_path_factory.mktemp("tls"), "hello_cpp")
    with remote.manager as manager:
        manager.check("auth", "add", "user/alice", "mgr", "allow r")
        yield remote


def test_a_certificate_of_another_authority(remote: Remote) -> None:
    other = remote.directory / "other-ca"
    assert cert(other, "init").rc == 0
    stranger = remote.directory / "stranger"
    assert cert(other, "issue", "user/alice", "--out", stranger).rc == 0
    with others_go_on(remote.manager):
        # It does not know the manager either.
        rc, out, err = remote.outpost(stranger, "status")
        assert rc != 0 and out == "" and "no manager answers" in err
        # Though it trusts the manager, the manager does not trust it.
        (stranger / "ca.crt").write_bytes((remote.authority / "ca.crt").read_bytes())
        rc, out, err = remote.outpost(stranger, "status")
        assert rc != 0 and out == "" and "no manager answers" in err


def test_a_wrong_certificate(remote: Remote) -> None:
    """Of this authority, for others than users and modules; or for one without caps."""
    with others_go_on(remote.manager):
        rc, out, err = remote.outpost(remote.directory / "manager", "status")
        assert (rc, out) == (errno.EACCES, "")
        assert "manager/x is nobody who can call by TLS" in err
        rc, out, err = remote.outpost(remote.issue("user/mallory"), "status")
        assert (rc, out) == (errno.EACCES, "")
        assert "user/mallory" in err and "is not known here" in err
    entry = audited(remote.manager, "user/mallory")
    assert entry["refused"] is True and entry["result"] == -errno.EACCES
    assert str(entry["from"]).startswith("ipv")


def test_a_certificate_that_has_expired(remote: Remote) -> None:
    """Refused when it connects; and where it expires on an open connection, from then on."""
    short = remote.issue("user/alice", "--valid", "3s", into="short")
    with others_go_on(remote.manager), remote.channel(short) as channel:
        stub = manager_pb2_grpc.ManagerStub(channel)
        stub.GetStatus(manager_pb2.GetStatusRequest(), timeout=DEADLINE)
        events = stub.TailEvents(manager_pb2.TailEventsRequest(follow=True, last=0))
        with pytest.raises(grpc.RpcError) as caught:
            next(events)  # the stream ends
        assert caught.value.code() is grpc.StatusCode.CANCELLED
        remote.manager.wait_for_log("TailEvents of ipv.* is ended: the certificate of user/alice")
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetStatus(manager_pb2.GetStatusRequest(), timeout=DEADLINE)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "has expired since the connection was made" in caught.value.details()
        rc, out, err = remote.outpost(short, "status")
        assert rc != 0 and out == "" and "no manager answers" in err


def test_a_certificate_that_is_revoked(remote: Remote) -> None:
    """The stream that is open ends, and its connection is of no use any more."""
    carol = remote.issue("user/carol")
    remote.manager.check("auth", "add", "user/carol", "mgr", "allow r")
    with others_go_on(remote.manager), remote.channel(carol) as channel:
        stub = manager_pb2_grpc.ManagerStub(channel)
        events = stub.TailEvents(manager_pb2.TailEventsRequest(follow=True, last=0))
        events.initial_metadata()
        remote.check("revoke", "user/carol")
        with pytest.raises(grpc.RpcError) as caught:
            next(events)
        assert caught.value.code() is grpc.StatusCode.CANCELLED
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetStatus(manager_pb2.GetStatusRequest(), timeout=DEADLINE)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "was revoked" in caught.value.details()
        assert "was revoked" in remote.outpost(carol, "status").err


def test_connections_by_tls_that_come_to_nothing(remote: Remote) -> None:
    """As many as one host makes: others get in, and who is held back is told of."""
    alice = remote.issue("user/alice", into="among-many")
    flood: list[socket.socket] = []
    try:
        with others_go_on(remote.manager):
            for _ in range(300):
                flood.append(
                    socket.create_connection(
                        ("127.0.0.1", remote.port),
                        timeout=DEADLINE,
                        source_address=("127.0.0.9", 0),
                    )
                )
            remote.manager.wait_for_log(
                r"\d+ connections by TLS wait for their handshake, \d+ of them from 127\.0\.0\.9"
            )
            for _ in range(3):
                assert remote.outpost(alice, "status").rc == 0
            # Those beyond what may wait were closed, the oldest first.
            assert flood[100].recv(1) == b""
    finally:
        for connection in flood:
            connection.close()


# --- no rights ---


@needs_root
def test_no_rights() -> None:
    with Manager("hello_cpp", flags=["--local-user", f"{ALICE}=alice"]) as manager:
        with others_go_on(manager):
            rc, out, err = as_user(manager, ALICE, "hello-cpp")
            assert (rc, out) == (errno.EACCES, "") and "user/alice" in err
            manager.check("auth", "add", "user/alice", "mgr", "allow r")
            assert as_user(manager, ALICE, "status").rc == 0
            for words in (
                ["module", "disable", "hello_cpp"],
                ["auth", "ls"],
                ["module", "restart", "hello_cpp"],
            ):
                rc, out, err = as_user(manager, ALICE, *words)
                assert (rc, out) == (errno.EACCES, ""), words
                assert "an administrator grants it: outpost auth caps user/alice" in err
        entry = audited(manager, '"module disable"')
        assert entry["who"] == "user/alice" and entry["refused"] is True
        assert str(entry["from"]).startswith(f"uid {ALICE}, pid ")
        assert manager.state("hello_cpp") == "RUNNING"


@needs_root
def test_rights_that_are_taken_back_end_what_is_open() -> None:
    with Manager("hello_cpp", flags=["--local-user", f"{ALICE}=alice"]) as manager:
        manager.check("auth", "add", "user/alice", "mgr", "allow r")
        with others_go_on(manager):
            watching = subprocess.Popen(
                [open_to_all(manager), "module", "events", "--follow"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**manager.environment(), "HOME": "/nonexistent"},
                user=ALICE,
                group=ALICE,
                extra_groups=[],
            )
            assert watching.stdout is not None
            assert watching.stdout.readline()  # it watches
            manager.check("auth", "rm", "user/alice")
            manager.wait_for_log("TailEvents of fd:.* is ended: user/alice is not known any more")
            out, err = watching.communicate(timeout=DEADLINE)
            assert watching.returncode == errno.EACCES, (out, err)
            assert "is not known here" in err


def test_a_stranger_fills_no_log() -> None:
    """Whoever is refused a thousand times has twenty lines or so."""
    with Manager("hello_cpp") as manager:
        stub = manager.stub(manager_pb2_grpc.ManagerStub)
        with others_go_on(manager):
            for _ in range(1000):
                with pytest.raises(grpc.RpcError):
                    stub.GetStatus(
                        manager_pb2.GetStatusRequest(), metadata=[("outpost-session", "nobody")]
                    )
        entries = manager.stub(auth_pb2_grpc.AuthStub).TailAudit(auth_pb2.TailAuditRequest())
        refused = [entry for entry in entries if '"refused":true' in entry.entry_json]
        assert 20 <= len(refused) < 60


if __name__ == "__main__":
    run_tests(__file__)
