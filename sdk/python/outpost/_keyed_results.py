"""What came of commands that are not to be run twice: see RunCommand.idempotency_key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from outpost.v1 import types_pb2

_KEEP = 600.0  # seconds after the end, as module_host.proto promises

Answer = Callable[[types_pb2.CommandResult], None]


@dataclass(slots=True)
class _Entry:
    result: types_pb2.CommandResult | None = None
    ended: float = 0.0
    waiting: list[Answer] = field(default_factory=list)


class KeyedResults:
    """Remembers results by key. How many keys there are is bounded by the manager.

    Thread safety: every method may be called on any thread.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}  # those that have ended in the order of their ends

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
            entry = self._entries.pop(key)
            waiting, entry.waiting = entry.waiting, []
            entry.result, entry.ended = result, self._clock()
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
            del self._entries[key]
