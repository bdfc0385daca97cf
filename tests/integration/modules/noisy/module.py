"""Writes to stdout and stderr, which for some programs would be a protocol."""

from __future__ import annotations

import os
import sys

from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule


class Module(MgrModule):
    """See above."""

    @CLIReadCommand("noisy")
    def noisy(self, lines: int) -> HandleCommandResult:
        """Write many lines, then answer"""
        for i in range(lines):
            print(f"noise {i} on stdout")
            print(f"noise {i} on stderr", file=sys.stderr)
        sys.stdout.flush()
        os.write(1, b"\xff\xfe no text\n")
        return HandleCommandResult(stdout="all written")
