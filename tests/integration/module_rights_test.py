"""What modules may do: what caps and their manifests say, sessions' keys, tokens."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from fixture import DEADLINE, PYTHON_PATH, SHIPPED_MODULES, Manager, error_info, run_tests
from outpost.v1 import (
    commands_pb2,
    commands_pb2_grpc,
    config_pb2,
    config_pb2_grpc,
    key_value_pb2,
    key_value_pb2_grpc,
    manager_pb2,
    module_host_pb2,
    module_host_pb2_grpc,
)
from users import ALICE, NOBODY, as_user, needs_root, open_to_all


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    with Manager("hello", "selftest", flags=["--local-user", f"{ALICE}=alice"]) as manager:
        open_to_all(manager)
        yield manager


def test_what_a_manifest_asks_for() -> None:
    """The module is held to it, whatever it is granted; and to less, where it is granted less."""
    with Manager() as manager:
        place = manager.module_path / "selftest"
        shutil.copytree(SHIPPED_MODULES / "selftest", place)
        (place / "module.toml").write_text('caps = "allow service mon rw, allow module hello rw"\n')
        rc, _, err = manager.outpost("module", "enable", "selftest")
        assert rc == 0
        assert 'asks for "allow service mon rw, allow module hello rw"' in err
        assert "may not" not in evaluate(manager, "mgr.mon_command({'prefix': 'osd ls'})")
        said = evaluate(manager, "mgr.get('health')")
        assert "its manifest (module.toml) asks for" in said
        assert 'it needs "allow service cluster r" there' in said
        rc, _, err = manager.outpost("auth", "get", "module/selftest")
        assert rc == errno.ENOENT and "its manifest asks for" in err
        manager.check("auth", "caps", "module/selftest", "mgr", "allow service cluster r")
        assert "\tasks mgr = " in manager.check("auth", "get", "module/selftest")
        assert "may not" in evaluate(manager, "mgr.get('health')")
        assert "may not" in evaluate(manager, "mgr.mon_command({'prefix': 'osd ls'})")
        manager.check("auth", "caps", "module/selftest", "mgr", "allow r, allow service mon rw")
        assert "may not" not in evaluate(manager, "mgr.mon_command({'prefix': 'osd ls'})")
        # A manifest that is no good.
        (place / "module.toml").write_text('caps = "allow everything"\n')
        rc, _, err = manager.outpost("module", "restart", "selftest")
        assert rc != 0 and "caps, character 7" in err


@needs_root
def test_a_module_of_another_user(tmp_path: Path) -> None:
    """Its process reaches the socket, and is the module there."""
    with Manager(flags=["--module-setting", "hello.user=nobody"]) as manager:
        open_to_all(manager)
        # The runfiles may be closed to others.
        sdk, hello = manager.directory / "sdk", manager.directory / "hello"
        shutil.copytree(PYTHON_PATH, sdk)
        shutil.copytree(SHIPPED_MODULES / "hello", hello)
        place = manager.install_program("hello", "/usr/bin/python3", "-m", "outpost.run", hello)
        manifest = place / "module.toml"
        manifest.write_text(manifest.read_text().replace(str(PYTHON_PATH), str(sdk)))
        manager.check("module", "enable", "hello")
        assert manager.outpost("hello") == (0, "Hello, world!\n", "")
        pid = manager.modules()["hello"].pid
        assert Path(f"/proc/{pid}").stat().st_uid == NOBODY
        # Another process of the same user is not.
        assert as_user(manager, NOBODY, "status").rc == errno.EACCES


def evaluate(manager: Manager, text: str) -> str:
    """What an expression is inside the module selftest, or why it is nothing."""
    _, out, err = manager.outpost("mgr", "self-test", "eval", text)
    return out + err


def test_a_module_with_all_rights_and_with_few(manager: Manager) -> None:
    """The peer gives each module all; an operator can take that back, but not what is its own."""
    others = {
        "mgr.remote('hello', 'self_test')": "allow module hello rw",
        "mgr.set_module_option_ex('hello', 'place', 'Rome')": "allow module hello rw",
        "mgr.mon_command({'prefix': 'osd ls'})": "allow service mon rw",
        "mgr.get('health')": "allow service cluster r",
    }
    for text in others:
        assert "NO_RIGHT" not in (said := evaluate(manager, text)), said
        assert "may not" not in said, said
    manager.check("auth", "caps", "module/selftest", "mgr", 'allow command "no such"')
    try:
        for text, grant in others.items():
            said = evaluate(manager, text)
            assert "module/selftest may not" in said, (text, said)
            assert f'it lacks "{grant}"' in said, (text, said)
            assert "outpost auth caps module/selftest mgr" in said
        manager.check("auth", "caps", "module/selftest", "mgr", "allow rw")
        said = evaluate(manager, "mgr.mon_command({'prefix': 'auth get', 'entity': 'client.x'})")
        assert "module/selftest may not" in said and '"allow service auth rwx"' in said
        manager.check("auth", "caps", "module/selftest", "mgr", 'allow command "no such"')
        for text in (
            "mgr.set_store('a', 'b')",
            "mgr.set_module_option('own', 'x') if 'own' in dir() else mgr.get_store('a')",
            "mgr.set_health_checks({})",
        ):
            assert "may not" not in (said := evaluate(manager, text)), said
        manager.check("auth", "caps", "module/selftest", "mgr", "allow module hello rw")
        assert "may not" not in evaluate(manager, "mgr.remote('hello', 'self_test')")
    finally:
        manager.check("auth", "rm", "module/selftest")
        manager.outpost("config", "rm", "mgr/hello/place")


def test_a_command_that_is_refused_counts_as_a_refusal() -> None:
    """It is known only behind the gate which command it is."""
    with Manager(flags=["--module-setting", "byhand.calls-per-second=1000"]) as manager:
        manager.check("auth", "add", "module/byhand", "mgr", 'allow command "no such"')
        session = manager.session(name="byhand").serve()
        run = manager.stub(commands_pb2_grpc.CommandsStub).Run
        request = commands_pb2.CommandsRunRequest(words=["osd", "ls"])
        # 100 calls are let in at once, and these would be 50 at most without the refusals.
        calls = [run.future(request, metadata=session.metadata, timeout=DEADLINE) for _ in range(5)]
        for call in calls:
            error = call.exception()
            assert error.code() is grpc.StatusCode.PERMISSION_DENIED, error
        manager.wait_for_log("module/byhand makes more calls than 1000 a second")


def test_a_session_key_of_nobody(manager: Manager) -> None:
    stub = manager.stub(config_pb2_grpc.ConfigStub)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Get(
            config_pb2.ConfigGetRequest(key="mgr/hello/place"),
            metadata=[("outpost-session", "0" * 64)],
            timeout=DEADLINE,
        )
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "attach again" in caught.value.details()
    assert error_info(caught.value).reason == "NOT_IDENTIFIED"


@needs_root
def test_a_session_key_from_another_user(manager: Manager, tmp_path: Path) -> None:
    """Who has stolen the key of a session can't use it as another user of the machine."""
    manager.check("auth", "add", "user/alice", "mgr", "allow r")
    session = module_host_pb2_grpc.ModuleHostStub(manager.channel)
    register = module_host_pb2.AttachRequest()
    register.register.name = "byhand"
    register.register.protocol_versions.append(1)
    register.register.can_run = True
    requests: queue.Queue[module_host_pb2.AttachRequest | None] = queue.Queue()
    requests.put(register)
    stream = session.Attach(iter(requests.get, None), timeout=DEADLINE)
    try:
        key = next(stream).configure.session_key
        own = key_value_pb2.KeyValueGetRequest(key="x")
        metadata = [("outpost-session", key)]
        stub = manager.stub(key_value_pb2_grpc.KeyValueStub)
        stub.Get(own, metadata=metadata, timeout=DEADLINE)
        script = (
            "import grpc, sys\n"
            "from outpost.v1 import key_value_pb2 as pb, key_value_pb2_grpc as rpc\n"
            "stub = rpc.KeyValueStub(grpc.insecure_channel(sys.argv[1]))\n"
            "try:\n"
            "    stub.Get(pb.KeyValueGetRequest(key='x'), timeout=10,\n"
            "             metadata=[('outpost-session', sys.argv[2])])\n"
            "except grpc.RpcError as error:\n"
            "    print(error.code().name, error.details())\n"
        )
        sdk = manager.directory / "sdk"
        shutil.copytree(PYTHON_PATH, sdk)  # the runfiles may be closed to others
        done = subprocess.run(
            ["/usr/bin/python3", "-c", script, manager.address, key],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(sdk)},
            user=ALICE,
            group=ALICE,
            extra_groups=[],
        )
        assert done.stdout.startswith("UNAUTHENTICATED"), done
        assert "of a session of uid 0" in done.stdout and f"uid {ALICE}" in done.stdout
    finally:
        requests.put(None)
        stream.cancel()
        manager.check("auth", "rm", "user/alice")


