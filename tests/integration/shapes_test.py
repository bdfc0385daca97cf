"""Every structure of the simulated cluster has the keys and types of ceph-mgr's get(), and they
agree with each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from fixture import DEADLINE, Manager, run_tests, until
from outpost.v1 import cluster_pb2, cluster_pb2_grpc

from tests.integration.ceph.shapes import differences, merge, shape_of
from tests.integration.ceph.structures import ABSENT, OUR_OWN, recorded, structures


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    flags = ["--sim-osds", "12", "--sim-speed", "20"]
    with Manager("probe", flags=flags) as manager:
        yield manager


@pytest.fixture(scope="module")
def still() -> Iterator[Manager]:
    with Manager("probe", flags=["--sim-osds", "12", "--sim-speed", "0"]) as manager:
        yield manager


def get(manager: Manager, name: str) -> Any:
    answer = manager.stub(cluster_pb2_grpc.ClusterStub).Get(
        cluster_pb2.ClusterGetRequest(name=name), timeout=DEADLINE
    )
    return json.loads(answer.json)


def check_all(manager: Manager) -> None:
    found = []
    for name, shape in recorded().items():
        if name not in (*ABSENT, "device"):
            found += differences(name, shape, get(manager, name))
    assert not found, "\n".join(found)


def test_the_shapes_are_those_of_ceph_mgr(manager: Manager) -> None:
    check_all(manager)


def test_the_shapes_stay_when_things_go_wrong(manager: Manager) -> None:
    manager.check("osd", "out", "3")
    manager.check("osd", "set", "noup")
    manager.check("osd", "down", "4", "5")
    until("objects to be copied", lambda: "recovering_objects_per_sec" in get(manager, "pg_status"))
    check_all(manager)
    manager.check("osd", "unset", "noup")
    manager.check("osd", "in", "3")


def test_there_is_nothing_else(manager: Manager) -> None:
    assert structures(manager) == (set(recorded()) - set(ABSENT) - {"device"}) | set(OUR_OWN)


def test_a_device(manager: Manager) -> None:
    shape = recorded()["device"]
    device = get(manager, "device SIM_DISK_7")
    assert differences("device", shape, device) == []
    assert device["device"]["daemons"] == ["osd.7"]
    assert device["device"] in get(manager, "devices")["devices"]
    metadata = get(manager, "osd_metadata")["7"]
    disk = device["device"]["location"][0]
    assert metadata["device_ids"] == f"{disk['dev']}=SIM_DISK_7"
    assert metadata["device_paths"] == f"{disk['dev']}={disk['path']}"
    assert metadata["hostname"] == disk["host"]
    # As in ceph-mgr, one that is not known is nothing, and no error.
    assert get(manager, "device nosuch") == {}
    assert get(manager, "device ") == {}
    assert manager.call("probe", "get", "device SIM_DISK_7") == device
    # It is current as long as the list is.
    stub = manager.stub(cluster_pb2_grpc.ClusterStub)
    first = stub.Get(cluster_pb2.ClusterGetRequest(name="device SIM_DISK_7"), timeout=DEADLINE)
    again = stub.Get(
        cluster_pb2.ClusterGetRequest(name="device SIM_DISK_7", if_newer_than=first.version),
        timeout=DEADLINE,
    )
    assert again.unchanged and again.name == "device SIM_DISK_7"
    part = stub.Get(
        cluster_pb2.ClusterGetRequest(name="device SIM_DISK_7", path="/device/daemons/0"),
        timeout=DEADLINE,
    )
    assert json.loads(part.json) == "osd.7"


def test_unknown_structures_are_refused(manager: Manager) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        get(manager, "pg_dumps")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "pg_dump" in caught.value.details()


def test_the_age_of_each_structure_is_seen(manager: Manager) -> None:
    listed = manager.stub(cluster_pb2_grpc.ClusterStub).List(
        cluster_pb2.ClusterListRequest(), timeout=DEADLINE
    )
    for info in listed.structures:
        assert info.changed.seconds > 0 and info.size > 0 and info.version > 0, info
        assert info.confirmed.ToNanoseconds() >= info.changed.ToNanoseconds(), info


def test_the_sums_agree(still: Manager) -> None:
    still.check("osd", "out", "3")
    dump, df = get(still, "pg_dump"), get(still, "df")
    osds, pools = get(still, "osd_stats")["osd_stats"], get(still, "pool_stats")["pool_stats"]
    pgs = get(still, "pg_stats")["pg_stats"]
    status, summary = get(still, "pg_status"), get(still, "pg_summary")
    assert dump["pg_stats"] == pgs
    assert dump["osd_stats"] == osds
    assert dump["pool_stats"] == pools
    assert dump["pg_stats_sum"] == summary["pg_stats_sum"]
    assert dump["pg_stats_delta"] == get(still, "io_rate")["pg_stats_delta"]

    def total(rows: list[dict[str, Any]], *path: str) -> int:
        result = 0
        for row in rows:
            value: Any = row
            for key in path:
                value = value[key]
            result += value
        return result

    for key in dump["pg_stats_sum"]["stat_sum"]:
        of_pgs = total(pgs, "stat_sum", key)
        assert of_pgs == total(pools, "stat_sum", key) == dump["pg_stats_sum"]["stat_sum"][key], key
    for key in ("kb", "kb_used", "kb_avail", "num_pgs", "num_osds"):
        assert total(osds, key) == dump["osd_stats_sum"][key], key
    assert df["stats"]["total_bytes"] == total(osds, "statfs", "total")
    assert df["stats"]["total_avail_bytes"] == total(osds, "statfs", "available")
    assert df["stats"]["total_used_bytes"] == total(osds, "statfs", "allocated")
    assert status["bytes_total"] == df["stats"]["total_bytes"]
    assert status["bytes_used"] == df["stats"]["total_used_bytes"]
    assert status["num_objects"] == dump["pg_stats_sum"]["stat_sum"]["num_objects"] > 0
    assert {p["id"]: p["stats"]["objects"] for p in df["pools"]} == {
        p["poolid"]: p["stat_sum"]["num_objects"] for p in pools
    }
    assert status["num_pgs"] == len(pgs) == sum(summary["all"].values())
    assert {s["state_name"]: s["count"] for s in status["pgs_by_state"]} == summary["all"]
    progress = get(still, "pg_progress")["pgs"]
    assert {pg["pgid"]: pg["state"] for pg in pgs} == {i: pg["state"] for i, pg in progress.items()}
    clean = get(still, "active_clean_pgs")
    assert clean["total_num_pgs"] == len(pgs)
    assert {pg["pgid"] for pg in clean["pg_stats"]} == {
        pg["pgid"] for pg in pgs if {"active", "clean"} <= set(pg["state"].split("+"))
    }
    assert len(clean["pg_stats"]) < len(pgs)
    in_map = get(still, "osd_map")
    assert sum(osd["in"] for osd in in_map["osds"]) == df["stats"]["num_osds"] == 11
    assert {p["pool"] for p in in_map["pools"]} == {p["poolid"] for p in pools}
    assert {d["daemons"][0] for d in get(still, "devices")["devices"]} == {
        f"osd.{o['osd']}" for o in in_map["osds"]
    }
    pings = get(still, "osd_ping_times")["osd_ping_times"]
    assert {o["osd"] for o in pings} == {o["osd"] for o in in_map["osds"]}


def test_options_are_in_config(still: Manager) -> None:
    assert get(still, "config")["osd_max_backfills"] == "1"
    assert "osd_max_backfills" not in get(still, "modified_config_options")["options"]
    still.check("config", "set", "global", "osd_max_backfills", "3")
    assert get(still, "config")["osd_max_backfills"] == "3"
    assert "osd_max_backfills" in get(still, "modified_config_options")["options"]
    still.check("config", "rm", "global", "osd_max_backfills")
    assert get(still, "config")["osd_max_backfills"] == "1"


def test_what_differs_is_told() -> None:
    good = {
        "nodes": [{"id": 1, "weight": 1.0}, {"id": 2, "weight": 2.0, "class": "hdd"}],
        "ids": {"1": {"n": 1}},
    }
    shape = shape_of("osd_map_tree", good)
    assert differences("osd_map_tree", shape, good) == []
    for path, value in (
        ("nodes/*/weight: is int, was recorded as float", {"id": 1, "weight": 1}),
        ("nodes/*/weight: is str, was recorded as float", {"id": 1, "weight": "1"}),
        ("nodes/*/weight: is missing", {"id": 1}),
        ("nodes/*/name: was never recorded", {"id": 1, "weight": 1.0, "name": "a"}),
        ("nodes/*/class: is null, was recorded as str", {"id": 1, "weight": 1.0, "class": None}),
        ("nodes/*: is a list, was recorded as an object", []),
    ):
        bad = {**good, "nodes": [value]}
        assert differences("osd_map_tree", shape, bad) == [f"osd_map_tree/{path}"], path
    assert differences("osd_map_tree", shape, {**good, "nodes": []}) == []
    partly = {**good, "nodes": [*good["nodes"], {"id": 3}]}
    assert differences("osd_map_tree", shape, partly) == [
        "osd_map_tree/nodes/*/weight: is missing in some"
    ]
    merged = merge(shape_of("x", {"a": 1, "b": []}), shape_of("x", {"a": "1", "b": ["c"]}))
    assert merged == {"a": {"|": ["int", "str"]}, "b": ["str"]}
    assert differences("x", merged, {"a": 1.5, "b": []}) == [
        "x/a: is float, was recorded as int or str"
    ]
    text = shape_of("health", {"json": '{"status": "OK", "checks": {}}'})
    assert differences("health", text, {"json": '{"checks": {}}'}) == [
        "health/json/status: is missing"
    ]


if __name__ == "__main__":
    run_tests(__file__)
