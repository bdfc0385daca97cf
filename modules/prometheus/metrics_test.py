"""What is made of a cluster that the simulation has not, and how scrapes share a collection."""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from outpost import LatestValue, MgrModule
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prometheus import cluster_metrics  # noqa: E402
from prometheus.counter_metrics import CounterMetrics  # noqa: E402
from prometheus.families import Families, ceph_name  # noqa: E402
from prometheus.snapshots import NoDataError, Snapshots  # noqa: E402

PATIENCE = 20.0


class Cluster:
    """Structures, and the rest of what is asked of MgrModule."""

    release_name = "quincy"

    def __init__(self, **structures: Any) -> None:
        self.structures = structures
        self.servers: list[dict[str, Any]] = []
        self.daemon_health: dict[str, list[dict[str, Any]]] = {}

    def get(self, data_name: str) -> Any:
        return self.structures.get(data_name)

    def list_servers(self) -> list[dict[str, Any]]:
        return self.servers

    def get_daemon_health_metrics(self) -> dict[str, list[dict[str, Any]]]:
        return self.daemon_health


def written(*parts: str, cluster: Cluster) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Collect some parts, write them down, and read that back."""
    out = Families()
    for part in parts or cluster_metrics.PARTS:
        cluster_metrics.PARTS[part](cluster, out)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(generate_latest(out).decode())
        for sample in family.samples
    }


def key(name: str, /, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("osd.op_w", "ceph_osd_op_w"),
        ("throttle-msgr_dispatch.val", "ceph_throttle_msgr_dispatch_val"),
        ("bluestore::x y/z", "ceph_bluestore_x_y_z"),
        ("a+b-", "ceph_a_plusb_minus"),
        ("queue größe", "ceph_queue_gr__e"),
    ],
)
def test_names_of_counters(path: str, name: str) -> None:
    assert ceph_name(path) == name


def test_nothing_of_a_cluster_that_has_nothing() -> None:
    assert written(cluster=Cluster()) == {key("ceph_healthcheck_slow_ops"): 0}


def test_health() -> None:
    report = {
        "status": "HEALTH_WARN",
        "checks": {
            "SLOW_OPS": {
                "severity": "HEALTH_WARN",
                "summary": {"message": "42 slow ops, oldest one blocked for 12 sec"},
            },
        },
    }
    cluster = Cluster(health={"json": json.dumps(report)})
    assert written("health", cluster=cluster) == {
        key("ceph_health_status"): 1,
        key("ceph_health_detail", name="SLOW_OPS", severity="HEALTH_WARN"): 1,
        key("ceph_healthcheck_slow_ops"): 42,
    }


def test_disks_of_osds() -> None:
    osd = {
        "up": 1,
        "in": 1,
        "weight": 1.0,
        "public_addr": "192.0.2.1:6800/1",
        "cluster_addr": "192.0.2.1:6801/1",
    }
    blue = {
        "osd_objectstore": "bluestore",
        "bluestore_bdev_dev_node": "/dev/dm-0",
        "bluefs_db_dev_node": "/dev/nvme0n1",
        "hostname": "a",
        "devices": "nvme0n1,sda",
        "device_ids": 'sda=a "quoted"\\one',
    }
    metadata = {
        "0": blue,
        "1": {**blue, "device_ids": ""},
        "2": {"osd_objectstore": "filestore", "backend_filestore_dev_node": "sdb", "hostname": "b"},
        "3": {"osd_objectstore": "bluestore", "bluestore_bdev_dev_node": "unknown"},
    }
    samples = written(
        "osds",
        cluster=Cluster(
            osd_map={"flags": "noout,nodeep-scrub", "osds": [{**osd, "osd": i} for i in range(5)]},
            osd_map_crush={"devices": [{"id": i, "class": "ssd"} for i in range(5)]},
            osd_metadata=metadata,
        ),
    )
    labels = {
        "ceph_daemon": "osd.0",
        "device": "/dev/dm-0",
        "db_device": "/dev/nvme0n1",
        "wal_device": "",
        "instance": "a",
        "devices": "nvme0n1,sda",
        "device_ids": 'sda=a "quoted"\\one',
    }
    assert samples[key("ceph_disk_occupation", **labels)] == 1
    assert samples[
        key(
            "ceph_disk_occupation",
            **{**labels, "ceph_daemon": "osd.1", "device_ids": "N/A"},
        )
    ]
    assert samples[
        key(
            "ceph_disk_occupation_human",
            ceph_daemon="osd.0, osd.1",
            device="/dev/dm-0",
            instance="a",
        )
    ]
    occupied = [dict(of)["ceph_daemon"] for name, of in samples if name == "ceph_disk_occupation"]
    assert sorted(occupied) == ["osd.0", "osd.1", "osd.2"]
    assert samples[key("ceph_osd_flag_nodeep_scrub")] == 1
    assert samples[key("ceph_osd_flag_noup")] == 0
    # one without metadata is up or down all the same
    assert samples[key("ceph_osd_up", ceph_daemon="osd.4")] == 1
    assert not [
        1 for name, of in samples if name == "ceph_osd_metadata" and ("ceph_daemon", "osd.4") in of
    ]


def test_pools_and_file_systems() -> None:
    pools = [
        {"pool": 1, "pool_name": "a", "type": 1, "size": 3, "options": {}},
        {
            "pool": 2,
            "pool_name": "b",
            "type": 3,
            "erasure_code_profile": "p",
            "options": {"compression_mode": "force"},
        },
        {"pool": 3, "pool_name": "c", "type": 3, "erasure_code_profile": "gone"},
    ]
    mds = {"name": "m", "addr": "192.0.2.1:6800/3", "rank": 0}
    cluster = Cluster(
        osd_map={
            "flags": "",
            "osds": [],
            "pools": pools,
            "erasure_code_profiles": {"p": {"k": "4", "m": "2"}},
        },
        fs_map={
            "standbys": [{**mds, "name": "s", "rank": -1}],
            "filesystems": [
                {
                    "id": 7,
                    "mdsmap": {
                        "data_pools": [2, 3],
                        "metadata_pool": 1,
                        "fs_name": "cephfs",
                        "info": {"gid_1": mds},
                    },
                }
            ],
        },
    )
    cluster.servers = [
        {"hostname": "h", "ceph_version": "17", "services": [{"type": "mds", "id": "m"}]}
    ]
    samples = written("pools", "file_systems", cluster=cluster)
    described = {
        dict(labels)["pool_id"]: (dict(labels)["description"], dict(labels)["compression_mode"])
        for name, labels in samples
        if name == "ceph_pool_metadata"
    }
    assert described == {
        "1": ("replica:3", "none"),
        "2": ("ec:4+2", "force"),
        "3": ("ec:unknown", "none"),
    }
    assert samples[
        key("ceph_fs_metadata", data_pools="2,3", fs_id="7", metadata_pool="1", name="cephfs")
    ]
    assert samples[
        key(
            "ceph_mds_metadata",
            ceph_daemon="mds.m",
            fs_id="7",
            hostname="h",
            public_addr="192.0.2.1:6800/3",
            rank="0",
            ceph_version="17",
        )
    ]
    assert samples[
        key(
            "ceph_mds_metadata",
            ceph_daemon="mds.s",
            fs_id="-1",
            hostname="",
            public_addr="192.0.2.1:6800/3",
            rank="-1",
            ceph_version="",
        )
    ]


def test_managers_and_their_modules() -> None:
    mgr_map = {
        "active_name": "x",
        "standbys": [{"name": "y"}],
        "modules": ["restful"],
        "available_modules": [
            {"name": "restful", "can_run": True},
            {"name": "balancer", "can_run": True},
            {"name": "influx", "can_run": False},
        ],
        "always_on_modules": {"quincy": ["balancer"], "pacific": ["influx"]},
    }
    samples = written("managers", cluster=Cluster(mgr_map=mgr_map))
    assert samples[key("ceph_mgr_status", ceph_daemon="mgr.x")] == 1
    assert samples[key("ceph_mgr_status", ceph_daemon="mgr.y")] == 0
    state = {
        dict(labels)["name"]: value
        for (name, labels), value in samples.items()
        if name == "ceph_mgr_module_status"
    }
    assert state == {"restful": 1, "balancer": 2, "influx": 0}
    assert samples[key("ceph_mgr_module_can_run", name="influx")] == 0


# --- counters ---


class Counters:
    """Counters of one daemon: schema and value by path."""

    _perfpath_to_path_labels = MgrModule._perfpath_to_path_labels

    def __init__(self, daemon: str, **counters: tuple[int, float, int]) -> None:
        self.daemon = daemon
        self.counters = {path.replace("__", "."): of for path, of in counters.items()}
        self.schemas_read = 0

    def get_perf_schema(self, svc_type: str, svc_name: str) -> dict[str, dict[str, Any]]:
        self.schemas_read += 1
        return {
            self.daemon: {
                path: {"type": kind, "description": f"what {path} is"}
                for path, (kind, _, _) in self.counters.items()
            }
        }

    def get_latest_counters(
        self, svc_type: str = "", svc_name: str = "", *, prio_limit: int = 0
    ) -> list[LatestValue]:
        return [
            LatestValue(self.daemon, path, value, count)
            for path, (_, value, count) in self.counters.items()
        ]


def test_kinds_of_counters() -> None:
    source = Counters(
        "osd.1",
        osd__op=(10, 7, 0),
        osd__lat=(5, 3.5, 4),  # a time, a long-running average
        osd__age=(1, 2.5, 0),  # a time
        osd__bytes=(6, 90, 3),  # a long-running average of a number
        osd__sizes=(16 + 10, 1, 0),  # a histogram
    )
    families = {family.name: family for family in CounterMetrics().collect(source)}
    values = {name: family.samples[0].value for name, family in families.items()}
    assert values == {
        "ceph_osd_op": 7,
        "ceph_osd_lat_sum": 3.5,
        "ceph_osd_lat_count": 4,
        "ceph_osd_age": 2.5,
        "ceph_osd_bytes_sum": 90,
        "ceph_osd_bytes_count": 3,
    }
    assert families["ceph_osd_op"].samples[0].labels == {"ceph_daemon": "osd.1"}
    assert families["ceph_osd_lat_sum"].documentation == "what osd.lat is Total"


def test_two_counters_of_one_name_are_one() -> None:
    source = Counters("x.1", a__b=(10, 1, 0), a_b=(10, 2, 0))
    (family,) = CounterMetrics().collect(source)
    assert len(family.samples) == 1


def test_schemas_are_read_once_until_they_change() -> None:
    source = Counters("osd.1", osd__op=(10, 7, 0))
    metrics = CounterMetrics()
    for _ in range(3):
        assert len(list(metrics.collect(source))) == 1
    assert source.schemas_read == 1
    source.counters["osd.new"] = (10, 1, 0)
    assert len(list(metrics.collect(source))) == 1
    metrics.forget()
    assert len(list(metrics.collect(source))) == 2
    assert source.schemas_read == 2


def test_schemas_that_change_while_they_are_read_are_read_again() -> None:
    metrics = CounterMetrics()

    class Changing(Counters):
        def get_perf_schema(self, *args: str) -> Any:
            schema = super().get_perf_schema(*args)
            if self.schemas_read == 1:
                self.counters["osd.new"] = (10, 1, 0)
                metrics.forget()
            return schema

    source = Changing("osd.1", osd__op=(10, 7, 0))
    assert len(list(metrics.collect(source))) == 1
    assert len(list(metrics.collect(source))) == 2


def test_a_labelled_counter() -> None:
    source = Counters("rgw.host.4123", rgw__req=(10, 7, 0))
    (family,) = CounterMetrics().collect(source)
    assert family.samples[0].labels == {"instance_id": "host.4123"}


# --- snapshots ---


class Slow:
    """A collection that ends when it is told to."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.times = 0

    def __call__(self) -> bytes:
        self.times += 1
        text = b"collection %d" % self.times
        self.begun.release()
        assert self.go_on.acquire(timeout=PATIENCE)
        return text


