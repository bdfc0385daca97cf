"""What happens to modules, as the manager tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from outpost import _rpc
from outpost._client import Client
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
    """"spawned", "exited", …: EventKind of manager.proto, without its prefix, in small letters."""
    state: str
    """The module's state then: "running", …; empty where it is not known."""
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
    state = manager_pb2.ModuleState.Name(event.state).removeprefix("MODULE_STATE_").lower()
    return ModuleEvent(
        sequence=event.sequence,
        time=event.time.ToNanoseconds() / 1e9,
        module=event.module,
        kind=_kind(event.kind),
        state="" if state == "unspecified" else state,
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


def _kind(number: int) -> str:
    try:
        name = manager_pb2.EventKind.Name(number)
    except ValueError:  # a newer manager's
        return f"kind_{number}"
    return name.removeprefix("EVENT_KIND_").lower()


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
