"""Does what the manager's messages say, with the module's code.

Messages are taken on the reader's thread, which never runs the module's code. That is for

    worker-N       commands and calls
    serve          serve()
    notify         config_notify() and notify(), in order
    shutdown       shutdown()
    init           __init__(), of a module that may call the manager there

all of them daemon threads: none can keep the process from ending.
"""

from __future__ import annotations

import errno
import functools
import json
import logging
import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from google.protobuf.duration_pb2 import Duration

from outpost._client import Link
from outpost._errors import ModuleLoadError
from outpost._host import Host
from outpost._loader import LoadedModule
from outpost._logs import LOG_OPTIONS, LogRouting, LogShipper
from outpost._mgr_module import NotifyType
from outpost._notifications import Notifier, Subscription
from outpost._settings import EXITS_WITH_A_MEANING, ExitCode, Settings
from outpost._stream import Stream
from outpost._work import Work, WorkerPool, current_work
from outpost.v1 import module_host_pb2, notifications_pb2, types_pb2

if TYPE_CHECKING:
    from outpost._keyed_results import KeyedResults

_log = logging.getLogger("outpost")

_MISSED_PINGS = 4
_RESULT_WAIT = 5.0  # seconds between the notification of a command and its result, at most
_NOT_BEGUN = "cancelled by the caller before it was begun"