def test_what_is_young_is_served_again() -> None:
    collect = Slow()
    collect.go_on.release(2)
    snapshots = Snapshots(collect)

    def get(max_age: float) -> bytes:
        return snapshots.get(max_age=max_age, patience=PATIENCE, serve_stale=False)

    assert get(60) == b"collection 1"
    assert get(60) == b"collection 1"
    assert get(0) == b"collection 2"


def test_who_comes_meanwhile_waits_for_the_same() -> None:
    collect = Slow()
    snapshots = Snapshots(collect)
    got: list[bytes] = []

    def get() -> None:
        got.append(snapshots.get(max_age=60, patience=PATIENCE, serve_stale=False))

    threads = [threading.Thread(target=get) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert collect.begun.acquire(timeout=PATIENCE)
    collect.go_on.release()
    for thread in threads:
        thread.join()
    assert got == [b"collection 1"] * 5
    assert collect.times == 1


def test_a_slow_collection() -> None:
    collect = Slow()
    snapshots = Snapshots(collect)

    def get(*, serve_stale: bool) -> bytes:
        return snapshots.get(max_age=0, patience=0.01, serve_stale=serve_stale)

    for serve_stale in (True, False):
        with pytest.raises(NoDataError, match=r"the first collection has not ended after 0.01 s"):
            get(serve_stale=serve_stale)
    collect.go_on.release()
    assert snapshots.get(max_age=60, patience=PATIENCE, serve_stale=False) == b"collection 1"
    assert get(serve_stale=True) == b"collection 1"
    with pytest.raises(NoDataError, match="stale_cache_strategy is fail"):
        get(serve_stale=False)
    assert collect.times == 2, "one runs, and others wait for it"
    collect.go_on.release()


def test_a_collection_that_fails_is_told_and_tried_again() -> None:
    outcomes = [RuntimeError("the manager is away"), None]

    def collect() -> bytes:
        if (outcome := outcomes.pop(0)) is not None:
            raise outcome
        return b"well"

    snapshots = Snapshots(collect)
    with pytest.raises(NoDataError, match="RuntimeError: the manager is away"):
        snapshots.get(max_age=60, patience=PATIENCE, serve_stale=True)
    assert snapshots.get(max_age=60, patience=PATIENCE, serve_stale=True) == b"well"


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:], __file__]))
