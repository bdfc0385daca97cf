"""Commands whose completion notify() is to hear of."""

from __future__ import annotations

import threading
from collections.abc import Callable


class TaggedCommands:
    """Those commands of send_command() that have a tag and are under way.

    The answer to a command and the notification that it is complete come on two streams. Whoever
    hears of a tag in notify() is to find the result there already, so its delivery waits here.

    Thread safety: every method may be called on any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, list[threading.Event]] = {}

    def begin(self, tag: str) -> Callable[[], None]:
        """Note a command; returns what to call when its result is complete."""
        done = threading.Event()
        with self._lock:
            self._under_way.setdefault(tag, []).append(done)

        def finish() -> None:
            done.set()
            with self._lock:
                rest = [other for other in self._under_way.get(tag, ()) if other is not done]
                if rest:
                    self._under_way[tag] = rest
                else:
                    self._under_way.pop(tag, None)

        return finish

    def wait(self, tag: str, timeout: float) -> None:
        """Wait until the oldest command with this tag is complete, if there is one."""
        with self._lock:
            waiting = self._under_way.get(tag, ())
            oldest = waiting[0] if waiting else None
        if oldest is not None:
            oldest.wait(timeout)