class ModuleRunner:
    """Runs one module, over lost and new streams.

    Thread safety: take() is for the thread that reads the stream; the rest may be called on any.
    """

    def __init__(
        self,
        module: LoadedModule,
        settings: Settings,
        logs: LogShipper,
        *,
        on_configured: Callable[[Stream], None],
        on_shutdown: Callable[[str, float | None], None],
        on_exit: Callable[[ExitCode], None],
        on_ended: Callable[[], None],
    ) -> None:
        """Take callbacks, which must not block.

        `on_configured`: the manager accepted the module. `on_shutdown`: it asks the module to end,
        for a reason, within seconds. `on_exit`: serve() asks for an exit status. `on_ended`:
        still_running() has become shorter.
        """
        self._module = module
        self._settings = settings
        self._logs = logs
        self._on_configured = on_configured
        self._on_shutdown = on_shutdown
        self._on_exit = on_exit
        self._on_ended = on_ended
        self.host = Host(settings, module.option_names, logs)
        self._workers = WorkerPool(module.max_concurrency)
        self._notifier = Notifier(self._run_config_notify)
        self.host.run_on_cue_thread = self._notifier.put
        # written on the reader's thread
        self._stream: Stream | None = None
        self._bound = False
        self._last_ping: float | None = None
        self._subscription: Subscription | None = None
        self._keyed_results: KeyedResults | None = None  # since the first command with a key
        # an instance that is made when the manager has accepted the module
        self._init_lock = threading.Lock()
        self._init_started = False
        self._awaits_init: tuple[Stream, Link, bool] | None = None
        # how far serve() and the end are
        self._lock = threading.Lock()
        self._stopping = False
        self._running: set[str] = set()
        self._serve_status: module_host_pb2.ServeStatus | None = None

    def detach(self) -> None:
        """The stream is broken: calls, lines and results wait for the next one, or are dropped."""
        with self._init_lock:
            self._awaits_init = None
            self._stream = None
        self._logs.disconnect()
        self.host.structures.session_ended()
        self.host.client.detach()
        if self._subscription is not None:
            self._subscription.stop()

    def silence_limit(self) -> float | None:
        """Return for how many more seconds the manager may be silent.

        None: for ever, as it has sent no Ping in this session.
        """
        if self._last_ping is None:
            return None
        interval = seconds(self.host.manager.heartbeat_interval)
        longest = max(self._settings.least_silence, _MISSED_PINGS * interval)
        return self._last_ping + longest - time.monotonic()

    def stop(self) -> None:
        """Call shutdown(); serve() is not started any more."""
        with self._lock:
            self._stopping = True
            self._running.add("a command or call")
            if self._bound:
                self._running.add("shutdown()")
                threading.Thread(target=self._run_shutdown, name="shutdown", daemon=True).start()
        self._workers.when_idle(functools.partial(self._end, "a command or call"))

    def after_cues(self, callback: Callable[[], None]) -> None:
        """Call back on the thread of notify() and config_notify(), behind what waits for it."""
        self._notifier.put(callback)

    def still_running(self) -> list[str]:
        """Return what of the module has not returned, in words."""
        with self._lock:
            return sorted(self._running)

    # the reader's thread

    def take(self, stream: Stream, response: module_host_pb2.AttachResponse) -> None:
        """Do what a message says. Raises ValueError: it can't be understood."""
        self.host.structures.heard()
        match response.WhichOneof("message"):
            case "run_command":
                run = response.run_command
                work = _work(run)
                if run.idempotency_key:
                    self._take_keyed(stream, run, work)
                else:
                    stream.begin(run.id, work)
                    self._workers.submit(self._run_command, stream, run, work)
            case "call":
                call = response.call
                work = _work(call)
                stream.begin(call.id, work)
                self._workers.submit(self._run_call, stream, call, work)
            case "ping":
                self._last_ping = time.monotonic()
                heartbeat = module_host_pb2.Heartbeat(
                    sequence=response.ping.sequence, stuck=self.host.watchdog.stuck()
                )
                stream.send(module_host_pb2.AttachRequest(heartbeat=heartbeat))
            case "structure_changed":
                # here, before a later message is looked at: what follows a change must see it
                change = response.structure_changed
                self.host.structures.changed(change.name, change.version)
            case "cancel":
                stream.cancel(response.cancel.id)
            case "configure":
                self._take_configure(stream, response.configure)
            case "serve":
                self._take_serve(stream)
            case "config_changed":
                self.host.options.update(response.config_changed.options)
                self._apply_log_options()
                if self._bound:
                    self._notifier.config_changed()
            case "drain":
                drained = module_host_pb2.AttachRequest(drained=module_host_pb2.Drained())
                self._workers.when_idle(functools.partial(stream.send, drained))
            case "shutdown":
                shutdown = response.shutdown
                grace = seconds(shutdown.grace) if shutdown.HasField("grace") else None
                self._on_shutdown(shutdown.reason or "the manager asks for it", grace)

    def _take_keyed(self, stream: Stream, run: module_host_pb2.RunCommand, work: Work) -> None:
        # not begun in the stream, the loss of which would cancel it
        if self._keyed_results is None:
            from outpost._keyed_results import KeyedResults

            self._keyed_results = KeyedResults()
        answer = functools.partial(_answer_command, stream, run.id)
        if self._keyed_results.begin(run.idempotency_key, answer):
            self._workers.submit(self._run_keyed_command, self._keyed_results, run, work)

    def _take_configure(self, stream: Stream, configure: module_host_pb2.Configure) -> None:
        self._last_ping = None
        answer = module_host_pb2.Configured()
        changed = False
        link = Link(stream.channel, configure.session_key)
        try:
            changed = self.host.configure(configure, link)
        except ValueError as error:
            answer.error = str(error)
        with self._init_lock:
            if self._module.wants_instance and not answer.error:
                self._awaits_init = (stream, link, changed)
                if not self._init_started:
                    self._init_started = True
                    threading.Thread(target=self._run_init, name="init", daemon=True).start()
                return
        self._set_up(stream, link, answer, changed)

    def _run_init(self) -> None:
        answer = module_host_pb2.Configured()
        try:
            self._module.make_instance(self.host)
        except ModuleLoadError as error:
            _log.error("%s", error, exc_info=error.__cause__)
            answer.error = str(error)
        with self._init_lock:  # the reader's thread is kept out while its variables are written
            waiting, self._awaits_init = self._awaits_init, None
            if waiting is not None:
                stream, link, changed = waiting
                self._set_up(stream, link, answer, changed)

    def _set_up(
        self, stream: Stream, link: Link, answer: module_host_pb2.Configured, changed: bool
    ) -> None:
        stream.send(module_host_pb2.AttachRequest(configured=answer))
        self._stream = stream
        self._logs.connect(stream.announce_logs)
        self._apply_log_options()
        if self._module.instance is not None and not answer.error:
            if not self._bound:
                self._module.instance._outpost_bind(self.host)
                self._bound = True
            else:
                self._notifier.put(self.host.reports.repeat)
                if changed:
                    self._notifier.config_changed()
            self._subscribe(stream, link)
        self._on_configured(stream)

    def _subscribe(self, stream: Stream, link: Link) -> None:
        def acknowledge(ack: types_pb2.NotificationAck) -> None:
            stream.send(module_host_pb2.AttachRequest(notification_ack=ack))

        if self._module.notify_types:
            self._subscription = Subscription(
                link=link,
                types=self._module.notify_types,
                backoff=self._settings.backoff,
                notifier=self._notifier,
                arrive=self._take_notification,
                deliver=self._run_notify,
                acknowledge=acknowledge,
            )

    def _take_serve(self, stream: Stream) -> None:
        with self._lock:
            if self._stopping:
                return
            first = self._serve_status is None
            if self._serve_status is None:
                self._serve_status = module_host_pb2.ServeStatus(
                    state=module_host_pb2.ServeStatus.STATE_RUNNING
                )
            stream.send(module_host_pb2.AttachRequest(serve_status=self._serve_status))
            if first and self._module.has_serve and self._bound:
                self._running.add("serve()")
                threading.Thread(target=self._run_serve, name="serve", daemon=True).start()

    def _apply_log_options(self) -> None:
        options = {
            name: self.host.options.get(name) for name in LOG_OPTIONS if name in self.host.options
        }
        self._logs.route(LogRouting.of(options, self._settings.name, self.host.manager.log_file))

    # threads that run the module's code

    # What was cancelled is answered, too: until then, the manager counts it as in hand.

    def _run_command(self, stream: Stream, run: module_host_pb2.RunCommand, work: Work) -> None:
        if work.cancelled.is_set():
            result = types_pb2.CommandResult(retval=-errno.ECANCELED, stderr=_NOT_BEGUN)
        else:
            result = self._result_of(run, work)
        _answer_command(stream, run.id, result)
        stream.end(run.id)

    def _run_keyed_command(
        self, results: KeyedResults, run: module_host_pb2.RunCommand, work: Work
    ) -> None:
        results.end(run.idempotency_key, self._result_of(run, work))

    def _result_of(self, run: module_host_pb2.RunCommand, work: Work) -> types_pb2.CommandResult:
        context = current_work.set(work)
        try:
            return self._module.run_command(run)
        finally:
            current_work.reset(context)

    def _run_call(self, stream: Stream, call: module_host_pb2.Call, work: Work) -> None:
        if work.cancelled.is_set():
            error = types_pb2.RemoteError(kind="RAISED", type="Cancelled", message=_NOT_BEGUN)
            result = module_host_pb2.CallResult(id=call.id, error=error)
        else:
            context = current_work.set(work)
            try:
                result = self._module.run_call(call)
            finally:
                current_work.reset(context)
        stream.send(module_host_pb2.AttachRequest(call_result=result))
        stream.end(call.id)

    def _run_serve(self) -> None:
        assert self._module.instance is not None
        status = module_host_pb2.ServeStatus(state=module_host_pb2.ServeStatus.STATE_RETURNED)
        try:
            self._module.instance.serve()
        except BaseException as error:  # even SystemExit is serve()'s failure, told to the manager
            if isinstance(error, SystemExit) and error.code in EXITS_WITH_A_MEANING:
                self._end("serve()")
                self._on_exit(ExitCode(error.code))
                return
            _log.exception("serve() failed")
            status.state = module_host_pb2.ServeStatus.STATE_FAILED
            status.error = traceback.format_exception_only(error)[-1].strip()
            status.traceback = traceback.format_exc()
        with self._lock:
            self._serve_status = status
            if self._stream is not None and not self._stopping:
                self._stream.send(module_host_pb2.AttachRequest(serve_status=status))
        self.host.watchdog.promise(None)
        self._end("serve()")

    def _run_shutdown(self) -> None:
        assert self._module.instance is not None
        try:
            self._module.instance.shutdown()
        except BaseException:  # the process must end all the same
            _log.exception("shutdown() failed")
        self._end("shutdown()")

    def _end(self, what: str) -> None:
        with self._lock:
            self._running.discard(what)
        self._on_ended()

    def _run_config_notify(self) -> None:
        assert self._module.instance is not None
        self._module.instance.config_notify()

    def _take_notification(self, notification: notifications_pb2.Notification) -> None:
        # it may have overtaken what the session tells
        if notification.version:
            self.host.structures.changed(notification.type, notification.version)
        else:
            self.host.structures.doubt()

    def _run_notify(self, notification: notifications_pb2.Notification) -> None:
        assert self._module.instance is not None
        if notification.missed:
            _log.warning("%d notifications of %s lost", notification.missed, notification.type)
        if notification.type == NotifyType.command.value:
            self.host.tagged_commands.wait(notification.id, _RESULT_WAIT)
        kind: Any = self._module.notify_type(notification.type)
        told: Any = notification.id
        if kind is NotifyType.clog and notification.payload_json:
            told = json.loads(notification.payload_json)  # ceph-mgr gives the line itself
        self._module.instance.notify(kind, told)


def seconds(duration: Duration) -> float:
    """Return how long a wire duration is."""
    return duration.seconds + duration.nanos / 1e9


def _answer_command(stream: Stream, number: int, result: types_pb2.CommandResult) -> None:
    answer = module_host_pb2.RunCommandResult(id=number, result=result)
    stream.send(module_host_pb2.AttachRequest(command_result=answer))


def _work(message: module_host_pb2.RunCommand | module_host_pb2.Call) -> Work:
    deadline = None
    if message.HasField("timeout"):
        deadline = time.monotonic() + seconds(message.timeout)
    prefix = message.prefix if isinstance(message, module_host_pb2.RunCommand) else ""
    return Work(call_id=message.call_id, deadline=deadline, caller=message.caller, prefix=prefix)
