"""The manager and modules in front of a real Ceph: three OSDs, a monitor, a mgr."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from fixture import DEADLINE, Manager, run_tests, until
from outpost.v1 import config_pb2, config_pb2_grpc

from tests.integration.ceph.cluster import CephCluster

_BOTH = ("probe", "probe_cpp")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CephCluster]:
    with CephCluster(tmp_path_factory.mktemp("ceph")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def manager(cluster: CephCluster) -> Iterator[Manager]:
    conf = Path(cluster.conf_path)
    flags = ["--source", "ceph", "--ceph-conf", conf, "--ceph-name", "client.admin"]
    with Manager("status", "hello", "selftest", *_BOTH, flags=flags) as manager:
        until("the manager to be connected", lambda: connected(manager))
        yield manager


def connected(manager: Manager) -> bool:
    source = json.loads(manager.check("status", "--format", "json"))["source"]
    assert source["name"] == "ceph"
    there: bool = source["connected"]
    return there


def flags(cluster: CephCluster) -> list[str]:
    """The flags of the OSD map, by ceph's own command."""
    rc, out, err = cluster.ceph("osd", "dump", "--format", "json")
    assert rc == 0, err
    names: list[str] = json.loads(out)["flags"].split(",")
    return names


def test_osd_status_shows_the_real_osds(manager: Manager, cluster: CephCluster) -> None:
    def osds() -> list[dict[str, object]]:
        rc, out, _ = manager.outpost("osd", "status", "--format", "json")
        found = json.loads(out)["osds"] if rc == 0 else []
        # Statistics come some seconds after the map.
        return found if [osd["avail_bytes"] for osd in found if osd["avail_bytes"]] else []

    shown = until("the OSDs to be shown", osds)
    assert [osd["id"] for osd in shown] == [0, 1, 2]
    assert all(osd["state"] == ["exists", "up"] for osd in shown)
    metadata = json.loads(cluster.ceph("osd", "metadata", "--format", "json").out)
    assert [osd["host"] for osd in shown] == [daemon["hostname"] for daemon in metadata]

    rows = manager.check("osd", "status").splitlines()
    assert [row.split()[0] for row in rows] == ["ID", "0", "1", "2"]
    status = manager.check("status")
    assert f"id:     {cluster.fsid}" in status
    assert "source: ceph, connected" in status
    assert "osd: 3 osds: 3 up, 3 in" in status


@pytest.mark.parametrize("sender", _BOTH)
def test_a_command_of_a_module_reaches_the_cluster_and_its_cue_comes_back(
    manager: Manager, cluster: CephCluster, sender: str
) -> None:
    for module in _BOTH:
        manager.call(module, "await_osd_flag", "noout", False)
        manager.call(module, "forget")
    command = {"prefix": "osd set", "key": "noout"}
    assert manager.call(sender, "send", command, "tag-1") == [0, "", "noout is set"]
    assert "noout" in flags(cluster)
    for module in _BOTH:
        epoch = int(manager.call(module, "await_notification", "osd_map"))
        assert "noout" in manager.call(module, "await_osd_flag", "noout", True).split(",")
        assert epoch <= json.loads(manager.check("get", "osd_map"))["epoch"]
    assert manager.call(sender, "await_notification", "command") == "tag-1"
    until("health to tell of it", lambda: "noout flag(s) set" in manager.check("health"))

    assert manager.outpost("osd", "unset", "noout") == (0, "", "noout is unset\n")
    assert "noout" not in flags(cluster)
    for module in _BOTH:
        manager.call(module, "await_osd_flag", "noout", False)


def test_what_another_client_does_is_noticed(manager: Manager, cluster: CephCluster) -> None:
    for module in _BOTH:
        manager.call(module, "forget")
    assert cluster.ceph("osd", "set", "noscrub").returncode == 0
    for module in _BOTH:
        manager.call(module, "await_notification", "osd_map")
        manager.call(module, "await_osd_flag", "noscrub", True)
    assert cluster.ceph("osd", "unset", "noscrub").returncode == 0


def test_commands_pass_through(manager: Manager, cluster: CephCluster) -> None:
    assert manager.outpost("osd", "pool", "create", "rbd", "4") == (
        0,
        "",
        "pool 'rbd' created\n",
    )
    assert cluster.ceph("osd", "pool", "ls").out == "rbd\n"
    assert json.loads(manager.check("tell", "osd.0", "version"))["version"]
    rc, _, err = manager.outpost("osd", "set", "noway")
    assert rc == 22
    assert "noway" in err


def test_hosts_daemons_and_counters(manager: Manager, cluster: CephCluster) -> None:
    [server] = until("the daemons", lambda: manager.call("probe", "list_servers"))
    services = {(service["type"], service["id"]) for service in server["services"]}
    assert services >= {("mon", "a"), ("mgr", "x"), ("osd", "0"), ("osd", "1"), ("osd", "2")}
    assert "16.2" in server["ceph_version"]
    assert manager.call("probe", "get_metadata", "mgr", "x")["hostname"] == server["hostname"]

    def all_counters() -> bool:
        counters = manager.call("probe", "get_all_perf_counters")
        return set(counters) == {"osd.0", "osd.1", "osd.2"}

    until("the counters of every OSD", all_counters)
    counters = manager.call("probe", "get_all_perf_counters")["osd.0"]
    theirs = json.loads(cluster.ceph("tell", "osd.0", "perf", "schema").out)
    assert counters["osd.op_w"]["type"] == theirs["osd"]["op_w"]["type"]
    assert counters["osd.op_w"]["priority"] == theirs["osd"]["op_w"]["priority"]
    assert counters["osd.numpg"]["value"] >= 0
    assert "count" in counters["osd.op_latency"]
    series = manager.call("probe", "get_counter", "osd", "0", "osd.stat_bytes")["osd.stat_bytes"]
    assert series and series[0][1] > 0


