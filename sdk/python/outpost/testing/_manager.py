"""A manager in this process, as far as a module can tell."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from google.protobuf.message import Message

from outpost._mgr_module import MgrModule
from outpost._options import OptionValue
from outpost.testing import _services
from outpost.testing._options import LOG_OPTIONS, canonical
from outpost.testing._refusal import Refusal
from outpost.testing._running import RunningModule
from outpost.testing._session import FakeSession
from outpost.testing._waiting import DEADLINE
from outpost.v1 import manager_pb2, module_host_pb2, notifications_pb2, progress_pb2, types_pb2

ClusterCommand = Callable[[str, str, dict[str, Any], bytes], tuple[int, str, str]]
"""(service type, service id, command, input) to (return value, output, status text)."""


@dataclass
class Counter:
    """A performance counter of a daemon."""

    samples: list[tuple[float, float]]
    """(seconds since the epoch, value), oldest first."""
    count: int | None = None
    """Of a long-running average: how many values were summed."""
    type: int = 10
    """Ceph's bits, MgrModule.PERFCOUNTER_…: a counter of 64 bits."""
    unit: int = 1
    """MgrModule.BYTES or NONE."""
    priority: int = 5
    """MgrModule.PRIO_…."""
    description: str = ""
    nick: str = ""


@dataclass
class _Subscription:
    number: int
    session: FakeSession
    types: Sequence[str]
    queue: queue.SimpleQueue[notifications_pb2.Notification | None] = field(
        default_factory=queue.SimpleQueue
    )
    sequence: int = 0


class _Structures(dict[str, tuple[int, str]]):
    """Structures; who watches one is told when it is set."""

    def __init__(self, changed: Callable[[str, int], None]) -> None:
        self._changed = changed

    def __setitem__(self, name: str, structure: tuple[int, str]) -> None:
        super().__setitem__(name, structure)
        self._changed(name, structure[0])


