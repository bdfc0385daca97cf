"""One stream of reports: what is due, what is on its way, what the manager answers."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc

from outpost import _rpc
from outpost._report_counters import Cell
from outpost.v1 import ingest_pb2

# messages without an answer, though the manager may allow more
_MOST_UNDER_WAY = 64


@dataclass(frozen=True)
class Rejection:
    """One message that the manager did not apply."""

    reason: str
    """The contract's constant, such as "REASON_LIMIT"."""
    field: str
    """Which field is at fault, from the ReportRequest down."""
    message: str
    """For people."""


@dataclass
class Content:
    """What a daemon has to say, over all streams. Guarded by the reporter's condition."""

    metadata: ingest_pb2.IngestMetadata
    status: ingest_pb2.IngestStatus = field(default_factory=ingest_pb2.IngestStatus)
    health: ingest_pb2.IngestHealthMetrics = field(default_factory=ingest_pb2.IngestHealthMetrics)
    structures: dict[str, ingest_pb2.IngestStructure] = field(default_factory=dict)
    """By name; without JSON: to be removed."""
    cells: list[Cell] = field(default_factory=list)


class Stream:
    """One call of Report: what is sent, and what came back. Guarded by the reporter's condition.

    Nothing is made before gRPC has taken the message before it: what a manager that reads nothing
    is not sent takes no room.
    """

    def __init__(self, address: str, content: Content, changed: threading.Condition) -> None:
        self._content = content
        self.channel = _rpc.open_channel(address)
        self._changed = changed
        self._outbox: queue.SimpleQueue[ingest_pb2.ReportRequest | None] = queue.SimpleQueue()
        self._untaken = 0
        self.call = _rpc.REPORT.stream(self.channel)(self._messages())
        self.welcome: ingest_pb2.IngestWelcome | None = None
        self.ended = False
        self.error: grpc.RpcError | None = None
        self.sent = 0
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
        """Queue the next message."""
        self.sent += 1
        self.in_flight[self.sent] = what
        self.last_sent = time.monotonic()
        self._untaken += 1
        self._outbox.put(ingest_pb2.ReportRequest(sequence=self.sent, **message))

    def half_close(self) -> None:
        """Send nothing after what is queued."""
        self._outbox.put(None)

    def _messages(self) -> Iterator[ingest_pb2.ReportRequest]:
        """Give gRPC the messages, on a thread of its own."""
        while (message := self._outbox.get()) is not None:
            yield message
            with self._changed:
                self._untaken -= 1
                self._changed.notify_all()

    def has_room(self) -> bool:
        """Whether a message can be sent."""
        return len(self.in_flight) < self.window and self._untaken == 0

    def is_settled(self, now: float) -> bool:
        """Whether nothing is to be said at `now`, but for counters."""
        return not self.due and all(when > now for when in self.due_structures.values())

    def close(self) -> None:
        """End it now, and free everything."""
        self._outbox.put(None)
        self.call.cancel()  # type: ignore[no-untyped-call]
        self.channel.close()

    def take(self, response: ingest_pb2.ReportResponse) -> Rejection | None:
        """Take what the manager sent; what it rejected, if it is that."""
        kind = response.WhichOneof("message")
        if kind == "welcome":
            self.welcome = response.welcome
            self.interval = response.welcome.report_interval.ToNanoseconds() / 1e9
            self.lease = response.welcome.lease.ToNanoseconds() / 1e9
            allowed = response.welcome.limits.max_unacknowledged
            self.window = min(allowed or _MOST_UNDER_WAY, _MOST_UNDER_WAY)
            self.min_priority = response.welcome.min_priority
            self._answered(1)
        elif kind == "ack":
            self._answered(response.ack.sequence)
        elif kind == "configure":
            if response.configure.HasField("report_interval"):
                self.interval = response.configure.report_interval.ToNanoseconds() / 1e9
                self.next_counters = min(self.next_counters, time.monotonic() + self.interval)
            if response.configure.HasField("min_priority"):
                if response.configure.min_priority < self.min_priority:
                    self.counters.clear()
                self.min_priority = response.configure.min_priority
        elif kind == "resend_schema":
            self.counters.clear()
            self.due.add("schema")
        elif kind == "rejected":
            return self._rejected(response.rejected)
        return None

    def _answered(self, sequence: int) -> None:
        for number in [number for number in self.in_flight if number <= sequence]:
            del self.in_flight[number]

    def _rejected(self, rejected: ingest_pb2.IngestRejected) -> Rejection:
        what = self.in_flight.pop(rejected.sequence, "")
        now = time.monotonic()
        structure = what.removeprefix("structure ") if what.startswith("structure ") else None
        if rejected.reason == rejected.REASON_TOO_FAST:
            self.not_before = now + self.interval
            if structure is not None:
                self.due_structures.setdefault(structure, 0.0)
            elif what == "counters":
                self.counters.clear()
            elif what in ("metadata", "status", "health", "schema"):
                self.due.add(what)
        elif rejected.reason == rejected.REASON_OWNED and structure is not None:
            self.due_structures.setdefault(structure, now + self.lease)
        return Rejection(
            reason=rejected.Reason.Name(rejected.reason)
            if rejected.reason in rejected.Reason.values()
            else "REASON_UNSPECIFIED",
            field=rejected.field,
            message=rejected.message,
        )

    def send_due(self) -> float:
        """Send what is due and has room; how long to wait then, in seconds."""
        now = time.monotonic()
        if now >= self.not_before:
            for what, send in (
                ("metadata", self._send_metadata),
                ("schema", self._send_schema),
                ("status", self._send_status),
                ("health", self._send_health),
            ):
                if what in self.due and self.has_room():
                    self.due.discard(what)
                    send(what)
            if now >= self.next_counters and self.has_room():
                self.due.discard("counters")
                self.next_counters = now + self.interval
                self._send_counters()
            for name, when in list(self.due_structures.items()):
                if now >= when and self.has_room():
                    del self.due_structures[name]
                    if name not in self._content.structures:
                        continue
                    structure = self._content.structures[name]
                    self.send(f"structure {name}", structure=structure)
                    if not structure.json:
                        del self._content.structures[name]
        keepalive_at = self.last_sent + self.lease / 3
        if now >= keepalive_at and self.has_room():
            self.send("keepalive", keepalive=ingest_pb2.IngestKeepalive())
            keepalive_at = now + self.lease / 3
        if not self.has_room():
            return self.lease / 3  # an answer wakes us before
        wake_at = max(self.not_before, min([self.next_counters, *self.due_structures.values()]))
        return max(min(keepalive_at, wake_at), now + 0.001) - now

    def _send_metadata(self, what: str) -> None:
        self.send(what, metadata=self._content.metadata)

    def _send_status(self, what: str) -> None:
        self.send(what, status=self._content.status)

    def _send_health(self, what: str) -> None:
        self.send(what, health_metrics=self._content.health)

    def _send_schema(self, what: str) -> None:
        if not self._content.cells:
            return
        self.counters.clear()
        self.next_counters = 0.0
        self.send(
            what,
            perf_schema=ingest_pb2.IngestPerfSchema(
                version=len(self._content.cells),  # grows with each declaration
                counters=[cell.declaration.to_proto() for cell in self._content.cells],
            ),
        )

    def _send_counters(self) -> None:
        batch = ingest_pb2.IngestCounters(schema_version=len(self._content.cells))
        if "schema" in self.due:  # the manager can't know them yet
            self.due.add("counters")
            return
        for index, cell in enumerate(self._content.cells):
            if cell.declaration.priority < self.min_priority:
                continue
            value = cell.read()
            if self.counters.get(index) == value:
                continue
            self.counters[index] = value
            if cell.declaration.is_average:
                batch.average_indexes.append(index)
                batch.average_sums.append(value[0])
                batch.average_counts.append(value[1])
            else:
                batch.indexes.append(index)
                batch.values.append(value[0])
        if batch.indexes or batch.average_indexes:
            batch.sampled_at.GetCurrentTime()
            self.send("counters", counters=batch)
