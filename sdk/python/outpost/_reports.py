"""What a module tells of itself: health checks, progress, where it serves."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from outpost import _rpc, v1
from outpost._client import Client
from outpost.v1 import types_pb2


class Reports:
    """What the module has reported, and a manager that is new is to be told again.

    Thread safety: every method may be called on any thread; they take turns, so that a repetition
    can't bring back what was just replaced. Every one may raise CallError and DetachedError; what
    could not be told is not kept.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._turn = threading.RLock()
        self._health: list[types_pb2.HealthCheck] = []
        self._progress: dict[str, v1.progress_pb2.ProgressEvent] = {}
        self._uri = ""

    def set_health(self, checks: list[types_pb2.HealthCheck]) -> None:
        """Replace all health checks of the module."""
        with self._turn:
            self._client.call(_rpc.HEALTH_SET, v1.health_pb2.HealthSetRequest(checks=checks))
            self._health = checks

    def set_uri(self, uri: str) -> None:
        """Say where the module serves; "": nowhere any more."""
        with self._turn:
            self._client.call(_rpc.SET_URI, v1.manager_pb2.SetUriRequest(uri=uri))
            self._uri = uri

    def is_authorized(self, caller: str, permissions: str, arguments: Mapping[str, str]) -> bool:
        """Return whether somebody may use the module with these arguments."""
        request = v1.auth_pb2.IsAuthorizedRequest(
            caller=caller,
            permissions=permissions,
            arguments={name: str(value) for name, value in arguments.items()},
        )
        return self._client.call(_rpc.IS_AUTHORIZED, request).authorized

    def update_progress(self, event: v1.progress_pb2.ProgressEvent) -> None:
        """Make or change a progress event of the module."""
        request = v1.progress_pb2.ProgressUpdateRequest(event=event)
        with self._turn:
            self._client.call(_rpc.PROGRESS_UPDATE, request)
            self._progress[event.id] = event

    def complete_progress(self, event_id: str) -> None:
        """End a progress event of the module; one that there is not is no error."""
        request = v1.progress_pb2.ProgressCompleteRequest(id=event_id)
        with self._turn:
            self._client.call(_rpc.PROGRESS_COMPLETE, request)
            self._progress.pop(event_id, None)

    def clear_progress(self) -> None:
        """Take away all progress events of the module."""
        with self._turn:
            self._client.call(_rpc.PROGRESS_CLEAR, v1.progress_pb2.ProgressClearRequest())
            self._progress.clear()

    def repeat(self) -> None:
        """Tell everything again that has been told."""
        with self._turn:
            if self._health:
                self.set_health(self._health)
            if self._uri:
                self.set_uri(self._uri)
            for event in list(self._progress.values()):
                self.update_progress(event)
