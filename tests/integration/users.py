"""Users of the machine, for tests that are run by root: the command line as one of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fixture import DEADLINE, OUTPOST, Manager, Outcome

ALICE, BOB, EVE = 54321, 54322, 54323  # user ids
NOBODY = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be several users")


def open_to_all(manager: Manager) -> Path:
    """Let others reach the manager's socket; returns a command line that they may run."""
    manager.directory.chmod(0o755)
    program = manager.directory / "outpost"
    if not program.exists():
        shutil.copy(OUTPOST.resolve(), program)  # the runfiles may be closed to others
    return program


def as_user(manager: Manager, uid: int, *words: str) -> Outcome:
    """Run the command line as another user."""
    done = subprocess.run(
        [open_to_all(manager), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env={**manager.environment(), "HOME": "/nonexistent"},
        user=uid,
        group=uid,
        extra_groups=[],
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
