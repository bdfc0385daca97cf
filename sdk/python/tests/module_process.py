"""Runs a module as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

DEADLINE = 15.0  # seconds


class ModuleProcess:
    """A module that runs as a process of its own: `python3 -m outpost.run`."""

    def __init__(
        self, directory: Path, address: str, token: str = "", *, flags: Sequence[str] = ()
    ) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OUTPOST_ADDRESS": address,
        }
        pass_fds: tuple[int, ...] = ()
        if token:
            read_end, write_end = os.pipe()
            os.write(write_end, token.encode())
            os.close(write_end)
            environment["OUTPOST_TOKEN_FD"] = str(read_end)
            pass_fds = (read_end,)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "outpost.run", *flags, str(directory)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=pass_fds,
            text=True,
        )
        for descriptor in pass_fds:
            os.close(descriptor)

    def end(self) -> tuple[int, str]:
        """Wait for the process's end; returns its status and stderr."""
        try:
            _, stderr = self.process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return self.process.returncode, stderr

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> str:
        if self.process.poll() is None:
            self.process.kill()
        _, stderr = self.process.communicate()
        return stderr


def write_module(directory: Path, source: str) -> Path:
    """Write a module.py, with what most need imported, and return its directory."""
    directory.mkdir()
    head = (
        "import errno, enum, logging, os, sys, threading, time\n"
        "from typing import Any, List, Literal, Optional, Union\n"
        "from mgr_module import *\n\n"
    )
    (directory / "module.py").write_text(head + textwrap.dedent(source))
    return directory
