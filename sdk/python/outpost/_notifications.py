"""Cues from the manager, and the one thread that hands them to the module, in order."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence

import grpc

from outpost import _rpc
from outpost._client import Link
from outpost._errors import call_error
from outpost._settings import Backoff
from outpost.v1 import notifications_pb2, types_pb2

_log = logging.getLogger("outpost")


class Notifier:
    """Runs the module's config_notify() and notify() on one daemon thread, in order.

    What waits is bounded: one config_notify, and as many notifications as the manager sends before
    the first of them is acknowledged.

    Thread safety: every method may be called on any thread.
    """

    def __init__(self, config_notify: Callable[[], None]) -> None:
        self._config_notify = config_notify
        self._config_pending = False
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="notify", daemon=True).start()

    def put(self, job: Callable[[], None]) -> None:
        """Queue a job; what it raises is logged."""
        self._jobs.put(job)

    def config_changed(self) -> None:
        """Queue a config_notify, if none is waiting."""
        if not self._config_pending:
            self._config_pending = True
            self._jobs.put(self._run_config_notify)

    def _run_config_notify(self) -> None:
        self._config_pending = False  # first: a change from here on must be told again
        self._config_notify()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except BaseException:  # the next cue must still be heard
                _log.exception("a notification failed")
            del job


class Subscription:
    """Notifications of one session: a thread that reads them and hands them to the notifier.

    `arrive` is called on the thread that reads, `deliver` on the notifier's, and `acknowledge`
    after it has returned or raised. A subscription that breaks while the session lasts is made
    again.

    Thread safety: every method may be called on any thread.
    """

    def __init__(
        self,
        *,
        link: Link,
        types: Sequence[str],
        backoff: Backoff,
        notifier: Notifier,
        arrive: Callable[[notifications_pb2.Notification], None],
        deliver: Callable[[notifications_pb2.Notification], None],
        acknowledge: Callable[[types_pb2.NotificationAck], None],
    ) -> None:
        self._link = link
        self._types = types
        self._backoff = backoff
        self._notifier = notifier
        self._arrive = arrive
        self._deliver = deliver
        self._acknowledge = acknowledge
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="subscription", daemon=True).start()

    def stop(self) -> None:
        """End it; the channel's end does the rest."""
        self._stopped.set()

    def _run(self) -> None:
        attempt = 0
        while not self._stopped.is_set():
            try:
                for response in self._open():
                    attempt = 0
                    self._take(response)
            except ValueError:  # grpc: the channel is closed
                return
            except grpc.RpcError as error:
                failure = call_error(error, str(_rpc.SUBSCRIBE))
                if self._stopped.is_set():
                    return
                if failure.code in _FINAL:
                    _log.error("no notifications (%s): %s", ", ".join(self._types), failure)
                    return
                _log.warning("notifications broke, subscribing again: %s", failure)
            self._stopped.wait(self._backoff.delay(attempt))
            attempt += 1

    def _open(self) -> grpc.CallIterator[notifications_pb2.SubscribeResponse]:
        return _rpc.SUBSCRIBE.server_stream(self._link.channel)(
            notifications_pb2.SubscribeRequest(types=self._types, explicit_acks=True),
            metadata=self._link.metadata,
        )

    def _take(self, response: notifications_pb2.SubscribeResponse) -> None:
        if response.WhichOneof("message") == "subscribed":
            self._subscription_id = response.subscribed.subscription_id
        elif response.WhichOneof("message") == "notification":
            notification = response.notification
            self._arrive(notification)
            ack = types_pb2.NotificationAck(
                subscription_id=self._subscription_id, sequence=notification.sequence
            )

            def handle() -> None:
                try:
                    self._deliver(notification)
                finally:
                    self._acknowledge(ack)

            self._notifier.put(handle)


_FINAL = (
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
)
