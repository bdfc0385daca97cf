"""Whatever is wrong, the message names it and says what to do, and everybody else goes on."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from fixture import Manager, error_info, run_tests, until
from outpost.v1 import (
    config_pb2,
    config_pb2_grpc,
    key_value_pb2,
    key_value_pb2_grpc,
    manager_pb2,
    manager_pb2_grpc,
    module_host_pb2,
)

_MIB = 1 << 20


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    broken = ["not_executable", "no_such_program", "nonsense", "thief", "exits_78", "cannot_run"]
    with Manager("hello", "probe", installed=[*broken, "slash_prefix"]) as manager:
        yield manager


@pytest.fixture(autouse=True)
def others_still_answer(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test, another module answers."""
    yield
    if "manager" in request.fixturenames:
        manager: Manager = request.getfixturevalue("manager")
        assert manager.outpost("hello") == (0, "Hello, world!\n", "")


# --- what is typed ---


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["hell"], "hello [<person_name>]"),
        (["hello!", "count", "3"], "hello count <num:int>"),
        (["osd", "stats"], "osd stat"),
        (["moduel", "ls"], "module ls [detail] [--verbose]"),
    ],
)
def test_unknown_command(manager: Manager, words: list[str], nearest: str) -> None:
    rc, out, err = manager.outpost(*words)
    assert (rc, out) == (errno.EINVAL, "")
    first, *closest, last = err.splitlines()
    assert first == "no valid command found; 10 closest matches:"
    assert closest[0] == nearest and len(closest) == 10
    assert last == "Error EINVAL: invalid command"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["get"], "missing required parameter structure(<string>)"),
        (["hello", "count", "3", "4"], "unused arguments: ['4']"),
        (["hello", "count", "x"], "x doesn't represent an int"),
        (["health", "all"], "all not in detail"),
        (["hello", "--nosuch", "3"], "Unexpected argument '--nosuch'"),
    ],
)
def test_arguments_that_do_not_fit(manager: Manager, words: list[str], message: str) -> None:
    rc, out, err = manager.outpost(*words)
    assert (rc, out) == (errno.EINVAL, "")
    first, usage, last = err.splitlines()
    assert first == f"Invalid command: {message}"
    assert last == "Error EINVAL: invalid command"
    assert usage.startswith(words[0]) and " :  " in usage


def test_unknown_module(manager: Manager) -> None:
    rc, _, err = manager.outpost("module", "enable", "hullo")
    assert rc == errno.ENOENT
    assert err == (
        f"Error ENOENT: module 'hullo' is not installed in {manager.module_path};"
        " did you mean hello?\n"
    )
    assert manager.outpost("module", "restart", "thief") == (
        errno.EOPNOTSUPP,
        "",
        "Error ENOTSUP: module 'thief' is not enabled; `outpost module enable thief` enables it\n",
    )
    # As ceph has it: the wish is fulfilled.
    assert manager.outpost("module", "disable", "hullo") == (
        0,
        "",
        "module 'hullo' is already disabled\n",
    )


def test_unknown_names(manager: Manager) -> None:
    rc, _, err = manager.outpost("get", "osdmap")
    assert rc == errno.ENOENT
    assert err.startswith(
        'Error ENOENT: structure "osdmap": there is no such structure; the nearest are osd_map'
    )
    rc, _, err = manager.outpost("config", "set", "mgr/hello/plaice", "Mars")
    assert rc == errno.EINVAL
    assert re.search(r"mgr/hello/plaice.*place", err), err
    rc, _, err = manager.outpost("config", "set", "mgr/hello/emphatic", "maybe")
    assert rc == errno.EINVAL
    assert err == (
        'Error EINVAL: error parsing value: option mgr/hello/emphatic: "maybe" is not a bool'
        " (true, false, yes, no, on, off, 1, 0)\n"
    )
    rc, _, err = manager.outpost("config", "set", "mgr/probe/number", "11")
    assert rc == errno.EINVAL
    assert re.search(r"mgr/probe/number: .*11.* 10", err), err


# --- modules that are no good ---


