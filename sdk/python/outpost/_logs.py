"""Python's logging, shipped to the manager's log over the session, or written to a file.

The levels are those of Python; the manager's log has the same. ceph-mgr's own numbers for them are
20 for debug, 4 for info, 1 for warning, and 0 for error and critical.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from outpost.v1 import module_host_pb2, types_pb2

LOG_OPTIONS = ("log_level", "log_to_file", "log_to_cluster", "log_to_cluster_level")
"""The options that the manager gives to every module."""

_CLUSTER_CHANNEL = "cluster"
_FILE_FORMAT = "%(asctime)s [%(threadName)s] [%(levelname)s] [%(name)s] %(message)s"
_MAX_LINE = 64 * 1024
_MAX_BATCH_RECORDS = 500
_MAX_BATCH_CHARS = 512 * 1024

_log = logging.getLogger("outpost")


def level_number(name: object) -> int:
    """Return the number that logging has for a value of log_level; "" and None are info."""
    number = logging.getLevelName(name.upper()) if isinstance(name, str) and name else logging.INFO
    return number if isinstance(number, int) else logging.INFO


@dataclass(frozen=True, kw_only=True)
class LogRouting:
    """What the options say of the module's log."""

    level: int = logging.INFO
    """The least grave lines to keep, as logging has it."""
    file: str = ""
    """Where lines go instead of the manager's log; empty: nowhere else."""
    cluster_level: int | None = None
    """The least grave lines that also go to the cluster's log; None: none do."""
    problem: str = ""
    """Why the options can't be followed to the letter; empty: they can."""

    @classmethod
    def of(cls, options: Mapping[str, object], module: str, manager_file: str) -> LogRouting:
        """Return what the values of LOG_OPTIONS mean; `manager_file` is "" for stderr."""
        file, problem = "", ""
        if options.get("log_to_file"):
            if manager_file:
                file = f"{manager_file.removesuffix('.log')}.{module}.log"
            else:
                problem = (
                    "log_to_file has no effect, as the manager's own log is no file"
                    " (start it with --log-file); lines go to the manager's log"
                )
        return cls(
            level=level_number(options.get("log_level")),
            file=file,
            cluster_level=level_number(options.get("log_to_cluster_level"))
            if options.get("log_to_cluster")
            else None,
            problem=problem,
        )


class LogShipper(logging.Handler):
    """Keeps log lines until the session takes them, or writes them to the module's own file.

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
        self._routing = LogRouting()
        self._file: logging.Handler | None = None
        # a line may be logged by a destructor or signal handler that interrupts one of these
        self._buffer_lock = threading.RLock()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line from logging."""
        try:
            least = self._routing.cluster_level
            channel = _CLUSTER_CHANNEL if least is not None and record.levelno >= least else ""
            file = self._file
            if file is not None:
                file.handle(record)
                if not channel:
                    return
            logger = "" if record.name == "root" else record.name
            self.add(record.created, record.levelno, logger, self.format(record), channel)
        except Exception:
            self.handleError(record)

    def route(self, routing: LogRouting) -> None:
        """From here on, do as the options say. Not on two threads at once."""
        logging.getLogger().setLevel(routing.level)
        before, self._routing = self._routing, routing
        if routing.file != before.file:
            closing, self._file = self._file, None
            if closing is not None:
                closing.close()
            if routing.file:
                self._open_file(routing.file)
        if routing.problem and routing.problem != before.problem:
            _log.warning("%s", routing.problem)

    def close(self) -> None:
        """Close the file, if there is one."""
        self.route(LogRouting(level=self._routing.level))
        super().close()

    def _open_file(self, path: str) -> None:
        import logging.handlers

        try:
            file = logging.handlers.WatchedFileHandler(path, encoding="utf-8", errors="replace")
        except OSError as error:
            _log.error(
                "log_to_file has no effect: %s: %s; lines go to the manager's log",
                path,
                error.strerror,
            )
            return
        file.setFormatter(logging.Formatter(_FILE_FORMAT))
        self._file = file

    def add(self, created: float, level: int, logger: str, message: str, channel: str = "") -> None:
        """Take a line for the manager.

        `created` is in seconds since the epoch, `level` one of logging's. `channel` is that of the
        cluster's log; empty: the line is not for that.
        """
        line = types_pb2.LogRecord(level=_wire_level(level), logger=logger, channel=channel)
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
