#!/usr/bin/python3
"""Records what a real Ceph says, as a reference for what the manager's sources say.

    record_structures.py

starts a small cluster with a module of its own inside the real ceph-mgr, which dumps what
get() gives there, and writes two files of this checkout:

    server/cluster/ceph/testdata/recorded.json: for the unit tests of //server/cluster/ceph,
    taken at one moment of a cluster with a pool, a dead OSD and a flag set:

        commands: {"<command as JSON>": "<the monitors' answer, as text>"}
        get:      {"<structure>": <what get() gives inside ceph-mgr>}

    tests/integration/ceph/testdata/shapes.json: the keys and types of every structure
    (see shapes.py), of several moments of a cluster with much in it:

        {"<structure>": SHAPE}

The second says nothing of that one cluster: it changes when Ceph does.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from cluster import CephCluster
from shapes import Shape, merge, shape_of

_ROOT = pathlib.Path(__file__).resolve().parents[3]
_RECORDED = _ROOT / "server/cluster/ceph/testdata/recorded.json"
_SHAPES = _ROOT / "tests/integration/ceph/testdata/shapes.json"
_DEADLINE_S = 90
_DEVICE = "RECORDED_DISK_1"
# All that ceph-mgr 16.2 knows.
_STRUCTURES = (
    "active_clean_pgs",
    "config",
    "config_options",
    "devices",
    "df",
    "fs_map",
    "have_local_config_map",
    "health",
    "io_rate",
    "mds_metadata",
    "mgr_ips",
    "mgr_map",
    "modified_config_options",
    "mon_map",
    "mon_status",
    "osd_map",
    "osd_map_crush",
    "osd_map_tree",
    "osd_metadata",
    "osd_ping_times",
    "osd_pool_stats",
    "osd_stats",
    "osdmap_crush_map_text",
    "pg_dump",
    "pg_progress",
    "pg_ready",
    "pg_stats",
    "pg_status",
    "pg_summary",
    "pool_stats",
    "service_map",
    f"device {_DEVICE}",
)
# Of no use to the unit tests of the ceph source: it has no way to them, or they are long.
_NOT_IN_RECORDED = ("config", "config_options", "osdmap_crush_map_text", f"device {_DEVICE}")
_MODULE = """\
import json

from mgr_module import MgrModule


class Module(MgrModule):
    NOTIFY_TYPES = []
    COMMANDS = [{"cmd": "record structures", "desc": "dump get()", "perm": "r"}]

    def handle_command(self, inbuf, cmd):
        return 0, json.dumps({name: self.get(name) for name in json.loads(inbuf)}), ""
"""
# A daemon of a service that has a disk, which OSDs in memory have not. It lives until its
# stdin ends.
_SERVICE = f"""\
import rados
import sys

client = rados.Rados(conffile=sys.argv[1], rados_id="admin")
client.connect()
client.service_daemon_register(
    "rgw", "recorded", {{"device_ids": "sda={_DEVICE}", "device_paths": "sda=/dev/disk/by-path/1"}}
)
client.service_daemon_update({{"status": "{{}}"}})
print("begun", flush=True)
sys.stdin.read()
"""
# A client that reads and writes.
_CLIENT = """\
import itertools
import rados
import sys

client = rados.Rados(conffile=sys.argv[1], rados_id="admin")
client.connect()
pool = client.open_ioctx("rbd")
print("begun", flush=True)
for i in itertools.count():
    pool.write_full(str(i % 500), b"x" * 65536)
    pool.read(str(i % 500), 65536)
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
    {"prefix": "osd pool stats"},
    {"prefix": "device ls"},
    {"prefix": "config log", "num": 1},
    {"prefix": "config dump"},
    {"prefix": "config show", "who": "mgr.x"},
    {"prefix": "config show", "who": "mon.a"},
    {"prefix": "config show", "who": "osd.0"},
    {"prefix": "config show", "who": "osd.1"},
    {"prefix": "config show-with-defaults", "who": "mgr.x"},
    {"prefix": "pg dump", "dumpcontents": ["all"]},
)


def _run(cluster: CephCluster, *args: str, stdin: str = "") -> str:
    rc, out, err = cluster.ceph(*args, stdin=stdin)
    if rc != 0:
        raise SystemExit(f"ceph {' '.join(args)}: {err}")
    return out.strip()


def _ask(cluster: CephCluster, command: dict[str, Any]) -> str:
    extra: list[str] = []
    for name, value in command.items():
        if name != "prefix":
            extra += value if isinstance(value, list) else [str(value)]
    return _run(cluster, *command["prefix"].split(), *extra, "-f", "json")


def _get(cluster: CephCluster) -> dict[str, Any]:
    """What get() gives now inside ceph-mgr."""
    got: dict[str, Any] = json.loads(
        _run(cluster, "record", "structures", "-i", "-", stdin=json.dumps(_STRUCTURES))
    )
    return got


def _key(command: dict[str, Any]) -> str:
    return json.dumps({**command, "format": "json"}, separators=(",", ":"))


def _record(cluster: CephCluster) -> dict[str, Any]:
    """Repeats until nothing has changed between its beginning and its end."""
    while True:
        before = [_ask(cluster, {"prefix": "status"}), _ask(cluster, _COMMANDS[-1])]
        commands = {_key(command): _ask(cluster, command) for command in _COMMANDS}
        commands[_key({"prefix": "mon_status"})] = _run(
            cluster, "tell", "mon.a", "mon_status", "-f", "json"
        )
        get = _get(cluster)
        after = [_ask(cluster, {"prefix": "status"}), _ask(cluster, _COMMANDS[-1])]
        if [_timeless(b) for b in before] != [_timeless(a) for a in after]:
            continue
        mgr_dump = _key({"prefix": "mgr dump"})
        commands[mgr_dump] = json.dumps(_small(json.loads(commands[mgr_dump])))
        defaults = _key(_COMMANDS[-2])
        commands[defaults] = json.dumps(json.loads(commands[defaults])[:20])
        for name in _NOT_IN_RECORDED:
            del get[name]
        return {"commands": commands, "get": {**get, "mgr_map": _small(get["mgr_map"])}}


