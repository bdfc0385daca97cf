"""Takes its time: for commands that are given up, cancelled, or in hand when something happens."""

from __future__ import annotations

import threading
from pathlib import Path

from mgr_module import CLIReadCommand, CLIWriteCommand, HandleCommandResult, MgrModule


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

    @CLIWriteCommand("slow toil")
    def toil(self, gate: str, tally: str) -> HandleCommandResult:
        """Wait until whoever writes to the FIFO GATE closes it, then add a line to TALLY"""
        Path(gate).read_bytes()
        with open(tally, "a", encoding="utf-8") as file:
            file.write("once\n")
        return HandleCommandResult(stdout="done\n")

    @CLIReadCommand("slow release")
    def release(self) -> HandleCommandResult:
        """End the wait of `slow`"""
        self._release.set()
        return HandleCommandResult()

    def shutdown(self) -> None:
        """End the wait."""
        self._release.set()
