#!/usr/bin/python3
"""Records what a real Ceph says, for the unit tests of //server/cluster/ceph.

    record_structures.py FILE

writes FILE, JSON with two members, taken at the same moment of a cluster with a pool, a
dead OSD and a flag set:

    commands: {"<command as JSON>": "<the monitors' answer, as text>"}
    get:      {"<structure>": <what get() gives inside ceph-mgr>}
"""

from __future__ import annotations

import json
import pathlib
import sys
import tempfile
from typing import Any

from cluster import CephCluster

_STRUCTURES = (
    "osd_map",
    "osd_map_crush",
    "osd_map_tree",
    "osd_metadata",
    "osd_stats",
    "mon_map",
    "mon_status",
    "mgr_map",
    "fs_map",
    "service_map",
    "health",
    "df",
    "pg_summary",
    "pg_status",
    "pool_stats",
)
_MODULE = """\
import json

from mgr_module import MgrModule


class Module(MgrModule):
    NOTIFY_TYPES = []
    COMMANDS = [{"cmd": "record structures", "desc": "dump get()", "perm": "r"}]

    def handle_command(self, inbuf, cmd):
        return 0, json.dumps({name: self.get(name) for name in json.loads(inbuf)}), ""
"""
_COMMANDS: tuple[dict[str, Any], ...] = (
    {"prefix": "status"},
    {"prefix": "mgr stat"},
    {"prefix": "mon dump"},
    {"prefix": "osd dump"},
    {"prefix": "osd tree"},
    {"prefix": "osd crush dump"},
    {"prefix": "osd metadata"},
    {"prefix": "mon metadata"},
    {"prefix": "mgr metadata"},
    {"prefix": "mds metadata"},
    {"prefix": "fs dump"},
    {"prefix": "mgr dump"},
    {"prefix": "service dump"},
    {"prefix": "health", "detail": "detail"},
    {"prefix": "df", "detail": "detail"},
    {"prefix": "pg dump", "dumpcontents": ["sum"]},
    {"prefix": "pg dump", "dumpcontents": ["pgs_brief", "osds", "pools"]},
)


def _run(cluster: CephCluster, *args: str, stdin: str = "") -> str:
    rc, out, err = cluster.ceph(*args, stdin=stdin)
    if rc != 0:
        raise SystemExit(f"ceph {' '.join(args)}: {err}")
    return out.strip()


def _ask(cluster: CephCluster, command: dict[str, Any]) -> str:
    extra = command.get("dumpcontents", [command["detail"]] if "detail" in command else [])
    return _run(cluster, *command["prefix"].split(), *extra, "-f", "json")


def _record(cluster: CephCluster) -> dict[str, Any]:
    """Repeats until nothing has changed between its beginning and its end."""
    while True:
        before = [_ask(cluster, {"prefix": "status"}), _ask(cluster, _COMMANDS[-2])]
        commands = {
            json.dumps({**command, "format": "json"}, separators=(",", ":")): _ask(cluster, command)
            for command in _COMMANDS
        }
        tell = {"prefix": "mon_status", "format": "json"}
        commands[json.dumps(tell, separators=(",", ":"))] = _run(
            cluster, "tell", "mon.a", "mon_status", "-f", "json"
        )
        get = json.loads(
            _run(cluster, "record", "structures", "-i", "-", stdin=json.dumps(_STRUCTURES))
        )
        after = [_ask(cluster, {"prefix": "status"}), _ask(cluster, _COMMANDS[-2])]
        if [_timeless(b) for b in before] == [_timeless(a) for a in after]:
            mgr_dump = json.dumps({"prefix": "mgr dump", "format": "json"}, separators=(",", ":"))
            commands[mgr_dump] = json.dumps(_small(json.loads(commands[mgr_dump])))
            return {"commands": commands, "get": {**get, "mgr_map": _small(get["mgr_map"])}}


def _small(mgr_map: dict[str, Any]) -> dict[str, Any]:
    """Without the descriptions of all modules' options, which are most of it."""
    return {**mgr_map, "available_modules": []}


def _timeless(text: str) -> Any:
    json_value = json.loads(text)
    json_value.pop("quorum_age", None)
    for key in ("version", "stamp"):
        json_value.get("pg_map", {}).pop(key, None)
    return json_value


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        module = pathlib.Path(directory) / "record"
        module.mkdir()
        (module / "__init__.py").write_text("from .module import Module\n")
        (module / "module.py").write_text(_MODULE)
        with CephCluster(pathlib.Path(directory) / "c", mgr_modules=[module]) as cluster:
            _run(cluster, "osd", "pool", "create", "rbd", "4")
            _run(cluster, "osd", "set", "noout")
            cluster.kill_osd(2)
            _run(cluster, "osd", "down", "2")
            cluster.wait_for_osds(2)
            recorded = _record(cluster)
    pathlib.Path(sys.argv[1]).write_text(json.dumps(recorded, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
