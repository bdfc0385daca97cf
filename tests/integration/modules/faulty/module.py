"""Does what a module should not, when it is told to; faulty_cpp does the same in C++."""

from __future__ import annotations

import threading
from typing import Any

from mgr_module import CLICommand, CLIReadCommand, HandleCommandResult, MgrModule


class Module(MgrModule):
    """See above."""

    MAX_CONCURRENCY = 8
    NOTIFY_TYPES = ("osd_map",)

    def __init__(self, module_name: str, *args: object) -> None:
        super().__init__(module_name, *args)
        self._spins = False
        self._change = threading.Event()
        self._hears = threading.Event()
        self._hears.set()
        self._well = threading.Event()

    def serve(self) -> None:
        """Spin, while that is asked for; never mind shutdown()."""
        while True:
            self._change.wait()
            self._change.clear()
            while self._spins:
                pass

    def notify(self, notify_type: Any, notify_id: str) -> None:
        """Block, while that is asked for."""
        self._hears.wait()
        self.log.info("heard of OSD map %s", notify_id)

    @CLIReadCommand("faulty")
    def answer(self) -> HandleCommandResult:
        """Answer"""
        return HandleCommandResult(stdout="here")

    @CLICommand("faulty spin")
    def spin(self) -> HandleCommandResult:
        """Let serve() spin"""
        self._spins = True
        self._change.set()
        return HandleCommandResult()

    @CLICommand("faulty deaf")
    def deaf(self) -> HandleCommandResult:
        """Let notify() block"""
        self._hears.clear()
        return HandleCommandResult()

    @CLICommand("faulty hang")
    def hang(self) -> HandleCommandResult:
        """Do not return"""
        self.never()
        return HandleCommandResult()

    @CLICommand("faulty well")
    def well(self) -> HandleCommandResult:
        """End all that"""
        self._spins = False
        self._hears.set()
        self._well.set()
        self._well = threading.Event()
        return HandleCommandResult()

    def never(self) -> None:
        """Do not return: a method for other modules."""
        self._well.wait()