def test_every_rpc_is_behind_the_gate(manager: Manager) -> None:
    """Each method of each service refuses a caller whom it does not know."""
    from google.protobuf import descriptor_pool
    from outpost.v1 import (  # noqa: F401
        cluster_pb2,
        health_pb2,
        ingest_pb2,
        notifications_pb2,
        orchestrator_pb2,
        progress_pb2,
        remote_pb2,
    )

    modules = [
        cluster_pb2, commands_pb2, config_pb2, health_pb2, ingest_pb2, key_value_pb2,
        manager_pb2, module_host_pb2, notifications_pb2, orchestrator_pb2, progress_pb2,
        remote_pb2,
    ]  # fmt: skip
    assert descriptor_pool.Default() is not None
    asked = 0
    for module in modules:
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                call = manager.channel.stream_stream(path)
                answers = call(
                    iter([b""]), metadata=[("outpost-session", "nobody")], timeout=DEADLINE
                )
                with pytest.raises(grpc.RpcError) as caught:
                    list(answers)
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED, path
                asked += 1
    assert asked > 90


def test_a_token_is_of_use_to_its_process_alone(manager: Manager) -> None:
    """A token that was stolen, and is replayed from another process, is refused."""
    register = module_host_pb2.AttachRequest()
    register.register.name = "hello"
    register.register.protocol_versions.append(1)
    register.register.token = "0" * 64
    stream = manager.stub(module_host_pb2_grpc.ModuleHostStub).Attach(
        iter([register]), timeout=DEADLINE
    )
    with pytest.raises(grpc.RpcError) as caught:
        list(stream)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert error_info(caught.value).reason == "BAD_TOKEN"
    assert "is no process of that module's" in caught.value.details()
    assert manager.outpost("hello") == (0, "Hello, world!\n", "")


def test_a_token_is_nowhere_to_be_read(manager: Manager) -> None:
    """Not in the arguments, not in the environment, and the descriptor that had it is empty."""
    for module in manager.modules().values():
        proc = Path("/proc") / str(module.pid)
        variables = dict(
            word.split(b"=", 1) for word in (proc / "environ").read_bytes().split(b"\0") if word
        )
        assert b"OUTPOST_TOKEN" not in variables
        number = int(variables[b"OUTPOST_TOKEN_FD"])
        secret = re.compile(rb"[0-9a-f]{64}")
        assert not secret.search((proc / "environ").read_bytes())
        assert not secret.search((proc / "cmdline").read_bytes())
        with contextlib.suppress(OSError):  # it is closed, or no file that can be opened
            descriptor = os.open(proc / "fd" / str(number), os.O_RDONLY | os.O_NONBLOCK)
            with contextlib.closing(os.fdopen(descriptor, "rb")) as left:
                assert not left.read()


if __name__ == "__main__":
    run_tests(__file__)
