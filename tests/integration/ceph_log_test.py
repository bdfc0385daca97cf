"""Ceph's cluster log through the manager: its lines are notifications and `log last`; lines of
modules and of operators reach it, and do not come back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixture import DEADLINE, Manager, run_tests, until
from outpost.v1 import notifications_pb2, notifications_pb2_grpc

from tests.integration.ceph.cluster import CephCluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CephCluster]:
    with CephCluster(tmp_path_factory.mktemp("ceph")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def manager(cluster: CephCluster) -> Iterator[Manager]:
    flags = ["--source", "ceph", "--ceph-conf", Path(cluster.conf_path)]
    with Manager("probe", "selftest", flags=[*flags, "--ceph-name", "client.admin"]) as manager:
        until("the manager to be connected", lambda: connected(manager))
        yield manager


def connected(manager: Manager) -> bool:
    source = json.loads(manager.check("status", "--format", "json"))["source"]
    return bool(source["connected"])


def say(cluster: CephCluster, text: str) -> None:
    rc, _, err = cluster.ceph("log", text)
    assert rc == 0, err


def lines(manager: Manager, text: str, channel: str = "cluster") -> list[dict[str, Any]]:
    found = json.loads(manager.check("log", "last", "1000", "debug", channel, "--format", "json"))
    return [line for line in found if text in line["message"]]


def in_ceph(cluster: CephCluster, text: str) -> list[str]:
    log = (cluster.dir / "log" / "cluster.log").read_text()
    return [line for line in log.splitlines() if text in line and " cluster [" in line]


def test_lines_of_ceph_are_told(manager: Manager, cluster: CephCluster) -> None:
    stream = manager.stub(notifications_pb2_grpc.NotificationsStub).Subscribe(
        notifications_pb2.SubscribeRequest(types=["clog"]), timeout=DEADLINE
    )
    assert list(next(stream).subscribed.types) == ["clog"]
    say(cluster, "the first line")
    while True:
        notification = next(stream).notification
        entry = json.loads(notification.payload_json)
        if entry["message"] == "the first line":
            break
    stream.cancel()
    assert (notification.type, notification.id) == ("clog", "cluster")
    assert (entry["name"], entry["priority"]) == ("client.admin", "[INF]")
    [line] = lines(manager, "the first line")
    assert line["channel"] == "cluster"
    watch = manager.outpost_background("-w")
    while "health" not in watch.line():
        pass
    say(cluster, "a line for who watches")
    while "a line for who watches" not in watch.line():
        pass
    watch.kill()


def test_the_health_is_told_once(manager: Manager, cluster: CephCluster) -> None:
    assert cluster.ceph("osd", "set", "noout").returncode == 0
    until("the check", lambda: lines(manager, "Health check failed: noout flag(s) set"))
    until("the health", lambda: "OSDMAP_FLAGS" in manager.check("health", "detail"))
    assert cluster.ceph("osd", "unset", "noout").returncode == 0
    until("its end", lambda: lines(manager, "Health check cleared: OSDMAP_FLAGS"))
    until("the health", lambda: "OSDMAP_FLAGS" not in manager.check("health", "detail"))
    assert len(lines(manager, "Health check failed: noout flag(s) set")) == 1
    assert len(lines(manager, "Health check cleared: OSDMAP_FLAGS")) == 1
    assert lines(manager, "osd set", "audit")


def test_a_module_writes_into_ceph_s_log(manager: Manager, cluster: CephCluster) -> None:
    manager.call("selftest", "cluster_log", "cluster", 3, "a warning of a module")
    until("the line in Ceph's log", lambda: in_ceph(cluster, "[WRN] a warning of a module"))
    manager.check("log", "a line of an operator")
    until("the line in Ceph's log", lambda: in_ceph(cluster, "a line of an operator"))
    # Lines come in their order: with the next one of Ceph's, ours would have come back.
    say(cluster, "the line behind them")
    until("the line behind them", lambda: lines(manager, "the line behind them"))
    for text in ("a warning of a module", "a line of an operator"):
        assert len(lines(manager, text)) == 1, text
        assert len(in_ceph(cluster, text)) == 1, text
    [line] = lines(manager, "a warning of a module")
    assert line["name"] == "selftest"


def test_it_goes_on_after_a_restart_of_the_monitor(manager: Manager, cluster: CephCluster) -> None:
    say(cluster, "before the restart")
    until("the line before", lambda: lines(manager, "before the restart"))
    cluster.stop_mon()
    until("the outage to be noticed", lambda: not connected(manager))
    # What can't be written is in the manager's log all the same, and is told.
    manager.call("selftest", "cluster_log", "cluster", 1, "a line of a module meanwhile")
    until("the line", lambda: lines(manager, "a line of a module meanwhile"))
    manager.wait_for_log("lines of modules do not reach the cluster's log")
    cluster.start_mon()
    until("the manager to be connected again", lambda: connected(manager))
    say(cluster, "after the restart")
    until("the line after", lambda: lines(manager, "after the restart"))
    assert len(lines(manager, "before the restart")) == 1
    manager.call("selftest", "cluster_log", "cluster", 1, "a line of a module again")
    until("the line in Ceph's log", lambda: in_ceph(cluster, "a line of a module again"))


if __name__ == "__main__":
    run_tests(__file__)