class FakeManager:
    """Serves what a module calls, on a unix socket, from what a test puts into its attributes.

    A module runs in this process (start_module()), or in one of its own, in any language, which
    attaches to `address` (session()). Commands' arguments are not checked here, as the real manager
    does it before a module sees them: give them typed, by name.

    Thread safety: every method may be called on any thread; attributes are the test's to change.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        """Take where to put the socket; by default a temporary directory."""
        self._temporary = directory is None
        # a socket's path is short, and so is what pytest's tmp_path is not
        self.directory = Path(directory or tempfile.mkdtemp(prefix="outpost-"))
        self.address = f"unix:{self.directory}/manager.sock"
        """A gRPC target, for the environment variable OUTPOST_ADDRESS of a module's process."""
        self.manager_id = "x"
        self.instance = 0
        """Which start of the manager this is, from 1."""

        # what modules read
        self._watchers: dict[str, dict[str, FakeSession]] = {}
        self.structures: dict[str, tuple[int, str]] = _Structures(self._tell_watchers)
        """By name: version, and JSON text; see set_structure()."""
        self.options: dict[str, str] = {}
        """Text by key, "mgr/hello/place"; see RunningModule.set_option()."""
        self.cluster_options: dict[str, OptionValue] = {}
        """Text by name, "fsid", or by daemon and name, "osd.3/debug_osd"."""
        self.keys: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        """By module, by key."""
        self.servers: dict[str, tuple[str, list[tuple[str, str]]]] = {}
        """By hostname: version, and each daemon's type and id."""
        self.metadata: dict[str, dict[str, str]] = {}
        """By daemon, "osd.0"."""
        self.daemon_status: dict[str, dict[str, str]] = {}
        """By daemon."""
        self.counters: defaultdict[str, dict[str, Counter]] = defaultdict(dict)
        """By daemon, by path."""
        self.health_metrics: dict[str, list[tuple[str, int, int]]] = {}
        """By daemon: type and both numbers of each."""
        self.connected = True
        """What have_mon_connection() returns."""
        self.status = manager_pb2.GetStatusResponse()
        """What manager_status() returns."""
        self.modules: list[manager_pb2.ModuleInfo] = []
        """What list_modules() returns."""
        self.subscribers: list[notifications_pb2.SubscriptionInfo] = []
        """What list_subscriptions() returns."""
        self.manager_version = "outpost 0.0 fake"
        self.cluster_release = "quincy"
        self.manager_ip = "192.0.2.7"
        self.log_file = ""

        # what modules do
        self.health: dict[str, list[types_pb2.HealthCheck]] = {}
        """By module: the checks that it raises now."""
        self.progress: defaultdict[str, dict[str, progress_pb2.ProgressEvent]] = defaultdict(dict)
        """By module, by id: the events that go on."""
        self.uris: dict[str, str] = {}
        """By module."""
        self.cluster_command: ClusterCommand = _no_command
        """Answers the commands that modules send to the cluster's daemons."""
        self.methods: dict[tuple[str, str], Callable[..., Any]] = {}
        """By module and method: what remote() calls, of modules that do not run here.

        What it raises, or a types_pb2.RemoteError that it returns, is how the call failed.
        """
        self.refusals: dict[str, Refusal] = {}
        """By "Service.Method": with what that is refused."""

        # how the session goes
        self.serve = True
        """Whether serve() is started."""
        self.answers = True
        """Whether a module that attaches is accepted."""
        self.heartbeat_interval = 2.0
        self.orphan_grace: float | None = None

        self.module_events: list[manager_pb2.TailEventsResponse] = []
        """What has happened to modules; see add_module_event()."""
        self.registers: list[module_host_pb2.Register] = []
        """What each module that came told of itself."""
        self._calls: list[tuple[str, str, Message]] = []
        self._lock = threading.Lock()
        self._revision = 1
        self._watched = threading.Condition()
        self._session_numbers = itertools.count(1)
        self._sessions: queue.SimpleQueue[FakeSession] = queue.SimpleQueue()
        self._live: dict[str, FakeSession] = {}
        self._subscription_numbers = itertools.count(1)
        self._subscriptions: list[_Subscription] = []
        self._running: list[RunningModule] = []
        self._server: grpc.Server | None = None

    # the manager itself

    def __enter__(self) -> FakeManager:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for module in self._running:
                module.stop()
        finally:
            self.stop()
            if self._temporary:
                shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start serving; after stop(), as a new manager."""
        self.instance += 1
        server = grpc.server(
            futures.ThreadPoolExecutor(32),
            options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
        )
        _services.add_services(server, self)
        assert server.add_insecure_port(self.address), self.address
        server.start()
        self._server = server

    def stop(self) -> None:
        """Go away, as a manager that crashes; modules stay, and look for another one."""
        if self._server is None:
            return
        # first: while it serves, the keys of its sessions hold
        stopped = self._server.stop(0)
        self.break_subscriptions()
        with self._lock:
            live, self._live = list(self._live.values()), {}
            self._sessions = queue.SimpleQueue()
        for session in live:
            session.end()
        stopped.wait(DEADLINE)
        self._server = None

    # modules

    def start_module(
        self,
        module: type[MgrModule] | str | os.PathLike[str],
        *,
        name: str = "",
        options: Mapping[str, object] | None = None,
    ) -> RunningModule:
        """Run a module in this process; returns when it answers commands.

        `module` is its class, or the directory of its module.py; `name` is by default that of the
        directory, or of the class in lower case. `options` are set from the start. Raises
        ModuleLoadError.
        """
        running = RunningModule(self, module, name=name, options=options or {})
        self._running.append(running)
        return running

    def session(self) -> FakeSession:
        """Wait for the next module that attaches and is configured."""
        try:
            return self._sessions.get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError(f"no module has attached within {DEADLINE:g} s") from None

    def requests(self, method: str, module: str | None = None) -> list[Any]:
        """Return what modules have asked so far by calls of "Service.Method"."""
        with self._lock:
            return [
                request
                for called, caller, request in self._calls
                if called == method and module in (None, caller)
            ]

    # cluster data

    def set_structure(self, name: str, value: object) -> None:
        """Give a structure a new value, what json.dumps() takes, and notify who subscribed."""
        version = self.structures.get(name, (0, ""))[0] + 1
        self.structures[name] = (version, json.dumps(value))
        self.notify(name, str(version), version=version)

    def watch(self, name: str, session: FakeSession) -> None:
        """Tell a module once, in its session, when a structure changes."""
        with self._lock:
            self._watchers.setdefault(name, {})[session.key] = session

    def _tell_watchers(self, name: str, version: int) -> None:
        with self._lock:
            watchers = self._watchers.pop(name, {})
        for session in watchers.values():
            session.send(
                structure_changed=module_host_pb2.StructureChanged(name=name, version=version)
            )

    def notify(
        self,
        notify_type: str,
        notify_id: str = "",
        *,
        payload: object = None,
        version: int = 0,
        only: FakeSession | None = None,
    ) -> list[tuple[FakeSession, int]]:
        """Notify who subscribed to a type, or `only` one of them.

        `payload` is the event, of those types that have one; the others have a `version`. Returns
        each one's session, and the sequence number that its acknowledgement will have.
        """
        payload_json = "" if payload is None else json.dumps(payload)
        told = []
        with self._lock:
            for subscription in self._subscriptions:
                if notify_type in subscription.types and only in (None, subscription.session):
                    subscription.sequence += 1
                    subscription.queue.put(
                        notifications_pb2.Notification(
                            type=notify_type,
                            id=notify_id,
                            sequence=subscription.sequence,
                            version=version,
                            payload_json=payload_json,
                        )
                    )
                    told.append((subscription.session, subscription.sequence))
        return told

    def break_subscriptions(self) -> None:
        """End all subscriptions, as a connection that breaks does; modules subscribe again."""
        with self._lock:
            for subscription in self._subscriptions:
                subscription.queue.put(None)

    # options

    def option(self, register: module_host_pb2.Register, name: str) -> types_pb2.OptionValue:
        """Return an option of a module with its effective value. Raises KeyError: not declared."""
        declared = self._declaration(register, name)
        value = types_pb2.OptionValue(
            name=name, type=declared.type, source="default", revision=self._revision
        )
        stored = self.options.get(f"mgr/{register.name}/{name}")
        localized = self.options.get(f"mgr/{register.name}/{self.manager_id}/{name}")
        if localized is not None:
            value.value, value.source = canonical(declared, localized), "localized"
        elif stored is not None:
            value.value, value.source = canonical(declared, stored), "module"
        elif declared.HasField("default_value"):
            value.value = canonical(declared, declared.default_value)
        return value

    def set_option(self, session: FakeSession, name: str, value: str | None) -> None:
        """Change an option of a module, as an operator does; None takes it back to its default.

        Does not wait until the module knows. Raises KeyError (not declared) and ValueError.
        """
        key = f"mgr/{session.module}/{name}"
        declared = self._declaration(session.register, name)
        if value is None:
            self.options.pop(key, None)
        else:
            self.options[key] = canonical(declared, value)
        self.option_changed()
        self.announce_option(session, name)

    def option_changed(self) -> None:
        """Give what option() returns from now on a greater revision."""
        with self._lock:
            self._revision += 1
        self.changed()

    def option_values(self, module: str) -> dict[str, types_pb2.OptionValue]:
        """Return the options of a module, or of all, by key, with their effective values."""
        values = {}
        for key, text in self.options.copy().items():
            words = key.split("/")
            key = f"mgr/{words[1]}/{words[-1]}"
            values[key] = types_pb2.OptionValue(name=words[-1], value=text, source="module")
        with self._lock:
            live = list(self._live.values())
        for session in live:
            for option in session.register.options:
                key = f"mgr/{session.module}/{option.name}"
                values[key] = self.option(session.register, option.name)
        return {key: value for key, value in values.items() if module in ("", key.split("/")[1])}

    # watches

    def add_module_event(self, module: str, kind: str, **fields: Any) -> int:
        """Let something ("exited", …) have happened to a module; `fields` are the wire's.

        Returns the event's number. Modules that watch events hear of it.
        """
        with self._lock:
            number = len(self.module_events) + 1
            self.module_events.append(
                manager_pb2.TailEventsResponse(
                    sequence=number,
                    module=module,
                    kind=f"EVENT_KIND_{kind.upper()}",
                    **fields,
                )
            )
            self.module_events[-1].time.GetCurrentTime()
        self.changed()
        return number

    def set_key(self, module: str, key: str, value: bytes | None) -> None:
        """Set a key of a module, or with None remove it, and tell who watches."""
        if value is None:
            self.keys[module].pop(key, None)
        else:
            self.keys[module][key] = value
        self.changed()

    def changed(self) -> None:
        """Have watches look at what there is now in `keys` and `options`."""
        with self._watched:
            self._watched.notify_all()

    def changes(
        self, present: Callable[[], Mapping[str, Any]], context: grpc.ServicerContext
    ) -> Iterator[tuple[str, Any]]:
        """Yield what is another than it was, by key; None: it is gone. Ends with the call."""
        known = dict(present())

        def over_or_changed() -> bool:
            return not context.is_active() or present() != known

        context.add_callback(self.changed)
        context.send_initial_metadata(())
        while context.is_active():
            with self._watched:
                self._watched.wait_for(over_or_changed)
            now = dict(present())
            for key in sorted(known.keys() | now.keys()):
                if now.get(key) != known.get(key):
                    yield key, now.get(key)
            known = now

    def announce_option(self, session: FakeSession, name: str) -> None:
        """Tell a module the value of an option."""
        changed = module_host_pb2.ConfigChanged(options=[self.option(session.register, name)])
        session.send(config_changed=changed)

    @staticmethod
    def _declaration(register: module_host_pb2.Register, name: str) -> types_pb2.OptionDescriptor:
        for option in (*register.options, *LOG_OPTIONS):
            if option.name == name:
                return option
        raise KeyError(f"module {register.name} has not declared an option {name!r}")

    # for the services

    def check(self, method: str, context: grpc.ServicerContext, request: Message) -> FakeSession:
        """Note a call; returns who calls. Ends the call if it is to be refused."""
        key = dict(context.invocation_metadata()).get("outpost-session")
        with self._lock:
            session = self._live.get(str(key))
            self._calls.append((method, session.module if session else "", request))
        if method in self.refusals:
            self.refusals[method].abort(context)
        if session is None:
            Refusal(grpc.StatusCode.UNAUTHENTICATED, f"session key {key!r}", "KEY").abort(context)
        return session

    def attached(self, module: str) -> FakeSession | None:
        """Return the session of a module, if it is attached."""
        with self._lock:
            return next((s for s in self._live.values() if s.module == module), None)

    def open_session(self, register: module_host_pb2.Register) -> FakeSession:
        """Begin the session of a module that comes."""
        session = FakeSession(register, f"{self.instance}-{next(self._session_numbers)}")
        with self._lock:
            self._live[session.key] = session
        if self.answers:
            session.send(configure=self._configure(session))
        return session

    def configured(self, session: FakeSession) -> None:
        """Go on with a module that has taken its options."""
        if self.serve and session.register.can_run:
            session.send(serve=module_host_pb2.Serve())
        self._sessions.put(session)

    def close_session(self, session: FakeSession) -> None:
        """End the session of a module that is gone."""
        with self._lock:
            self._live.pop(session.key, None)

    @contextlib.contextmanager
    def subscribe(self, session: FakeSession, types: Sequence[str]) -> Iterator[_Subscription]:
        """Keep a subscription as long as the `with` lasts."""
        subscription = _Subscription(next(self._subscription_numbers), session, types)
        with self._lock:
            self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            with self._lock:
                self._subscriptions.remove(subscription)

    def subscribed(self, session: FakeSession) -> bool:
        """Return whether a module's subscription stands."""
        with self._lock:
            return any(subscription.session is session for subscription in self._subscriptions)

    def _configure(self, session: FakeSession) -> module_host_pb2.Configure:
        register = session.register
        configure = module_host_pb2.Configure(
            protocol_version=1,
            session_key=session.key,
            manager_id=self.manager_id,
            manager_instance=str(self.instance),
            manager_version=self.manager_version,
            options=[
                self.option(register, option.name) for option in (*register.options, *LOG_OPTIONS)
            ],
            log_file=self.log_file,
            cluster_release=self.cluster_release,
            manager_ip=self.manager_ip,
        )
        configure.heartbeat_interval.FromNanoseconds(int(self.heartbeat_interval * 1e9))
        if self.orphan_grace is not None:
            configure.orphan_grace.FromNanoseconds(int(self.orphan_grace * 1e9))
        return configure


def _no_command(
    svc_type: str, svc_id: str, command: dict[str, Any], inbuf: bytes
) -> tuple[int, str, str]:
    return -22, "", "command not known (FakeManager.cluster_command answers them)"