def _small(mgr_map: dict[str, Any]) -> dict[str, Any]:
    """Without the descriptions of all modules' options, which are most of it."""
    return {**mgr_map, "available_modules": []}


def _timeless(text: str) -> Any:
    json_value = json.loads(text)
    json_value.pop("quorum_age", None)
    pg_map = json_value.get("pg_map", {})
    for key in ("version", "stamp", "pg_stats_delta"):
        pg_map.pop(key, None)
    for osd in pg_map.get("osd_stats", []):
        osd.pop("seq")
        osd.pop("network_ping_times")
    return json_value


@contextlib.contextmanager
def _script(cluster: CephCluster, text: str) -> Iterator[None]:
    """A Python program that uses the cluster meanwhile; it has begun when it prints a line."""
    process = subprocess.Popen(
        ["/usr/bin/python3", "-c", text, cluster.conf_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "begun\n":
            raise SystemExit("a client of the cluster failed")
        yield
    finally:
        process.kill()
        process.communicate()


def _fill(cluster: CephCluster) -> None:
    """Brings something into the lists and maps that are empty otherwise."""
    for words in (
        "osd unset noout",
        "osd crush set-device-class hdd osd.0 osd.1 osd.2",
        "osd pool application enable rbd rbd",
        "osd pool mksnap rbd first",
        "osd pool set rbd target_size_ratio 0.1",
        "osd pool create fs.meta 2",
        "osd pool create fs.data 2",
        "fs new files fs.meta fs.data",
        "osd blocklist add 127.0.0.9:0/1",
        "osd erasure-code-profile set other k=2 m=1 crush-failure-domain=osd",
        "osd set-group noout osd.0",
        "config set osd.0 debug_ms 1",
        "health mute MDS_ALL_DOWN 1h",
    ):
        _run(cluster, *words.split())
    up = json.loads(_ask(cluster, {"prefix": "pg map", "pgid": "1.0"}))["up"]
    other = ({0, 1, 2} - set(up)).pop()
    _run(cluster, "osd", "pg-upmap-items", "1.0", str(up[1]), str(other))


class _Shapes:
    """The shapes of what was seen so far."""

    def __init__(self, cluster: CephCluster) -> None:
        self._cluster = cluster
        self.shapes: dict[str, Shape] = {}

    def add_until(self, what: str, seen: Any) -> None:
        """Adds moments until seen(get) is true of one."""
        until = time.monotonic() + _DEADLINE_S
        while time.monotonic() < until:
            get = _get(self._cluster)
            # The text of the CRUSH map is cut off at its first zero byte: none is left.
            del get["osdmap_crush_map_text"]
            get["device"] = get.pop(f"device {_DEVICE}")
            if not get["device"]:
                del get["device"]
            for name, value in get.items():
                shape = shape_of(name, value)
                self.shapes[name] = (
                    merge(self.shapes[name], shape) if name in self.shapes else shape
                )
            if seen(get):
                return
        raise SystemExit(f"waited in vain for {what}: {get['pg_summary']['all']}")


def _record_shapes(cluster: CephCluster) -> dict[str, Shape]:
    shapes = _Shapes(cluster)
    shapes.add_until("a cluster with little in it", lambda get: True)
    _fill(cluster)
    with _script(cluster, _SERVICE):
        cluster.start_osd(2)
        shapes.add_until("three OSDs, and a disk", lambda get: "device" in get and _clean(get))
        with _script(cluster, _CLIENT):
            shapes.add_until(
                "clients", lambda get: "read_bytes_sec" in _pool(get)["client_io_rate"]
            )
            _run(cluster, "osd", "set", "nobackfill")
            _run(cluster, "osd", "set", "norecover")
            _run(cluster, "osd", "out", "0")
            shapes.add_until(
                "misplaced objects", lambda get: "misplaced_objects" in _pool(get)["recovery"]
            )
            _run(cluster, "osd", "in", "0")
            cluster.kill_osd(2)
            _run(cluster, "osd", "down", "2")
            shapes.add_until(
                "degraded objects", lambda get: "degraded_objects" in _pool(get)["recovery"]
            )
        cluster.start_osd(2)
        _run(cluster, "osd", "unset", "nobackfill")
        _run(cluster, "osd", "unset", "norecover")
        shapes.add_until("recovery", lambda get: _pool(get)["recovery_rate"])
        shapes.add_until("ping times", _pings)
    return shapes.shapes


def _pool(get: dict[str, Any]) -> dict[str, Any]:
    return next(p for p in get["osd_pool_stats"]["pool_stats"] if p["pool_name"] == "rbd")


def _clean(get: dict[str, Any]) -> bool:
    return list(get["pg_summary"]["all"]) == ["active+clean"]


def _pings(get: dict[str, Any]) -> bool:
    return any(
        len(peer["interfaces"]) == 2
        for osd in get["osd_ping_times"]["osd_ping_times"]
        for peer in osd["network_ping_times"]
    )


def _sorted(shape: Shape) -> Shape:
    if isinstance(shape, dict):
        return {key: _sorted(shape[key]) for key in sorted(shape)}
    if isinstance(shape, list):
        return [_sorted(element) for element in shape]
    return shape


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
            _RECORDED.write_text(json.dumps(_record(cluster), indent=1) + "\n")
            _SHAPES.write_text(json.dumps(_sorted(_record_shapes(cluster)), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
