"""Structures that the module has read, and whether the manager must be asked about them again."""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from outpost import _json, _rpc
from outpost._client import Client
from outpost._read_only import read_only
from outpost.v1 import cluster_pb2

_SEALS = 0x0002 | 0x0008  # F_SEAL_SHRINK and F_SEAL_WRITE, which Python's fcntl does not name
_GET_SEALS = 1034  # F_GET_SEALS


class _Moment(NamedTuple):
    """What was true when the manager was asked."""

    manager: object
    session: object | None
    doubt: object


class _Entry(NamedTuple):
    """A structure, as it was read last."""

    version: int
    text: str | memoryview
    value: Any
    session: object | None
    """In which the manager has promised to tell of a newer version; None: it has not."""
    doubt: object


class Structures:
    """What was read is kept, and used without asking as long as it is current.

    It is current while the manager has promised to tell of a newer version (see
    ClusterGetRequest.watch), and the promise holds: the session in which it was made lives, a
    message came in it not long ago, and the module has learned nothing since that may come of a
    change which the session has yet to tell.

    Thread safety: every method may be called on any thread. Whether something is current is read
    without a lock: each of its parts is one object, and is replaced, never changed.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._manager = object()
        self._session: object | None = None
        self._doubt = object()
        self._trust = 0.0
        self._heard = 0.0
        self._entries: dict[str, _Entry] = {}
        self._newest: dict[str, int] = {}
        self._can_share = True

    def manager_changed(self) -> None:
        """Forget all: another manager's versions can't be compared. Before a call reaches it."""
        with self._lock:
            self._manager = object()
            self._session = None
            self._entries = {}
            self._newest = {}

    def session_began(self, trust: float) -> None:
        """Take promises from here on, in calls with the new session's key.

        `trust` is for how many seconds its silence is no bad sign.
        """
        self._heard = time.monotonic()
        self._trust = trust
        self._session = object()

    def session_ended(self) -> None:
        """Trust no promise any more."""
        self._session = None

    def heard(self) -> None:
        """Note that a message came in the session."""
        self._heard = time.monotonic()

    def doubt(self) -> None:
        """Ask about everything once more: the module has learned something outside the session."""
        self._doubt = object()

    def changed(self, name: str, version: int) -> None:
        """Note that there is this version of a structure, or a newer one.

        One that is older is kept no longer: freed here, it is not the next read that pays for it.
        """
        with self._lock:
            newest = self._newest[name] = max(self._newest.get(name, 0), version)
            known = self._entries.get(name)
            if known is not None and known.version < newest:
                del self._entries[name]

    def get(self, name: str) -> Any:
        """Return a structure, read-only: the same object as last time if it has not changed.

        Raises NotFoundError.
        """
        entry = self._entries.get(name)
        if (
            entry is not None
            and entry.session is self._session is not None
            and entry.doubt is self._doubt
            and entry.version >= self._newest.get(name, 0)
            and time.monotonic() - self._heard < self._trust
        ):
            return entry.value
        return self._read(name).value

    def get_mutable(self, name: str) -> Any:
        """Return a structure, as a copy of the caller's own. Raises NotFoundError."""
        self.get(name)
        entry = self._entries.get(name) or self._read(name)
        return _json.loads(entry.text)

    def get_part(self, name: str, path: str, fields: Sequence[str]) -> Any:
        """Return a part of a structure, as the manager takes it out. Raises NotFoundError."""
        request = cluster_pb2.ClusterGetRequest(name=name, path=path, fields=fields)
        return _json.loads(self._client.call(_rpc.CLUSTER_GET, request).json)

    def _read(self, name: str) -> _Entry:
        while True:
            moment = _Moment(self._manager, self._session, self._doubt)
            known = self._entries.get(name)
            request = cluster_pb2.ClusterGetRequest(
                name=name,
                if_newer_than=known.version if known else 0,
                watch=True,
                accept_shared=self._can_share,
            )
            response = self._client.call(_rpc.CLUSTER_GET, request)
            if response.unchanged:
                if known is None:
                    continue  # another manager has come between
                version, text, value = known.version, known.text, known.value
            else:
                version = response.version
                text = response.json
                if response.HasField("shared"):
                    shared = _map_shared(response.shared)
                    if shared is None:
                        self._can_share = False
                        continue
                    text = shared
                value = read_only(_json.loads(text))
            promised = moment.session if response.watched else None
            entry = _Entry(version, text, value, promised, moment.doubt)
            if self._keep(name, entry, moment):
                return entry

    def _keep(self, name: str, entry: _Entry, moment: _Moment) -> bool:
        """Keep what was read, unless there is something newer; False: of another manager."""
        with self._lock:
            if moment.manager is not self._manager:
                return False
            known = self._entries.get(name)
            if known is None or known.version <= entry.version:
                self._entries[name] = entry
            return True


def _map_shared(shared: cluster_pb2.SharedText) -> memoryview | None:
    """Map a text in the manager's memory; None: it is not to be had here, or could still change."""
    try:
        file = os.open(shared.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if fcntl.fcntl(file, _GET_SEALS) & _SEALS != _SEALS:
            return None
        if os.fstat(file).st_size < shared.offset + shared.size:
            return None
        content = memoryview(mmap.mmap(file, 0, prot=mmap.PROT_READ))
    except (OSError, ValueError):
        return None
    finally:
        os.close(file)
    if not shared.token or content[: len(shared.token)] != shared.token:
        return None
    return content[shared.offset : shared.offset + shared.size]
