"""The cluster's metrics, with the names and labels that ceph-mgr's exporter gives them.

Each function adds what one structure (or a few) tells; a structure that is not there, or a part
that another kind of cluster does not have, adds nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from outpost import PG_STATES, ServerInfo

from .families import Families

_HEALTH = {"HEALTH_OK": 0, "HEALTH_WARN": 1, "HEALTH_ERR": 2}
_DF_CLUSTER = ("total_bytes", "total_used_bytes", "total_used_raw_bytes")
_DF_POOL = (
    "max_avail",
    "avail_raw",
    "stored",
    "stored_raw",
    "objects",
    "dirty",
    "quota_bytes",
    "quota_objects",
    "rd",
    "rd_bytes",
    "wr",
    "wr_bytes",
    "compress_bytes_used",
    "compress_under_bytes",
    "bytes_used",
    "percent_used",
)
_RECOVERY = (
    "recovering_objects_per_sec",
    "recovering_bytes_per_sec",
    "recovering_keys_per_sec",
    "num_objects_recovered",
    "num_bytes_recovered",
)
_OSD_FLAGS = (
    "noup",
    "nodown",
    "noout",
    "noin",
    "nobackfill",
    "norebalance",
    "norecover",
    "noscrub",
    "nodeep-scrub",
)
_OSD_LATENCIES = ("apply_latency_ms", "commit_latency_ms")
_OBJECTS = ("degraded", "misplaced", "unfound")
_REPLICATED, _ERASURE = 1, 3  # pg_pool_t's types
_UNKNOWN_HOST = ("", "")
_Daemons = Mapping[tuple[str, str], tuple[str, str]]


class Cluster(Protocol):
    """What is asked of MgrModule."""

    release_name: str
    """Of the cluster's software: "quincy"."""

    def get(self, data_name: str) -> Any:
        """Return a structure; None: there is none."""

    def list_servers(self) -> list[ServerInfo]:
        """Describe every host."""

    def get_daemon_health_metrics(self) -> dict[str, list[dict[str, Any]]]:
        """Return what daemons find worth a check."""


def health(cluster: Cluster, out: Families) -> None:
    """ceph_health_status, and each check that is raised."""
    described = _parsed(cluster.get("health"))
    if described.get("status") in _HEALTH:
        out.ceph("ceph_health_status", "Cluster health status", _HEALTH[described["status"]])
    checks = described.get("checks", {})
    for name, check in checks.items():
        labels = {"name": name, "severity": check.get("severity", "")}
        out.ceph(
            "ceph_health_detail", "healthcheck status by type (0=inactive, 1=active)", 1, labels
        )
    slow = checks.get("SLOW_OPS", {}).get("summary", {}).get("message", "0").split()[0]
    out.ceph(
        "ceph_healthcheck_slow_ops",
        "OSD or Monitor requests taking a long time to process",
        int(slow) if slow.isdigit() else 0,
    )


def usage(cluster: Cluster, out: Families) -> None:
    """What is stored, in the cluster and in each pool."""
    df = cluster.get("df") or {}
    for stat in _DF_CLUSTER:
        if stat in df.get("stats", {}):
            out.ceph(f"ceph_cluster_{stat}", f"DF {stat}", df["stats"][stat])
    for pool in df.get("pools", ()):
        labels = {"pool_id": pool["id"]}
        for stat in _DF_POOL:
            if stat in pool["stats"]:
                out.ceph(f"ceph_pool_{stat}", f"DF pool {stat}", pool["stats"][stat], labels)


def pool_recovery(cluster: Cluster, out: Families) -> None:
    """How fast each pool recovers."""
    for pool in (cluster.get("osd_pool_stats") or {}).get("pool_stats", ()):
        for stat in _RECOVERY:
            value = pool.get("recovery_rate", {}).get(stat, 0)
            labels = {"pool_id": pool["pool_id"]}
            out.ceph(f"ceph_pool_{stat}", f"OSD pool stats: {stat}", value, labels)


def repaired_objects(cluster: Cluster, out: Families) -> None:
    """How many objects of each pool were repaired."""
    for pool in (cluster.get("pool_stats") or {}).get("pool_stats", ()):
        out.ceph(
            "ceph_pool_objects_repaired",
            "Number of objects repaired in a pool",
            pool["stat_sum"]["num_objects_repaired"],
            {"poolid": pool["poolid"]},
        )


def placement_groups(cluster: Cluster, out: Families) -> None:
    """How many placement groups of each pool are in which state; and objects that are amiss."""
    summary = cluster.get("pg_summary") or {}
    for pool, states in summary.get("by_pool", {}).items():
        count: defaultdict[str, int] = defaultdict(int, dict.fromkeys(PG_STATES, 0))
        for combined, number in states.items():
            count["total"] += number
            for state in combined.split("+"):
                count[state] += number
        for state, number in count.items():
            help_text = "PG Total Count per Pool" if state == "total" else f"PG {state} per pool"
            out.ceph(f"ceph_pg_{state}", help_text, number, {"pool_id": pool})
    sums = summary.get("pg_stats_sum", {}).get("stat_sum", {})
    for objects in _OBJECTS:
        if f"num_objects_{objects}" in sums:
            out.ceph(
                f"ceph_num_objects_{objects}",
                f"Number of {objects} objects",
                sums[f"num_objects_{objects}"],
            )


