"""Every structure of a real Ceph has, through the manager, the keys and types that it has in
ceph-mgr; and the manager only reads."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixture import Manager, run_tests, until

from tests.integration.ceph.cluster import CephCluster
from tests.integration.ceph.shapes import Shape, differences
from tests.integration.ceph.structures import ABSENT, OUR_OWN, recorded, structures

_DEVICE = "TEST_DISK_1"
# A service whose daemon has a disk: OSDs in memory have none.
_SERVICE = f"""\
import rados
import sys

client = rados.Rados(conffile=sys.argv[1], rados_id="admin")
client.connect()
client.service_daemon_register("rgw", "tested", {{"device_ids": "sda={_DEVICE}"}})
print("registered", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CephCluster]:
    with CephCluster(tmp_path_factory.mktemp("ceph")) as cluster:
        ceph(cluster, "osd", "pool", "create", "rbd", "4")
        yield cluster


@pytest.fixture(scope="module")
def manager(cluster: CephCluster) -> Iterator[Manager]:
    flags = ["--source", "ceph", "--ceph-conf", Path(cluster.conf_path)]
    with Manager("probe", flags=[*flags, "--ceph-name", "client.admin"]) as manager:
        until("all structures", lambda: expected() <= structures(manager))
        yield manager


def ceph(cluster: CephCluster, *words: str) -> str:
    rc, out, err = cluster.ceph(*words)
    assert rc == 0, f"ceph {' '.join(words)}: {err}"
    return out


def expected() -> set[str]:
    return (set(recorded()) - set(ABSENT) - {"device"}) | set(OUR_OWN)


def get(manager: Manager, name: str) -> Any:
    return json.loads(manager.check("get", name, "--format", "json"))


def check_all(manager: Manager) -> None:
    found = []
    for name in expected() - set(OUR_OWN):
        found += differences(name, recorded()[name], get(manager, name))
    assert not found, "\n".join(found)


def test_it_only_reads(manager: Manager, cluster: CephCluster) -> None:
    def written() -> list[str]:
        # Whoever asks for a change is in the audit log, above the level of what only reads.
        log = (cluster.dir / "log" / "cluster.log").read_text()
        return [line for line in log.splitlines() if "audit [INF]" in line]

    def kept() -> list[Any]:
        return [
            by_administrators(json.loads(ceph(cluster, "osd", "dump", "-f", "json"))),
            *(
                json.loads(ceph(cluster, *words, "-f", "json"))["epoch"]
                for words in (("mon", "dump"), ("fs", "dump"), ("mgr", "dump"), ("service", "dump"))
            ),
            ceph(cluster, "config", "log"),
            ceph(cluster, "config-key", "ls"),
        ]

    until("the pool to be created", lambda: get(manager, "pg_status")["num_pgs"] == 4)
    before, lines = kept(), written()
    assert any("osd pool create" in line for line in lines), "the log is not what is meant here"
    seen = confirmed(manager)
    # Meanwhile everything is read, again and again.
    until("some polls", lambda: confirmed(manager) > seen + 5)
    for name in structures(manager):
        manager.check("get", name)
    assert kept() == before
    assert written() == lines


def by_administrators(dump: dict[str, Any]) -> dict[str, Any]:
    """An OSD map without what daemons report, and monitors note by themselves in other epochs."""
    for key in ("epoch", "modified"):
        del dump[key]
    for pool in dump["pools"]:
        for key in ("flags", "flags_names", "last_change"):  # "creating" is taken away at some time
            del pool[key]
    for osd in dump["osds"]:
        del osd["up_thru"]
    return dump


