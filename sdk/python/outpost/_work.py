"""The command or call that the present thread works on, and the threads that do such work."""

from __future__ import annotations

import contextvars
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_log = logging.getLogger("outpost")


@dataclass(frozen=True, slots=True)
class Work:
    """One command or call in hand."""

    call_id: str = ""
    """To be passed on as `parent_call`."""
    deadline: float | None = None
    """When nobody waits for it any more, by time.monotonic(); None: no limit."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set when its caller went away."""
    caller: str = ""
    """Who runs the command, or calls: "user/<name>", "module/<name>"."""
    prefix: str = ""
    """Of a command: its literal words."""


NO_WORK = Work()

current_work: contextvars.ContextVar[Work] = contextvars.ContextVar("outpost_work", default=NO_WORK)
"""What the present thread (or context) works on."""


def caller_is_gone() -> bool:
    """Return whether nobody waits any more for the command or call that this thread works on.

    Its caller went away, or its time is over. Work that takes long should look here now and then,
    and give up: what it returns is ignored, and until it returns it takes the place of another.
    False where the thread works on none.
    """
    work = current_work.get()
    over = work.deadline is not None and time.monotonic() >= work.deadline
    return over or work.cancelled.is_set()


def time_left(timeout: float) -> float:
    """Return the given time limit, or less where the work in hand must be done sooner."""
    deadline = current_work.get().deadline
    return timeout if deadline is None else max(0.0, min(timeout, deadline - time.monotonic()))


class WorkerPool:
    """A fixed number of daemon threads that run jobs in the order of their arrival.

    Unlike concurrent.futures' it has no futures, costs one queue operation a job, and never keeps
    the process from ending.

    Thread safety: every method may be called on any thread.
    """

    def __init__(self, size: int) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = (
            queue.SimpleQueue()
        )
        self._lock = threading.Lock()
        self._in_hand = 0
        self._when_idle: list[Callable[[], None]] = []
        for number in range(size):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    def submit(self, job: Callable[..., None], *args: Any) -> None:
        """Queue a job. How many there are is bounded by the manager (Register.max_concurrency)."""
        with self._lock:
            self._in_hand += 1
        self._jobs.put((job, args))

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call back once, when no job is in hand: at once, or on the thread of the last one."""
        with self._lock:
            if self._in_hand:
                self._when_idle.append(callback)
                return
        callback()

    def _work(self) -> None:
        while True:
            job, args = self._jobs.get()
            try:
                job(*args)
            except BaseException:  # a job that fails must not take the worker with it
                _log.exception("outpost: a worker's job failed")
            del job, args  # not kept alive by an idle thread
            callbacks: list[Callable[[], None]] = []
            with self._lock:
                self._in_hand -= 1
                if not self._in_hand:
                    callbacks, self._when_idle = self._when_idle, []
            for callback in callbacks:
                callback()
