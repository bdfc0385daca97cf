"""The session between a module and its manager, from the first attempt to attach to the exit.

The thread of run() owns the session's state, and is the only one that changes it: it runs events
that other threads queue. For each stream there is a thread that reads it; see outpost._runner for
those that run the module's code.
"""

from __future__ import annotations

import enum
import functools
import logging
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable

import grpc

from outpost._errors import CallError, call_error
from outpost._loader import LoadedModule
from outpost._logs import LogShipper
from outpost._orphan_output import OrphanOutput
from outpost._runner import ModuleRunner, seconds
from outpost._settings import ExitCode, Settings
from outpost._stream import Stream

_log = logging.getLogger("outpost")

_REFUSALS = (
    "NAME_TAKEN",
    "COMMAND_TAKEN",
    "BAD_REGISTER",
    "BAD_TOKEN",
    "MODULE_DISABLED",
    "PROTOCOL_VERSION",
    "PROTOCOL_ERROR",
)
_REFUSAL_CODES = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
)
_HALF_CLOSE_TIMES = (1.0, 5.0)  # seconds that the manager has, at least and at most, to end the
# stream after the module did: between these, what is left of the grace
_LOOK_TIME = 2.0  # seconds between looks at whether the manager is silent


class State(enum.Enum):
    """Where the session is."""

    ATTACHING = "attaching"  # a stream is open, the manager has not answered yet
    ATTACHED = "attached"  # the manager accepted the module
    WAITING = "waiting"  # no stream; the next attempt comes at a known time
    STOPPING = "stopping"  # shutdown() was called; work and serve() are ending
    CLOSING = "closing"  # all has ended; the last lines are on their way
    ENDED = "ended"


