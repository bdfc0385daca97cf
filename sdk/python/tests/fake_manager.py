"""A manager in this process, as far as a module can tell, and a way to run a module against it."""

from __future__ import annotations

import itertools
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import fake_services
import grpc
from fake_services import Refusal

from outpost.v1 import (
    cluster_pb2,
    cluster_pb2_grpc,
    commands_pb2,
    commands_pb2_grpc,
    config_pb2_grpc,
    health_pb2,
    health_pb2_grpc,
    key_value_pb2_grpc,
    manager_pb2_grpc,
    module_host_pb2,
    module_host_pb2_grpc,
    notifications_pb2,
    notifications_pb2_grpc,
    progress_pb2,
    progress_pb2_grpc,
    remote_pb2,
    remote_pb2_grpc,
    types_pb2,
)

DEADLINE = 15.0

LOG_OPTIONS = (
    types_pb2.OptionDescriptor(name="log_level", default_value=""),
    types_pb2.OptionDescriptor(
        name="log_to_file", type=types_pb2.OPTION_TYPE_BOOL, default_value="false"
    ),
    types_pb2.OptionDescriptor(
        name="log_to_cluster", type=types_pb2.OPTION_TYPE_BOOL, default_value="false"
    ),
    types_pb2.OptionDescriptor(name="log_to_cluster_level", default_value="info"),
)


def wait_until(condition: Callable[[], Any], what: str, timeout: float = DEADLINE) -> Any:
    """Wait for a condition to hold, and return what it returned."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.005)


class FakeSession:
    """The manager's end of one Attach stream."""

    def __init__(self, register: module_host_pb2.Register) -> None:
        self.register = register
        self.outbox: queue.SimpleQueue[module_host_pb2.AttachResponse | None] = queue.SimpleQueue()
        self.received: list[module_host_pb2.AttachRequest] = []
        self.half_closed = threading.Event()
        self.ended = threading.Event()
        self._results: dict[int, queue.SimpleQueue[Any]] = {}
        self._ids = itertools.count(1)

    def send(self, **message: Any) -> None:
        self.outbox.put(module_host_pb2.AttachResponse(**message))

    def take(self, request: module_host_pb2.AttachRequest) -> None:
        kind = request.WhichOneof("message")
        if kind in ("command_result", "call_result"):
            answer = getattr(request, kind)
            self._results[answer.id].put(answer)
        self.received.append(request)

    def all(self, kind: str) -> list[Any]:
        return [getattr(r, kind) for r in self.received if r.WhichOneof("message") == kind]

    def wait_for(self, kind: str, condition: Callable[[Any], bool] = lambda message: True) -> Any:
        return wait_until(
            lambda: next((m for m in self.all(kind) if condition(m)), None), f"{kind} of the module"
        )

    def start(
        self,
        prefix: str,
        inbuf: bytes | None = None,
        timeout: float | None = None,
        **arguments: Any,
    ) -> int:
        """Start a command, and return its id."""
        number = next(self._ids)
        self._results[number] = queue.SimpleQueue()
        run = module_host_pb2.RunCommand(
            id=number,
            prefix=prefix,
            command_json=json.dumps({"prefix": prefix, **arguments}),
            inbuf=inbuf or b"",
            has_inbuf=inbuf is not None,
            call_id=f"call-{number}",
        )
        if timeout is not None:
            run.timeout.FromNanoseconds(int(timeout * 1e9))
        self.send(run_command=run)
        return number

    def result(self, number: int) -> types_pb2.CommandResult:
        result: types_pb2.CommandResult = self._results[number].get(timeout=DEADLINE).result
        return result

    def run(self, prefix: str, inbuf: bytes | None = None, **arguments: Any) -> Any:
        """Run a command, and return its result."""
        return self.result(self.start(prefix, inbuf, **arguments))

    def call(self, method: str, *args: Any, **kwargs: Any) -> module_host_pb2.CallResult:
        """Call a method, and return its result."""
        number = next(self._ids)
        self._results[number] = queue.SimpleQueue()
        self.send(
            call=module_host_pb2.Call(
                id=number,
                method=method,
                args_json=json.dumps(args),
                kwargs_json=json.dumps(kwargs),
                call_id=f"call-{number}",
            )
        )
        answer: module_host_pb2.CallResult = self._results[number].get(timeout=DEADLINE)
        return answer

    def shutdown(self, grace: float = 5.0, reason: str = "the test ends") -> None:
        message = module_host_pb2.Shutdown(reason=reason)
        message.grace.FromNanoseconds(int(grace * 1e9))
        self.send(shutdown=message)


