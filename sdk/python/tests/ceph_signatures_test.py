"""The signatures of ceph-mgr's own modules, read by this SDK and by ceph-mgr's mgr_module.

Needs Debian's ceph-mgr-modules-core. One difference is ceph-mgr's: where a handler says nothing of
what it returns, ceph-mgr takes its last parameter for optional, default or not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CEPH_MODULES = Path("/usr/share/ceph/mgr")
OURS = [path for path in sys.path if path]

DUMP = """
import importlib, json, sys, types

ceph_module = types.ModuleType("ceph_module")  # is built into ceph-mgr
for name in ("MgrModule", "MgrStandbyModule", "PyOSDMap", "PyOSDMapIncremental", "PyCRUSH"):
    setattr(ceph_module, "Base" + name, type("Base" + name, (), {}))
sys.modules["ceph_module"] = ceph_module

import mgr_module

module = importlib.import_module(sys.argv[1] + ".module")
dumped = []
for command in mgr_module.CLICommand.COMMANDS.values():
    returns = "return" in command.func.__annotations__
    dumped.append({**command.dump_cmd(), "returns": returns})
for value in vars(module).values():
    if isinstance(value, type) and issubclass(value, mgr_module.MgrModule):
        dumped += ({**command, "returns": True} for command in value.COMMANDS)
json.dump(dumped, sys.stdout)
"""


def dumped(module: str, path: list[str]) -> list[tuple[Any, ...]]:
    done = subprocess.run(
        [sys.executable, "-c", DUMP, module],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*path, str(CEPH_MODULES)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [normal(command) for command in json.loads(done.stdout)]


def normal(command: dict[str, Any]) -> tuple[Any, ...]:
    words = []
    for word in command["cmd"].split():
        parts = set(word.split(","))
        words.append(parts if command["returns"] else parts - {"req=false"})
    return words, command["desc"].split(), command["perm"], command.get("poll", False)


@pytest.mark.parametrize(
    ("module", "commands"),
    [
        ("devicehealth", 8),
        ("insights", 2),
        ("iostat", 1),
        ("mirroring", 12),
        ("orchestrator", 50),
        ("snap_schedule", 8),
        ("telemetry", 7),
        ("volumes", 44),
    ],
)
def test_signatures_are_the_same(module: str, commands: int) -> None:
    ours = dumped(module, OURS)
    assert len(ours) >= commands
    for mine, theirs in zip(ours, dumped(module, []), strict=True):
        assert mine == theirs


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