class Session:
    """Keeps one module attached to its manager; run() does it all.

    Thread safety: run() is called once; stop() and settle() may be called on any thread.
    """

    def __init__(self, module: LoadedModule, settings: Settings, logs: LogShipper) -> None:
        self._settings = settings
        self._logs = logs
        self._register = module.register
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._runner = ModuleRunner(
            module,
            settings,
            logs,
            on_configured=lambda stream: self._post(self._on_configured, stream),
            on_shutdown=lambda reason, grace: self.stop(reason, grace=grace),
            on_exit=lambda code: self._post(
                self._give_up, f"serve() ends the module with exit status {int(code)}", code
            ),
            on_ended=lambda: self._post(self._close_if_ended),
        )
        self._state = State.WAITING
        self._timer = 0.0  # when something is due in this state, by time.monotonic()
        self._stream: Stream | None = None
        self._attempt = 0
        self._attached_at: float | None = None  # None: not since the last loss
        self._lost_at: float = time.monotonic()
        self._met = False  # whether a manager ever accepted the module
        self._output = OrphanOutput()
        self._outcome = ExitCode.OK
        self.forced = False
        """Whether something of the module still ran when run() returned."""

    def handle_signals(self) -> None:
        """Let SIGTERM and SIGINT end the module; for the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: self._post(self._on_signal, number))

    def run(self) -> ExitCode:
        """Attach, and do as the manager says until it, stop() or a signal ends the module."""
        self._attach()
        while self._state is not State.ENDED:
            try:
                event = self._events.get(timeout=max(0.0, self._timer - time.monotonic()))
            except queue.Empty:
                self._on_timer()
            else:
                event()
        self._runner.host.client.close()
        return self._outcome

    def stop(self, reason: str, *, grace: float | None = None) -> None:
        """End the module: shutdown() is called, and serve() has `grace` seconds to return."""
        self._post(self._stop, reason, self._settings.stop_grace if grace is None else grace)

    def still_running(self) -> list[str]:
        """Return what of the module has not returned since stop(), in words."""
        return self._runner.still_running()

    def settle(self, done: Callable[[], None]) -> None:
        """Call `done` when the cues that came so far have been handled, on their thread."""
        self._runner.after_cues(done)

    def _post(self, event: Callable[..., None], *args: object) -> None:
        self._events.put(functools.partial(event, *args))  # a signal's handler may do this, too

    def _set_state(self, state: State, timer: float) -> None:
        if state is not self._state:
            _log.debug("session: %s, then %s", self._state.value, state.value)
        self._state = state
        self._timer = time.monotonic() + min(timer, threading.TIMEOUT_MAX / 2)

    def _on_timer(self) -> None:
        match self._state:
            case State.WAITING:
                self._attach()
            case State.ATTACHING:
                self._abort("the manager did not answer")
            case State.ATTACHED:
                limit = self._runner.silence_limit()
                if limit is not None and limit <= 0:
                    self._abort("the manager is silent")
                else:
                    self._set_state(State.ATTACHED, _LOOK_TIME if limit is None else limit)
            case State.STOPPING:
                self._force("the time to end is over")
            case State.CLOSING:
                self._set_state(State.ENDED, 0)

    # attaching

    def _attach(self) -> None:
        self._set_state(State.ATTACHING, self._settings.attach_timeout)
        self._stream = Stream(self._settings.address, self._register, self._logs)
        threading.Thread(
            target=self._read, args=(self._stream,), name="reader", daemon=True
        ).start()

    def _read(self, stream: Stream) -> None:
        failure: CallError | None = None
        try:
            for response in stream.responses():
                self._runner.take(stream, response)
        except grpc.RpcError as error:
            failure = call_error(error, "Attach")
        except Exception as error:
            _log.exception("a message of the manager could not be handled")
            failure = CallError(f"Attach: a message could not be handled: {error}")
            stream.abort()
        self._post(self._on_stream_ended, stream, failure)

    def _on_configured(self, stream: Stream) -> None:
        if stream is not self._stream or self._state is not State.ATTACHING:
            return
        if self._met:
            _log.info("attached again to manager %s", self._runner.host.manager.manager_id)
        self._met = True
        if dropped := self._output.adopted():
            _log.warning("%d bytes of output were dropped: no manager read them", dropped)
        self._attached_at = time.monotonic()
        self._set_state(State.ATTACHED, _LOOK_TIME)

    def _on_stream_ended(self, stream: Stream, error: CallError | None) -> None:
        self._runner.detach()
        self._output.orphaned()
        stream.close()
        self._stream = None
        if self._state is State.CLOSING:
            self._set_state(State.ENDED, 0)
        elif self._state is State.STOPPING:
            pass  # the module's end needs no manager
        elif error is not None and _is_refusal(error):
            self._give_up(f"{error.reason or error.code.name}: {error}", ExitCode.REFUSED)
        else:
            self._wait(str(error or "the manager ended the session"))

    def _wait(self, reason: str) -> None:
        now = time.monotonic()
        if self._attached_at is not None:
            _log.warning("lost the manager at %s: %s", self._settings.address, reason)
            self._attempt = 0  # who was attached is expected by the next manager, however soon
            self._lost_at, self._attached_at = now, None
        elif not self._met and self._attempt == 0 and not self._settings.supervised:
            self._tell(f"waiting for a manager at {self._settings.address}: {reason}")
        delay = self._settings.backoff.delay(self._attempt)
        grace = self._orphan_grace()
        if grace is not None:
            left = self._lost_at + grace - now
            if left <= 0:
                self._give_up(f"no manager for {grace:g} s: {reason}", ExitCode.TEMPORARY)
                return
            delay = min(delay, left)
        self._attempt += 1
        self._set_state(State.WAITING, delay)

    def _orphan_grace(self) -> float | None:
        if not self._met:
            return self._settings.contact_grace if self._settings.supervised else None
        manager = self._runner.host.manager
        return seconds(manager.orphan_grace) if manager.HasField("orphan_grace") else None

    def _abort(self, why: str) -> None:
        _log.warning("%s: attaching again", why)
        if self._stream is not None:
            self._stream.abort()  # _on_stream_ended follows
        self._set_state(self._state, self._settings.attach_timeout)

    # ending

    def _on_signal(self, number: int) -> None:
        name = signal.Signals(number).name
        if self._state is State.STOPPING:
            self._force(f"{name} came again")
        elif self._state is State.CLOSING:
            self._set_state(State.ENDED, 0)
        else:
            self._stop(name, self._settings.stop_grace)

    def _give_up(self, reason: str, outcome: ExitCode) -> None:
        self._tell(reason)
        self._stop(reason, self._settings.stop_grace, outcome)

    def _stop(self, reason: str, grace: float, outcome: ExitCode = ExitCode.OK) -> None:
        if self._state in (State.STOPPING, State.CLOSING, State.ENDED):
            return
        _log.info("ending: %s", reason)
        self._outcome = outcome
        self._set_state(State.STOPPING, grace)
        self._runner.stop()
        self._close_if_ended()

    def _close_if_ended(self) -> None:
        if self._state is State.STOPPING and not self._runner.still_running():
            self._close()

    def _close(self) -> None:
        if self._stream is None:
            self._set_state(State.ENDED, 0)
        else:
            shortest, longest = _HALF_CLOSE_TIMES
            left = self._timer - time.monotonic()
            self._stream.finish()
            self._set_state(State.CLOSING, min(longest, max(shortest, left)))

    def _force(self, why: str) -> None:
        running = " and ".join(self._runner.still_running())
        message = f"{why}, and {running} did not return: ending the process"
        _log.error("%s", message)
        self._tell(message)
        self.forced = True
        self._outcome = self._outcome or ExitCode.FAILED
        self._close()

    def _tell(self, message: str) -> None:
        print(f"outpost: module {self._settings.name}: {message}", file=sys.stderr, flush=True)


def _is_refusal(error: CallError) -> bool:
    return error.reason in _REFUSALS or (not error.reason and error.code in _REFUSAL_CODES)
