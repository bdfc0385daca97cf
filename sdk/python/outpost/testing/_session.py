"""The manager's end of one session with a module."""

from __future__ import annotations

import itertools
import json
import queue
import threading
from collections.abc import Callable
from typing import Any

from outpost.testing._waiting import DEADLINE, wait_until
from outpost.v1 import module_host_pb2, types_pb2


class FakeSession:
    """The manager's end of one Attach stream, in messages of the wire.

    Thread safety: every method may be called on any thread.
    """

    def __init__(self, register: module_host_pb2.Register, key: str) -> None:
        self.register = register
        """What the module told of itself."""
        self.key = key
        """The session key, by which the module's calls are known."""
        self.received: list[module_host_pb2.AttachRequest] = []
        """Every message of the module after Register."""
        self.half_closed = threading.Event()
        """The module has ended the stream in an orderly way."""
        self.ended = threading.Event()
        """The stream is over, whoever ended it."""
        self._outbox: queue.SimpleQueue[module_host_pb2.AttachResponse | None] = queue.SimpleQueue()
        self._results: dict[int, queue.SimpleQueue[Any]] = {}
        self._ids = itertools.count(1)

    @property
    def module(self) -> str:
        """The module's name."""
        return self.register.name

    def send(self, **message: Any) -> None:
        """Send one message, given by its name in AttachResponse."""
        self._outbox.put(module_host_pb2.AttachResponse(**message))

    def end(self) -> None:
        """End the stream, as a manager that stops does."""
        self._outbox.put(None)

    def next_message(self) -> module_host_pb2.AttachResponse | None:
        """Wait for what is to be sent next; None: the end."""
        return self._outbox.get()

    def take(self, request: module_host_pb2.AttachRequest) -> None:
        """Take a message of the module."""
        kind = request.WhichOneof("message")
        if kind in ("command_result", "call_result"):
            answer = getattr(request, kind)
            if answer.id in self._results:
                self._results[answer.id].put(answer)
        self.received.append(request)

    def all(self, kind: str) -> list[Any]:
        """Return the messages of one kind ("serve_status") that came so far."""
        return [getattr(r, kind) for r in self.received if r.WhichOneof("message") == kind]

    def wait_for(self, kind: str, condition: Callable[[Any], bool] = lambda message: True) -> Any:
        """Wait for a message of a kind for which a condition holds, and return the first one."""
        return wait_until(
            lambda: next((m for m in self.all(kind) if condition(m)), None),
            f"{kind} of module {self.module}",
        )

    def start(
        self,
        prefix: str,
        inbuf: bytes | None = None,
        timeout: float | None = None,
        **arguments: Any,
    ) -> int:
        """Start a command, and return its id; `timeout` is how long its caller waits."""
        number = self._new_id()
        run = module_host_pb2.RunCommand(
            id=number,
            prefix=prefix,
            command_json=json.dumps({"prefix": prefix, **arguments}),
            inbuf=inbuf or b"",
            has_inbuf=inbuf is not None,
            call_id=f"call-{number}",
            caller="user/admin",
        )
        if timeout is not None:
            run.timeout.FromNanoseconds(int(timeout * 1e9))
        self.send(run_command=run)
        return number

    def result(self, number: int) -> types_pb2.CommandResult:
        """Wait for the result of a command that was started."""
        result: types_pb2.CommandResult = self._answer(number).result
        return result

    def run(
        self, prefix: str, inbuf: bytes | None = None, **arguments: Any
    ) -> types_pb2.CommandResult:
        """Run a command, and return its result."""
        return self.result(self.start(prefix, inbuf, **arguments))

    def call(self, method: str, *args: Any, **kwargs: Any) -> module_host_pb2.CallResult:
        """Call a method, as remote() of another module does, and return its result."""
        number = self._new_id()
        self.send(
            call=module_host_pb2.Call(
                id=number,
                method=method,
                args_json=json.dumps(args),
                kwargs_json=json.dumps(kwargs),
                call_id=f"call-{number}",
                caller="module/caller",
            )
        )
        answer: module_host_pb2.CallResult = self._answer(number)
        return answer

    def shutdown(self, grace: float = 5.0, reason: str = "the test ends") -> None:
        """Ask the module to end, within `grace` seconds."""
        message = module_host_pb2.Shutdown(reason=reason)
        message.grace.FromNanoseconds(int(grace * 1e9))
        self.send(shutdown=message)

    def log_records(self) -> list[types_pb2.LogRecord]:
        """Return the lines that the module has logged so far."""
        return [record for batch in self.all("log") for record in batch.records]

    def log_lines(self) -> list[str]:
        """Return the messages that the module has logged so far."""
        return [record.message for record in self.log_records()]

    def _new_id(self) -> int:
        number = next(self._ids)
        self._results[number] = queue.SimpleQueue()
        return number

    def _answer(self, number: int) -> Any:
        try:
            return self._results[number].get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError(
                f"module {self.module} has not answered within {DEADLINE:g} s"
            ) from None
