"""What is exported now: collected when somebody asks for it, once for all who ask meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


class NoDataError(Exception):
    """There is nothing to serve; the message says why."""


@dataclass(frozen=True)
class Snapshot:
    """What was collected."""

    text: bytes
    collected: float
    """When, by time.monotonic()."""


class Snapshots:
    """Keeps the newest snapshot, and makes another when it is too old.

    A collection runs on a thread of its own, so that who waits for it can stop waiting.

    Thread safety: every method may be called on any thread.
    """

    def __init__(self, collect: Callable[[], bytes]) -> None:
        self._collect = collect
        self._changed = threading.Condition()
        self._newest: Snapshot | None = None  # guarded by _changed, as are the next ones
        self._failure = ""
        self._attempts = 0  # that have ended
        self._running = False

    def get(self, *, max_age: float, patience: float, serve_stale: bool) -> bytes:
        """Return a snapshot of at most `max_age` seconds, or wait for one.

        After `patience` seconds of waiting, an older one is returned if `serve_stale`. Raises
        NoDataError.
        """
        asked = time.monotonic()
        with self._changed:
            if self._newest is not None and asked - self._newest.collected <= max_age:
                return self._newest.text
            before = self._attempts
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="collection", daemon=True).start()
            if self._changed.wait_for(lambda: self._attempts > before, patience):
                if self._failure or self._newest is None:
                    raise NoDataError(self._failure)
                return self._newest.text
            if self._newest is None:
                raise NoDataError(f"the first collection has not ended after {patience:g} s")
            if not serve_stale:
                raise NoDataError(
                    f"the collection has not ended after {patience:g} s; what was collected"
                    f" {asked - self._newest.collected:.0f} s ago is not served, as"
                    " stale_cache_strategy is fail"
                )
            return self._newest.text

    def _run(self) -> None:
        failure = ""
        snapshot = None
        began = time.monotonic()
        try:
            snapshot = Snapshot(self._collect(), began)
        except Exception as error:  # whatever it is, those who wait are told
            failure = f"{type(error).__name__}: {error}"
        with self._changed:
            self._failure = failure
            self._newest = snapshot or self._newest
            self._attempts += 1
            self._running = False
            self._changed.notify_all()
