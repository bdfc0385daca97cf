"""The C++ SDK as it is installed: a module and its test, made with g++ and pkg-config alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SDK = Path("sdk/cpp/sdk").resolve()
EXAMPLE = Path("sdk/cpp/examples/workspace").resolve()


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Put the SDK where nobody expects it: its files name no place."""
    prefix = tmp_path_factory.mktemp("somewhere") / "else"
    shutil.copytree(SDK, prefix)
    return prefix


def _pkg_config(prefix: Path, *arguments: str) -> list[str]:
    return subprocess.run(
        ["pkg-config", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")},
    ).stdout.split()


def _compile(prefix: Path, program: Path, sources: list[str], *packages: str) -> None:
    command = ["g++", "-Wall", "-Wextra", "-Werror", *(str(EXAMPLE / name) for name in sources)]
    flags = _pkg_config(prefix, "--cflags", "--libs", *packages)
    subprocess.run([*command, *flags, "-o", str(program)], check=True)


def test_a_module_is_made_with_pkg_config_alone(prefix: Path, tmp_path: Path) -> None:
    program = tmp_path / "dice"
    _compile(prefix, program, ["main.cc", "dice_module.cc"], "outpost")
    told = subprocess.run([program, "--help"], check=True, stdout=subprocess.PIPE, text=True)
    assert told.stdout.startswith("A manager module.")


def test_its_test_runs_against_the_installed_test_kit(prefix: Path, tmp_path: Path) -> None:
    program = tmp_path / "dice_module_test"
    sources = ["dice_module.cc", "dice_module_test.cc"]
    _compile(prefix, program, sources, "outpost-testing", "gtest_main")
    result = subprocess.run([program], check=False, stdout=subprocess.PIPE, text=True)
    assert "[  PASSED  ] 3 tests." in result.stdout, result.stdout
    assert result.returncode == 0


def test_only_headers_are_installed_as_headers(prefix: Path) -> None:
    files = [path for path in (prefix / "include").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".h"}
    assert {path.relative_to(prefix / "include").parts[0] for path in files} == {"outpost"}


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", __file__]))
