"""One Attach call: what goes out, in order, and what comes in."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Literal

from outpost import _rpc
from outpost._logs import LogShipper
from outpost._work import Work
from outpost.v1 import module_host_pb2


class Stream:
    """One Attach call.

    Whoever has something to say puts it into the outbox; gRPC's own thread takes it from there.
    Log lines are fetched from the shipper when their turn comes, so that a slow connection makes
    them wait there, where their number is bounded. All else is bounded by what the manager asked.

    Thread safety: responses() is for one thread, the rest may be called on any.
    """

    def __init__(self, address: str, register: module_host_pb2.Register, logs: LogShipper) -> None:
        self._outbox: queue.SimpleQueue[module_host_pb2.AttachRequest | Literal["logs", "end"]]
        self._outbox = queue.SimpleQueue()
        self._logs = logs
        self._in_hand: dict[int, Work] = {}
        self.channel = _rpc.open_channel(address)
        self._call = _rpc.ATTACH.stream(self.channel)(
            self._requests(module_host_pb2.AttachRequest(register=register))
        )

    def responses(self) -> Iterator[module_host_pb2.AttachResponse]:
        """Iterate until the manager ends the stream. Raises grpc.RpcError."""
        yield from self._call

    def send(self, request: module_host_pb2.AttachRequest) -> None:
        """Queue a message; it is thrown away when the stream has ended."""
        self._outbox.put(request)

    def announce_logs(self) -> None:
        """Let the log shipper's lines follow what is queued now."""
        self._outbox.put("logs")

    def finish(self) -> None:
        """Half-close, after what is queued now and all log lines."""
        self._outbox.put("end")

    def abort(self) -> None:
        """End the stream at once: responses() raises."""
        self._call.cancel()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Free everything; calls in flight on the channel fail."""
        self._outbox.put("end")
        self.channel.close()

    def begin(self, number: int, work: Work) -> None:
        """A command or call was received."""
        self._in_hand[number] = work

    def end(self, number: int) -> None:
        """A command or call is done."""
        self._in_hand.pop(number, None)

    def cancel(self, number: int) -> None:
        """Nobody waits for this command or call any more."""
        work = self._in_hand.get(number)
        if work is not None:
            work.cancelled.set()

    def _requests(
        self, first: module_host_pb2.AttachRequest
    ) -> Iterator[module_host_pb2.AttachRequest]:
        yield first
        while True:
            item = self._outbox.get()
            if item == "end":
                while batch := self._logs.take():
                    yield module_host_pb2.AttachRequest(log=batch)
                return
            if item == "logs":
                if batch := self._logs.take():
                    yield module_host_pb2.AttachRequest(log=batch)
                    self._outbox.put("logs")  # behind what has come meanwhile
            else:
                yield item
