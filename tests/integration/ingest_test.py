"""Daemons that report, as the wire has it: a client made of the proto file alone."""

from __future__ import annotations

import errno
import json
import queue
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from fixture import DEADLINE, Manager, error_info, run_tests, until
from google.protobuf import duration_pb2
from outpost.v1 import cluster_pb2, cluster_pb2_grpc, ingest_pb2, ingest_pb2_grpc

HOST = socket.gethostname().partition(".")[0]


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    with Manager(flags=["--source", "report", "--report-interval", "0.5", "--report-lease", "1",
                        "--report-drop-after", "3"]) as manager:  # fmt: skip
        yield manager


class Stream:
    """One daemon's stream."""

    def __init__(self, manager: Manager, daemon_id: str, **hello: Any) -> None:
        self._out: queue.Queue[ingest_pb2.ReportRequest | None] = queue.Queue()
        self._sequence = 0
        self.call = manager.stub(ingest_pb2_grpc.IngestStub).Report(
            iter(self._out.get, None), timeout=DEADLINE
        )
        fields = {
            "service_type": "backup",
            "daemon_id": daemon_id,
            "hostname": HOST,
            "version": "1.0",
            "instance": "first",
            "protocol_versions": [1],
            **hello,
        }
        self.send(hello=ingest_pb2.IngestHello(**fields))

    def send(self, *, sequence: int | None = None, **message: Any) -> int:
        self._sequence = self._sequence + 1 if sequence is None else sequence
        self._out.put(ingest_pb2.ReportRequest(sequence=self._sequence, **message))
        return self._sequence

    def receive(self) -> ingest_pb2.ReportResponse:
        return next(self.call)

    def acknowledged(self, sequence: int) -> list[ingest_pb2.IngestRejected]:
        """Wait until a message is answered; what was rejected until then."""
        rejected = []
        while True:
            response = self.receive()
            if response.HasField("rejected"):
                rejected.append(response.rejected)
            if response.ack.sequence >= sequence:
                return rejected

    def half_close(self) -> None:
        self._out.put(None)

    def end(self) -> grpc.StatusCode:
        """Wait for the end."""
        with pytest.raises((grpc.RpcError, StopIteration)) as caught:
            while True:
                self.receive()
        if isinstance(caught.value, grpc.RpcError):
            self.reason = error_info(caught.value).reason
        return self.call.code()


def cluster(manager: Manager) -> Any:
    return manager.stub(cluster_pb2_grpc.ClusterStub)


def name_of(daemon_id: str) -> cluster_pb2.DaemonName:
    return cluster_pb2.DaemonName(type="backup", id=daemon_id)