class FakeManager:
    """Serves ModuleHost and the unary services on a unix socket.

    Its attributes are what a test sets before, and reads after: `structures`, `options` (values of
    every module, as text), `keys`, `health`, `refusals` by "Service.Method".
    """

    def __init__(self, directory: Path) -> None:
        self.address = f"unix:{directory}/manager.sock"
        self.instance = 0
        self.structures: dict[str, tuple[int, str]] = {}
        self.options: dict[str, str] = {}
        self.keys: dict[str, bytes] = {}
        self.health: list[health_pb2.HealthSetRequest] = []
        self.refusals: dict[str, Refusal] = {}
        self.remote: Callable[[remote_pb2.RemoteCallRequest], remote_pb2.RemoteCallResponse]
        self.orphan_grace: float | None = None
        self.serve = True
        self.answers = True
        self.heartbeat_interval = 2.0
        self.gets: list[cluster_pb2.ClusterGetRequest] = []
        self.registers: list[module_host_pb2.Register] = []
        self.cluster_commands: list[commands_pb2.SendClusterCommandRequest] = []
        self.cluster_options: dict[str, str] = {}
        self.log_file = ""
        self.cluster_release = "quincy"
        self.manager_ip = "192.0.2.7"
        self.uri = ""
        self.progress: dict[str, progress_pb2.ProgressEvent] = {}
        self.hold_commands: threading.Event | None = None
        self.subscribed: list[notifications_pb2.SubscribeRequest] = []
        self.notifications: queue.SimpleQueue[notifications_pb2.Notification | None]
        self._sessions: queue.SimpleQueue[FakeSession]
        self._live: list[FakeSession] = []
        self._server: grpc.Server | None = None

    def start(self) -> None:
        self.instance += 1
        self._sessions = queue.SimpleQueue()
        self.notifications = queue.SimpleQueue()
        server = grpc.server(futures.ThreadPoolExecutor(16))
        services = _Services(self)
        module_host_pb2_grpc.add_ModuleHostServicer_to_server(services, server)
        cluster_pb2_grpc.add_ClusterServicer_to_server(fake_services.Cluster(self), server)
        commands_pb2_grpc.add_CommandsServicer_to_server(services, server)
        config_pb2_grpc.add_ConfigServicer_to_server(fake_services.Config(self), server)
        health_pb2_grpc.add_HealthServicer_to_server(fake_services.Health(self), server)
        key_value_pb2_grpc.add_KeyValueServicer_to_server(fake_services.KeyValue(self), server)
        manager_pb2_grpc.add_ManagerServicer_to_server(fake_services.Manager(self), server)
        progress_pb2_grpc.add_ProgressServicer_to_server(fake_services.Progress(self), server)
        notifications_pb2_grpc.add_NotificationsServicer_to_server(services, server)
        remote_pb2_grpc.add_RemoteServicer_to_server(fake_services.Remote(self), server)
        assert server.add_insecure_port(self.address)
        server.start()
        self._server = server

    def stop(self) -> None:
        if self._server is not None:
            self.notifications.put(None)
            for session in self._live:
                session.outbox.put(None)
            self._server.stop(0).wait(DEADLINE)
            self._server = None

    def session(self) -> FakeSession:
        """Wait for the next session that was configured."""
        return self._sessions.get(timeout=DEADLINE)

    def set_option(self, session: FakeSession, name: str, value: str) -> None:
        """Change an option of a module, as an operator does."""
        self.options[f"mgr/{session.register.name}/{name}"] = value
        changed = module_host_pb2.ConfigChanged(options=[self.option(session.register, name)])
        session.send(config_changed=changed)

    def option(self, register: module_host_pb2.Register, name: str) -> types_pb2.OptionValue:
        declared = next(o for o in (*register.options, *LOG_OPTIONS) if o.name == name)
        value = types_pb2.OptionValue(name=name, type=declared.type, source="default")
        stored = self.options.get(f"mgr/{register.name}/{name}")
        localized = self.options.get(f"mgr/{register.name}/x/{name}")
        if localized is not None:
            value.value, value.source = localized, "localized"
        elif stored is not None:
            value.value, value.source = stored, "module"
        elif declared.HasField("default_value"):
            value.value = declared.default_value
        return value

    def check(self, method: str, context: grpc.ServicerContext) -> None:
        if method in self.refusals:
            self.refusals[method].abort(context)
        if method != "ModuleHost.Attach":
            key = dict(context.invocation_metadata()).get("outpost-session")
            if key != f"key-{self.instance}":
                Refusal(grpc.StatusCode.UNAUTHENTICATED, f"session key {key!r}", "KEY").abort(
                    context
                )


