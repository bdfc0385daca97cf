"""Its serve() fails."""

from __future__ import annotations

from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule


class Module(MgrModule):
    """See above."""

    @CLIReadCommand("raises")
    def command(self) -> HandleCommandResult:
        """Answer"""
        return HandleCommandResult(stdout="answered")

    def serve(self) -> None:
        """Fail."""
        raise ValueError("there is no bottom to this")
