"""Waiting, with a deadline, for what other threads do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE = 15.0
"""How long anything is waited for, in seconds: far more than it takes."""

_INTERVAL = 0.005

Value = TypeVar("Value")


def wait_until(
    condition: Callable[[], Value | None], what: str, timeout: float = DEADLINE
) -> Value:
    """Wait until condition() returns what is true, and return that.

    `timeout` is in seconds. Raises AssertionError, with `what` was waited for.
    """
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(_INTERVAL)
