"""What serve() has promised to say, and whether it has kept that."""

from __future__ import annotations

import sys
import threading
import time
import traceback


class Watchdog:
    """Whether the code that promised to say that it gets on has done so.

    Nobody is stuck who has promised nothing: a serve() that waits for an event may wait for ever.

    Thread safety: any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread = 0
        self._seconds = 0.0
        self._said = 0.0
        self._promised = False

    def promise(self, seconds: float | None) -> None:
        """Note that the calling thread gets on, and says so again within `seconds`; None: no more.

        Raises ValueError: `seconds` is not greater than 0.
        """
        if seconds is not None and not seconds > 0:
            raise ValueError(f"watchdog: {seconds!r} is not a number of seconds greater than 0")
        with self._lock:
            self._promised = seconds is not None
            self._seconds = seconds or 0.0
            self._said = time.monotonic()
            self._thread = threading.get_ident()

    def stuck(self) -> str:
        """Return what is stuck, and where, in a sentence; "": nothing."""
        with self._lock:
            silent = time.monotonic() - self._said
            if not self._promised or silent <= self._seconds:
                return ""
            thread, seconds = self._thread, self._seconds
        return (
            f"serve() promised to say within {seconds:g} s that it gets on, and has not for"
            f" {silent:.1f} s{_place(thread)}"
        )


def _place(thread: int) -> str:
    """Return where a thread is, innermost last, without what is not the module's."""
    frame = sys._current_frames().get(thread)
    if frame is None:
        return "; its thread has ended"
    steps = traceback.extract_stack(frame)[-3:]
    return "; it is in " + " > ".join(f"{s.name}() ({s.filename}:{s.lineno})" for s in steps)
