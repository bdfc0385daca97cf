"""Evaluates expressions of a test: runs in ceph-mgr and here, which must say the same.

`mgr` is the module. Its OSD map is read once, by `mapprobe read`, so that both work on one epoch.
"""

import json
from typing import Any

from mgr_module import CLICommand, MgrModule


class Module(MgrModule):
    """See above."""

    osdmap: Any = None

    @CLICommand("mapprobe read")
    def read(self) -> "tuple[int, str, str]":
        """Read the OSD map, and tell its epoch"""
        self.osdmap = self.get_osdmap()
        return 0, str(self.osdmap.get_epoch()), ""

    @CLICommand("mapprobe eval")
    def evaluate(self, code: str) -> "tuple[int, str, str]":
        """Run lines of Python, and tell what they leave in `result`, as JSON"""
        osdmap = self.osdmap
        names = {"mgr": self, "osdmap": osdmap, "crush": osdmap.get_crush() if osdmap else None}
        exec(code, names)
        return 0, json.dumps(names["result"], sort_keys=True), ""
