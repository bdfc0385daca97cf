"""By TLS: whose certificate it is, who is let in, renewal and revocation while the manager runs."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixture import (
    DEADLINE,
    OUTPOST,
    PYTHON_PATH,
    SHIPPED_MODULES,
    Manager,
    run_tests,
    until,
)
from remote import Remote, cert


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    remote = Remote(tmp_path_factory.mktemp("tls"), "hello", "selftest", "api_cpp")
    with remote.manager:
        yield remote


def test_a_user_with_a_certificate_and_caps(remote: Remote) -> None:
    alice = remote.issue("user/alice")
    rc, _, err = remote.outpost(alice, "status")
    assert rc == errno.EACCES
    assert "user/alice (ipv" in err and "is not known here" in err
    remote.manager.check("auth", "add", "user/alice", "mgr", "allow r, allow command hello")
    assert remote.outpost(alice, "hello") == (0, "Hello, world!\n", "")
    assert remote.outpost(alice, "module", "disable", "hello").rc == errno.EACCES


def test_networks_in_caps(remote: Remote) -> None:
    nora = remote.issue("user/nora")
    remote.manager.check("auth", "add", "user/nora", "mgr", "allow * network 203.0.113.0/24")
    assert remote.outpost(nora, "status").rc == errno.EACCES
    here = "allow * network 127.0.0.0/8, allow * network ::1/128"
    remote.manager.check("auth", "caps", "user/nora", "mgr", here)
    assert remote.outpost(nora, "status").rc == 0


@pytest.mark.parametrize(
    ("module", "command", "answers"),
    [("selftest", ["mgr", "self-test", "eval", "mgr.is_authorized({'pool': 'rbd'})"],
      ["False", "True"]),
     ("api_cpp", ["api-cpp", "may", "rbd"], ["false", "true"])],
)  # fmt: skip
def test_a_module_asks_what_its_caller_may_from_there(
    remote: Remote, module: str, command: list[str], answers: list[str]
) -> None:
    """Caps that are bound to a network count for those who come by it."""
    name = f"user/asks-{module}"
    asking = remote.issue(name)
    run = 'allow command "mgr self-test eval", allow command "api-cpp may"'
    bound = f"allow module {module} with pool=rbd rw network "
    for networks, answer in zip(
        [["203.0.113.0/24"], ["127.0.0.0/8", "::1/128"]], answers, strict=True
    ):
        caps = ", ".join([run, *(bound + network for network in networks)])
        remote.manager.check("auth", "caps", name, "mgr", caps)
        rc, out, err = remote.outpost(asking, *command)
        assert (rc, out.strip()) == (0, answer), err


def test_revoked_while_connected(remote: Remote) -> None:
    bob = remote.issue("user/bob")
    remote.manager.check("auth", "add", "user/bob", "mgr", "allow r")
    assert remote.outpost(bob, "status").rc == 0
    assert "revoked 1" in remote.check("revoke", "user/bob")
    refused = until(
        "the manager to read the list",
        lambda: outcome if (outcome := remote.outpost(bob, "status")).rc != 0 else None,
    )
    assert "was revoked" in refused.err
    assert re.search(r"user/bob\s+\S+\s+\S+\s+revoked", remote.check("ls"))
    # Its key is not to be trusted any more; another certificate has another.
    rc, _, err = cert(remote.authority, "renew", bob)
    assert rc != 0 and "was revoked" in err and "outpost cert issue" in err
    anew = remote.directory / "bob-anew"
    remote.check("issue", "user/bob", "--out", anew)
    assert remote.outpost(anew, "status").rc == 0


def test_the_managers_certificate_is_renewed_while_it_runs(remote: Remote) -> None:
    def serial() -> str:
        context = ssl.create_default_context(cafile=str(remote.directory / "manager" / "ca.crt"))
        carol = remote.directory / "user-carol"
        context.load_cert_chain(carol / "tls.crt", carol / "tls.key")
        with (
            socket.create_connection(("localhost", remote.port), timeout=DEADLINE) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            assert connection.version() == "TLSv1.3"
            certificate = connection.getpeercert()
            assert certificate is not None
            return str(certificate["serialNumber"])

    carol = remote.issue("user/carol")
    remote.manager.check("auth", "add", "user/carol", "mgr", "allow r")
    before = serial()
    remote.check("renew", remote.directory / "manager")
    until("the new certificate", lambda: serial() != before)
    assert remote.outpost(carol, "status").rc == 0


def test_tls_1_2_is_refused(remote: Remote) -> None:
    dora = remote.issue("user/dora")
    context = ssl.create_default_context(cafile=str(dora / "ca.crt"))
    context.load_cert_chain(dora / "tls.crt", dora / "tls.key")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("localhost", remote.port), timeout=DEADLINE) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
        context.wrap_socket(plain, server_hostname="localhost"),
    ):
        pass


def test_certificates_of_others(remote: Remote, tmp_path: Path) -> None:
    """Another authority's, another trust domain's, one that serves, none at all, plain text."""
    assert cert(tmp_path / "ca", "init").rc == 0
    stranger = tmp_path / "stranger"
    assert cert(tmp_path / "ca", "issue", "user/alice", "--out", stranger).rc == 0
    (stranger / "ca.crt").write_bytes((remote.authority / "ca.crt").read_bytes())
    rc, _, err = remote.outpost(stranger, "status")
    assert rc != 0 and "no manager answers" in err
    # A manager's certificate is no caller's.
    rc, _, err = remote.outpost(remote.directory / "manager", "status")
    assert rc != 0 and "manager/x is nobody who can call by TLS" in err
    admin = remote.issue("user/admin")
    rc, _, err = remote.outpost(admin, "status")
    assert rc != 0 and "user/admin is nobody" in err
    # Files that are not there.
    rc, _, err = remote.outpost(tmp_path / "nothing", "status")
    assert rc == errno.ENOENT and "OUTPOST_TLS_DIR" in err and "outpost cert issue" in err
    # Plain text.
    done = subprocess.run(
        [OUTPOST, "--address", f"localhost:{remote.port}", "--connect-timeout", "3", "status"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode != 0
    assert remote.manager.outpost("hello").rc == 0


def test_a_manager_that_is_none(remote: Remote, tmp_path: Path) -> None:
    """A client's certificate can't serve: who holds one can't play the manager."""
    eve = remote.issue("user/eve")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(eve / "tls.crt", eve / "tls.key")
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
        process = subprocess.Popen(
            [OUTPOST, "--address", f"tls:localhost:{port}", "--connect-timeout", "3", "status"],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OUTPOST_TLS_DIR": str(eve)},
        )
        server.settimeout(DEADLINE)
        plain, _ = server.accept()
        plain.settimeout(DEADLINE)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connection = context.wrap_socket(plain, server_side=True)
            if not connection.recv(1):
                raise ConnectionError
        plain.close()
        _, err = process.communicate(timeout=DEADLINE)
        assert process.returncode != 0, err


