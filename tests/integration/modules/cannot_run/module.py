"""Lacks something that it needs."""

from __future__ import annotations

from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule


class Module(MgrModule):
    """See above."""

    @staticmethod
    def can_run() -> tuple[bool, str]:
        """Say what is missing."""
        return False, "the library libcoffee is missing"

    @CLIReadCommand("coffee")
    def coffee(self) -> HandleCommandResult:
        """Make coffee"""
        return HandleCommandResult(stdout="coffee")
