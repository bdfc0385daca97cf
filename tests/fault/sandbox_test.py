"""What a module is kept from by Landlock and seccomp alone."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from fixture import Manager, run_tests, until


def start(*settings: str) -> Manager:
    words = [word for setting in settings for word in ("--module-setting", f"breaks.{setting}")]
    return Manager("hello_cpp", "breaks", flags=words)


def applied(manager: Manager, name: str) -> None:
    (measure,) = [m for m in manager.modules()["breaks"].isolation if m.name == name]
    if not measure.applied:
        pytest.skip(f"this machine has no {name}: {measure.how}")


def test_landlock_holds_what_changes_files(tmp_path: Path) -> None:
    allowed, denied = tmp_path / "allowed", tmp_path / "denied"
    for path in (allowed, denied):
        path.write_text("kept")
    below = tmp_path / "below"
    below.mkdir()
    with start("landlock=true", f"writable={allowed}:{below}") as manager:
        applied(manager, "landlock")
        assert manager.outpost("breaks", "write", below / "new").rc == 0
        assert manager.outpost("breaks", "write", allowed).rc == 0
        assert manager.outpost("breaks", "truncate", allowed).rc == 0
        assert manager.outpost("breaks", "write", tmp_path / "new").rc == errno.EACCES
        assert manager.outpost("breaks", "write", denied).rc == errno.EACCES
        assert manager.outpost("breaks", "truncate", denied).rc == errno.EACCES
    assert denied.read_text() == "kept"
    assert allowed.read_text() == ""


def test_seccomp_keeps_the_files_of_other_processes() -> None:
    with start() as manager:
        other = manager.modules()["hello_cpp"].pid
        if manager.outpost("breaks", "steal", str(other)).rc != 0:
            pytest.skip("the kernel does not give files of another process to anybody here")
    with start("seccomp=true") as manager:
        applied(manager, "seccomp")
        other = manager.modules()["hello_cpp"].pid
        assert manager.outpost("breaks", "steal", str(other)).rc == errno.EPERM


def test_without_its_user_it_is_not_started() -> None:
    with start("user=no-such-user") as manager:
        reason = manager.settled("breaks").reason
        assert "as user no-such-user: there is no user no-such-user; make that user" in reason
        assert manager.modules()["breaks"].pid == 0
        until("health to tell", lambda: "no-such-user" in manager.check("health", "detail"))


if __name__ == "__main__":
    run_tests(__file__)
