"""The SDK's wheel: built by pip, and used with Debian's gRPC and with the newest.

Asks the package index, through pip alone, whose cache makes it quick; it runs outside of Bazel's
sandbox for the sake of that cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import textwrap
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixture import RUNFILES, SHIPPED_MODULES, TEST_MODULES, Background, Manager, run_tests, until

_PYTHON = "/usr/bin/python3"  # which Debian's gRPC is for
_TIMEOUT = 240  # seconds; a cold cache has some 30 MB to fetch


def run(*argv: str | Path, cwd: Path | None = None) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=_TIMEOUT
    )
    assert done.returncode == 0, f"{' '.join(map(str, argv))}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout's sdk/python and proto, and no generated code."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(
        RUNFILES / "sdk/python",
        root / "sdk/python",
        ignore=shutil.ignore_patterns("*_pb2*", "__pycache__", "tests", "BUILD*"),
    )
    shutil.copytree(RUNFILES / "proto", root / "proto")
    return root / "sdk/python"


@pytest.fixture(scope="module")
def pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    venv = tmp_path_factory.mktemp("pip")
    run(_PYTHON, "-m", "venv", venv)
    return venv / "bin/pip"


@pytest.fixture(scope="module")
def wheel(sources: Path, pip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    run(pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", place, sources)
    (wheel,) = place.iterdir()
    return wheel


@pytest.fixture(scope="module", params=["Debian's", "the newest"])
def python(
    request: pytest.FixtureRequest,
    wheel: Path,
    pip: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A Python that has the wheel beside Debian's packages, or with the newest of what it needs."""
    venv = tmp_path_factory.mktemp("venv")
    debian = request.param == "Debian's"
    run(_PYTHON, "-m", "venv", "--without-pip", *["--system-site-packages"] * debian, venv)
    python = venv / "bin/python"
    run(pip, "--python", python, "install", "--quiet", *["--no-index"] * debian, wheel)
    return python


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    with Manager() as manager:
        yield manager


def test_what_is_in_it(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in names if ".dist-info/" not in name}
    for name in (
        "mgr_module/py.typed",
        "object_format/py.typed",
        "outpost/py.typed",
        "outpost/testing/__init__.py",
    ):
        assert name in packed
    for proto in (RUNFILES / "proto/outpost/v1").glob("*.proto"):
        for ending in ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py"):
            assert f"outpost/v1/{proto.stem}{ending}" in packed
    modules = {f"outpost/{path.name}" for path in (RUNFILES / "sdk/python/outpost").glob("*.py")}
    assert modules <= packed
    assert not [name for name in packed if "setup" in name or "tests/" in name or "build" in name]


def test_which_grpc_it_is(python: Path) -> None:
    code = "import json, grpc, outpost; print(json.dumps([grpc.__version__, outpost.__file__]))"
    version, place = json.loads(run(python, "-c", code))
    assert place.startswith(str(python.parents[1])), "the wheel's"
    numbers = tuple(int(number) for number in version.split(".")[:2])
    if (python.parents[1] / "pyvenv.cfg").read_text().count("include-system-site-packages = true"):
        assert numbers == (1, 51)
    else:
        assert numbers > (1, 51)


def test_a_module_runs_with_it(python: Path, manager: Manager) -> None:
    modules = [
        Background(
            [python, "-m", "outpost.run", directory],
            {"PATH": os.environ["PATH"], "OUTPOST_ADDRESS": manager.address},
        )
        for directory in (SHIPPED_MODULES / "hello", TEST_MODULES / "api")
    ]
    try:
        until("both modules to run", lambda: running(manager) == {"hello", "api"})
        assert manager.check("hello", "Ada") == "Hello, Ada!\n"
        manager.check("config", "set", "mgr/api/a_size", "2M")
        manager.call("api", "await_told", "a_size", 2097152)
        manager.check("config", "rm", "mgr/api/a_size")
        command = {"prefix": "osd set", "key": "noup"}
        assert manager.call("api", "send", "mon", "", command, "t") == [0, "", "noup is set", True]
        manager.call("api", "set_store", "k", "v")
        assert manager.call("api", "get_store_prefix", "") == {"k": "v"}
        assert "noup" in manager.call("api", "get", "osd_map")["flags"]
        assert manager.call("api", "remote", "hello", "self_test") is None
    finally:
        for module in modules:
            module.kill()
    until("the modules to be gone", lambda: not running(manager))


def running(manager: Manager) -> set[str]:
    return {name for name in manager.modules() if manager.state(name) == "RUNNING"}


def test_its_types_are_seen(python: Path, pip: Path, tmp_path: Path) -> None:
    run(pip, "install", "--quiet", "mypy")
    shutil.copy(SHIPPED_MODULES / "hello/module.py", tmp_path)
    (tmp_path / "wrong.py").write_text(
        "from mgr_module import MgrModule\n"
        "from outpost.v1 import types_pb2\n"
        "MgrModule('m').set_store(1, 'v')\n"
        "reveal_type(types_pb2.CommandResult().retval)\n"
    )
    mypy = [pip.with_name("mypy"), "--strict", "--python-executable", python]
    run(*mypy, "module.py", cwd=tmp_path)
    done = subprocess.run([*mypy, "wrong.py"], cwd=tmp_path, capture_output=True, text=True)
    assert 'wrong.py:3: error: Argument 1 to "set_store"' in done.stdout
    assert 'wrong.py:4: note: Revealed type is "int"' in done.stdout


def test_the_test_kit_works_with_it(python: Path, tmp_path: Path) -> None:
    program = tmp_path / "kit.py"
    program.write_text(
        textwrap.dedent(
            f"""
            from outpost.testing import FakeManager

            with FakeManager() as manager:
                hello = manager.start_module({str(SHIPPED_MODULES / "hello")!r})
                hello.set_option("place", "Mars")
                print(hello.run("hello").stdout)
            """
        )
    )
    assert run(python, program) == "Hello, Mars!\n"


if __name__ == "__main__":
    run_tests(__file__)
