"""A tap between a module and its manager: it passes everything on, keeps it, and can add to it.

The module connects to the tap's socket. What either side sends is passed on as it is, so that the
manager is a real one; a test sees the messages, and can send the module what a real manager of
today does not send: messages of a newer one, refusals, requests with unusual ids.

**Thread safety.** Every method may be called on any thread.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from fixture import DEADLINE
from outpost.v1 import error_details_pb2, module_host_pb2

OWN_IDS = 2**63
"""The least id of a request that a test sends itself; answers to it are not passed on."""

_ATTACH = "/outpost.v1.ModuleHost/Attach"
_STREAMS = ("/outpost.v1.Notifications/Subscribe",)


class Message(NamedTuple):
    """One message of a session."""

    time: float  # by time.monotonic()
    from_module: bool
    kind: str  # the member of the oneof: "configure"; empty: none that is known
    message: Any  # that member


class Call(NamedTuple):
    """One call outside the session."""

    method: str  # "/outpost.v1.Cluster/Get"
    session_key: str
    request: bytes


@dataclass
class TappedSession:
    """One Attach stream."""

    begun: float
    to_module: queue.SimpleQueue[bytes | None] = field(default_factory=queue.SimpleQueue)
    messages: list[Message] = field(default_factory=list)
    half_closed: float | None = None
    ended: bool = False
    refused: tuple[grpc.StatusCode, str, str] | None = None


class Tap:
    """See above.

    Args:
        directory: where its socket is made.
        manager: the address of the manager.
    """

    def __init__(self, directory: Path, manager: str) -> None:
        self.address = f"unix:{directory}/tap.sock"
        self._manager = manager
        self._lock = threading.Condition()
        self._sessions: list[TappedSession] = []
        self._calls: list[Call] = []
        self.change_register: Callable[[module_host_pb2.Register], object] = lambda register: None
        self.change_configure: Callable[[module_host_pb2.Configure], object] = lambda c: None
        self._refusals: list[tuple[grpc.StatusCode, str, str]] = []
        self.channel = grpc.insecure_channel(
            manager,
            options=[
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
                ("grpc.initial_reconnect_backoff_ms", 20),
                ("grpc.max_reconnect_backoff_ms", 100),
                ("grpc.use_local_subchannel_pool", 1),
            ],
        )
        self._server = grpc.server(
            futures.ThreadPoolExecutor(64),
            handlers=[_Handler(self)],
            options=[("grpc.max_receive_message_length", -1)],
        )
        self._server.add_insecure_port(self.address)
        self._server.start()

    def close(self) -> None:
        """End the streams, and everything else."""
        self._server.stop(0).wait()
        self.channel.close()

    # what a test asks

    def sessions(self) -> list[TappedSession]:
        """Every stream so far, the oldest first."""
        with self._lock:
            return list(self._sessions)

    @property
    def session(self) -> TappedSession:
        """The newest stream of those that have not ended; the newest where all have."""
        sessions = self.sessions()
        return next((s for s in reversed(sessions) if not s.ended), sessions[-1])

    def messages(self, session: TappedSession | None = None) -> list[Message]:
        """What was said in a session (see `session`), in the order in which it came by."""
        session = session or self.session
        with self._lock:
            return list(session.messages)

    def wait_for(
        self, kind: str, suits: Callable[[Any], bool] = lambda message: True, *, after: float = 0.0
    ) -> Any:
        """Wait for a message of any session, since a time; returns it."""

        def found() -> Message | None:
            for session in self._sessions:
                for message in session.messages:
                    if message.kind == kind and message.time > after and suits(message.message):
                        return message
            return None

        with self._lock:
            if message := self._lock.wait_for(found, DEADLINE):
                return message.message
            seen = [(m.from_module, m.kind) for s in self._sessions for m in s.messages]
            raise AssertionError(f"waited in vain for {kind}; seen: {seen}")

    def wait_until(self, what: str, reached: Callable[[], Any], deadline: float = DEADLINE) -> Any:
        """Wait until something holds; it is looked at after each message and call."""
        with self._lock:
            value = self._lock.wait_for(reached, deadline)
        assert value, f"waited in vain for {what}"
        return value

    def calls(self, method: str) -> list[Call]:
        """The calls of a method so far: "Cluster/Get"."""
        with self._lock:
            return [call for call in self._calls if call.method == f"/outpost.v1.{method}"]

    # what a test does

    def send(self, message: module_host_pb2.AttachResponse | bytes) -> None:
        """Send the module a message that the manager did not send."""
        text = message if isinstance(message, bytes) else message.SerializeToString()
        session = self.session
        if not isinstance(message, bytes):
            self._note(session, from_module=False, message=message)
        session.to_module.put(text)

    def run(self, command_json: str, prefix: str, number: int) -> Any:
        """Have the module run a command of which the manager knows nothing."""
        assert number >= OWN_IDS
        run = module_host_pb2.RunCommand(id=number, prefix=prefix, command_json=command_json)
        self.send(module_host_pb2.AttachResponse(run_command=run))
        return self.wait_for("command_result", lambda result: result.id == number).result

    def refuse_next(self, code: grpc.StatusCode, reason: str, text: str) -> None:
        """Refuse the next session in the manager's stead."""
        with self._lock:
            self._refusals.append((code, reason, text))

    def break_session(self) -> None:
        """End the stream, as it ends when the manager dies."""
        self.session.to_module.put(None)

    # what passes through

    def _note(self, session: TappedSession, *, from_module: bool, message: Any) -> None:
        kind = message.WhichOneof("message") or ""
        value = getattr(message, kind) if kind else None
        with self._lock:
            session.messages.append(Message(time.monotonic(), from_module, kind, value))
            self._lock.notify_all()

    def note_call(self, call: Call) -> None:
        """Keep a call."""
        with self._lock:
            self._calls.append(call)
            self._lock.notify_all()

    def attach(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Pass on one stream."""
        session = TappedSession(time.monotonic())
        with self._lock:
            self._sessions.append(session)
            context.add_callback(lambda: setattr(session, "ended", True))
            refusal = self._refusals.pop(0) if self._refusals else None
            self._lock.notify_all()
        upstream = None
        if refusal is None:
            attach = self.channel.stream_stream(_ATTACH)
            upstream = attach(self._from_module(session, requests))
            context.add_callback(upstream.cancel)
            threading.Thread(
                target=self._from_manager, args=(session, upstream), daemon=True
            ).start()
        else:
            # As the manager does, after Register.
            register = module_host_pb2.AttachRequest.FromString(next(requests))
            self._note(session, from_module=True, message=register)
            session.refused = refusal
            session.to_module.put(None)
        while (message := session.to_module.get()) is not None:
            yield message
        if session.refused is not None:
            code, reason, text = session.refused
            context.set_trailing_metadata(
                (("grpc-status-details-bin", _details(*session.refused)),)
            )
            context.abort(code, text)
        if upstream is not None and upstream.is_active():
            upstream.cancel()
            context.abort(grpc.StatusCode.UNAVAILABLE, "the tap was told to break the stream")
        if upstream is not None and upstream.code() is not grpc.StatusCode.OK:
            context.set_trailing_metadata(tuple(upstream.trailing_metadata() or ()))
            context.abort(upstream.code(), upstream.details() or "")

    def _from_module(self, session: TappedSession, requests: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for text in requests:
                request = module_host_pb2.AttachRequest.FromString(text)
                self._note(session, from_module=True, message=request)
                kind = request.WhichOneof("message")
                if kind == "register":
                    changed = module_host_pb2.AttachRequest.FromString(text)
                    self.change_register(changed.register)
                    text = changed.SerializeToString()
                answers = kind in ("command_result", "call_result")
                if not (answers and getattr(request, kind).id >= OWN_IDS):
                    yield text
            with self._lock:
                session.half_closed = time.monotonic()
                self._lock.notify_all()
        except Exception:  # the stream has broken
            return

    def _from_manager(self, session: TappedSession, upstream: Any) -> None:
        try:
            for text in upstream:
                response = module_host_pb2.AttachResponse.FromString(text)
                if response.WhichOneof("message") == "configure":
                    self.change_configure(response.configure)
                    text = response.SerializeToString()
                self._note(session, from_module=False, message=response)
                session.to_module.put(text)
        except grpc.RpcError:
            pass  # attach() passes it on
        session.to_module.put(None)


def _details(code: grpc.StatusCode, reason: str, text: str) -> bytes:
    info = error_details_pb2.ErrorInfo(reason=reason, domain="outpost")
    status = error_details_pb2.RpcStatus(code=code.value[0], message=text)
    status.details.add(
        type_url="type.googleapis.com/google.rpc.ErrorInfo", value=info.SerializeToString()
    )
    return status.SerializeToString()


class _Handler(grpc.GenericRpcHandler):
    """Passes on every call as it is."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        if details.method == _ATTACH:
            return grpc.stream_stream_rpc_method_handler(self._tap.attach)
        channel = self._tap.channel
        sent = dict(details.invocation_metadata)
        metadata = tuple((k, v) for k, v in sent.items() if k == "outpost-session")

        def noted(request: bytes, context: grpc.ServicerContext) -> dict[str, Any]:
            key = str(sent.get("outpost-session", ""))
            self._tap.note_call(Call(details.method, key, request))
            left = context.time_remaining()  # for ever is a very large number here
            return {"metadata": metadata, "timeout": left if left and left < 1e6 else None}

        def fail(error: grpc.RpcError, context: grpc.ServicerContext) -> None:
            assert isinstance(error, grpc.Call)
            context.set_trailing_metadata(tuple(error.trailing_metadata() or ()))
            context.abort(error.code(), error.details() or "")

        def unary(request: bytes, context: grpc.ServicerContext) -> bytes | None:
            how = noted(request, context)
            passed = channel.unary_unary(details.method).future(request, **how)
            context.add_callback(passed.cancel)
            try:
                answer: bytes = passed.result()
                return answer
            except grpc.RpcError as error:
                return fail(error, context)

        def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            how = noted(request, context)
            passed = channel.unary_stream(details.method)(request, **how)
            context.add_callback(passed.cancel)
            try:
                yield from passed
            except grpc.RpcError as error:
                fail(error, context)

        if details.method in _STREAMS:
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(unary)
