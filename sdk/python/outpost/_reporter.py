"""The client of the service Ingest."""

from __future__ import annotations

import json
import logging
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

import grpc
from google.protobuf import duration_pb2

from outpost import _rpc
from outpost._errors import CallError, call_error, error_info
from outpost._report_counters import (
    Average,
    Cell,
    Counter,
    Declaration,
    Description,
    Gauge,
    TimeAverage,
    Unit,
)
from outpost._settings import DEFAULT_ADDRESS, Backoff
from outpost.v1 import ingest_pb2

_log = logging.getLogger("outpost.report")

_PROTOCOL_VERSIONS = (1,)
_GOODBYE_SECONDS = 2.0
# reasons for which ingest.proto says: stop
_FINAL = frozenset(
    {
        *("BAD_HELLO", "PROTOCOL_VERSION", "NOT_ALLOWED", "PROTOCOL_ERROR", "REPLACED"),
        "NO_INGEST",
    }
)

_Cell = TypeVar("_Cell", bound=Cell)


class ReportRefusedError(CallError):
    """The manager does not want this daemon's reports; reporting has ended. See `reason`."""


@dataclass(frozen=True)
class HealthMetric:
    """One number that ails the daemon, such as HealthMetric("SLOW_OPS", 3, 40)."""

    type: str
    n1: int
    n2: int = 0


@dataclass(frozen=True)
class Rejection:
    """One message that the manager did not apply."""

    reason: str
    """The contract's constant, such as "REASON_LIMIT"."""
    field: str
    """Which field is at fault, from the ReportRequest down."""
    message: str
    """For people."""


class _Stream:
    """One call of Report: what is sent, and what came back. Guarded by the reporter's condition."""

    def __init__(self, reporter: Reporter) -> None:
        self.channel = _rpc.open_channel(reporter.address)
        self.outbox: queue.SimpleQueue[ingest_pb2.ReportRequest | None] = queue.SimpleQueue()
        self.call = _rpc.REPORT.stream(self.channel)(iter(self.outbox.get, None))
        self.welcome: ingest_pb2.IngestWelcome | None = None
        self.ended = False
        self.error: grpc.RpcError | None = None
        self.sent = 0
        self.answered = 0
        self.in_flight: dict[int, str] = {}
        """What each message without an answer was: "status", "structure queue"."""
        self.interval = 5.0
        self.lease = 15.0
        self.window = 1
        self.min_priority = 0
        self.counters: dict[int, tuple[int, int]] = {}
        """The values as they were sent last, by index."""
        self.due = {"metadata", "schema", "counters", "status", "health"}
        """What is to be said anew."""
        self.due_structures: dict[str, float] = {}
        """From when on to send a structure, by name."""
        self.next_counters = 0.0
        self.not_before = 0.0
        self.last_sent = time.monotonic()

    def send(self, what: str, **message: Any) -> None:
        self.sent += 1
        self.in_flight[self.sent] = what
        self.last_sent = time.monotonic()
        self.outbox.put(ingest_pb2.ReportRequest(sequence=self.sent, **message))

    def close(self) -> None:
        self.outbox.put(None)
        self.call.cancel()  # type: ignore[no-untyped-call]
        self.channel.close()


