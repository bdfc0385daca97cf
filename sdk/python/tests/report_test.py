"""outpost.report against a manager that does what the test says."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest

from outpost import report
from outpost.v1 import ingest_pb2, ingest_pb2_grpc

DEADLINE = 20.0
HOUR = 3600


class ScriptedManager(ingest_pb2_grpc.IngestServicer):
    """Keeps what it is sent; answers what it is told."""

    def __init__(self) -> None:
        self.received: queue.Queue[ingest_pb2.ReportRequest] = queue.Queue()
        self.answers: queue.Queue[ingest_pb2.ReportResponse] = queue.Queue()
        self.reads = threading.Event()
        self.reads.set()

    def Report(  # noqa: N802 - gRPC's name
        self, requests: Iterator[ingest_pb2.ReportRequest], context: grpc.ServicerContext
    ) -> Iterator[ingest_pb2.ReportResponse]:
        context.add_callback(lambda: self.answers.put(ingest_pb2.ReportResponse()))
        reader = futures.ThreadPoolExecutor(1)
        over = threading.Event()  # as a manager's stream is after a goodbye: nobody waits for more

        def read() -> None:
            for request in requests:
                self.received.put(request)
                if request.HasField("goodbye"):
                    over.set()
                    self.answers.put(ingest_pb2.ReportResponse())
                self.reads.wait(DEADLINE)

        reader.submit(read)
        while context.is_active():
            answer = self.answers.get()
            if over.is_set() and not answer.WhichOneof("message"):
                return
            yield answer

    def next(self) -> ingest_pb2.ReportRequest:
        """Wait for the next message."""
        return self.received.get(timeout=DEADLINE)

    def skip_to(self, kind: str) -> ingest_pb2.ReportRequest:
        """Wait for a message of a kind; those before it are acknowledged."""
        while (request := self.next()).WhichOneof("message") != kind:
            self.acknowledge(request)
        return request

    def welcome(
        self,
        *,
        window: int = 64,
        interval: float = HOUR,
        lease: float = HOUR,
        min_priority: int = 0,
    ) -> None:
        welcome = ingest_pb2.IngestWelcome(protocol_version=1, min_priority=min_priority)
        welcome.report_interval.FromNanoseconds(round(interval * 1e9))
        welcome.lease.FromNanoseconds(round(lease * 1e9))
        welcome.limits.max_unacknowledged = window
        assert self.next().HasField("hello")
        self.answers.put(ingest_pb2.ReportResponse(welcome=welcome))

    def acknowledge(self, request: ingest_pb2.ReportRequest) -> None:
        self.answers.put(
            ingest_pb2.ReportResponse(ack=ingest_pb2.IngestAck(sequence=request.sequence))
        )

    def reject(self, request: ingest_pb2.ReportRequest, reason: int) -> None:
        rejected = ingest_pb2.IngestRejected(
            sequence=request.sequence, reason=reason, field="f", message="m"
        )
        self.answers.put(ingest_pb2.ReportResponse(rejected=rejected))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[ScriptedManager, str]]:
    scripted = ScriptedManager()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    ingest_pb2_grpc.add_IngestServicer_to_server(scripted, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield scripted, address
    server.stop(0).wait()


def test_what_has_no_room_is_merged(manager: tuple[ScriptedManager, str]) -> None:
    scripted, address = manager
    with report.Reporter("agent", "1", address=address) as reporter:
        scripted.welcome(window=2)
        first, second = scripted.next(), scripted.next()
        for number in range(100):
            reporter.set_status({"n": str(number)})
        with pytest.raises(queue.Empty):
            scripted.received.get(timeout=0.2)
        scripted.acknowledge(first)
        scripted.acknowledge(second)
        statuses = [scripted.skip_to("status")]
        scripted.acknowledge(statuses[0])
        assert statuses[0].status.entries["n"] == "99"
        assert statuses[0].sequence <= 6, "the other 99 were never sent"


def test_a_manager_that_reads_nothing_costs_no_memory(
    manager: tuple[ScriptedManager, str],
) -> None:
    scripted, address = manager
    scripted.reads.clear()
    megabyte = "x" * 2**20
    with report.Reporter("agent", "1", address=address) as reporter:
        scripted.welcome(window=0)  # as many without an answer as it likes
        for number in range(100):
            reporter.set_status({"n": str(number), "x": megabyte})
            time.sleep(0.001)  # so that each could have been sent
        assert not reporter.flush(timeout=0.1)
        scripted.reads.set()
        statuses = 1
        while scripted.skip_to("status").status.entries["n"] != "99":
            statuses += 1
        assert statuses <= 8, "what fits into gRPC's buffers, and not 100 MiB"


def test_answers_that_never_come_are_waited_for(manager: tuple[ScriptedManager, str]) -> None:
    scripted, address = manager
    with report.Reporter("agent", "1", address=address) as reporter:
        scripted.welcome(window=0)
        last = 0
        for number in range(1000):
            reporter.set_status({"n": str(number)})
            with contextlib.suppress(queue.Empty):
                last = scripted.received.get(timeout=0.001).sequence
        assert 60 < last <= 65, "hello and 64, whatever the manager allows"


def test_the_structure_of_another_is_sent_again_and_holds_nobody_up(
    manager: tuple[ScriptedManager, str],
) -> None:
    scripted, address = manager
    with report.Reporter("agent", "1", address=address) as reporter:
        reporter.set_structure("s", [2])
        lease = 1.0
        scripted.welcome(lease=lease)
        refused = 0.0

        def refuse(structure: ingest_pb2.ReportRequest) -> None:
            nonlocal refused
            assert time.monotonic() - refused >= lease, "not before the owner may be stale"
            refused = time.monotonic()
            scripted.reject(structure, ingest_pb2.IngestRejected.REASON_OWNED)

        refuse(scripted.skip_to("structure"))
        refuse(scripted.skip_to("structure"))
        with futures.ThreadPoolExecutor(1) as pool:
            flushed = pool.submit(reporter.flush, DEADLINE)
            while not flushed.done():  # as often as it comes until flush() has seen its answer
                with contextlib.suppress(queue.Empty):
                    request = scripted.received.get(timeout=0.05)
                    if request.HasField("structure"):
                        refuse(request)
                    else:
                        scripted.acknowledge(request)  # a keepalive: a third of a lease is over
            assert flushed.result(), "everything is answered"
        structure = scripted.skip_to("structure")
        assert structure.structure.json == "[2]"
        scripted.acknowledge(structure)


def test_what_is_newest_goes_before_the_goodbye(manager: tuple[ScriptedManager, str]) -> None:
    scripted, address = manager
    reporter = report.Reporter("agent", "1", address=address).start()
    scripted.welcome(window=1)
    first = scripted.next()
    reporter.set_status({"n": "last"})
    closer = threading.Thread(target=reporter.close, args=("for a test",))
    closer.start()
    time.sleep(0.05)
    scripted.acknowledge(first)
    while (status := scripted.skip_to("status")).status.entries["n"] != "last":
        scripted.acknowledge(status)
    scripted.acknowledge(status)
    assert scripted.skip_to("goodbye").goodbye.reason == "for a test"
    closer.join()


def test_counters_are_typed_deltas(manager: tuple[ScriptedManager, str]) -> None:
    scripted, address = manager
    reporter = report.Reporter("agent", "1", address=address)
    gauge = reporter.gauge("a.level", unit=report.Unit.BYTES)
    count = reporter.counter("a.n")
    average = reporter.average("a.size")
    took = reporter.time_average("a.took", priority=8)
    assert reporter.gauge("a.level", unit=report.Unit.BYTES) is gauge
    with pytest.raises(ValueError, match="declared already"):
        reporter.counter("a.level")
    with pytest.raises(ValueError, match="priority 11"):
        reporter.counter("a.b", priority=11)
    with pytest.raises(ValueError, match="only grows"):
        count.inc(-1)
    with pytest.raises(ValueError, match="-1 is not from 0"):
        gauge.dec()
    with pytest.raises(TypeError, match=r"1\.5 is not an int"):
        gauge.set(1.5)  # type: ignore[arg-type]
    gauge.set(7)
    took.add(1.5, events=3)
    average.add(10)
    with reporter:
        scripted.welcome(interval=0.05)
        schema = scripted.skip_to("perf_schema")
        assert [counter.path for counter in schema.perf_schema.counters] == [
            *("a.level", "a.n", "a.size", "a.took")
        ]
        batch = scripted.skip_to("counters").counters
        assert (list(batch.indexes), list(batch.values)) == ([0, 1], [7, 0])
        assert list(batch.average_indexes) == [2, 3]
        assert list(batch.average_sums) == [10, 1_500_000_000]
        assert list(batch.average_counts) == [1, 3]
        count.inc(5)
        batch = scripted.skip_to("counters").counters
        assert (list(batch.indexes), list(batch.values)) == ([1], [5])
        assert not batch.average_indexes


def test_the_manager_sets_the_pace(manager: tuple[ScriptedManager, str]) -> None:
    scripted, address = manager
    reporter = report.Reporter("agent", "1", address=address)
    dull = reporter.counter("a.dull", priority=2)
    reporter.counter("a.vital", priority=9)
    with reporter:
        scripted.welcome(min_priority=5)
        assert list(scripted.skip_to("counters").counters.indexes) == [1]
        dull.inc()
        configure = ingest_pb2.IngestConfigure(min_priority=0)
        configure.report_interval.FromMilliseconds(20)
        scripted.answers.put(ingest_pb2.ReportResponse(configure=configure))
        assert list(scripted.skip_to("counters").counters.indexes) == [0, 1]


def test_a_lost_schema_is_sent_again(manager: tuple[ScriptedManager, str]) -> None:
    scripted, address = manager
    reporter = report.Reporter("agent", "1", address=address)
    reporter.counter("a.n")
    with reporter:
        scripted.welcome()
        version = scripted.skip_to("perf_schema").perf_schema.version
        assert scripted.skip_to("counters").counters.schema_version == version
        resend = ingest_pb2.IngestResendSchema(schema_version=version)
        scripted.answers.put(ingest_pb2.ReportResponse(resend_schema=resend))
        assert scripted.skip_to("perf_schema").perf_schema.version == version
        assert list(scripted.skip_to("counters").counters.indexes) == [0]


def test_too_fast_waits_and_sends_what_is_newest(manager: tuple[ScriptedManager, str]) -> None:
    scripted, address = manager
    rejections: list[report.Rejection] = []
    with report.Reporter("agent", "1", address=address, on_rejected=rejections.append) as reporter:
        scripted.welcome(interval=0.1)
        reporter.set_status({"n": "1"})
        while (request := scripted.skip_to("status")).status.entries["n"] != "1":
            scripted.acknowledge(request)
        scripted.reject(request, ingest_pb2.IngestRejected.REASON_TOO_FAST)
        again = scripted.skip_to("status")
        assert again.status.entries["n"] == "1"
        assert [one.reason for one in rejections] == ["REASON_TOO_FAST"]


def test_what_cannot_be_sent_is_refused_where_it_is_said(
    manager: tuple[ScriptedManager, str],
) -> None:
    reporter = report.Reporter("agent", "1", address=manager[1])
    with pytest.raises(TypeError):
        reporter.set_status({"n": 1})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        reporter.set_structure("s", object())
    with pytest.raises(ValueError, match="Out of range"):
        reporter.set_structure("s", float("nan"))
    with pytest.raises(RuntimeError, match="not started"):
        reporter.flush()
    reporter.close()
    with pytest.raises(RuntimeError, match="started already"):
        reporter.start()


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