def test_options_and_keys_of_the_cluster(manager: Manager, cluster: CephCluster) -> None:
    """What is not a module's is Ceph's, with Ceph's own words."""

    def same(*words: str) -> None:
        """Asks both. `outpost` ends each text with a newline, and says more of some errors."""
        theirs = cluster.ceph(*words)
        ours = manager.outpost(*words)
        assert ours.rc == theirs.returncode, (ours, theirs)
        assert ours.out.rstrip("\n") == theirs.out.rstrip("\n")
        # A ceph beside a manager of the same name complains of its socket.
        lines = [line for line in theirs.err.splitlines() if "AdminSocket" not in line]
        assert ours.err.startswith("\n".join(lines).rstrip()), (ours, theirs)

    def option(entity: str, name: str) -> str:
        request = config_pb2.GetClusterOptionRequest(entity=entity, name=name)
        stub = manager.stub(config_pb2_grpc.ConfigStub)
        return str(stub.GetClusterOption(request, timeout=DEADLINE).value)

    assert option("", "mon_max_pg_per_osd") == "250"
    assert manager.outpost("config", "set", "osd.1", "debug_ms", "0/1") == (0, "", "")
    assert cluster.ceph("config", "get", "osd.1", "debug_ms").out == "0/1\n"
    assert option("osd.1", "debug_ms") == "0/1"
    assert option("osd.0", "debug_ms") == "0/0"
    assert manager.outpost("config", "get", "osd.1", "debug_ms") == (0, "0/1\n", "")
    assert manager.outpost("config", "rm", "osd.1", "debug_ms") == (0, "", "")
    assert "debug_ms - " in manager.check("config", "help", "debug_ms")
    for entity, name, code in (
        ("", "nosuch", grpc.StatusCode.NOT_FOUND),
        ("nosuch.x", "debug_ms", grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            option(entity, name)
        assert caught.value.code() is code, caught.value.details()
        assert "nosuch" in caught.value.details()
    # Where both are asked the same, they say the same.
    for words in (
        ("config", "get", "osd.1", "nosuch"),
        ("config", "set", "osd", "nosuch", "1"),
        ("config", "set", "nosuch.x", "debug_ms", "1"),
        ("config", "help", "nosuch"),
        ("config-key", "get", "nosuch"),
        ("config-key", "exists", "nosuch"),
        ("config-key", "set", "some/key", "a value"),
        ("config-key", "get", "some/key"),
        ("config-key", "rm", "some/key"),
    ):
        same(*words)

    # The keys and options of modules are the manager's own.
    assert manager.outpost("config", "set", "mgr", "mgr/probe/number", "3") == (0, "", "")
    assert cluster.ceph("config", "get", "mgr", "mgr/probe/number").returncode != 0
    manager.check("config-key", "set", "mgr/probe/key", "ours")
    assert cluster.ceph("config-key", "exists", "mgr/probe/key").returncode != 0
    # And are printed as Ceph prints its own.
    ours_dump = manager.check("config", "dump").splitlines()[0].split()
    assert cluster.ceph("config", "dump").out.splitlines()[0].split() == ours_dump
    for words in (
        ("config-key", "get", "mgr/nosuch/key"),
        ("config-key", "exists", "mgr/nosuch/key"),
        ("config", "rm", "mgr", "mgr/nosuch/option"),
    ):
        same(*words)


def test_the_self_test_of_a_manager(manager: Manager) -> None:
    assert manager.outpost("mgr", "self-test", "run") == (0, "", "Self-test succeeded\n")


def test_an_outage_of_the_monitor(manager: Manager, cluster: CephCluster) -> None:
    before = json.loads(manager.check("get", "osd_map"))
    pid = manager.process.pid if manager.process else 0
    cluster.stop_mon()
    until("the outage to be noticed", lambda: not connected(manager))
    assert re.search(
        rf"source: ceph, NOT CONNECTED: .*127\.0\.0\.1:{cluster.port}\b.* \(the last known state is"
        r" shown\)",
        manager.check("status"),
    )
    # The last state stays readable, and modules can tell that it is old.
    assert json.loads(manager.check("get", "osd_map"))["epoch"] == before["epoch"]
    assert manager.outpost("osd", "status").rc == 0
    for module in _BOTH:
        assert manager.call(module, "have_mon_connection") is False
        assert manager.call(module, "osd_flags") == before["flags"]
    assert manager.outpost("hello") == (0, "Hello, world!\n", "")
    rc, _, err = manager.outpost("osd", "set", "noout", "--timeout", "10")
    assert rc != 0 and err.startswith("Error "), err

    cluster.start_mon()
    until("the manager to be connected again", lambda: connected(manager))
    for module in _BOTH:
        assert manager.call(module, "have_mon_connection") is True
    assert manager.outpost("osd", "set", "noout") == (0, "", "noout is set\n")
    for module in _BOTH:
        manager.call(module, "await_osd_flag", "noout", True)
    assert manager.outpost("osd", "unset", "noout").rc == 0
    assert manager.process is not None and manager.process.pid == pid
    assert manager.process.poll() is None


if __name__ == "__main__":
    run_tests(__file__)
