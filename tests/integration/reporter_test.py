"""Daemons that report through the SDKs, in Python and in C++: real processes, and what kills them.

The daemons are the SDKs' examples.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from fixture import PYTHON_PATH, RUNFILES, Background, Manager, run_tests, until
from outpost import report
from outpost.v1 import cluster_pb2, cluster_pb2_grpc, notifications_pb2, notifications_pb2_grpc

FLAGS = [
    *("--source", "report", "--report-interval", "0.2"),
    *("--report-lease", "1", "--report-drop-after", "6"),
]
DAEMONS = {
    "python": ["/usr/bin/python3", RUNFILES / "sdk/python/examples/reporting_daemon.py"],
    "cpp": [RUNFILES / "sdk/cpp/reporting_daemon"],
}
HOST = socket.gethostname().partition(".")[0]


@pytest.fixture(scope="module")
def shared() -> Iterator[Manager]:
    with Manager(flags=FLAGS) as manager:
        yield manager


@pytest.fixture(params=sorted(DAEMONS))
def language(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


@pytest.fixture
def daemons() -> Iterator[list[Background]]:
    running: list[Background] = []
    yield running
    for daemon in running:
        daemon.kill()


def start(manager: Manager, language: str, running: list[Background]) -> Background:
    """Start an example; returns when it reports."""
    daemon = Background(
        [*DAEMONS[language], language],
        {**os.environ, "OUTPOST_ADDRESS": manager.address, "PYTHONPATH": str(PYTHON_PATH)},
    )
    running.append(daemon)
    assert daemon.line() == "reporting"
    return daemon


class Reader:
    """What modules and people read of one daemon."""

    def __init__(self, manager: Manager, daemon_id: str) -> None:
        self.manager = manager
        self.name = cluster_pb2.DaemonName(type="backup-agent", id=daemon_id)

    @property
    def cluster(self) -> Any:
        return self.manager.stub(cluster_pb2_grpc.ClusterStub)

    def metadata(self) -> dict[str, str] | None:
        request = cluster_pb2.GetMetadataRequest(daemon=self.name)
        try:
            return dict(self.cluster.GetMetadata(request).metadata)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND
            return None

    def status(self) -> dict[str, str]:
        request = cluster_pb2.GetDaemonStatusRequest(daemon=self.name)
        return dict(self.cluster.GetDaemonStatus(request).status)

    def samples(self, path: str) -> list[Any]:
        request = cluster_pb2.GetCountersRequest(daemon=self.name, paths=[path])
        series = self.cluster.GetCounters(request).series
        return list(series[0].samples) if series else []

    def metrics(self) -> list[tuple[str, int, int]]:
        request = cluster_pb2.GetDaemonHealthMetricsRequest(daemon=self.name)
        return [
            (metric.type, metric.n1, metric.n2)
            for daemon in self.cluster.GetDaemonHealthMetrics(request).daemons
            for metric in daemon.metrics
        ]

    def structure(self) -> Any:
        try:
            get = cluster_pb2.ClusterGetRequest(name="backup_sites")
            return json.loads(self.cluster.Get(get).json)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND
            return None

    def everything_is_there(self) -> None:
        assert self.metadata() == {"disk": "sda", "hostname": HOST, "ceph_version": "1.4"}
        assert self.status() == {"state": "running"}
        assert self.metrics() == [("SLOW_OPS", 2, 40)]
        assert self.structure() == {"sites": ["berlin", "oslo"]}
        files = until("a sample", lambda: self.samples("backup.files"))[-1].value
        until("a later one", lambda: self.samples("backup.files")[-1].value > files)
        took = self.samples("backup.took")[-1]
        assert took.count > 0
        assert took.value / took.count >= 0.009, "a file takes 10 ms, or longer on a busy machine"


def test_a_daemon_reports_and_says_goodbye(
    shared: Manager, language: str, daemons: list[Background]
) -> None:
    daemon = start(shared, language, daemons)
    reader = Reader(shared, language)
    reader.everything_is_there()
    until("the health check", lambda: "2 slow ops, oldest one" in shared.check("health", "detail"))
    assert daemon.end(signal.SIGTERM).rc == 0
    assert reader.metadata() is None
    assert reader.structure() is None


def test_a_daemon_that_is_killed_becomes_stale_and_is_dropped(
    shared: Manager, language: str, daemons: list[Background]
) -> None:
    daemon = start(shared, language, daemons)
    reader = Reader(shared, language)
    subscribed = shared.stub(notifications_pb2_grpc.NotificationsStub).Subscribe(
        notifications_pb2.SubscribeRequest(types=["perf_schema_update"])
    )
    next(subscribed)  # it has begun
    daemon.process.kill()
    stale = until("stale", lambda: s if "stale_since" in (s := reader.status()) else None)
    assert stale["state"] == "running", "the rest is there as it was told last"
    assert reader.metrics() == [], "the health metrics of a stale daemon do not count"
    assert reader.structure() is not None
    until(
        "the check that names it",
        lambda: f"backup-agent.{language} on {HOST}" in shared.check("health", "detail"),
    )
    assert "DAEMON_REPORT_STALE" in shared.check("health", "detail")
    until("dropped", lambda: reader.metadata() is None)
    assert reader.structure() is None
    assert reader.samples("backup.files") == []
    until("health", lambda: "DAEMON_REPORT_STALE" not in shared.check("health", "detail"))
    assert any(one.notification.id == f"backup-agent.{language}" for one in subscribed)
    subscribed.cancel()


def test_a_daemon_that_halts_is_live_again_when_it_goes_on(
    shared: Manager, language: str, daemons: list[Background]
) -> None:
    daemon = start(shared, language, daemons)
    reader = Reader(shared, language)
    daemon.process.send_signal(signal.SIGSTOP)
    until("stale", lambda: "stale_since" in reader.status())
    daemon.process.send_signal(signal.SIGCONT)
    until("live", lambda: "stale_since" not in reader.status())
    reader.everything_is_there()
    assert daemon.end(signal.SIGTERM).rc == 0


def test_a_new_manager_is_told_everything_again(language: str, daemons: list[Background]) -> None:
    with Manager(flags=FLAGS) as manager:
        daemon = start(manager, language, daemons)
        manager.kill9()
        manager.restart()
        reader = Reader(manager, language)
        until("the daemon at the new manager", lambda: reader.structure())
        reader.everything_is_there()
        assert daemon.end(signal.SIGTERM).rc == 0


def test_beside_a_simulated_cluster(language: str, daemons: list[Background]) -> None:
    with Manager(flags=["--take-reports", "--report-interval", "0.2"]) as manager:
        start(manager, language, daemons)
        Reader(manager, language).everything_is_there()
        osd = manager.stub(cluster_pb2_grpc.ClusterStub).GetMetadata(
            cluster_pb2.GetMetadataRequest(daemon=cluster_pb2.DaemonName(type="osd", id="0"))
        )
        assert osd.metadata["hostname"]
        everybody = manager.stub(cluster_pb2_grpc.ClusterStub).GetDaemonHealthMetrics(
            cluster_pb2.GetDaemonHealthMetricsRequest()
        )
        assert {
            f"{daemon.daemon.type}.{daemon.daemon.id}": [metric.type for metric in daemon.metrics]
            for daemon in everybody.daemons
        } == {
            **{f"osd.{osd}": ["SLOW_OPS", "PENDING_CREATING_PGS"] for osd in range(3)},
            f"backup-agent.{language}": ["SLOW_OPS"],
        }


def test_daemons_obey_the_pace(language: str, daemons: list[Background]) -> None:
    flags = ["--source", "report", "--report-interval", "60", "--report-lease", "120",
             "--report-drop-after", "180", "--report-min-priority", "8"]  # fmt: skip
    with Manager(flags=flags) as manager:
        start(manager, language, daemons)
        reader = Reader(manager, language)
        assert len(reader.samples("backup.files")) == 1, "of the flush; the next is far away"
        assert reader.samples("backup.queue") == [], "nobody is interested"
        manager.check("report", "configure", "--interval", "0.02", "--min-priority", "0")
        until("samples", lambda: len(reader.samples("backup.files")) == 20)
        until("the other counter", lambda: len(reader.samples("backup.queue")) > 2)
        manager.check("report", "configure", "--min-priority", "8")
        until("no more of it", lambda: reader.samples("backup.queue") == [])
        assert len(reader.samples("backup.files")) == 20
        manager.check("report", "configure", "--interval", "60")

        def reports() -> int:
            (daemon,) = json.loads(manager.check("report", "ls", "--format", "json"))
            return int(daemon["reports"])

        def still() -> bool:
            before = reports()
            time.sleep(0.5)  # 25 reports at the old pace
            return reports() == before

        until("the slow pace", still)


def test_a_structure_goes_to_the_next_when_its_owner_ends(
    shared: Manager, daemons: list[Background]
) -> None:
    first = start(shared, "python", daemons)
    second = start(shared, "cpp", daemons)  # which says "reporting" though it was refused one

    def owners() -> dict[str, int]:
        listed = json.loads(shared.check("report", "ls", "backup-agent", "--format", "json"))
        return {one["daemon"]: one["structures"] for one in listed}

    assert owners() == {"backup-agent.python": 1, "backup-agent.cpp": 0}
    assert first.end(signal.SIGTERM).rc == 0
    until("the next owner", lambda: owners() == {"backup-agent.cpp": 1})
    third = start(shared, "python", daemons)
    second.process.kill()  # without a goodbye: it is its owner's until it is stale
    until("the owner after it", lambda: owners().get("backup-agent.python") == 1)
    assert Reader(shared, "python").structure() == {"sites": ["berlin", "oslo"]}
    assert third.end(signal.SIGTERM).rc == 0
    until("the end", lambda: Reader(shared, "cpp").metadata() is None)


def test_a_daemon_without_a_manager_ends_when_it_is_told() -> None:
    with report.Reporter("backup-agent", "alone", address="unix:/nonexistent") as reporter:
        assert not reporter.flush(timeout=0.3)
        assert not reporter.connected


def test_who_is_refused_hears_why_and_stops(shared: Manager) -> None:
    with report.Reporter("OSD", "0", address=shared.address) as reporter:
        with pytest.raises(report.ReportRefusedError, match=r"hello\.service_type") as caught:
            reporter.flush()
        assert caught.value.reason == "BAD_HELLO"
        assert reporter.error is caught.value


def test_what_is_rejected_is_told_and_the_rest_goes_on(shared: Manager) -> None:
    rejections: list[report.Rejection] = []
    with report.Reporter(
        "backup-agent", "picky", address=shared.address, on_rejected=rejections.append
    ) as reporter:
        reporter.set_status({"": "no key"})
        count = reporter.counter("backup.n")
        count.inc(5)
        assert reporter.flush()
        assert [(one.reason, one.field) for one in rejections] == [
            ("REASON_INVALID", 'status.entries[""]')
        ]
        reader = Reader(shared, "picky")
        assert reader.samples("backup.n")[-1].value == 5
        late = reporter.gauge("backup.late")  # a new schema
        late.set(7)
        assert reporter.flush()
        assert reader.samples("backup.late")[-1].value == 7
        assert reader.samples("backup.n")[-1].value == 5
        reporter.set_structure("picky", [1])
        assert reporter.flush()
        reporter.remove_structure("picky")
        assert reporter.flush()
    assert reader.metadata() is None


def test_a_second_process_replaces_the_first(shared: Manager) -> None:
    with report.Reporter("backup-agent", "twin", address=shared.address) as first:
        assert first.flush()
        with report.Reporter("backup-agent", "twin", address=shared.address) as second:
            assert second.flush()
            until("the first to end", lambda: first.error is not None)
            assert first.error is not None
            assert first.error.reason == "REPLACED"
            assert second.flush()


if __name__ == "__main__":
    run_tests(__file__)
