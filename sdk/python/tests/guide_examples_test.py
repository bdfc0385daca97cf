"""The examples of ceph-mgr's module developer's guide, as it prints them, without a manager."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from outpost import CLICommand
from outpost._commands import describe_commands, run_command
from outpost._loader import find_module_class
from outpost.v1 import types_pb2

if "TEST_SRCDIR" in os.environ:
    ROOT = Path(os.environ["TEST_SRCDIR"], os.environ["TEST_WORKSPACE"])
else:
    ROOT = Path(__file__).resolve().parents[3]
MODULES = ROOT / "tests/integration/modules"

Run = Callable[..., types_pb2.CommandResult]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Run]]:
    """Import a module, and return what runs its commands."""
    monkeypatch.setattr(CLICommand, "COMMANDS", {})
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)

    def load_module(name: str) -> Run:
        module: Any = find_module_class(MODULES / name)(name)
        describe_commands(module.COMMANDS)

        def run(prefix: str, inbuf: bytes | None = None, **arguments: Any) -> Any:
            return run_command(module, prefix, {"prefix": prefix, **arguments}, inbuf)

        run.module = module  # type: ignore[attr-defined]
        return run

    yield load_module
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_the_usage_of_the_first_example(load: Callable[[str], Run]) -> None:
    load("gravity")
    assert CLICommand.COMMANDS["antigravity send to blackhole"].dump_cmd() == {
        "cmd": "antigravity send to blackhole name=oid,type=CephString"
        " name=blackhole,type=CephString,req=false",
        "desc": "Send the specified object to black hole",
        "perm": "rw",
        "poll": False,
    }
    listing = CLICommand.COMMANDS["antigravity list wormholes"].dump_cmd()
    assert listing["cmd"] == (
        "antigravity list wormholes name=oid,type=CephString"
        " name=details,type=CephBool,req=false"
        " name=format,type=CephString,req=false,positional=false"
    )
    assert listing["desc"] == "List wormholes associated with the supplied oid."


def test_send_to_blackhole(load: Callable[[str], Run]) -> None:
    run = load("gravity")
    prefix = "antigravity send to blackhole"
    assert run(prefix, oid="apple").stdout == "the black hole swallowed 'apple'"
    assert run(prefix, oid="apple", blackhole="M87").retval == 0
    assert run(prefix, b"please", oid="pear", blackhole="78M").retval == 0
    assert run.module.swallowed == [  # type: ignore[attr-defined]
        ("apple", None),
        ("apple", "M87"),
        ("pear", "M87"),
    ]
    result = run(prefix, oid="plum")
    assert (result.retval, result.stderr) == (-errno.ENOENT, "object 'plum' not found")
    result = run(prefix, b"open", oid="pear", blackhole="78M")
    assert (result.retval, result.stderr) == (-errno.EINVAL, "unable to decrypt location")


def test_commands(load: Callable[[str], Run]) -> None:
    run = load("gravity")
    assert run("foobar", b"in", myarg="x").stdout == "foobar x 'in'"
    assert run("foobar", b"\xff", myarg="x").stderr == (
        "Invalid command: the input file is not UTF-8 text: byte 0 is 0xff"
    )


@pytest.mark.parametrize("name", ["gravity", "gravity_list"])
def test_list_wormholes(load: Callable[[str], Run], name: str) -> None:
    run = load(name)
    prefix = "antigravity list wormholes"
    assert json.loads(run(prefix, oid="apple").stdout) == [{"name": "north"}, {"name": "south"}]
    assert run(prefix, oid="pear").stdout == "[]"
    assert run(prefix, oid="apple", details=True, format="yaml").stdout == (
        "- age: 7\n  destination: Andromeda\n  name: north\n"
        "- age: 12\n  destination: M33\n  name: south\n"
    )


def test_errors_as_exceptions(load: Callable[[str], Run]) -> None:
    run = load("gravity")
    result = run("antigravity list wormholes", oid="plum")
    assert (result.retval, result.stdout, result.stderr) == (
        -errno.ENOENT,
        "",
        "Unknown oid: plum",
    )
    result = run("antigravity list wormholes", oid="quince")
    assert (result.retval, result.stderr) == (
        -errno.EBUSY,
        f"[Errno {errno.EBUSY}] the database is being repaired",
    )


def test_errors_that_nobody_expects(load: Callable[[str], Run]) -> None:
    result = load("gravity_list")("antigravity list wormholes", oid="plum")
    assert result.retval == -errno.EINVAL
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert result.stderr.endswith("UnknownOIDError: plum\n")


def test_to_simplified(load: Callable[[str], Run]) -> None:
    run = load("gravity_simplified")
    prefix = "antigravity list wormholes"
    assert json.loads(run(prefix, oid="x").stdout) == {"gravitons": 999, "tachyons": 404}
    assert run(prefix, oid="x", format="yaml").stdout == "gravitons: 999\ntachyons: 404\n"


def test_dump_config(load: Callable[[str], Run]) -> None:
    run = load("gravity")
    assert run("antigravity dump config", oid="apple").stdout_bytes == b"\xff\x00raw"
    result = run("antigravity dump config", oid="plum")
    assert (result.retval, result.stderr) == (-errno.ENOENT, "Blob does not exist")


def test_create_wormhole(load: Callable[[str], Run]) -> None:
    run = load("gravity")
    result = run("antigravity create wormhole", oid="pear", name="east")
    assert (result.retval, result.stdout, result.stderr) == (0, "", "")
    assert "east" in run("antigravity list wormholes", oid="pear").stdout
    result = run("antigravity create wormhole", oid="plum", name="east")
    assert (result.retval, result.stderr) == (-errno.ENOENT, "Unknown oid: plum")
    result = run("antigravity create wormhole", oid="pear", name="?")
    assert (result.retval, result.stderr) == (-errno.EINVAL, "'?' is no name for a wormhole")


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
