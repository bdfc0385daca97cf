"""Watches: what the manager streams, for as long as it is wanted; of options and keys here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import grpc

from outpost import _rpc
from outpost._client import Client
from outpost._errors import CallError, CallTimeoutError, DetachedError, call_error
from outpost._options import OptionValue, option_value
from outpost._settings import Backoff
from outpost.v1 import config_pb2, key_value_pb2, types_pb2

_log = logging.getLogger("outpost")

Value = TypeVar("Value")

# What a new try does not mend.
_FINAL = (
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED,
)


@dataclass(frozen=True)
class Watched(Generic[Value]):
    """The value that something has now; `gone`: it is not there any more."""

    key: str
    value: Value
    gone: bool = False
    revision: int = 0
    """As in OptionValue; 0: there are none."""


@dataclass(frozen=True)
class WatchCalls(Generic[Value]):
    """What is watched, and how it is asked for."""

    what: str
    """For messages: "keys 'job/'"."""
    method: _rpc.Method[Any, Any]
    """Streams the changes."""
    request: Any
    changes: Callable[[Any], Iterator[Watched[Value]]]
    """Reads that stream."""
    present: Callable[[], Mapping[str, Watched[Value]]]
    """Reads what there is, by key."""


class Watch:
    """A watch that goes on until stop(), or the module's end; also as a context manager.

    Thread safety: every method may be called on any thread.
    """

    def __init__(self, watcher: StreamReader) -> None:
        self._watcher = watcher

    def stop(self) -> None:
        """End it: the callback is not begun after this; one that runs may still do so."""
        self._watcher.stop()

    @property
    def error(self) -> CallError | None:
        """Why the manager refused it for good; None: it did not."""
        return self._watcher.error

    def wait_present(self, timeout: float) -> None:
        """Wait until the callback has heard of all that there was when the watch began.

        Not to be called on the thread of notify(). Raises CallError: the manager refused it;
        CallTimeoutError: it has not begun within `timeout` seconds.
        """
        self._watcher.wait_present(timeout)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


class StreamReader:
    """Keeps one of the manager's streams alive, on a thread of its own.

    It is opened again whenever it ends. What it says is handed to callbacks on the thread of
    notify(), and the next message is read when they have heard the last one: nothing waits here.
    """

    def __init__(
        self,
        client: Client,
        backoff: Backoff,
        method: _rpc.Method[Any, Any],
        what: str,
        run_on_cue_thread: Callable[[Callable[[], None]], None],
    ) -> None:
        self.error: CallError | None = None
        self._client = client
        self._backoff = backoff
        self._method = method
        self._what = what
        self._run_on_cue_thread = run_on_cue_thread
        self._lock = threading.Lock()
        self._stream: Any = None
        self._stopped = threading.Event()
        self._settled = threading.Event()  # present, or refused
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def _request(self) -> Any:
        """Return what the stream is asked for now."""
        raise NotImplementedError

    def _take(self, stream: Any) -> Iterator[None]:
        """Read a stream that was opened; yields when something was told."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        with self._lock:
            if self._stream is not None:
                self._stream.cancel()

    def wait_present(self, timeout: float) -> None:
        """See Watch.wait_present()."""
        if not self._settled.wait(timeout):
            raise CallTimeoutError(
                f"the watch of {self._what} has not begun within {timeout:g} s",
                code=grpc.StatusCode.DEADLINE_EXCEEDED,
            )
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        attempt = 0
        while not self._stopped.is_set():
            read = False
            try:
                for _ in self._read():
                    read, attempt = True, 0
                failure = CallError("the stream has ended", code=grpc.StatusCode.UNAVAILABLE)
            except DetachedError:
                return
            except CallError as error:
                failure = error
            except grpc.RpcError as error:
                failure = call_error(error, "the stream")
            except ValueError:  # grpc: the channel is closed
                failure = CallError("the session was lost", code=grpc.StatusCode.UNAVAILABLE)
            if self._stopped.is_set():
                return
            if failure.code in _FINAL:
                _log.error("the watch of %s is refused: %s", self._what, failure)
                self.error = failure
                self._settled.set()
                return
            if read:
                _log.warning("the watch of %s broke: %s; watching again", self._what, failure)
            self._stopped.wait(self._backoff.delay(attempt))
            attempt += 1

    def _read(self) -> Iterator[None]:
        """Read until the stream ends; yields when something was told."""
        link = self._client.link(self._method)
        stream: Any = self._method.server_stream(link.channel)(
            self._request(), metadata=link.metadata
        )
        with self._lock:
            self._stream = stream
        if self._stopped.is_set():  # perhaps before there was a stream to cancel
            stream.cancel()
        try:
            stream.initial_metadata()  # from here on the manager watches, or has refused
            _raise_if_over(stream)
            yield from self._take(stream)
        finally:
            with self._lock:
                self._stream = None
            stream.cancel()

    def _run_callbacks(self, callbacks: Iterable[Callable[[], None]]) -> None:
        """Run them, one after the other, and wait for that."""
        heard = threading.Event()

        def run() -> None:
            try:
                for callback in callbacks:
                    if self._stopped.is_set():
                        break
                    try:
                        callback()
                    except Exception:  # the next change must still be heard
                        _log.exception("the callback of a watch of %s failed", self._what)
            finally:
                heard.set()

        self._run_on_cue_thread(run)
        heard.wait()