class Reporter:
    """Reports one daemon, from `start` (or `with`) to `close`.

    Args:
        service_type: the kind of daemon, such as "backup-agent".
        daemon_id: which one of its kind.
        address: the manager, a gRPC target.
        hostname: where it runs; this host's bare name where none is given.
        version: its version, for people.
        lease: for how many seconds it is to be taken for live after each report; None leaves that
            to the manager.
        metadata: what it is made of; see set_metadata.
        on_rejected: called, on the reporter's thread, for what the manager did not accept; that
            is logged anyway.

    Thread safety: all methods may be called on any thread; only flush and close wait for the
    network. What is said between two reports is merged: the newest counts.

    """

    def __init__(
        self,
        service_type: str,
        daemon_id: str,
        *,
        address: str = DEFAULT_ADDRESS,
        hostname: str = "",
        version: str = "",
        lease: float | None = None,
        metadata: Mapping[str, str] | None = None,
        on_rejected: Callable[[Rejection], None] | None = None,
    ) -> None:
        self.address = address
        self._hello = ingest_pb2.IngestHello(
            service_type=service_type,
            daemon_id=daemon_id,
            hostname=hostname or socket.gethostname().partition(".")[0],
            version=version,
            instance=str(uuid.uuid4()),
            protocol_versions=_PROTOCOL_VERSIONS,
        )
        if lease is not None:
            self._hello.lease.CopyFrom(duration_pb2.Duration(nanos=0))
            self._hello.lease.FromNanoseconds(round(lease * 1e9))
        self._on_rejected = on_rejected
        self._changed = threading.Condition()
        # the rest is guarded by it
        self._cells: list[Cell] = []
        self._by_path: dict[str, Cell] = {}
        self._metadata = dict(metadata or {})
        self._status: dict[str, str] = {}
        self._health: list[HealthMetric] = []
        self._structures: dict[str, str] = {}  # JSON; empty: to be removed
        self._stream: _Stream | None = None
        self._error: ReportRefusedError | None = None
        self._closing = False
        self._goodbye = ingest_pb2.IngestGoodbye()
        self._thread: threading.Thread | None = None

    # --- what is counted ---

    def gauge(
        self,
        path: str,
        *,
        unit: Unit = Unit.NONE,
        priority: int = 5,
        description: str = "",
        nick: str = "",
    ) -> Gauge:
        """Declare a level that goes up and down. The same path again gives the same gauge.

        Args:
            path: the full name, "backup.queue".
            unit: what is counted.
            priority: how much anybody cares, 0 to 10 (see ingest.proto).
            description: what it tells, in a sentence.
            nick: at most four characters, for a narrow column.

        """
        return self._declare(Gauge, Description.KIND_GAUGE, path, unit, priority, description, nick)

    def counter(
        self,
        path: str,
        *,
        unit: Unit = Unit.NONE,
        priority: int = 5,
        description: str = "",
        nick: str = "",
    ) -> Counter:
        """Declare a number that only grows; the arguments are those of gauge."""
        return self._declare(
            Counter, Description.KIND_COUNTER, path, unit, priority, description, nick
        )

    def average(
        self,
        path: str,
        *,
        unit: Unit = Unit.NONE,
        priority: int = 5,
        description: str = "",
        nick: str = "",
    ) -> Average:
        """Declare a sum with the number of its events; the arguments are those of gauge."""
        kind = Description.KIND_LONG_RUNNING_AVERAGE
        return self._declare(Average, kind, path, unit, priority, description, nick)

    def time_average(
        self, path: str, *, priority: int = 5, description: str = "", nick: str = ""
    ) -> TimeAverage:
        """Declare a sum of durations with the number of events; see gauge."""
        kind = Description.KIND_LONG_RUNNING_AVERAGE
        return self._declare(TimeAverage, kind, path, Unit.NONE, priority, description, nick, True)

    def _declare(
        self,
        cell: type[_Cell],
        kind: Description.Kind,
        path: str,
        unit: Unit,
        priority: int,
        description: str,
        nick: str,
        is_time: bool = False,
    ) -> _Cell:
        if not path:
            raise ValueError('a counter has no path: name it, as in "backup.files"')
        if not 0 <= priority <= 10:
            raise ValueError(f"counter {path}: priority {priority} is not from 0 to 10")
        declaration = Declaration(
            path=path,
            kind=kind,
            unit=unit,
            priority=priority,
            description=description,
            nick=nick,
            is_time=is_time,
        )
        with self._changed:
            known = self._by_path.get(path)
            if known is not None:
                if known.declaration != declaration or not isinstance(known, cell):
                    raise ValueError(f"counter {path} was declared already, as something else")
                return known
            made = cell(declaration)
            self._cells.append(made)
            self._by_path[path] = made
            self._say("schema")
            return made

    # --- what is told ---

    def set_metadata(self, entries: Mapping[str, str]) -> None:
        """Tell what the daemon is made of, by name; replaces what was told before."""
        with self._changed:
            self._metadata = dict(entries)
            self._say("metadata")

    def set_status(self, entries: Mapping[str, str]) -> None:
        """Tell what the daemon does, by name; replaces what was told before."""
        with self._changed:
            self._status = dict(entries)
            self._say("status")

    def set_health_metrics(self, metrics: Iterable[HealthMetric]) -> None:
        """Tell what ails the daemon; replaces what was told before, and () says that it is well."""
        with self._changed:
            self._health = list(metrics)
            self._say("health")

    def set_structure(self, name: str, value: Any) -> None:
        """Publish a whole piece of cluster data.

        Raises TypeError or ValueError where JSON can't hold it.
        """
        text = json.dumps(value, allow_nan=False)
        with self._changed:
            self._structures[name] = text
            self._say_structure(name)

    def remove_structure(self, name: str) -> None:
        """Take a structure back."""
        with self._changed:
            self._structures[name] = ""
            self._say_structure(name)

    def _say(self, what: str) -> None:
        if self._stream is not None:
            self._stream.due.add(what)
            self._changed.notify_all()

    def _say_structure(self, name: str) -> None:
        if self._stream is not None:
            self._stream.due_structures[name] = 0.0
            self._changed.notify_all()

    # --- life ---

    def start(self) -> Reporter:
        """Begin to report. Returns at once: whether a manager is there, tells connected."""
        with self._changed:
            if self._thread is not None or self._closing:
                raise RuntimeError("the reporter was started already")
            self._thread = threading.Thread(target=self._run, name="outpost-report", daemon=True)
            self._thread.start()
        return self

    def __enter__(self) -> Reporter:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether a manager takes the reports now."""
        with self._changed:
            return self._stream is not None and self._stream.welcome is not None

    @property
    def error(self) -> ReportRefusedError | None:
        """Why reporting has ended for good; None: it goes on, or was closed."""
        with self._changed:
            return self._error

    def flush(self, timeout: float = 10.0) -> bool:
        """Send what has changed now, and wait until it is acknowledged.

        Returns False where that took longer than `timeout` seconds. Raises ReportRefusedError where
        reporting has ended.
        """
        end = time.monotonic() + timeout
        with self._changed:
            stream: _Stream | None = None
            while True:
                if self._error is not None:
                    raise self._error
                if self._thread is None:
                    raise RuntimeError("the reporter was not started, or is closed")
                if self._stream is not stream:  # the manager changed: all is said anew
                    stream = self._stream
                    if stream is not None:
                        stream.next_counters = 0.0
                        stream.due.add("counters")
                        self._changed.notify_all()
                if (
                    stream is not None
                    and stream.welcome is not None
                    and not stream.due
                    and not stream.due_structures
                    and not stream.in_flight
                ):
                    return True
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)

    def close(self, reason: str = "", *, restarting: bool = False) -> None:
        """Send what has changed, say goodbye, and end.

        Args:
            reason: why, for people.
            restarting: the daemon comes back soon: the manager keeps what it knows.

        """
        with self._changed:
            self._closing = True
            self._goodbye = ingest_pb2.IngestGoodbye(reason=reason, restarting=restarting)
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()
        with self._changed:
            self._thread = None

    # --- the reporter's thread ---

    def _run(self) -> None:
        backoff = Backoff()
        failures = 0
        while True:
            stream = _Stream(self)
            with self._changed:
                if self._closing:
                    stream.close()
                    return
                self._stream = stream
                stream.due_structures = {name: 0.0 for name, text in self._structures.items()}
            reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
            reader.start()
            try:
                self._report(stream)
            finally:
                stream.close()
                reader.join()
                with self._changed:
                    self._stream = None
                    self._changed.notify_all()
            failures = 0 if stream.welcome is not None else failures + 1
            with self._changed:
                if self._closing or self._refused(stream):
                    return
                end = time.monotonic() + backoff.delay(failures)
                while not self._closing and (left := end - time.monotonic()) > 0:
                    self._changed.wait(left)

    def _refused(self, stream: _Stream) -> bool:
        """Whether the end of a stream is the end of reporting."""
        if stream.error is None:
            return False
        error = call_error(stream.error, "Ingest.Report")
        reason = error_info(stream.error).reason
        if reason not in _FINAL:
            _log.info("the manager does not take reports now: %s", error)
            return False
        self._error = ReportRefusedError(
            str(error), code=error.code, reason=reason, metadata=error.metadata
        )
        _log.error("reporting has ended: %s", error)
        self._changed.notify_all()
        return True

    def _read(self, stream: _Stream) -> None:
        """Take what the manager sends, until the stream ends."""
        try:
            for response in stream.call:
                with self._changed:
                    rejection = self._take(stream, response)
                    self._changed.notify_all()
                if rejection is not None:
                    self._tell(rejection)
        except grpc.RpcError as error:
            stream.error = error
        finally:
            with self._changed:
                stream.ended = True
                self._changed.notify_all()

    def _tell(self, rejection: Rejection) -> None:
        _log.warning("%s", rejection.message)
        if self._on_rejected is not None:
            try:
                self._on_rejected(rejection)
            except Exception:
                _log.exception("on_rejected")

    def _take(self, stream: _Stream, response: ingest_pb2.ReportResponse) -> Rejection | None:
        kind = response.WhichOneof("message")
        if kind == "welcome":
            stream.welcome = response.welcome
            stream.interval = response.welcome.report_interval.ToNanoseconds() / 1e9
            stream.lease = response.welcome.lease.ToNanoseconds() / 1e9
            stream.window = response.welcome.limits.max_unacknowledged or 2**31
            stream.min_priority = response.welcome.min_priority
            self._answered(stream, 1)
        elif kind == "ack":
            self._answered(stream, response.ack.sequence)
        elif kind == "configure":
            if response.configure.HasField("report_interval"):
                stream.interval = response.configure.report_interval.ToNanoseconds() / 1e9
                stream.next_counters = min(stream.next_counters, time.monotonic() + stream.interval)
            if response.configure.HasField("min_priority"):
                if response.configure.min_priority < stream.min_priority:
                    stream.counters.clear()
                stream.min_priority = response.configure.min_priority
        elif kind == "resend_schema":
            stream.counters.clear()
            stream.due.add("schema")
        elif kind == "rejected":
            return self._rejected(stream, response.rejected)
        return None

    @staticmethod
    def _answered(stream: _Stream, sequence: int) -> None:
        for number in [number for number in stream.in_flight if number <= sequence]:
            del stream.in_flight[number]

    @staticmethod
    def _rejected(stream: _Stream, rejected: ingest_pb2.IngestRejected) -> Rejection:
        what = stream.in_flight.pop(rejected.sequence, "")
        now = time.monotonic()
        structure = what.removeprefix("structure ") if what.startswith("structure ") else None
        if rejected.reason == rejected.REASON_TOO_FAST:
            stream.not_before = now + stream.interval
            if structure is not None:
                stream.due_structures.setdefault(structure, 0.0)
            elif what == "counters":
                stream.counters.clear()
            elif what in ("metadata", "status", "health", "schema"):
                stream.due.add(what)
        elif rejected.reason == rejected.REASON_OWNED and structure is not None:
            stream.due_structures.setdefault(structure, now + stream.lease)
        return Rejection(
            reason=rejected.Reason.Name(rejected.reason)
            if rejected.reason in rejected.Reason.values()
            else "REASON_UNSPECIFIED",
            field=rejected.field,
            message=rejected.message,
        )

    def _report(self, stream: _Stream) -> None:
        """Send until the stream ends, or goodbye is said."""
        with self._changed:
            stream.send("hello", hello=self._hello)
            while stream.welcome is None:
                if stream.ended or self._closing:
                    return
                self._changed.wait()
            while not stream.ended:
                wait = self._send_due(stream)
                if self._closing:
                    break
                self._changed.wait(wait)
            if not stream.ended:
                stream.next_counters = stream.not_before = 0.0
                self._send_due(stream)
                stream.send("goodbye", goodbye=self._goodbye)
                stream.outbox.put(None)
                end = time.monotonic() + _GOODBYE_SECONDS
                while not stream.ended and (left := end - time.monotonic()) > 0:
                    self._changed.wait(left)

    def _send_due(self, stream: _Stream) -> float:
        """Send what is due and has room; how long to wait then, in seconds."""
        now = time.monotonic()
        if now >= stream.not_before:
            for what, send in (
                ("metadata", self._send_metadata),
                ("schema", self._send_schema),
                ("status", self._send_status),
                ("health", self._send_health),
            ):
                if what in stream.due and len(stream.in_flight) < stream.window:
                    stream.due.discard(what)
                    send(stream, what)
            if now >= stream.next_counters and len(stream.in_flight) < stream.window:
                stream.due.discard("counters")
                stream.next_counters = now + stream.interval
                self._send_counters(stream)
            for name, when in list(stream.due_structures.items()):
                if now >= when and len(stream.in_flight) < stream.window:
                    del stream.due_structures[name]
                    if name not in self._structures:
                        continue
                    structure = ingest_pb2.IngestStructure(name=name, json=self._structures[name])
                    stream.send(f"structure {name}", structure=structure)
                    if not self._structures[name]:
                        del self._structures[name]
        keepalive_at = stream.last_sent + stream.lease / 3
        if now >= keepalive_at and len(stream.in_flight) < stream.window:
            stream.send("keepalive", keepalive=ingest_pb2.IngestKeepalive())
            keepalive_at = now + stream.lease / 3
        if len(stream.in_flight) >= stream.window:
            return stream.lease / 3  # an answer wakes us before
        wake_at = max(
            stream.not_before, min([stream.next_counters, *stream.due_structures.values()])
        )
        return max(min(keepalive_at, wake_at), now + 0.001) - now

    def _send_metadata(self, stream: _Stream, what: str) -> None:
        stream.send(what, metadata=ingest_pb2.IngestMetadata(entries=self._metadata))

    def _send_status(self, stream: _Stream, what: str) -> None:
        stream.send(what, status=ingest_pb2.IngestStatus(entries=self._status))

    def _send_health(self, stream: _Stream, what: str) -> None:
        metrics = [
            ingest_pb2.IngestHealthMetric(type=one.type, n1=one.n1, n2=one.n2)
            for one in self._health
        ]
        stream.send(what, health_metrics=ingest_pb2.IngestHealthMetrics(metrics=metrics))

    def _send_schema(self, stream: _Stream, what: str) -> None:
        if not self._cells:
            return
        stream.counters.clear()
        stream.next_counters = 0.0
        stream.send(
            what,
            perf_schema=ingest_pb2.IngestPerfSchema(
                version=len(self._cells),  # grows with each declaration
                counters=[cell.declaration.to_proto() for cell in self._cells],
            ),
        )

    def _send_counters(self, stream: _Stream) -> None:
        batch = ingest_pb2.IngestCounters(schema_version=len(self._cells))
        if "schema" in stream.due:  # the manager can't know them yet
            stream.due.add("counters")
            return
        for index, cell in enumerate(self._cells):
            if cell.declaration.priority < stream.min_priority:
                continue
            value = cell.read()
            if stream.counters.get(index) == value:
                continue
            stream.counters[index] = value
            if cell.declaration.is_average:
                batch.average_indexes.append(index)
                batch.average_sums.append(value[0])
                batch.average_counts.append(value[1])
            else:
                batch.indexes.append(index)
                batch.values.append(value[0])
        if batch.indexes or batch.average_indexes:
            batch.sampled_at.GetCurrentTime()
            stream.send("counters", counters=batch)
