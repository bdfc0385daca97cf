"""The module noop_py: a command that does nothing, to be timed."""

from __future__ import annotations

from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule


class Module(MgrModule):
    """Does nothing."""

    @CLIReadCommand("noop-py")
    def noop(self) -> HandleCommandResult:
        """Do nothing"""
        return HandleCommandResult()
