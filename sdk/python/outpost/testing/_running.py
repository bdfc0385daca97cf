"""A module that runs in the process of its test."""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from outpost._commands import HandleCommandResult
from outpost._loader import find_module_class, load_class
from outpost._logs import LogShipper
from outpost._mgr_module import MgrModule, NotifyType
from outpost._options import OptionValue, option_text
from outpost._session import Session
from outpost._settings import Backoff, Settings
from outpost.testing._waiting import DEADLINE, wait_until
from outpost.v1 import module_host_pb2, progress_pb2, types_pb2

if TYPE_CHECKING:
    from outpost.testing._manager import FakeManager
    from outpost.testing._session import FakeSession

_SEVERITIES = {types_pb2.SEVERITY_WARNING: "warning", types_pb2.SEVERITY_ERROR: "error"}

_classes: dict[Path, type[MgrModule]] = {}  # a directory can be imported once a process


class LogLine(NamedTuple):
    """A line of the module's log."""

    level: str
    """ "debug", "info", "warning", "error", "critical"."""
    logger: str
    """Empty for MgrModule.log."""
    message: str
    channel: str
    """Of the cluster's log; empty: it is not for that."""


class RunningModule:
    """A module on threads of this process, as FakeManager.start_module() returns it.

    Its code runs as it does in a process of its own: serve(), commands, notify() on their threads,
    calls to the manager over a socket. Python's root logger feeds its log while it runs, so that of
    two modules in one process each has the lines of both.

    Thread safety: every method may be called on any thread but the module's own.
    """

    def __init__(
        self,
        manager: FakeManager,
        module: type[MgrModule] | str | os.PathLike[str],
        *,
        name: str,
        options: Mapping[str, object],
    ) -> None:
        """See FakeManager.start_module()."""
        if not isinstance(module, type):
            directory = Path(module).resolve()
            name = name or directory.name
            if directory not in _classes:
                _classes[directory] = find_module_class(directory)
            module = _classes[directory]
        self.name = name or module.__name__.lower()
        self.manager = manager
        for option, value in options.items():
            manager.options[f"mgr/{self.name}/{option}"] = option_text(_checked(option, value))
        settings = Settings(
            name=self.name,
            address=manager.address,
            stop_grace=DEADLINE,
            backoff=Backoff(first=0.02, longest=0.2),
        )
        self._logs = LogShipper(settings.log_buffer)
        root = logging.getLogger()
        self._level = root.level
        root.addHandler(self._logs)
        try:
            loaded = load_class(module, settings)
        except BaseException:
            self._end_logging()
            raise
        self._loaded = loaded
        self._session = Session(loaded, settings, self._logs)
        self._thread = threading.Thread(target=self._session.run, name="session", daemon=True)
        self._stopped = False
        self._pings = itertools.count(1)
        self._thread.start()
        try:
            self.session = self._wait_until_it_answers()
            """The manager's end of the session, in messages of the wire."""
        except BaseException:
            self.stop()
            raise

    def _wait_until_it_answers(self) -> FakeSession:
        manager = self.manager
        session = wait_until(lambda: manager.attached(self.name), f"{self.name} to attach")
        session.wait_for("configured")
        if session.register.can_run:
            if manager.serve:
                session.wait_for("serve_status")
            if session.register.notify_types:
                wait_until(lambda: manager.subscribed(session), f"{self.name} to subscribe")
        return session

    @property
    def instance(self) -> Any:
        """The module itself. Raises AssertionError: it says that it can't run."""
        instance = self._loaded.instance
        assert instance is not None, f"{self.name} can't run: {self.session.register.can_run_error}"
        return instance

    @property
    def register(self) -> module_host_pb2.Register:
        """What the module told of itself: commands, options, can_run, …."""
        return self.session.register

    # doing

    def run(
        self, prefix: str, inbuf: str | bytes | None = None, **arguments: Any
    ) -> HandleCommandResult:
        """Run a command, and return its result; its arguments by name, typed.

        An output that is not text is bytes.
        """
        result = self.session.run(
            prefix, inbuf.encode() if isinstance(inbuf, str) else inbuf, **arguments
        )
        stdout: Any = result.stdout_bytes or result.stdout
        return HandleCommandResult(result.retval, stdout, result.stderr)

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method as remote() of another module does, arguments and result as JSON.

        Raises NameError (there is no such method) and RuntimeError (it raised).
        """
        result = self.session.call(method, *args, **kwargs)
        if result.WhichOneof("outcome") == "result_json":
            return json.loads(result.result_json)
        if result.error.kind == "METHOD_NOT_FOUND":
            raise NameError(f"Method not found: {result.error.message}")
        raise RuntimeError(result.error.traceback or result.error.message)

    def set_option(self, name: str, value: OptionValue) -> None:
        """Change an option as an operator does; returns when config_notify() has run.

        None takes it back to its default. Raises KeyError (not declared) and ValueError (it does
        not fit).
        """
        text = None if value is None else option_text(_checked(name, value))
        self.manager.set_option(self.session, name, text)
        self.settle()

    def notify(
        self, notify_type: NotifyType | str, notify_id: str = "", *, payload: object = None
    ) -> None:
        """Send a notification; returns when the module has handled it.

        `payload` is the event, of those types that have one: a line of the cluster's log.
        Raises AssertionError: the module has not subscribed to this type.
        """
        kind = NotifyType.name_of(notify_type)
        told = self.manager.notify(kind, notify_id, payload=payload, only=self.session)
        assert told, f"{self.name} has not subscribed to {kind}: it is not in NOTIFY_TYPES"
        ((_, sequence),) = told
        self.session.wait_for("notification_ack", lambda ack: ack.sequence >= sequence)

    def settle(self) -> None:
        """Wait until the module has handled every change of options that was sent so far."""
        number = next(self._pings)
        self.session.send(ping=module_host_pb2.Ping(sequence=number))
        self.session.wait_for("heartbeat", lambda heartbeat: heartbeat.sequence == number)
        done = threading.Event()
        self._session.settle(done.set)
        assert done.wait(DEADLINE), (
            f"config_notify() or notify() of {self.name} has not returned within {DEADLINE:g} s"
        )

    def stop(self, timeout: float = DEADLINE) -> None:
        """End the module: shutdown(), then serve() has to return within `timeout` seconds.

        Does nothing if it has ended. Raises AssertionError, which says what has not returned.
        """
        if self._stopped:
            return
        self._stopped = True
        self._session.stop("the test ends", grace=timeout)
        self._thread.join()
        self._end_logging()
        assert not self._session.forced, (
            f"{' and '.join(self._session.still_running())} of {self.name} did not return"
            f" within {timeout:g} s"
        )

    # seeing

    @property
    def serve_state(self) -> str:
        """What serve() does: "running", "returned" or "failed"."""
        status = self.session.wait_for("serve_status") and self.session.all("serve_status")[-1]
        state: str = module_host_pb2.ServeStatus.State.Name(status.state)
        return state.removeprefix("STATE_").lower()

    @property
    def health(self) -> dict[str, dict[str, Any]]:
        """The health checks that the module raises now, as set_health_checks() takes them."""
        return {
            check.code: {
                "severity": _SEVERITIES[check.severity],
                "summary": check.summary,
                "count": check.count,
                "detail": list(check.detail),
            }
            for check in self.manager.health.get(self.name, ())
        }

    @property
    def keys(self) -> dict[str, bytes]:
        """The module's keys; change them to have it find others."""
        return self.manager.keys[self.name]

    @property
    def progress(self) -> dict[str, progress_pb2.ProgressEvent]:
        """The progress events that go on, by id."""
        return self.manager.progress[self.name]

    @property
    def uri(self) -> str:
        """Where the module serves, from set_uri()."""
        return self.manager.uris.get(self.name, "")

    @property
    def log(self) -> list[LogLine]:
        """The lines that have come so far; they come a moment after they were logged."""
        return [
            LogLine(
                types_pb2.LogLevel.Name(record.level).removeprefix("LOG_LEVEL_").lower(),
                record.logger,
                record.message,
                record.channel,
            )
            for record in self.session.log_records()
        ]

    def wait_for_log(self, text: str) -> LogLine:
        """Wait for a line that has this text in it, and return the first one."""
        return wait_until(
            lambda: next((line for line in self.log if text in line.message), None),
            f"{text!r} in the log of {self.name}",
        )

    def _end_logging(self) -> None:
        root = logging.getLogger()
        root.removeHandler(self._logs)
        root.setLevel(self._level)


def _checked(name: str, value: object) -> bool | int | float | str:
    if not isinstance(value, bool | int | float | str):
        raise TypeError(f"option {name}: {value!r} is not bool, int, float or str")
    return value
