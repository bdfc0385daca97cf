"""What came of commands that are not to be run twice: see RunCommand.idempotency_key."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from outpost.v1 import types_pb2

_KEEP = 600.0  # seconds after the end, as module_host.proto promises
_MAX_BYTES = 256 << 10  # of a result
_MAX_BYTES_OF_ALL = 64 << 20

Answer = Callable[[types_pb2.CommandResult], None]


@dataclass(slots=True)
class _Entry:
    result: types_pb2.CommandResult | None = None
    ended: float = 0.0
    waiting: list[Answer] = field(default_factory=list)


class KeyedResults:
    """Remembers results by key. How many keys there are is bounded by the manager.

    Of a result that is too great only that is remembered, and of one that says "try again" nothing.

    Thread safety: every method may be called on any thread.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}  # those that have ended in the order of their ends
        self._bytes = 0  # of all results

    def begin(self, key: str, answer: Answer) -> bool:
        """Return whether a command with this key is to be run now; end() then tells its result.

        `answer` is called with the result: at once where it is known, or by end().
        """
        with self._lock:
            self._expire()
            entry = self._entries.get(key)
            if entry is None:
                self._entries[key] = _Entry(waiting=[answer])
                return True
            result = entry.result
            if result is None:
                entry.waiting.append(answer)
        if result is not None:
            answer(result)
        return False

    def end(self, key: str, result: types_pb2.CommandResult) -> None:
        """Tell what came of a command, to all that wait for it."""
        with self._lock:
            self._expire()
            entry = self._entries.pop(key)
            waiting, entry.waiting = entry.waiting, []
            if result.retval != -errno.EAGAIN:
                size = result.ByteSize()
                fits = size <= _MAX_BYTES and self._bytes + size <= _MAX_BYTES_OF_ALL
                entry.result = result if fits else _too_great(result.retval, size)
                entry.ended = self._clock()
                self._bytes += entry.result.ByteSize()
                self._entries[key] = entry
        for answer in waiting:
            answer(result)

    def _expire(self) -> None:
        over = self._clock() - _KEEP
        for key, entry in list(self._entries.items()):
            if entry.result is None:
                continue
            if entry.ended > over:
                break
            self._bytes -= entry.result.ByteSize()
            del self._entries[key]


def _too_great(retval: int, size: int) -> types_pb2.CommandResult:
    return types_pb2.CommandResult(
        retval=-errno.EMSGSIZE,
        stderr=f"the command of this key was run and returned {retval}, but its output of {size}"
        " bytes is more than is remembered; it is not run again",
    )
