"""What the guide's examples take for granted: a database of wormholes, and its errors."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Iterator


class UnknownOIDError(Exception):
    """Nothing is known of an object."""


class WormholeDBError(OSError):
    """The database can't be used."""


class InvalidWormholeError(Exception):
    """There is no such wormhole."""


class Wormhole:
    """A short way from here to there."""

    def __init__(self, name: str, dest: str = "elsewhere", age: int = 0) -> None:
        if not name.isalnum():
            raise InvalidWormholeError(f"{name!r} is no name for a wormhole")
        self.name = name
        self.dest = dest
        self._age = age

    def get_age(self) -> int:
        """Return its age in years."""
        return self._age


class WormholeDB:
    """The wormholes of each object. Thread safety: any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wormholes = {
            "apple": [Wormhole("north", "Andromeda", 7), Wormhole("south", "M33", 12)],
            "pear": [],
        }

    @contextlib.contextmanager
    def open(self) -> Iterator[WormholeDB]:
        """Have it for oneself."""
        with self._lock:
            yield self

    def query(self, oid: str) -> list[Wormhole]:
        """Return the wormholes of an object."""
        if oid == "quince":
            raise WormholeDBError(errno.EBUSY, "the database is being repaired")
        if oid not in self._wormholes:
            raise UnknownOIDError(oid)
        return self._wormholes[oid]

    def insert(self, oid: str, wormhole: Wormhole) -> None:
        """Give an object one more."""
        self.query(oid).append(wormhole)
