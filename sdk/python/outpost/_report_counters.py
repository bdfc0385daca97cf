"""The counters of a daemon that reports itself."""

from __future__ import annotations

import contextlib
import enum
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from outpost.v1 import ingest_pb2

_LARGEST = 2**64 - 1
_NANOSECONDS = 1_000_000_000

Description = ingest_pb2.IngestCounterDescription


class Unit(enum.Enum):
    """What is counted."""

    NONE = Description.UNIT_NONE
    """Just a number."""
    BYTES = Description.UNIT_BYTES
    """Bytes."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What a counter is."""

    path: str
    kind: Description.Kind
    unit: Unit
    priority: int
    description: str
    nick: str
    is_time: bool = False

    @property
    def is_average(self) -> bool:
        """Whether the counter has a sum and a number of events."""
        return self.kind == Description.KIND_LONG_RUNNING_AVERAGE

    def to_proto(self) -> Description:
        """Turn it into the wire's form."""
        return Description(
            path=self.path,
            kind=self.kind,
            value_type=Description.VALUE_TYPE_TIME if self.is_time else Description.VALUE_TYPE_U64,
            unit=self.unit.value,
            priority=self.priority,
            description=self.description,
            nick=self.nick,
        )


class Cell:
    """One counter's present value.

    Thread safety: all methods may be called on any thread, and none waits for the network.
    """

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self._lock = threading.Lock()
        self._value = 0
        self._count = 0

    def read(self) -> tuple[int, int]:
        """Return the value (of an average: the sum) and the number of events."""
        with self._lock:
            return self._value, self._count

    def _set(self, value: int) -> None:
        with self._lock:
            self._value = self._checked(value)

    def _add(self, difference: int, events: int = 0) -> None:
        with self._lock:
            self._value = self._checked(self._value + difference)
            self._count += events

    def _checked(self, value: int) -> int:
        if not isinstance(value, int):
            raise TypeError(f"counter {self.declaration.path}: {value!r} is not an int")
        if not 0 <= value <= _LARGEST:
            raise ValueError(f"counter {self.declaration.path}: {value} is not from 0 to 2**64 - 1")
        return value


class Gauge(Cell):
    """A level that goes up and down."""

    def set(self, value: int) -> None:
        """Make it `value`. Raises ValueError outside of 0 to 2**64 - 1."""
        self._set(value)

    def inc(self, difference: int = 1) -> None:
        """Add `difference`."""
        self._add(difference)

    def dec(self, difference: int = 1) -> None:
        """Take `difference` away. Raises ValueError below 0."""
        self._add(-difference)


class Counter(Cell):
    """A number that only grows: readers compute rates."""

    def inc(self, difference: int = 1) -> None:
        """Add `difference`. Raises ValueError for a negative one."""
        if difference < 0:
            raise ValueError(
                f"counter {self.declaration.path}: {difference} is negative, and it only grows"
            )
        self._add(difference)

    def set(self, value: int) -> None:
        """Make it `value`, where somebody else counts. It should only grow."""
        self._set(value)


class Average(Cell):
    """A sum, and the number of events that it is of."""

    def add(self, value: int, events: int = 1) -> None:
        """Add `value`, of `events` events."""
        if value < 0 or events < 0:
            raise ValueError(f"counter {self.declaration.path}: a negative sum or number of events")
        self._add(value, events)


class TimeAverage(Cell):
    """A sum of durations, and the number of events that took them."""

    def add(self, seconds: float, events: int = 1) -> None:
        """Add `events` events that took `seconds` together."""
        if seconds < 0 or events < 0:
            raise ValueError(
                f"counter {self.declaration.path}: a negative time or number of events"
            )
        self._add(round(seconds * _NANOSECONDS), events)

    @contextlib.contextmanager
    def measure(self) -> Iterator[None]:
        """Add the time that the block takes, as one event, also where it raises."""
        began = time.perf_counter_ns()
        try:
            yield
        finally:
            self._add(time.perf_counter_ns() - began, 1)
