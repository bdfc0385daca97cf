"""Unary calls to the manager, in the name of the session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from outpost import _rpc
from outpost._errors import CallError, CallTimeoutError, DetachedError, call_error
from outpost._work import time_left


@dataclass(frozen=True)
class Link:
    """One accepted session: the channel, and what proves to other services who calls."""

    channel: grpc.Channel
    session_key: str = field(repr=False)
    _callables: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call outside the session."""
        return (("outpost-session", self.session_key),)

    def bind(
        self, method: _rpc.Method[_rpc.Request, _rpc.Response]
    ) -> grpc.UnaryUnaryMultiCallable[_rpc.Request, _rpc.Response]:
        """Return the method, bound to this channel."""
        bound: grpc.UnaryUnaryMultiCallable[_rpc.Request, _rpc.Response] | None
        bound = self._callables.get(method.path)
        if bound is None:
            bound = self._callables[method.path] = method.unary(self.channel)
        return bound


class Client:
    """Makes calls over whichever session there is.

    While the manager is away, a call waits for the next session as long as its time limit allows.
    A call that was on its way when the session was lost is made again if doing it twice does no
    harm (Method.repeatable), else it raises ManagerUnavailableError. One that reached a manager
    which does not know the session, as it has just been started, was not done, and is made again.

    Thread safety: every method may be called on any thread.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._changed = threading.Condition()
        self._link: Link | None = None
        self._closed = False
        self.on_told: Callable[[], None] = lambda: None
        """Is called before anybody learns of an answer that may come of a change of the cluster."""

    def attach(self, link: Link) -> None:
        """From here on calls use this session."""
        with self._changed:
            self._link = link
            self._changed.notify_all()

    def detach(self) -> None:
        """From here on calls wait for another session."""
        with self._changed:
            self._link = None

    def close(self) -> None:
        """From here on every call raises DetachedError."""
        with self._changed:
            self._link = None
            self._closed = True
            self._changed.notify_all()

    def link(self, method: _rpc.Method[Any, Any]) -> Link:
        """Return the session, for a stream of `method`; waits for one while there is none.

        Raises CallTimeoutError and DetachedError.
        """
        return self._wait_for_link(method, time.monotonic() + self._timeout, other_than=None)

    def call(
        self,
        method: _rpc.Method[_rpc.Request, _rpc.Response],
        request: _rpc.Request,
        *,
        timeout: float | None = None,
    ) -> _rpc.Response:
        """Make a call and return its response.

        `timeout` is in seconds, and is cut to what is left for the command in hand. Raises
        CallError, of the kind that fits the manager's status, and DetachedError.
        """
        deadline = time.monotonic() + time_left(self._timeout if timeout is None else timeout)
        lost: Link | None = None
        while True:
            link = self._wait_for_link(method, deadline, other_than=lost)
            try:
                response = link.bind(method)(
                    request, timeout=_until(deadline, method), metadata=link.metadata
                )
                if method.tells:
                    self.on_told()
                return response
            except grpc.RpcError as error:
                if method.tells:
                    self.on_told()
                failure = call_error(error, str(method))
                again = method.repeatable and _session_was_lost(failure)
                if not (again or _session_is_unknown(failure)):
                    raise failure from None
            except ValueError:  # grpc: the channel was closed before the call began
                pass
            lost = link

    def start(
        self,
        method: _rpc.Method[_rpc.Request, _rpc.Response],
        request: _rpc.Request,
        *,
        timeout: float,
        done: Callable[[_rpc.Response | None, CallError | None], None],
    ) -> None:
        """Make a call without waiting; `done` gets the response or the error, on a gRPC thread.

        It must not block. Raises DetachedError.
        """
        deadline = time.monotonic() + time_left(timeout)
        lost: Link | None = None
        while True:
            link = self._wait_for_link(method, deadline, other_than=lost)
            try:
                future = link.bind(method).future(
                    request, timeout=_until(deadline, method), metadata=link.metadata
                )
            except ValueError:  # grpc: the channel was closed before the call began
                lost = link
                continue
            break

        def finish(future: Any) -> None:
            if method.tells:
                self.on_told()
            try:
                response: _rpc.Response = future.result()
            except grpc.RpcError as error:
                done(None, call_error(error, str(method)))
            except grpc.FutureCancelledError:
                message = f"{method}: the session was lost"
                done(None, CallError(message, code=grpc.StatusCode.UNAVAILABLE))
            else:
                done(response, None)

        future.add_done_callback(finish)

    def _wait_for_link(
        self, method: _rpc.Method[Any, Any], deadline: float, *, other_than: Link | None
    ) -> Link:
        link = self._link  # the usual case needs no lock
        if link is not None and link is not other_than:
            return link
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (self._link is not None and self._link is not other_than),
                max(0.0, deadline - time.monotonic()),
            )
            if self._closed:
                raise DetachedError(f"{method}: the module is ending, no more calls can be made")
            if self._link is None or self._link is other_than:
                raise CallTimeoutError(
                    f"{method}: the manager was away for too long",
                    code=grpc.StatusCode.DEADLINE_EXCEEDED,
                )
            return self._link


def _until(deadline: float, method: _rpc.Method[Any, Any]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise CallTimeoutError(
            f"{method}: no time is left for this call", code=grpc.StatusCode.DEADLINE_EXCEEDED
        )
    return left


def _session_was_lost(error: CallError) -> bool:
    # what the manager itself says carries an ErrorInfo; what gRPC says of the connection does not
    return not error.reason and error.code in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
    )


def _session_is_unknown(error: CallError) -> bool:
    return error.code is grpc.StatusCode.UNAUTHENTICATED
