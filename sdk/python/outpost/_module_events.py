"""What happens to modules, as the manager tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from outpost import _rpc
from outpost._client import Client
from outpost._enum_names import enum_name, module_state
from outpost._settings import Backoff
from outpost._watch import StreamReader
from outpost.v1 import manager_pb2


@dataclass(frozen=True)
class ModuleEvent:
    """Something that happened to a module, or to the manager."""

    sequence: int
    """It grows from event to event, over restarts of the manager too."""
    time: float
    """In seconds since the epoch."""
    module: str
    """Empty: it happened to the manager."""
    kind: str
    """"spawned", "serve_failed", …: EventKind of manager.proto, without its prefix, in small
    letters; "kind_99" where a newer manager has a kind that is not known here."""
    state: str
    """The module's state then: "running", "cannot run", …, as `outpost module ls` shows it; empty
    where it is not known."""
    message: str
    by: str
    """Who did it: "client", "module/<name>"; empty: the manager."""
    pid: int
    crashed: bool
    """The module ended in a way that nobody had asked for."""
    exit_status: int | None
    """Of an exit."""
    exit_signal: int
    """The signal that killed the process; 0: none did."""
    output: tuple[str, ...]
    """Of an exit: the last lines that the process wrote."""
    traceback: str
    version: str
    host: str
    missed: int
    """How many events before this one are gone and were not told."""


def module_event(event: manager_pb2.TailEventsResponse) -> ModuleEvent:
    """Translate an event from the wire."""
    return ModuleEvent(
        sequence=event.sequence,
        time=event.time.ToNanoseconds() / 1e9,
        module=event.module,
        kind=enum_name(manager_pb2.EventKind, event.kind, "EVENT_KIND_"),
        state=module_state(manager_pb2.ModuleState, event.state),
        message=event.message,
        by=event.by,
        pid=event.pid,
        crashed=event.crashed,
        exit_status=event.exit.exit_status if event.HasField("exit") else None,
        exit_signal=event.exit.signal,
        output=tuple(event.exit.output),
        traceback=event.traceback,
        version=event.version,
        host=event.host,
        missed=event.missed,
    )


class EventReader(StreamReader):
    """Tells of every event once, in order, also of those while the manager was away."""

    def __init__(
        self,
        client: Client,
        backoff: Backoff,
        after: int,
        tell: Callable[[ModuleEvent], None],
        run_on_cue_thread: Callable[[Callable[[], None]], None],
    ) -> None:
        self._after = after
        self._tell = tell
        super().__init__(client, backoff, _rpc.TAIL_EVENTS, "events of modules", run_on_cue_thread)

    def _request(self) -> Any:
        return manager_pb2.TailEventsRequest(follow=True, after=self._after)

    def _take(self, stream: Any) -> Iterator[None]:
        self._settled.set()
        for response in stream:
            event = module_event(response)
            self._run_callbacks([partial(self._tell, event)])
            self._after = event.sequence
            yield
