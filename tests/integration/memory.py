"""How much memory processes take."""

from __future__ import annotations

import os
from pathlib import Path

from fixture import Manager

MIB = 1 << 20


def resident(pid: int) -> int:
    """The memory of a process, in bytes (RSS)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


class Growth:
    """How much more memory a manager takes than when this was made."""

    def __init__(self, manager: Manager) -> None:
        assert manager.process is not None
        self._pid = manager.process.pid
        self._before = resident(self._pid)
        self._most = 0

    def look(self) -> None:
        """Note what it is now."""
        self._most = max(self._most, resident(self._pid) - self._before)

    def check(self, bound: int) -> None:
        """It never was as much as this, in bytes, whenever one looked, nor is it now."""
        self.look()
        print(f"the manager has grown by {self._most / MIB:.1f} MiB")
        # What a sanitizer keeps to itself is not the manager's.
        assert self._most < bound or "OUTPOST_SANITIZER" in os.environ
