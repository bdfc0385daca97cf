"""Takes its time: for commands that are given up, cancelled, or in hand when something happens."""

from __future__ import annotations

import threading

from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule


class Module(MgrModule):
    """See above."""

    MAX_CONCURRENCY = 2

    def __init__(self, module_name: str, *args: object) -> None:
        super().__init__(module_name, *args)
        self._release = threading.Event()

    @CLIReadCommand("slow")
    def slow(self) -> HandleCommandResult:
        """Wait until somebody says `slow release`"""
        self.log.info("slow waits")
        self._release.wait()
        return HandleCommandResult(stdout="at last")

    @CLIReadCommand("slow release")
    def release(self) -> HandleCommandResult:
        """End the wait of `slow`"""
        self._release.set()
        return HandleCommandResult()

    def shutdown(self) -> None:
        """End the wait."""
        self._release.set()
