"""Declares a command whose name has a slash."""

from __future__ import annotations

from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule


class Module(MgrModule):
    """See above."""

    @CLIReadCommand("../etc passwd")
    def command(self) -> HandleCommandResult:
        """Be anywhere"""
        return HandleCommandResult()