class Watcher(StreamReader, Generic[Value]):
    """Keeps one watch alive.

    It opens the manager's stream, reads what there is, tells of what is another than was told
    before, and goes on with the stream. A manager whose reader is too slow cuts it off, which ends
    in reading anew.
    """

    def __init__(
        self,
        client: Client,
        backoff: Backoff,
        calls: WatchCalls[Value],
        tell: Callable[[Watched[Value]], None],
        run_on_cue_thread: Callable[[Callable[[], None]], None],
    ) -> None:
        self._calls = calls
        self._tell_callback = tell
        self._told: dict[str, Watched[Value]] = {}
        super().__init__(client, backoff, calls.method, calls.what, run_on_cue_thread)

    def _request(self) -> Any:
        return self._calls.request

    def _take(self, stream: Any) -> Iterator[None]:
        present = self._calls.present()
        _raise_if_over(stream)  # that it was refused may have been told only now
        self._tell(present, everything=True)
        self._settled.set()
        yield
        for change in self._calls.changes(stream):
            self._tell({change.key: change}, everything=False)
            yield

    def _tell(self, values: Mapping[str, Watched[Value]], *, everything: bool) -> None:
        news: list[Watched[Value]] = []
        for key, value in values.items():
            known = self._told.get(key)
            # what was listed is as new as can be; another manager counts revisions anew
            if not everything and known is not None and value.revision < known.revision:
                continue
            if known is None or known.gone:
                changed = not value.gone
            else:
                changed = value.gone or value.value != known.value
            if changed:
                news.append(value)
            self._told[key] = value
        if everything:
            for key in self._told.keys() - values.keys():
                known = self._told.pop(key)
                if not known.gone:
                    news.append(Watched(key, known.value, gone=True))
        if news:
            self._run_callbacks(partial(self._tell_callback, value) for value in news)


def _raise_if_over(stream: Any) -> None:
    if not stream.is_active():
        for _ in stream:  # raises why
            pass


def option_calls(client: Client, module: str) -> WatchCalls[OptionValue]:
    """Watch the options of a module; "": of all. Keys are "<module>/<option>"."""

    def changes(stream: Any) -> Iterator[Watched[OptionValue]]:
        for response in stream:
            option = response.option
            yield _watched_option(f"{response.module}/{option.name}", option)

    def present() -> dict[str, Watched[OptionValue]]:
        response = client.call(_rpc.CONFIG_LIST, config_pb2.ConfigListRequest(module=module))
        found = {}
        for entry in response.entries:
            key = entry.key.removeprefix("mgr/")
            found[key] = _watched_option(key, entry.effective)
        return found

    return WatchCalls(
        what=f"options of {module or 'all modules'}",
        method=_rpc.CONFIG_WATCH,
        request=config_pb2.ConfigWatchRequest(module=module),
        changes=changes,
        present=present,
    )


def _watched_option(key: str, option: types_pb2.OptionValue) -> Watched[OptionValue]:
    value: OptionValue
    try:
        value = option_value(option)
    except ValueError:  # what stands in the place of a secret is text, whatever its type
        value = option.value
    return Watched(key, value, revision=option.revision)


def store_calls(client: Client, prefix: str) -> WatchCalls[bytes]:
    """Watch the module's keys that begin with a prefix."""

    def changes(stream: Any) -> Iterator[Watched[bytes]]:
        for response in stream:
            change = response.change
            yield Watched(change.key, change.value, gone=not change.HasField("value"))

    def present() -> dict[str, Watched[bytes]]:
        response = client.call(
            _rpc.KEY_VALUE_LIST, key_value_pb2.KeyValueListRequest(prefix=prefix)
        )
        return {entry.key: Watched(entry.key, entry.value) for entry in response.entries}

    return WatchCalls(
        what=f"keys {prefix!r}",
        method=_rpc.KEY_VALUE_WATCH,
        request=key_value_pb2.KeyValueWatchRequest(prefix=prefix),
        changes=changes,
        present=present,
    )
