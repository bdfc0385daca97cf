"""Times get() inside the real ceph-mgr."""

from __future__ import annotations

import json
import statistics
import time

from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule

_READS = 9


class Module(MgrModule):
    """Reads."""

    NOTIFY_TYPES = []

    @CLIReadCommand("reads")
    def reads(self) -> HandleCommandResult:
        """Time reads of the OSD map"""
        times: list[float] = []
        for _ in range(_READS):
            begin = time.perf_counter()
            osd_map = self.get("osd_map")
            times.append(time.perf_counter() - begin)
        told = {
            "osds": len(osd_map["osds"]),
            "bytes": len(json.dumps(osd_map)),
            "get_us": statistics.median(times) * 1e6,
        }
        return HandleCommandResult(stdout=json.dumps(told))
