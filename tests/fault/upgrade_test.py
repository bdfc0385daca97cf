"""A module's process is replaced under load: not one command is lost or refused."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from fixture import SHIPPED_MODULES, Manager, hammer, run_tests, until

_HELLO = {"hello": "hello", "hello_cpp": "hello-cpp"}
_TIMES = 3


def _second_version(name: str, tmp_path: Path) -> Path:
    """The same module in another directory."""
    place = tmp_path / f"{name}-2"
    shutil.copytree(SHIPPED_MODULES / name, place)
    return place


@pytest.mark.parametrize("name", ["hello", "hello_cpp"])
def test_no_command_is_lost(name: str, tmp_path: Path) -> None:
    with Manager("hello", "hello_cpp", flags=["--shutdown-grace", "2"]) as manager:
        other = next(each for each in _HELLO if each != name)
        before = manager.modules()
        with (
            hammer(manager, _HELLO[name]) as own,
            hammer(manager, _HELLO[name]) as more,
            hammer(manager, _HELLO[other]) as others,
        ):
            for _ in range(_TIMES):
                manager.check("module", "reload", name)
            manager.check("module", "upgrade", _second_version(name, tmp_path), name)
        print(f"{name}: {own()}, {more()}; {other}: {others()}")
        for interval in (own(), more(), others()):
            assert interval.failures == []
            assert interval.answers > 10
        after = manager.modules()
        assert after[name].pid != before[name].pid
        assert after[name].restarts == 0
        assert after[name].path == str(tmp_path / f"{name}-2")
        assert after[other].pid == before[other].pid
        assert len(manager.module_processes()) == 2

        manager.kill9()
        manager.restart()
        assert manager.modules()[name].path == str(tmp_path / f"{name}-2")
        assert manager.modules()[name].pid == after[name].pid
        assert manager.outpost(_HELLO[name]) == (0, "Hello, world!\n", "")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import nosuch", "No module named 'nosuch'"),
        (
            "from mgr_module import MgrModule\n"
            "class Hello(MgrModule):\n"
            "    @staticmethod\n"
            "    def can_run():\n"
            "        return False, 'there is no coffee'\n",
            "says that it can't run: there is no coffee",
        ),
        ("import time\ntime.sleep(600)", "did not get ready in 1.5s"),
    ],
)
def test_what_does_not_get_ready_is_rolled_back(code: str, told: str, tmp_path: Path) -> None:
    flags = ["--ready-timeout", "1.5"] if "sleep" in code else []
    with Manager("hello_cpp", "hello", flags=flags) as manager:
        before = manager.modules()["hello"]
        bad = tmp_path / "hello"
        bad.mkdir()
        (bad / "module.py").write_text(code + "\n")
        with hammer(manager, "hello") as interval:
            rc, out, err = manager.outpost("module", "upgrade", bad)
        assert (rc, out) == (errno.EAGAIN, ""), err
        assert "module 'hello' was not upgraded: the new process " in err
        assert told in err
        assert err.endswith("; the old one goes on\n")
        assert interval().failures == []
        after = manager.modules()["hello"]
        assert (after.pid, after.path, after.restarts) == (before.pid, before.path, 0)
        until("the new one to be gone", lambda: len(manager.module_processes()) == 2)


def test_what_can_not_be_upgraded_is_told(tmp_path: Path) -> None:
    with Manager("hello_cpp", installed=["hello"]) as manager:
        rc, _, err = manager.outpost("module", "reload", "hello")
        assert rc == errno.EOPNOTSUPP
        assert "module 'hello' is not enabled" in err
        rc, _, err = manager.outpost("module", "upgrade", "relative/path")
        assert rc == errno.ENOENT
        assert "is not the absolute path of a directory" in err
        (tmp_path / "module.toml").write_text("argv = 3\n")
        rc, _, err = manager.outpost("module", "upgrade", tmp_path, "hello_cpp")
        assert rc == errno.EINVAL
        assert "argv must be an array of strings" in err


if __name__ == "__main__":
    run_tests(__file__)
