"""Ends in the ways that it is told to."""

from __future__ import annotations

import ctypes
import os
import threading

from mgr_module import CLICommand, HandleCommandResult, MgrModule


class LostError(Exception):
    """What serve() raises."""


class Module(MgrModule):
    """See above."""

    def __init__(self, module_name: str, *args: object) -> None:
        super().__init__(module_name, *args)
        self._awake = threading.Event()
        self._raises = False

    def serve(self) -> None:
        """Wait, and perhaps raise."""
        self._awake.wait()
        if self._raises:
            raise LostError("no way home")

    def shutdown(self) -> None:
        """Let serve() return."""
        self._awake.set()

    @CLICommand("crasher raise")
    def raise_in_serve(self) -> HandleCommandResult:
        """Let serve() raise"""
        self._raises = True
        self._awake.set()
        return HandleCommandResult()

    @CLICommand("crasher segfault")
    def segfault(self) -> HandleCommandResult:
        """Read what is not there"""
        ctypes.string_at(0)
        return HandleCommandResult()

    @CLICommand("crasher exit")
    def exit(self, status: int) -> HandleCommandResult:
        """End at once"""
        os._exit(status)