def test_a_daemon_from_hello_to_goodbye(manager: Manager) -> None:
    stream = Stream(manager, "a", lease=duration_pb2.Duration(seconds=2))
    welcome = stream.receive().welcome
    assert welcome.protocol_version == 1
    assert welcome.report_interval.nanos == 500_000_000
    assert welcome.lease.seconds == 2
    assert welcome.drop_after.seconds == 4
    assert welcome.limits.max_unacknowledged > 0
    stream.send(metadata=ingest_pb2.IngestMetadata(entries={"cpu": "fast"}))
    kind = ingest_pb2.IngestCounterDescription
    stream.send(
        perf_schema=ingest_pb2.IngestPerfSchema(
            version=1,
            counters=[
                kind(path="backup.files", kind=kind.KIND_COUNTER, priority=8),
                kind(path="backup.took", kind=kind.KIND_LONG_RUNNING_AVERAGE, value_type=2),
            ],
        )
    )
    stream.send(
        counters=ingest_pb2.IngestCounters(
            schema_version=1,
            indexes=[0],
            values=[7],
            average_indexes=[1],
            average_sums=[1_500_000_000],
            average_counts=[3],
        )
    )
    stream.send(status=ingest_pb2.IngestStatus(entries={"state": "idle"}))
    metric = ingest_pb2.IngestHealthMetric(type="SLOW_OPS", n1=2, n2=30)
    stream.send(health_metrics=ingest_pb2.IngestHealthMetrics(metrics=[metric]))
    last = stream.send(structure=ingest_pb2.IngestStructure(name="backups", json='{"n": 1}'))
    assert stream.acknowledged(last) == []

    # What is acknowledged is there.
    stub = cluster(manager)
    daemon = name_of("a")
    metadata = stub.GetMetadata(cluster_pb2.GetMetadataRequest(daemon=daemon)).metadata
    assert dict(metadata) == {"cpu": "fast", "hostname": HOST, "ceph_version": "1.0"}
    status = stub.GetDaemonStatus(cluster_pb2.GetDaemonStatusRequest(daemon=daemon)).status
    assert dict(status) == {"state": "idle"}
    series = stub.GetCounters(cluster_pb2.GetCountersRequest(daemon=daemon)).series
    assert [(one.path, one.samples[0].value, one.samples[0].count) for one in series] == [
        ("backup.files", 7.0, 0),
        ("backup.took", 1.5, 3),
    ]
    metrics = stub.GetDaemonHealthMetrics(cluster_pb2.GetDaemonHealthMetricsRequest(daemon=daemon))
    assert metrics.daemons[0].metrics[0].n2 == 30
    assert stub.Get(cluster_pb2.ClusterGetRequest(name="backups")).json == '{"n": 1}'
    server = stub.GetServer(cluster_pb2.GetServerRequest(hostname=HOST)).server
    assert daemon in server.services
    until(
        "the health check",
        lambda: (
            "2 slow ops, oldest one blocked for 30 sec, backup.a has slow ops"
            in manager.check("health")
        ),
    )
    assert "source report" in manager.log()

    stream.send(goodbye=ingest_pb2.IngestGoodbye(reason="the test is over"))
    stream.half_close()
    assert stream.end() is grpc.StatusCode.OK
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetMetadata(cluster_pb2.GetMetadataRequest(daemon=daemon))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as caught:
        stub.Get(cluster_pb2.ClusterGetRequest(name="backups"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    until("health to be well", lambda: "slow ops" not in manager.check("health"))


def test_a_rejection_ends_nothing(manager: Manager) -> None:
    stream = Stream(manager, "b")
    assert stream.receive().HasField("welcome")
    bad = stream.send(status=ingest_pb2.IngestStatus(entries={"": "x"}))
    unknown = stream.send()
    lost = stream.send(counters=ingest_pb2.IngestCounters(schema_version=3))
    rejected = stream.acknowledged(lost)
    reason = ingest_pb2.IngestRejected
    assert [(one.sequence, one.reason) for one in rejected] == [
        (bad, reason.REASON_INVALID),
        (unknown, reason.REASON_UNKNOWN_MESSAGE),
        (lost, reason.REASON_SCHEMA_UNKNOWN),
    ]
    assert rejected[0].field == 'status.entries[""]'
    assert rejected[0].message.startswith("backup.b: ")
    manager.wait_for_log(r"a report was rejected: backup\.b: status\.entries")
    stream.half_close()
    assert stream.end() is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("hello", "reason", "code"),
    [
        ({"hostname": "a.b.c"}, "BAD_HELLO", grpc.StatusCode.INVALID_ARGUMENT),
        ({"protocol_versions": [9]}, "PROTOCOL_VERSION", grpc.StatusCode.FAILED_PRECONDITION),
    ],
)
def test_a_stream_that_is_refused(
    manager: Manager, hello: dict[str, Any], reason: str, code: grpc.StatusCode
) -> None:
    stream = Stream(manager, "c", **hello)
    assert stream.end() is code
    assert stream.reason == reason


def test_streams_that_break_the_protocol(manager: Manager) -> None:
    gap = Stream(manager, "d")
    gap.send(sequence=7, keepalive=ingest_pb2.IngestKeepalive())
    assert gap.end() is grpc.StatusCode.INVALID_ARGUMENT
    assert gap.reason == "PROTOCOL_ERROR"
    garbage = manager.channel.stream_stream(
        "/outpost.v1.Ingest/Report", lambda data: data, ingest_pb2.ReportResponse.FromString
    )(iter([b"\xff\xff\xff"]), timeout=DEADLINE)
    with pytest.raises(grpc.RpcError) as caught:
        next(garbage)
    assert error_info(caught.value).reason == "PROTOCOL_ERROR"


def test_another_process_of_the_same_name_wins(manager: Manager) -> None:
    first = Stream(manager, "e")
    assert first.receive().HasField("welcome")
    second = Stream(manager, "e", instance="second")
    assert second.receive().HasField("welcome")
    assert first.end() is grpc.StatusCode.ABORTED
    assert first.reason == "REPLACED"
    assert second.acknowledged(second.send(keepalive=ingest_pb2.IngestKeepalive())) == []
    second.half_close()


def test_who_does_not_read_is_not_read_from(manager: Manager) -> None:
    """Rejections that nobody takes do not pile up in the manager: the stream is held up."""
    many = 20_000
    requests = [
        ingest_pb2.ReportRequest(
            sequence=1,
            hello=ingest_pb2.IngestHello(
                service_type="backup",
                daemon_id="f",
                hostname=HOST,
                instance="i",
                protocol_versions=[1],
            ),  # fmt: skip
        ),
        *(ingest_pb2.ReportRequest(sequence=n) for n in range(2, many + 2)),
    ]
    call = manager.stub(ingest_pb2_grpc.IngestStub).Report(iter(requests), timeout=DEADLINE)
    answers = list(call)
    assert answers[0].HasField("welcome")
    assert sum(answer.HasField("rejected") for answer in answers) == many
    assert answers[-1].ack.sequence == many + 1


def sampled_counters(value: int, ahead: float = 0) -> ingest_pb2.IngestCounters:
    batch = ingest_pb2.IngestCounters(schema_version=1, indexes=[0], values=[value])
    batch.sampled_at.FromNanoseconds(time.time_ns() + round(ahead * 1e9))
    return batch


def one_counter() -> ingest_pb2.IngestPerfSchema:
    kind = ingest_pb2.IngestCounterDescription
    counter = kind(path="backup.files", kind=kind.KIND_COUNTER, priority=8)
    return ingest_pb2.IngestPerfSchema(version=1, counters=[counter])


def test_the_list_of_those_who_report(manager: Manager) -> None:
    stream = Stream(manager, "h", lease=duration_pb2.Duration(seconds=60))
    stream.send(perf_schema=one_counter())
    stream.send(status=ingest_pb2.IngestStatus(entries={"": "x"}))
    stream.acknowledged(stream.send(counters=sampled_counters(1, ahead=3600)))
    (daemon,) = json.loads(manager.check("report", "ls", "backup.h", "--format", "json"))
    assert daemon["daemon"] == "backup.h"
    assert (daemon["hostname"], daemon["state"], daemon["lease"]) == (HOST, "live", 60)
    assert (daemon["counters"], daemon["reports"], daemon["rejected"]) == (1, 4, 1)
    assert daemon["last_rejection"].startswith("backup.h: status.entries")
    assert daemon["bytes"] > 0
    assert daemon["lag"] == 0
    assert 3500 < daemon["clock_ahead"] < 3700
    lines = manager.check("report", "ls", "backup.h").splitlines()
    assert lines[0].split() == [
        *("DAEMON", "HOST", "STATE", "AGE", "LEASE", "COUNTERS", "BYTES/S", "REPORTS"),
        *("REJECTED", "LAG", "CLOCK"),
    ]
    assert lines[1].split()[:3] == ["backup.h", HOST, "live"]
    assert lines[1].split()[-3:-1] == ["1", "0s"]
    assert lines[2].startswith("last rejected: backup.h: status.entries")
    assert "backup.h" in manager.check("report", "ls")
    stream.send(goodbye=ingest_pb2.IngestGoodbye(restarting=True))
    stream.half_close()
    assert stream.end() is grpc.StatusCode.OK
    assert manager.check("report", "ls", "backup.h").splitlines()[1].split()[2] == "away"
    outcome = manager.outpost("report", "ls", "backup.hh")
    assert outcome.rc == errno.ENOENT
    assert "the nearest are backup.h" in outcome.err


def test_the_operator_sets_the_pace() -> None:
    flags = ["--source", "report", "--report-interval", "7", "--report-min-priority", "3"]
    with Manager(flags=flags) as manager:
        stream = Stream(manager, "i")
        welcome = stream.receive().welcome
        assert (welcome.report_interval.seconds, welcome.min_priority) == (7, 3)
        assert manager.check("report", "pace").startswith(
            "a report every 7s, of counters with a priority of at least 3; of the last 0 reports"
        )
        manager.check("report", "configure", "--interval", "2.5", "--min-priority", "8")
        configure = stream.receive().configure
        assert configure.report_interval == duration_pb2.Duration(seconds=2, nanos=500_000_000)
        assert configure.min_priority == 8
        manager.check("report", "configure", "--min-priority", "0")
        configure = stream.receive().configure
        assert (configure.report_interval.seconds, configure.min_priority) == (2, 0)
        outcome = manager.outpost("report", "configure", "--interval", "0")
        assert (outcome.rc, outcome.err) == (
            errno.EINVAL,
            "Error EINVAL: an interval of 0: it is from 10ms to 1h\n",
        )
        assert manager.outpost("report", "configure", "--min-priority", "11").rc == errno.EINVAL
        stream.half_close()


def test_a_manager_that_falls_behind_asks_for_fewer_reports() -> None:
    flags = ["--source", "report", "--report-interval", "0.3", "--report-max-lag", "0.2"]
    with Manager(flags=flags) as manager:
        stream = Stream(manager, "j")
        assert stream.receive().HasField("welcome")
        stream.send(perf_schema=one_counter())
        over = threading.Event()

        def report() -> None:
            while not over.wait(0.05):
                stream.send(counters=sampled_counters(1))

        def configured() -> float:
            while not (response := stream.receive()).HasField("configure"):
                assert not response.HasField("rejected")
            return response.configure.report_interval.ToMilliseconds() / 1000

        reporting = threading.Thread(target=report)
        reporting.start()
        try:
            stream.acknowledged(5)
            assert manager.process is not None
            manager.process.send_signal(signal.SIGSTOP)
            time.sleep(1.5)  # the reports of so long come late
            manager.process.send_signal(signal.SIGCONT)
            assert configured() >= 0.6
            assert "daemons are asked for one every" in manager.wait_for_log(".*asked for.*")[0]
            while configured() != 0.3:  # and in time again
                pass
        finally:
            over.set()
            reporting.join()
        stream.half_close()


def test_a_manager_that_takes_no_reports_says_so() -> None:
    with Manager() as manager:
        outcome = manager.outpost("report", "ls")
        assert outcome.rc == errno.EOPNOTSUPP
        assert "--take-reports" in outcome.err


def test_the_manager_ends_at_once_though_daemons_report() -> None:
    with Manager(flags=["--source", "report"]) as manager:
        stream = Stream(manager, "g")
        assert stream.receive().HasField("welcome")
        channel = manager._channel  # keep it open over the end
        manager._channel = None
        manager.stop()
        assert stream.end() is grpc.StatusCode.UNAVAILABLE
        assert channel is not None
        channel.close()


if __name__ == "__main__":
    run_tests(__file__)