def monitors(cluster: Cluster, out: Families) -> None:
    """Which monitors there are, and which of them are in quorum."""
    status = _parsed(cluster.get("mon_status"))
    daemons = _daemons(cluster.list_servers())
    for mon in status.get("monmap", {}).get("mons", ()):
        daemon = f"mon.{mon['name']}"
        host, version = daemons.get(("mon", mon["name"]), _UNKNOWN_HOST)
        out.ceph(
            "ceph_mon_metadata",
            "MON Metadata",
            1,
            {
                "ceph_daemon": daemon,
                "hostname": host,
                "public_addr": _host_of(mon["public_addr"]),
                "rank": mon["rank"],
                "ceph_version": version,
            },
        )
        out.ceph(
            "ceph_mon_quorum_status",
            "Monitors in quorum",
            int(mon["rank"] in status.get("quorum", ())),
            {"ceph_daemon": daemon},
        )


def managers(cluster: Cluster, out: Families) -> None:
    """Which of Ceph's own managers there are, and their modules."""
    mgr_map = cluster.get("mgr_map") or {}
    daemons = _daemons(cluster.list_servers())
    active = mgr_map.get("active_name", "")
    names = [standby["name"] for standby in mgr_map.get("standbys", ())]
    for name in [*names, active] if active else names:
        host, version = daemons.get(("mgr", name), _UNKNOWN_HOST)
        daemon = {"ceph_daemon": f"mgr.{name}"}
        out.ceph(
            "ceph_mgr_metadata",
            "MGR metadata",
            1,
            {**daemon, "hostname": host, "ceph_version": version},
        )
        out.ceph("ceph_mgr_status", "MGR status (0=standby, 1=active)", int(name == active), daemon)
    always_on = mgr_map.get("always_on_modules", {}).get(cluster.release_name, ())
    for module in mgr_map.get("available_modules", ()):
        labels = {"name": module["name"]}
        enabled = 2 if module["name"] in always_on else int(module["name"] in mgr_map["modules"])
        out.ceph(
            "ceph_mgr_module_status",
            "MGR module status (0=disabled, 1=enabled, 2=auto-enabled)",
            enabled,
            labels,
        )
        out.ceph(
            "ceph_mgr_module_can_run",
            "MGR module runnable state i.e. can it run (0=no, 1=yes)",
            int(module["can_run"]),
            labels,
        )


def file_systems(cluster: Cluster, out: Families) -> None:
    """File systems, and the daemons that serve them."""
    fs_map = cluster.get("fs_map") or {}
    daemons = _daemons(cluster.list_servers())

    def add_mds(daemon: Mapping[str, Any], fs_id: object) -> None:
        host, version = daemons.get(("mds", daemon["name"]), _UNKNOWN_HOST)
        labels = {
            "ceph_daemon": f"mds.{daemon['name']}",
            "fs_id": fs_id,
            "hostname": host,
            "public_addr": daemon["addr"],
            "rank": daemon["rank"],
            "ceph_version": version,
        }
        out.ceph("ceph_mds_metadata", "MDS Metadata", 1, labels)

    for standby in fs_map.get("standbys", ()):
        add_mds(standby, -1)
    for file_system in fs_map.get("filesystems", ()):
        mds_map = file_system["mdsmap"]
        labels = {
            "data_pools": ",".join(str(pool) for pool in mds_map["data_pools"]),
            "fs_id": file_system["id"],
            "metadata_pool": mds_map["metadata_pool"],
            "name": mds_map["fs_name"],
        }
        out.ceph("ceph_fs_metadata", "FS Metadata", 1, labels)
        for daemon in mds_map["info"].values():
            add_mds(daemon, file_system["id"])


