"""The client of the service Ingest."""

from __future__ import annotations

import json
import logging
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
from outpost._report_stream import Content, Rejection, Stream
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
        self._content = Content(metadata=ingest_pb2.IngestMetadata(entries=metadata or {}))
        self._stream: Stream | None = None
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
            known = next((one for one in self._content.cells if one.declaration.path == path), None)
            if known is not None:
                if known.declaration != declaration or not isinstance(known, cell):
                    raise ValueError(f"counter {path} was declared already, as something else")
                return known
            made = cell(declaration)
            declaration.to_proto()  # raises what the wire can't hold
            self._content.cells.append(made)
            self._say("schema")
            return made

    # --- what is told ---

    def set_metadata(self, entries: Mapping[str, str]) -> None:
        """Tell what the daemon is made of, by name; replaces what was told before."""
        message = ingest_pb2.IngestMetadata(entries=entries)
        with self._changed:
            self._content.metadata = message
            self._say("metadata")

    def set_status(self, entries: Mapping[str, str]) -> None:
        """Tell what the daemon does, by name; replaces what was told before."""
        message = ingest_pb2.IngestStatus(entries=entries)
        with self._changed:
            self._content.status = message
            self._say("status")

    def set_health_metrics(self, metrics: Iterable[HealthMetric]) -> None:
        """Tell what ails the daemon; replaces what was told before, and () says that it is well."""
        message = ingest_pb2.IngestHealthMetrics(
            metrics=[
                ingest_pb2.IngestHealthMetric(type=one.type, n1=one.n1, n2=one.n2)
                for one in metrics
            ]
        )
        with self._changed:
            self._content.health = message
            self._say("health")

    def set_structure(self, name: str, value: Any) -> None:
        """Publish a whole piece of cluster data.

        Raises TypeError or ValueError where JSON can't hold it.
        """
        text = json.dumps(value, allow_nan=False)
        message = ingest_pb2.IngestStructure(name=name, json=text)
        with self._changed:
            self._content.structures[name] = message
            self._say_structure(name)

    def remove_structure(self, name: str) -> None:
        """Take a structure back."""
        with self._changed:
            self._content.structures[name] = ingest_pb2.IngestStructure(name=name)
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
            stream: Stream | None = None
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
                    and stream.is_settled(time.monotonic())
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
            stream = Stream(self.address, self._content, self._changed)
            with self._changed:
                if self._closing:
                    stream.close()
                    return
                self._stream = stream
                stream.due_structures = dict.fromkeys(self._content.structures, 0.0)
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

    def _refused(self, stream: Stream) -> bool:
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

    def _read(self, stream: Stream) -> None:
        """Take what the manager sends, until the stream ends."""
        try:
            for response in stream.call:
                with self._changed:
                    rejection = stream.take(response)
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

    def _report(self, stream: Stream) -> None:
        """Send until the stream ends, or goodbye is said."""
        with self._changed:
            stream.send("hello", hello=self._hello)
            while stream.welcome is None:
                if stream.ended or self._closing:
                    return
                self._changed.wait()
            while not stream.ended:
                wait = stream.send_due()
                if self._closing:
                    break
                self._changed.wait(wait)
            end = time.monotonic() + _GOODBYE_SECONDS
            stream.next_counters = stream.not_before = 0.0
            stream.due.add("counters")
            while not stream.ended and (left := end - time.monotonic()) > 0:
                wait = stream.send_due()
                if stream.is_settled(time.monotonic()):
                    break
                self._changed.wait(min(left, wait))
            if not stream.ended:
                stream.send("goodbye", goodbye=self._goodbye)
                stream.half_close()
                while not stream.ended and (left := end - time.monotonic()) > 0:
                    self._changed.wait(left)