@pytest.mark.parametrize(
    ("name", "state", "why"),
    [
        (
            "not_executable",
            "BACKOFF",
            r"can't execute \S+/not_executable/program: Permission denied"
            r" \(is it executable\? chmod \+x\)",
        ),
        (
            "no_such_program",
            "BACKOFF",
            r"can't execute \S+/no_such_program/gone: No such file or directory",
        ),
        ("nonsense", "BACKOFF", r"ended with exit status 3: .* and neither is this"),
        (
            "thief",
            "FAILED",
            r"ended with exit status 78 after it was refused: command \"hello\" is already provided"
            r" by module hello; mend it, then `outpost module restart thief`",
        ),
        (
            "exits_78",
            "FAILED",
            r"ended with exit status 78: the license has expired; mend it, then"
            r" `outpost module restart exits_78`",
        ),
        ("cannot_run", "CANNOT_RUN", "the library libcoffee is missing"),
        (
            "slash_prefix",
            "FAILED",
            r"ended with exit status 78 after it was refused: signature \"\.\./etc passwd\": the"
            r" word \"\.\./etc\" may have letters, digits",
        ),
    ],
)
def test_a_module_that_is_no_good_says_why(
    manager: Manager, name: str, state: str, why: str
) -> None:
    rc, _, err = manager.outpost("module", "enable", name)
    assert rc == errno.EIO
    shown = state.lower().replace("_", " ")
    assert re.match(rf"Error EIO: module '{name}' is enabled, but is {shown}: {why}", err), err
    # It stays in BACKOFF, but for the moments in which it is started again.
    until(f"{name} to be {state}", lambda: manager.state(name) == state)

    detail = manager.check("health", "detail")
    failed = "failed dependency" if state == "CANNOT_RUN" else "failed"
    assert re.search(
        rf"^\[(ERR|WRN)\] MGR_MODULE_\w+: Module '{name}' has {failed}: {why}", detail, re.MULTILINE
    ), detail
    row = until(
        f"{name} with a reason in `module ls`",
        lambda: re.search(rf"^{name} +{shown} .*$", manager.check("module", "ls"), re.MULTILINE),
    )
    assert re.search(why, row.group()), row

    assert manager.outpost("module", "disable", name) == (0, "", "")
    assert manager.state(name) == "DISABLED"
    assert f"'{name}' has failed" not in manager.check("health", "detail")


def test_what_a_module_wrote_is_kept(manager: Manager) -> None:
    manager.outpost("module", "enable", "nonsense")
    described = manager.stub(manager_pb2_grpc.ManagerStub).DescribeModule(
        manager_pb2.DescribeModuleRequest(name="nonsense")
    )
    assert "$GPGGA,this,is,no,module*" in described.stderr_tail
    manager.wait_for_log(r"nonsense/output: \$GPGGA")
    manager.check("module", "disable", "nonsense")


# --- sessions that are no good ---


@pytest.mark.parametrize(
    ("register", "code", "reason", "message"),
    [
        ({"name": "a/b"}, "INVALID_ARGUMENT", "BAD_REGISTER", r'module name "a/b": a name is a'),
        ({"name": ""}, "INVALID_ARGUMENT", "BAD_REGISTER", 'module name "": a name is a letter'),
        ({"name": "x" * 65}, "INVALID_ARGUMENT", "BAD_REGISTER", "xx.*at most 64"),
        ({"name": "manager"}, "INVALID_ARGUMENT", "BAD_REGISTER", "the manager itself uses it"),
        (
            {"name": "me", "commands": [{"signature": "a/b c"}]},
            *("INVALID_ARGUMENT", "BAD_REGISTER"),
            'signature "a/b c": the word "a/b" may have letters',
        ),
        (
            {"name": "me", "commands": [{"signature": "me name=x,type=CephFoo"}]},
            *("INVALID_ARGUMENT", "BAD_REGISTER"),
            "unknown type CephFoo; nearest: CephBool",
        ),
        (
            {"name": "me", "commands": [{"signature": "me too"}, {"signature": "me too"}]},
            *("INVALID_ARGUMENT", "BAD_REGISTER"),
            'command "me too" is declared twice by module me',
        ),
        (
            {"name": "me", "commands": [{"signature": "hello"}]},
            *("ALREADY_EXISTS", "COMMAND_TAKEN"),
            'command "hello" is already provided by module hello',
        ),
        (
            {"name": "me", "commands": [{"signature": "status"}]},
            *("ALREADY_EXISTS", "COMMAND_TAKEN"),
            'command "status" is already provided by the manager',
        ),
        (
            {"name": "me", "options": [{"name": "a/b"}]},
            *("INVALID_ARGUMENT", "BAD_REGISTER"),
            'option of module me: name: "a/b" is not a name',
        ),
        (
            {"name": "hello"},
            *("ALREADY_EXISTS", "NAME_TAKEN"),
            r"module 'hello' is running as process \d+; end that one first",
        ),
        (
            {"name": "hello", "token": "guessed"},
            *("UNAUTHENTICATED", "BAD_TOKEN"),
            "the token of module 'hello' came from uid ",
        ),
        (
            {"name": "me", "protocol_versions": [2, 3]},
            *("FAILED_PRECONDITION", "PROTOCOL_VERSION"),
            "module 'me' does not speak version 1 of the protocol",
        ),
    ],
)
def test_a_register_that_is_refused(
    manager: Manager, register: dict[str, object], code: str, reason: str, message: str
) -> None:
    error = manager.session(**register).refusal()
    assert error.code().name == code
    assert error_info(error).reason == reason
    assert re.search(message, error.details()), error.details()
    assert "me" not in manager.modules()


