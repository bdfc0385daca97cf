"""ceph-mgr's own modules at work, unmodified, over the simulation and over a real Ceph.

They are Debian's, of ceph-mgr-modules-core; none is in this repository. Those that only have to be
made are in sdk/python/tests/ceph_modules_test.py.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixture import Manager, run_tests, until
from outpost.v1 import manager_pb2

from tests.integration.ceph.cluster import CephCluster, free_ports

CEPH_MODULES = Path("/usr/share/ceph/mgr")
OVER_SIM = (
    *("balancer", "crash", "insights", "iostat", "localpool", "orchestrator", "pg_autoscaler"),
    *("progress", "prometheus", "status", "telemetry"),
)
OVER_CEPH = (
    *("balancer", "crash", "devicehealth", "mirroring", "pg_autoscaler", "progress"),
    *("rbd_support", "snap_schedule", "status", "telemetry", "volumes"),
)


def enable(manager: Manager, *names: str) -> None:
    for name in names:
        manager.install_program(
            name, "/usr/bin/python3", "-m", "outpost.run", "--as-ceph-mgr", CEPH_MODULES / name
        )
    for name in names:
        module = manager.settled(name)
        assert module.state == manager_pb2.MODULE_STATE_RUNNING, f"{name}: {module.reason}"


def none_has_failed(manager: Manager) -> None:
    for module in manager.modules().values():
        assert module.state == manager_pb2.MODULE_STATE_RUNNING, f"{module.name}: {module.reason}"


@pytest.fixture(scope="module")
def sim() -> Iterator[Manager]:
    with Manager(flags=["--sim-osds", "6", "--sim-speed", "20"]) as manager:
        enable(manager, *OVER_SIM)
        yield manager


def test_balancer(sim: Manager) -> None:
    status = json.loads(sim.check("balancer", "status"))
    assert status["mode"] == "upmap"
    sim.check("balancer", "off")
    assert "current cluster score" in sim.check("balancer", "eval")
    sim.check("balancer", "mode", "upmap")
    rc, _, err = sim.outpost("balancer", "optimize", "plan")
    assert rc == 0 or "Unable to find further optimization" in err, err


def test_pg_autoscaler(sim: Manager) -> None:
    pools = json.loads(sim.check("osd", "pool", "autoscale-status", "--format", "json"))
    known = {pool["pool_name"] for pool in json.loads(sim.check("get", "osd_map"))["pools"]}
    assert {pool["pool_name"] for pool in pools} == known
    assert all(pool["raw_used_rate"] == 3.0 and pool["crush_root_id"] == -1 for pool in pools)
    assert "RATE" in sim.check("osd", "pool", "autoscale-status")


def test_crash(sim: Manager) -> None:
    report = {
        "crash_id": "2026-01-02T03:04:05.000000Z_0d0c1a5e-0000-4000-8000-000000000001",
        "timestamp": "2026-01-02T03:04:05.000000Z",
        "entity_name": "osd.3",
        "backtrace": ["(one()", "(two()"],
    }
    sim.check("crash", "post", "-i", "-", stdin=json.dumps(report))
    assert "osd.3" in sim.check("crash", "ls")
    assert json.loads(sim.check("crash", "info", report["crash_id"]))["entity_name"] == "osd.3"
    sim.check("crash", "rm", report["crash_id"])
    assert "osd.3" not in sim.check("crash", "ls")


def test_progress_in_place_of_the_managers(sim: Manager) -> None:
    assert json.loads(sim.check("progress", "json")).keys() == {"events", "completed"}
    sim.check("osd", "out", "2")

    def told() -> bool:
        data = json.loads(sim.check("progress", "json"))
        events = [*data["events"], *data["completed"]]
        return any("osd.2 marked out" in event["message"] for event in events)

    until("an event", told)
    sim.check("osd", "in", "2")


def test_status_and_iostat(sim: Manager) -> None:
    rows = sim.check("osd", "status").splitlines()
    assert [row.split()[0] for row in rows] == ["ID", *"012345"]
    result = sim.run("iostat")
    assert result.poll
    assert "Read" in result.result.stdout or "|" in result.result.stdout


def test_insights_telemetry_and_orchestrator(sim: Manager) -> None:
    report = json.loads(sim.check("insights"))
    assert len(report["osd_metadata"]) == 6
    assert json.loads(sim.check("telemetry", "status"))["enabled"] is False
    rc, _, err = sim.outpost("orch", "status")
    assert rc == 2
    assert "No orchestrator configured" in err


def test_prometheus(sim: Manager) -> None:
    port = free_ports(1)[0]
    sim.check("config", "set", "mgr/prometheus/server_port", str(port))
    sim.check("config", "set", "mgr/prometheus/server_addr", "127.0.0.1")
    sim.check("module", "restart", "prometheus")
    sim.settled("prometheus")

    def scrape() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
                text: str = page.read().decode()
                return text
        except OSError:
            return ""

    text = until("a scrape", lambda: scrape() if "ceph_osd_up" in scrape() else "")
    assert 'ceph_osd_up{ceph_daemon="osd.5"} 1.0' in text
    assert "ceph_pool_stored" in text


def test_none_has_failed_over_the_simulation(sim: Manager) -> None:
    none_has_failed(sim)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CephCluster]:
    with CephCluster(tmp_path_factory.mktemp("ceph")) as cluster:
        rc, _, err = cluster.ceph("osd", "pool", "create", "data", "16")
        assert rc == 0, err
        yield cluster


@pytest.fixture(scope="module")
def ceph(cluster: CephCluster) -> Iterator[Manager]:
    conf = Path(cluster.conf_path)
    flags = ["--source", "ceph", "--ceph-conf", conf, "--ceph-name", "client.admin"]
    with Manager(flags=flags) as manager:
        until("the OSD map", lambda: manager.outpost("get", "osd_map").rc == 0)
        until("the options", lambda: manager.outpost("get", "config").rc == 0)
        until("the placement groups", lambda: manager.outpost("get", "pg_stats").rc == 0)
        enable(manager, *OVER_CEPH)
        yield manager


def test_balancer_of_a_real_ceph(ceph: Manager, cluster: CephCluster) -> None:
    ceph.check("balancer", "off")
    assert json.loads(ceph.check("balancer", "status"))["active"] is False
    assert "current cluster score" in ceph.check("balancer", "eval")


def test_autoscaler_of_a_real_ceph(ceph: Manager, cluster: CephCluster) -> None:
    def pools() -> list[str]:
        out = ceph.check("osd", "pool", "autoscale-status", "--format", "json")
        return [pool["pool_name"] for pool in json.loads(out)]

    until("the pool's statistics", lambda: "data" in pools())


def test_what_uses_rados(ceph: Manager, cluster: CephCluster) -> None:
    assert json.loads(ceph.check("fs", "volume", "ls")) == []
    cluster.ceph("osd", "pool", "application", "enable", "data", "rbd")
    assert json.loads(ceph.check("rbd", "task", "list")) == []
    rc, _, err = ceph.outpost("rbd", "task", "add", "remove", "data/nosuch")
    assert rc == 2, err


def test_status_of_a_real_ceph(ceph: Manager, cluster: CephCluster) -> None:
    def rows() -> list[str]:
        rc, out, _ = ceph.outpost("osd", "status")
        return [row.split()[0] for row in out.splitlines()] if rc == 0 else []

    until("the OSDs to be shown", lambda: rows() == ["ID", "0", "1", "2"])


def test_devices_of_a_real_ceph(ceph: Manager, cluster: CephCluster) -> None:
    ceph.check("device", "check-health")
    pool = "device_health_metrics"  # made and written by its serve(), through rados
    until("the pool", lambda: pool in cluster.ceph("osd", "pool", "ls").out.split())


def test_none_has_failed_over_a_real_ceph(ceph: Manager) -> None:
    none_has_failed(ceph)


if __name__ == "__main__":
    run_tests(__file__)
