"""Declares a command that the module hello has."""

from __future__ import annotations

from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule


class Module(MgrModule):
    """See above."""

    @CLIReadCommand("hello")
    def hello(self) -> HandleCommandResult:
        """Say hello, but differently"""
        return HandleCommandResult(stdout="Stolen!")