def test_a_module_from_afar(remote: Remote) -> None:
    """Both its name and its rights come from its certificate."""
    remote_module = remote.issue("module/afar")
    place = remote.directory / "afar"
    place.mkdir()
    source = (SHIPPED_MODULES / "hello" / "module.py").read_text()
    (place / "module.py").write_text(source.replace('"hello', '"afar').replace("'hello", "'afar"))
    environment = {
        **os.environ,
        "PYTHONPATH": str(PYTHON_PATH),
        "OUTPOST_ADDRESS": f"tls:localhost:{remote.port}",
        "OUTPOST_TLS_DIR": str(remote_module),
    }
    process = subprocess.Popen(
        ["/usr/bin/python3", "-m", "outpost.run", place], env=environment, stdin=subprocess.DEVNULL
    )
    try:
        until(
            "the module to run",
            lambda: (
                "afar" in remote.manager.modules() and remote.manager.state("afar") == "RUNNING"
            ),
        )
    finally:
        process.terminate()
        process.wait(timeout=DEADLINE)
    # Its certificate is of no use for another name.
    other = remote.directory / "other"
    other.mkdir()
    (other / "module.py").write_text(source.replace('"hello', '"other').replace("'hello", "'other"))
    remote.manager.check("auth", "add", "module/afar", "mgr", "profile module")
    process = subprocess.Popen(
        ["/usr/bin/python3", "-m", "outpost.run", other], env=environment, stdin=subprocess.DEVNULL
    )
    try:
        remote.manager.wait_for_log(
            "module \"other\" was refused: .*module/afar may not attach as module 'other'"
        )
    finally:
        process.terminate()
        process.wait(timeout=DEADLINE)


def test_what_stops_the_start(tmp_path: Path) -> None:
    for flags, words in (
        (["--listen-tls", "localhost:0"], "needs --tls-dir"),
        (["--listen-tls", "localhost", "--tls-dir", "/x"], "is not HOST:PORT"),
        (["--listen-tls", "localhost:0", "--tls-dir", "/nonexistent"], "/nonexistent/tls.crt"),
        (["--socket-mode", "0777"], "--socket-mode"),
        (["--local-user", "alice"], "UID=NAME"),
    ):
        with pytest.raises(AssertionError) as caught, Manager(flags=flags):
            pass
        assert words in str(caught.value), flags
    # A list of revoked certificates that can't be read would revoke nobody.
    ca, tls = tmp_path / "ca", tmp_path / "tls"
    assert cert(ca, "init").rc == 0
    assert cert(ca, "issue", "manager/x", "--host", "localhost", "--out", tls).rc == 0
    unreadable = tmp_path / "revoked"
    unreadable.mkdir()
    flags = ["--listen-tls", "localhost:0", "--tls-dir", str(tls), "--tls-revoked", str(unreadable)]
    with pytest.raises(AssertionError) as caught, Manager(flags=flags):
        pass
    assert f"(--tls-revoked) can't be read, and nobody is let in without: {unreadable}" in str(
        caught.value
    )
    unreadable.rmdir()
    with Manager(flags=flags) as manager:  # it need not be there
        manager.check("status")


def test_the_commands_of_the_authority(tmp_path: Path) -> None:
    authority = tmp_path / "ca"
    rc, _, err = cert(authority, "issue", "user/alice")
    assert rc == errno.ENOENT and "outpost cert init" in err
    assert cert(authority, "init", "--trust-domain", "example.org").rc == 0
    assert cert(authority, "init").rc == errno.EEXIST
    rc, _, err = cert(authority, "issue", "alice")
    assert rc == errno.EINVAL and "user/NAME" in err
    out = tmp_path / "alice"
    rc, said, _ = cert(authority, "issue", "user/alice", "--out", out, "--valid", "3d")
    assert rc == 0 and "spiffe://example.org/user/alice" in said
    assert (out / "tls.key").stat().st_mode & 0o777 == 0o600
    rc, _, err = cert(authority, "revoke", "user/nobody")
    assert rc == errno.ENOENT
    rc, _, err = cert(authority, "renew", "--valid", "x", out)
    assert rc == errno.EINVAL and "90d" in err
    assert cert(authority, "frobnicate").rc == errno.EINVAL


if __name__ == "__main__":
    run_tests(__file__)