def confirmed(manager: Manager) -> float:
    entries = json.loads(manager.check("structures", "--format", "json"))
    text = next(e["confirmed"] for e in entries if e["name"] == "osd_map")
    moment = re.sub(r"(\.\d{6})\d*", r"\1", text)
    return time.mktime(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S"))


def test_the_shapes_are_those_of_ceph_mgr(manager: Manager, cluster: CephCluster) -> None:
    for words in (
        "osd crush set-device-class hdd osd.0 osd.1 osd.2",
        "osd pool application enable rbd rbd",
        "osd pool create fs.meta 2",
        "osd pool create fs.data 2",
        "fs new files fs.meta fs.data",
        "osd pool set rbd target_size_ratio 1",
        "osd blocklist add 127.0.0.9:0/1",
        "osd set-group noout osd.0",
    ):
        ceph(cluster, *words.split())
    bench = subprocess.Popen(
        ["/usr/bin/rados", "--conf", cluster.conf_path, "-p", "rbd", "bench", "60", "write"]
        + ["-b", "4096", "-t", "1", "--no-cleanup"],
        stdout=subprocess.DEVNULL,
    )
    try:
        until("clients", lambda: get(manager, "pg_status").get("write_op_per_sec"))
        until(
            "the rates of pools",
            lambda: any(p["client_io_rate"] for p in get(manager, "osd_pool_stats")["pool_stats"]),
        )
        check_all(manager)
        cluster.kill_osd(2)
        ceph(cluster, "osd", "down", "2")
        until("degraded objects", lambda: get(manager, "pg_status").get("degraded_objects"))
        check_all(manager)
    finally:
        bench.kill()
        bench.wait()
    assert get(manager, "io_rate")["pg_stats_delta"]["stat_sum"]["num_write"] >= 0
    cluster.start_osd(2)
    cluster.wait_for_osds(3)
    until(
        "ping times",
        lambda: [o["osd"] for o in get(manager, "osd_ping_times")["osd_ping_times"]] != [],
    )
    assert expected() == structures(manager)
    assert get(manager, "mgr_ips") == {"ips": ["127.0.0.1"]}


def test_a_device(manager: Manager, cluster: CephCluster) -> None:
    assert get(manager, f"device {_DEVICE}") == {}
    service = subprocess.Popen(
        ["/usr/bin/python3", "-c", _SERVICE, cluster.conf_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert service.stdout is not None and service.stdout.readline() == "registered\n"
        device = until("the disk", lambda: get(manager, f"device {_DEVICE}"))
        shape: Shape = recorded()["device"]
        assert differences("device", shape, device) == []
        assert device["device"]["daemons"] == ["rgw.tested"]
        assert get(manager, "devices")["devices"] == [device["device"]]
        assert (
            differences("service_map", recorded()["service_map"], get(manager, "service_map")) == []
        )
    finally:
        service.kill()
        service.communicate()


def test_options_of_the_cluster_are_in_config(manager: Manager, cluster: CephCluster) -> None:
    config = get(manager, "config")
    assert config["name"] == "mgr.x"
    assert config["fsid"] == cluster.fsid
    assert config["keyring"] == f"{cluster.dir}/mgr.x.keyring"
    assert len(config) > 1500
    assert "osd_max_backfills" not in get(manager, "modified_config_options")["options"]
    ceph(cluster, "config", "set", "global", "osd_max_backfills", "3")
    until("the new value", lambda: get(manager, "config")["osd_max_backfills"] == "3")
    until(
        "its name",
        lambda: "osd_max_backfills" in get(manager, "modified_config_options")["options"],
    )


def test_a_crush_map_that_does_not_fit_is_data(manager: Manager, cluster: CephCluster) -> None:
    """A device beyond max_osd: `osd tree` and ceph-mgr's osd_map_tree abort the daemon asked."""
    crush, changed = cluster.dir / "crush", cluster.dir / "crush.changed"
    ceph(cluster, "osd", "getcrushmap", "-o", str(crush))
    subprocess.run(
        ["/usr/bin/crushtool", "-i", crush, "--add-item", "7", "1.0", "osd.7"]
        + ["--loc", "host", "localhost", "-o", changed],
        check=True,
    )
    ceph(cluster, "osd", "setcrushmap", "-i", str(changed))

    def node() -> Any:
        return next((n for n in get(manager, "osd_map_tree")["nodes"] if n["id"] == 7), None)

    until("the device in the tree", node)
    assert node()["exists"] == 0 and node()["status"] == "down" and node()["reweight"] == 0.0
    epoch = get(manager, "osd_map")["epoch"]
    assert get(manager, "osd_map")["max_osd"] == 3
    assert "item osd.7 weight 1.000" in get(manager, "osd_crush_map_text")
    assert 7 in [device["id"] for device in get(manager, "osd_map_crush")["devices"]]
    check_all(manager)
    # Nobody has died of it.
    ceph(cluster, "osd", "set", "noout")
    until("the next map", lambda: get(manager, "osd_map")["epoch"] > epoch)
    assert "NOT CONNECTED" not in manager.check("status")
    assert ceph(cluster, "pg", "stat")


if __name__ == "__main__":
    run_tests(__file__)