class _Services(
    module_host_pb2_grpc.ModuleHostServicer,
    commands_pb2_grpc.CommandsServicer,
    notifications_pb2_grpc.NotificationsServicer,
):
    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Attach(  # noqa: N802
        self,
        requests: Iterator[module_host_pb2.AttachRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[module_host_pb2.AttachResponse]:
        register = next(requests).register
        self.manager.registers.append(register)
        self.manager.check("ModuleHost.Attach", context)
        session = FakeSession(register)
        self.manager._live.append(session)
        configure = module_host_pb2.Configure(
            protocol_version=1,
            session_key=f"key-{self.manager.instance}",
            manager_id="x",
            manager_instance=str(self.manager.instance),
            manager_version="outpost 0.0 fake",
            options=[
                self.manager.option(register, option.name)
                for option in (*register.options, *LOG_OPTIONS)
            ],
            log_file=self.manager.log_file,
            cluster_release=self.manager.cluster_release,
            manager_ip=self.manager.manager_ip,
        )
        configure.heartbeat_interval.FromNanoseconds(int(self.manager.heartbeat_interval * 1e9))
        if self.manager.orphan_grace is not None:
            configure.orphan_grace.FromNanoseconds(int(self.manager.orphan_grace * 1e9))
        if self.manager.answers:
            session.send(configure=configure)

        def read() -> None:
            try:
                for request in requests:
                    session.take(request)
                    if request.WhichOneof("message") == "configured":
                        if self.manager.serve:
                            session.send(serve=module_host_pb2.Serve())
                        self.manager._sessions.put(session)
                session.half_closed.set()
            except Exception:  # the stream broke
                pass
            session.outbox.put(None)
            session.ended.set()

        threading.Thread(target=read, daemon=True).start()
        while (response := session.outbox.get()) is not None:
            yield response

    def Subscribe(  # noqa: N802
        self, request: notifications_pb2.SubscribeRequest, context: grpc.ServicerContext
    ) -> Iterator[notifications_pb2.SubscribeResponse]:
        self.manager.check("Notifications.Subscribe", context)
        self.manager.subscribed.append(request)
        yield notifications_pb2.SubscribeResponse(
            subscribed=notifications_pb2.Subscribed(subscription_id=77, types=request.types)
        )
        notifications = self.manager.notifications
        while (notification := notifications.get()) is not None:
            yield notifications_pb2.SubscribeResponse(notification=notification)

    def SendClusterCommand(  # noqa: N802
        self, request: commands_pb2.SendClusterCommandRequest, context: grpc.ServicerContext
    ) -> commands_pb2.SendClusterCommandResponse:
        self.manager.check("Commands.SendClusterCommand", context)
        self.manager.cluster_commands.append(request)
        if request.tag:
            self.manager.notifications.put(
                notifications_pb2.Notification(type="command", id=request.tag, sequence=1)
            )
        if self.manager.hold_commands is not None:
            self.manager.hold_commands.wait(DEADLINE)
        prefix = json.loads(request.command_json)["prefix"]
        result = types_pb2.CommandResult(stdout=f"did {prefix}")
        if prefix == "fail":
            result = types_pb2.CommandResult(retval=-2, stderr="no such thing")
        return commands_pb2.SendClusterCommandResponse(result=result)


def log_records(session: FakeSession) -> list[types_pb2.LogRecord]:
    """Return what the module has logged."""
    return [record for batch in session.all("log") for record in batch.records]


def log_lines(session: FakeSession) -> list[str]:
    """Return the messages that the module has logged."""
    return [record.message for record in log_records(session)]
