"""The module noop_py: a command that does nothing, and one that reads, to be timed."""

from __future__ import annotations

import json
import time

from mgr_module import CLIReadCommand, CLIWriteCommand, HandleCommandResult, MgrModule

try:
    from orjson import loads
except ImportError:
    from json import loads

_READS = 100_000
_CHANGES = 7


class Module(MgrModule):
    """Does nothing."""

    @CLIReadCommand("noop-py")
    def noop(self) -> HandleCommandResult:
        """Do nothing"""
        return HandleCommandResult()

    @CLIWriteCommand("reads-py")
    def reads(self) -> HandleCommandResult:
        """Time reads of the OSD map"""
        import statistics  # here: how soon the module serves is measured, too

        first: list[float] = []
        for n in range(_CHANGES):
            word = "unset" if n % 2 else "set"
            self.check_mon_command({"prefix": f"osd {word}", "key": "noout"})
            begin = time.perf_counter()
            self.get("osd_map")
            first.append(time.perf_counter() - begin)
        text = json.dumps(self.get("osd_map"), separators=(",", ":"))
        alone: list[float] = []
        for _ in range(_CHANGES):
            begin = time.perf_counter()
            value = loads(text)
            alone.append(time.perf_counter() - begin)
            del value
        begin = time.perf_counter()
        for _ in range(_READS):
            self.get("osd_map")
        unchanged = (time.perf_counter() - begin) / _READS
        times = {
            "bytes": len(text),
            "unchanged_us": unchanged * 1e6,
            "first_us": statistics.median(first) * 1e6,
            "loads_us": statistics.median(alone) * 1e6,
        }
        return HandleCommandResult(stdout=json.dumps(times))
