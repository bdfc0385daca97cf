"""What is imported when a module starts: what few modules need must not keep all others waiting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Takes long, or is of use to few.
NOT_AT_START = {
    "argparse",
    "asyncio",
    "grpc.aio",
    "ipaddress",
    "logging.handlers",
    "pathlib",
    "platform",
    "random",
    "ssl",
    "statistics",
    "subprocess",
    "tempfile",
    "urllib.parse",
    "uuid",
    "yaml",
    *(
        f"outpost.{name}"
        for name in (
            "_crush_map",
            "_keyed_results",
            "_manager_data",
            "_map_encoding",
            "_module_events",
            "_osd_map",
            "_placement",
            "_report_stream",
            "_reporter",
            "_standby",
            "_structure_info",
            "_watch",
            "object_format",
            "testing",
        )
    ),
    *(
        f"outpost.v1.{name}_pb2"
        for name in (
            "auth",
            "config",
            "error_details",
            "health",
            "ingest",
            "key_value",
            "manager",
            "orchestrator",
            "progress",
            "remote",
        )
    ),
}

MODULE = '''
from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule, Option


class Plain(MgrModule):
    """One as most are."""

    MODULE_OPTIONS = [Option(name="place", type="str", default="world")]

    @CLIReadCommand("plain greet")
    def greet(self, person: str = "world", times: int = 1) -> HandleCommandResult:
        """Say hello"""
        return HandleCommandResult(stdout=f"Hello, {person}!")

    def serve(self) -> None:
        """Return"""
'''


def run_python(code: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    ).stdout


def modules_after(code: str, *arguments: str) -> set[str]:
    """Return what is imported then, that a bare interpreter has not imported anyway."""
    tell = "\nimport sys; print(*sys.modules, sep='\\n')"
    return set(run_python(code + tell, *arguments).split("\n")) - set(run_python(tell).split("\n"))


@pytest.mark.parametrize("name", ["outpost", "mgr_module", "outpost.run"])
def test_an_import(name: str) -> None:
    assert sorted(modules_after(f"import {name}") & NOT_AT_START) == []


def test_a_module_that_is_loaded(tmp_path: Path) -> None:
    directory = tmp_path / "plain"
    directory.mkdir()
    (directory / "module.py").write_text(MODULE)
    code = """
import sys
import outpost.run
from outpost._loader import load_module
from outpost._logs import LogShipper
from outpost._session import Session
from outpost._settings import Settings

settings = Settings(name="plain", address="unix:/nowhere", token="secret")
Session(load_module(sys.argv[1], settings), settings, LogShipper(10))
"""
    imported = modules_after(code, str(directory))
    assert "plain.module" in imported
    assert sorted(imported & NOT_AT_START) == []


def test_every_public_name_can_be_had() -> None:
    code = """
import mgr_module, outpost
for package in (mgr_module, outpost):
    for name in package.__all__:
        assert name in dir(package), name
        getattr(package, name)
        assert getattr(package, name) is getattr(package, name)
from mgr_module import *
from outpost import *
print(OSDMap.__name__, MgrStandbyModule.__name__, Watch.__name__)
"""
    assert run_python(code) == "OSDMap MgrStandbyModule Watch\n"


@pytest.mark.parametrize("package", ["mgr_module", "outpost", "outpost.v1"])
def test_a_name_that_there_is_not(package: str) -> None:
    code = f"import {package}\ntry: {package}.nosuch\nexcept AttributeError as error: print(error)"
    assert run_python(code) == f"module '{package}' has no attribute 'nosuch'\n"


def test_grpc_aio_and_asyncio_are_there_for_who_wants_them() -> None:
    code = """
import outpost, grpc, sys
assert "asyncio" not in sys.modules
channel_type = grpc.aio.Channel
import asyncio, grpc.aio, grpc._cython.cygrpc
assert grpc.aio.Channel is channel_type and sys.modules["grpc.aio"].Channel is channel_type
async def call():
    async with grpc.aio.insecure_channel("unix:/nowhere") as channel:
        try:
            await channel.unary_unary("/a/b")(b"", timeout=5)
        except grpc.aio.AioRpcError as error:
            return error.code().name
print(asyncio.run(call()))
"""
    assert run_python(code) == "UNAVAILABLE\n"


def test_asyncio_that_is_there_already_is_left_alone() -> None:
    code = """
import asyncio, sys
before = asyncio.run
import outpost
assert sys.modules["asyncio"] is asyncio and asyncio.run is before
import outpost.report, grpc
print(grpc.aio.Channel.__name__)
"""
    assert run_python(code) == "Channel\n"


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