def test_register_twice(manager: Manager) -> None:
    session = manager.session(name="twice", commands=[{"signature": "twice"}]).serve()
    manager.wait_for_state("twice", "RUNNING")
    session.send(register=module_host_pb2.Register(name="twice", protocol_versions=[1]))
    error = session.refusal()
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(error).reason == "PROTOCOL_ERROR"
    assert error.details() == "module 'twice' sent Register twice in one session"
    until("it to be forgotten", lambda: "twice" not in manager.modules())
    assert manager.outpost("twice").rc == errno.EINVAL


def test_a_session_that_begins_otherwise(manager: Manager) -> None:
    session = manager.session()
    session.send(heartbeat=module_host_pb2.Heartbeat())
    error = session.refusal()
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(error).reason == "PROTOCOL_ERROR"
    assert error.details().startswith("the first message of a session must be Register")


def test_a_session_key_that_nobody_has(manager: Manager) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        manager.stub(config_pb2_grpc.ConfigStub).List(
            config_pb2.ConfigListRequest(), metadata=(("outpost-session", "guessed"),)
        )
        manager.stub(key_value_pb2_grpc.KeyValueStub).List(
            key_value_pb2.KeyValueListRequest(), metadata=(("outpost-session", "guessed"),)
        )
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "attach again" in caught.value.details()


# --- input that is large ---


def test_large_in_files(manager: Manager, tmp_path: Path) -> None:
    file = tmp_path / "large"
    for size in (64 * _MIB, 64 * _MIB + 1):
        with file.open("wb") as stream:
            stream.truncate(size)
        rc, out, err = manager.outpost("probe", "size", "-i", file)
        if size == 64 * _MIB:
            assert (rc, out, err) == (0, f"{size}\n", "")
        else:
            assert (rc, out) == (errno.EFBIG, "")
            assert err == f"Error EFBIG: input file {file} is larger than 64 MiB\n"


def test_large_input_past_the_command_line(manager: Manager) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        manager.run("probe", "size", inbuf=bytes(64 * _MIB + 1))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == (
        "the input has 67108865 bytes; at most 67108864 (64 MiB) are allowed"
    )
    info = error_info(caught.value)
    assert dict(info.metadata) == {"errno": str(errno.EFBIG), "field": "inbuf"}
    # What is larger still is not even taken in.
    with pytest.raises(grpc.RpcError) as caught:
        manager.run("probe", "size", inbuf=bytes(66 * _MIB))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert re.search(r"larger than max \(\d+ vs\. \d+\)", caught.value.details())


# --- disks and files ---


def test_a_second_manager() -> None:
    with Manager("hello") as manager:
        assert manager.process is not None
        rc, _, err = manager.refused()
        assert (rc, err) == (
            1,
            f"outpostd: the data directory {manager.data} is in use by another manager (process"
            f" {manager.process.pid}); end that one, or choose another --data-dir\n",
        )
        other = Manager()
        other.run_directory = manager.run_directory
        try:
            rc, _, err = other.refused()
        finally:
            other.close()
        assert (rc, err) == (
            1,
            f"outpostd: another manager listens on {manager.run_directory}/outpost.sock; end that"
            " one, or choose another --run-dir\n",
        )
        assert manager.outpost("hello") == (0, "Hello, world!\n", "")


def test_sockets_that_are_left_over() -> None:
    with Manager("hello") as manager:
        path = manager.run_directory / "outpost.sock"
        assert path.stat().st_mode & 0o777 == 0o666
        manager.kill9()
        assert path.is_socket()
        manager.restart()
        assert manager.outpost("hello") == (0, "Hello, world!\n", "")
        manager.stop()
        assert not path.exists()
        path.write_text("precious")
        assert manager.refused() == (
            1,
            "",
            f"outpostd: {path} is there and is no socket; move it away\n",
        )
        assert path.read_text() == "precious"


def test_no_manager() -> None:
    manager = Manager()
    try:
        begin = time.monotonic()
        rc, out, err = manager.outpost("status")
        assert time.monotonic() - begin < 2
        assert (rc, out) == (errno.ECONNREFUSED, "")
        assert err == (
            f"Error: no manager answers at {manager.address}: No such file or directory; is"
            " outpostd running? (outpostd --help; set --address or OUTPOST_ADDRESS)\n"
        )
    finally:
        manager.close()


if __name__ == "__main__":
    run_tests(__file__)