def osds(cluster: Cluster, out: Families) -> None:
    """Every OSD: its state, what it is, and on which disks; the flags, and the latencies."""
    osd_map = cluster.get("osd_map") or {}
    flags = osd_map.get("flags", "").split(",")
    if osd_map:
        for flag in _OSD_FLAGS:
            name = f"ceph_osd_flag_{flag}".replace("-", "_")
            out.ceph(name, f"OSD Flag {flag}", int(flag in flags))
    crush = cluster.get("osd_map_crush") or {}
    classes = {device["id"]: device.get("class", "") for device in crush.get("devices", ())}
    metadata = cluster.get("osd_metadata") or {}
    daemons = _daemons(cluster.list_servers())
    for osd in osd_map.get("osds", ()):
        number = osd["osd"]
        daemon = {"ceph_daemon": f"osd.{number}"}
        for status in ("weight", "up", "in"):
            out.ceph(f"ceph_osd_{status}", f"OSD status {status}", osd[status], daemon)
        about = metadata.get(str(number))
        if about is None or number not in classes:
            continue  # it was never up, or is no part of the CRUSH map
        host, version = daemons.get(("osd", str(number)), _UNKNOWN_HOST)
        out.ceph(
            "ceph_osd_metadata",
            "OSD Metadata",
            1,
            {
                "back_iface": about.get("back_iface", ""),
                **daemon,
                "cluster_addr": _host_of(osd["cluster_addr"]),
                "device_class": classes[number],
                "front_iface": about.get("front_iface", ""),
                "hostname": host,
                "objectstore": about.get("osd_objectstore", ""),
                "public_addr": _host_of(osd["public_addr"]),
                "ceph_version": version,
            },
        )
    _disks(metadata, [osd["osd"] for osd in osd_map.get("osds", ())], out)
    for osd in (cluster.get("osd_stats") or {}).get("osd_stats", ()):
        for stat in _OSD_LATENCIES:
            labels = {"ceph_daemon": f"osd.{osd['osd']}"}
            out.ceph(f"ceph_osd_{stat}", f"OSD stat {stat}", osd["perf_stat"][stat], labels)


def _disks(metadata: Mapping[str, Any], numbers: Sequence[int], out: Families) -> None:
    """Which OSD has which disks; the labels are those of Prometheus' node_exporter."""
    by_disk: defaultdict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for number in numbers:
        about = metadata.get(str(number), {})
        if about.get("osd_objectstore") == "filestore":
            device = about.get("backend_filestore_dev_node", "")
            db_device, wal_device = "", about.get("osd_journal", "")
        else:
            device = about.get("bluestore_bdev_dev_node", "")
            db_device = about.get("bluefs_db_dev_node", "")
            wal_device = about.get("bluefs_wal_dev_node", "")
        if not device or device == "unknown" or not about.get("hostname"):
            continue
        labels = {
            "ceph_daemon": f"osd.{number}",
            "device": device,
            "db_device": db_device,
            "wal_device": wal_device,
            "instance": about["hostname"],
            "devices": about.get("devices") or "N/A",
            "device_ids": about.get("device_ids") or "N/A",
        }
        out.ceph("ceph_disk_occupation", "Associate Ceph daemon with disk used", 1, labels)
        by_disk[device, about["hostname"]].append(labels)
    for (device, host), occupants in by_disk.items():
        out.ceph(
            "ceph_disk_occupation_human",
            "Associate Ceph daemon with disk used for displaying to humans,"
            " not for joining tables (vector matching)",
            1,
            {
                "device": device,
                "instance": host,
                "ceph_daemon": ", ".join(labels["ceph_daemon"] for labels in occupants),
            },
        )


def pools(cluster: Cluster, out: Families) -> None:
    """What each pool is."""
    osd_map = cluster.get("osd_map") or {}
    profiles = osd_map.get("erasure_code_profiles", {})
    for pool in osd_map.get("pools", ()):
        kind = description = "unknown"
        if pool["type"] == _REPLICATED:
            kind, description = "replicated", f"replica:{pool['size']}"
        elif pool["type"] == _ERASURE:
            profile = profiles.get(pool.get("erasure_code_profile", ""))
            kind = "erasure"
            description = f"ec:{profile['k']}+{profile['m']}" if profile else "ec:unknown"
        labels = {
            "pool_id": pool["pool"],
            "name": pool["pool_name"],
            "type": kind,
            "description": description,
            "compression_mode": pool.get("options", {}).get("compression_mode", "none"),
        }
        out.ceph("ceph_pool_metadata", "POOL Metadata", 1, labels)


def daemon_health(cluster: Cluster, out: Families) -> None:
    """What daemons themselves find worth a check."""
    for daemon, metrics in cluster.get_daemon_health_metrics().items():
        for metric in metrics:
            labels = {"type": metric["type"], "ceph_daemon": daemon}
            out.ceph(
                "ceph_daemon_health_metrics",
                "Health metrics for Ceph daemons",
                metric["value"],
                labels,
            )


def _parsed(structure: Any) -> Any:
    """Return what ceph-mgr has as a text within the structure."""
    return json.loads(structure["json"]) if structure else {}


def _daemons(servers: Sequence[ServerInfo]) -> _Daemons:
    """Return host and version of each daemon, by type and id."""
    return {
        (service["type"], service["id"]): (server["hostname"], server["ceph_version"])
        for server in servers
        for service in server["services"]
    }


def _host_of(address: str) -> str:
    """Return an address without its port, as ceph-mgr's exporter shows it."""
    return address.rsplit(":", 1)[0]


PARTS = {
    "health": health,
    "usage": usage,
    "pool_recovery": pool_recovery,
    "repaired_objects": repaired_objects,
    "placement_groups": placement_groups,
    "monitors": monitors,
    "managers": managers,
    "file_systems": file_systems,
    "osds": osds,
    "pools": pools,
    "daemon_health": daemon_health,
}
"""What there is to collect, each by a name for who asks how long it takes."""
