"""Python's logging, shipped to the manager's log over the session."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from outpost.v1 import module_host_pb2, types_pb2

LEVEL_NAMES = ("debug", "info", "warning", "error", "critical", "")
"""What the option log_level may be; empty means the default, info."""

_MAX_LINE = 64 * 1024
_MAX_BATCH_RECORDS = 500
_MAX_BATCH_CHARS = 512 * 1024


def level_number(name: str | None) -> int:
    """Return the number that logging has for a value of the option log_level."""
    number = logging.getLevelName(name.upper()) if name else logging.INFO
    return number if isinstance(number, int) else logging.INFO


class LogShipper(logging.Handler):
    """Keeps log lines until the session takes them.

    The session is told once that there are lines, and then takes them batch by batch as fast as
    the connection allows; what does not fit the buffer meanwhile is dropped, oldest first, and
    counted. Lines that were taken and not yet received when a connection breaks are lost.

    Thread safety: every method may be called on any thread.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._buffer: deque[types_pb2.LogRecord] = deque()
        self._capacity = capacity
        self._dropped = 0
        self._announce: Callable[[], None] | None = None
        self._announced = False
        # a line may be logged by a destructor or signal handler that interrupts one of these
        self._buffer_lock = threading.RLock()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line from logging."""
        try:
            logger = "" if record.name == "root" else record.name
            self.add(record.created, record.levelno, logger, self.format(record))
        except Exception:
            self.handleError(record)

    def add(self, created: float, level: int, logger: str, message: str) -> None:
        """Take a line; `created` is in seconds since the epoch, `level` one of logging's."""
        line = types_pb2.LogRecord(level=_wire_level(level), logger=logger)
        line.time.FromNanoseconds(int(created * 1e9))
        line.message = message[:_MAX_LINE].encode("utf-8", "replace").decode()
        with self._buffer_lock:
            if len(self._buffer) >= self._capacity:
                self._buffer.popleft()
                self._dropped += 1
            self._buffer.append(line)
            self._announce_lines()

    def connect(self, announce: Callable[[], None]) -> None:
        """Call `announce` when there are lines; it must not block, and lead to take()."""
        with self._buffer_lock:
            self._announce = announce
            self._announced = False
            self._announce_lines()

    def disconnect(self) -> None:
        """Keep the lines for the next session."""
        with self._buffer_lock:
            self._announce = None

    def take(self) -> module_host_pb2.LogBatch | None:
        """Return the oldest lines, or None when there are none left."""
        with self._buffer_lock:
            if not self._buffer:
                self._announced = False
                return None
            batch = module_host_pb2.LogBatch(dropped=self._dropped)
            self._dropped = 0
            chars = 0
            while (
                self._buffer
                and len(batch.records) < _MAX_BATCH_RECORDS
                and chars < _MAX_BATCH_CHARS
            ):
                line = self._buffer.popleft()
                chars += len(line.message)
                batch.records.append(line)
            return batch

    def _announce_lines(self) -> None:
        if self._announce and self._buffer and not self._announced:
            self._announced = True
            self._announce()


def _wire_level(level: int) -> types_pb2.LogLevel:
    if level >= logging.CRITICAL:
        return types_pb2.LOG_LEVEL_CRITICAL
    if level >= logging.ERROR:
        return types_pb2.LOG_LEVEL_ERROR
    if level >= logging.WARNING:
        return types_pb2.LOG_LEVEL_WARNING
    if level >= logging.INFO:
        return types_pb2.LOG_LEVEL_INFO
    return types_pb2.LOG_LEVEL_DEBUG
