"""MgrModule: the class that a module derives from, with the names that ceph-mgr has for it."""

from __future__ import annotations

import enum
import errno
import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from outpost import _rpc
from outpost._cluster_data import ClusterData
from outpost._commands import CommandResult, HandleCommandResult
from outpost._errors import CallError, NotFoundError
from outpost._health import HealthChecks, describe_checks
from outpost._host import Host
from outpost._options import OptionValue
from outpost.v1 import cluster_pb2, commands_pb2, config_pb2

_log = logging.getLogger("outpost")

_SERVICE_TYPES = ("mon", "osd", "mds", "mgr")


class NotifyType(str, enum.Enum):
    """What notify() is told of; NOTIFY_TYPES may also name other types, as text."""

    mon_map = "mon_map"
    pg_summary = "pg_summary"
    health = "health"
    clog = "clog"
    osd_map = "osd_map"
    fs_map = "fs_map"
    command = "command"

    @staticmethod
    def name_of(kind: NotifyType | str) -> str:
        """Return the type's name on the wire."""
        return kind.value if isinstance(kind, NotifyType) else str(kind)


class ClusterLogPrio(enum.IntEnum):
    """How grave a line of the cluster log is."""

    DEBUG = 0
    INFO = 1
    SEC = 2
    WARN = 3
    ERROR = 4


_CLUSTER_LOG_LEVELS = {
    ClusterLogPrio.DEBUG: logging.DEBUG,
    ClusterLogPrio.INFO: logging.INFO,
    ClusterLogPrio.SEC: logging.WARNING,
    ClusterLogPrio.WARN: logging.WARNING,
    ClusterLogPrio.ERROR: logging.ERROR,
}


class MonCommandFailed(RuntimeError):
    """A command of MgrModule.check_mon_command() returned an error."""


class MgrStandbyModule:
    """What a module would run beside a standby manager.

    Modules that have one can be loaded; this SDK does not run it.
    """

    MODULE_OPTIONS: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def __init__(self, module_name: str, capsule: object = None) -> None:
        self.module_name = module_name

    def serve(self) -> None:
        """Run until shutdown() is called."""

    def shutdown(self) -> None:
        """Make serve() return."""


class MgrModule(ClusterData):
    """A module. Derive from it, and override what it needs.

    `serve()` runs on a thread of its own; commands, and calls of other modules, on up to
    MAX_CONCURRENCY threads at once; `config_notify()` and `notify()` on one more, in order.
    Set MAX_CONCURRENCY to 1 for a module whose commands must not run beside each other.

    What reaches the manager can't be used in `__init__`, which runs before the manager has accepted
    the module, and may raise CallError anywhere else.
    """

    COMMANDS: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Commands for handle_command(): {"cmd": signature, "desc": text, "perm": "rw"}, ["poll"]."""
    MODULE_OPTIONS: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """The module's options; others can't be read or set."""
    NOTIFY_TYPES: ClassVar[Sequence[NotifyType | str]] = ()
    """What notify() is to be told of."""
    MAX_CONCURRENCY: ClassVar[int] = 4
    """How many commands and calls run at once."""

    ClusterLogPrio: ClassVar[type[ClusterLogPrio]] = ClusterLogPrio

    _host: Host | None = None

    def __init__(
        self, module_name: str, py_modules_ptr: object = None, this_ptr: object = None
    ) -> None:
        self.module_name = module_name

    def _outpost_bind(self, host: Host) -> None:
        self._host = host

    def _reach(self, method: str) -> Host:
        if self._host is None:
            raise RuntimeError(
                f"{method}() was called before the manager accepted the module (in __init__?): call"
                " it in serve(), in a command, in config_notify() or in notify()"
            )
        return self._host

    # for a module to override

    def serve(self) -> None:
        """Do the module's long-running work; return when shutdown() is called."""

    def shutdown(self) -> None:
        """Make serve() return. Runs on a thread of its own."""

    def config_notify(self) -> None:
        """React to options that have changed: get_module_option() has their new values."""

    def notify(self, notify_type: NotifyType, notify_id: str) -> None:
        """React to a cue of one of NOTIFY_TYPES; the data is for get() to read."""

    def handle_command(
        self, inbuf: str, cmd: dict[str, Any]
    ) -> HandleCommandResult | tuple[int, str, str]:
        """Run one of COMMANDS: `cmd` has its prefix and arguments, `inbuf` the input file."""
        raise NotImplementedError(f"{self.module_name} has COMMANDS and no handle_command()")

    def self_test(self) -> None:
        """Raise an exception if the module is not well."""

    @staticmethod
    def can_run() -> tuple[bool, str]:
        """Say whether the module can run here, and if not, why; called before __init__."""
        return True, ""

    # logging

    @property
    def log(self) -> logging.Logger:
        """The logger whose lines go to the manager's log."""
        return logging.getLogger()

    def getLogger(self, name: str | None = None) -> logging.Logger:
        """Return a logger whose lines go to the manager's log."""
        return logging.getLogger(name)

    def cluster_log(self, channel: str, priority: int, message: str) -> None:
        """Send a line to the manager's log whatever log_level is, as from "clog.<channel>"."""
        level = _CLUSTER_LOG_LEVELS[ClusterLogPrio(priority)]
        self._reach("cluster_log").logs.add(time.time(), level, f"clog.{channel}", message)

    # the manager and its data

    @property
    def version(self) -> str:
        """The manager's version."""
        return self._reach("version").manager.manager_version

    def get_mgr_id(self) -> str:
        """Return the manager's name."""
        return self._reach("get_mgr_id").manager.manager_id

    def get(self, data_name: str) -> Any:
        """Return a structure of the cluster ("osd_map", "health", …).

        An unchanged structure is neither sent nor parsed again: it is the same object as last time,
        shared by all callers. Copy it before changing it. For a name that the manager does not know
        an error is logged, and None returned.
        """
        try:
            return self._reach("get").structure(data_name)
        except NotFoundError as error:
            _log.error("the module asked for data that there is not, %r: %s", data_name, error)
            return None

    def have_mon_connection(self) -> bool:
        """Return whether the manager can reach the cluster now; else its data may be old."""
        client = self._reach("have_mon_connection").client
        return client.call(_rpc.CLUSTER_LIST, cluster_pb2.ClusterListRequest()).connected

    def set_health_checks(self, checks: HealthChecks) -> None:
        """Replace all health checks that this module raises; {} clears them.

        The key is the check's code, the value a dict with "severity" ("warning" or "error"),
        "summary" (text), and, if you like, "count" (a number) and "detail" (a list of text).
        Raises ValueError, which names the check and the key.
        """
        host = self._reach("set_health_checks")
        host.set_health(describe_checks(checks))

    # options

    def get_module_option(self, key: str, default: OptionValue = None) -> OptionValue:
        """Return the present value of an own option, typed; `default` if it has none.

        Costs no call. Raises RuntimeError: the option isn't in MODULE_OPTIONS.
        """
        value = self._reach("get_module_option").option(key)
        return default if value is None else value

    def get_localized_module_option(self, key: str, default: OptionValue = None) -> OptionValue:
        """Return the value for this manager, or else for all: what get_module_option() does."""
        return self.get_module_option(key, default)

    def get_module_option_ex(
        self, module: str, key: str, default: OptionValue = None
    ) -> OptionValue:
        """Return the value of an option of any module; `default` if there is none."""
        if module == self.module_name:
            return self.get_module_option(key, default)
        value = self._reach("get_module_option_ex").foreign_option(module, key)
        return default if value is None else value

    def set_module_option(self, key: str, val: OptionValue) -> None:
        """Set an own option for all managers; None takes it back to its default.

        Returns when the change is durable. Raises ValueError, with the manager's words, if the
        value does not fit, and RuntimeError if the option isn't in MODULE_OPTIONS.
        """
        host = self._reach("set_module_option")
        host.require_option(key)
        host.set_option(self.module_name, key, val, localized=False)

    def set_module_option_ex(self, module: str, key: str, val: OptionValue) -> None:
        """Set an option of any module; see set_module_option()."""
        host = self._reach("set_module_option_ex")
        if module == self.module_name:
            host.require_option(key)
        host.set_option(module, key, val, localized=False)

    def set_localized_module_option(self, key: str, val: OptionValue) -> None:
        """Set an own option for this manager only; see set_module_option()."""
        host = self._reach("set_localized_module_option")
        host.require_option(key)
        host.set_option(self.module_name, key, val, localized=True)

    def get_ceph_option(self, key: str) -> str | None:
        """Return an option of the cluster, as the manager sees it. Raises KeyError: unknown."""
        return self.get_foreign_ceph_option("", key)

    def get_foreign_ceph_option(self, entity: str, key: str) -> str | None:
        """Return an option of the cluster, as a daemon ("osd.0") sees it. Raises KeyError."""
        request = config_pb2.GetClusterOptionRequest(entity=entity, name=key)
        try:
            response = self._reach("get_ceph_option").client.call(_rpc.GET_CLUSTER_OPTION, request)
        except NotFoundError as error:
            raise KeyError(str(error)) from None
        return response.value if response.HasField("value") else None

    # keys

    def get_store(self, key: str, default: str | None = None) -> str | None:
        """Return the value of a key of this module; `default` if there is none."""
        value = self._reach("get_store").get_key(key)
        return default if value is None else value

    def get_store_prefix(self, key_prefix: str) -> dict[str, str]:
        """Return this module's keys that begin with a prefix, and their values."""
        return self._reach("get_store_prefix").get_keys(key_prefix)

    def set_store(self, key: str, val: str | None) -> None:
        """Set a key, or with None remove it; returns when that is durable."""
        self._reach("set_store").set_key(key, val)

    def get_localized_store(self, key: str, default: str | None = None) -> str | None:
        """Return the value of a key for this manager, or else for all; `default` if none."""
        value = self.get_store(f"{self.get_mgr_id()}/{key}")
        return self.get_store(key, default) if value is None else value

    def set_localized_store(self, key: str, val: str | None) -> None:
        """Set a key for this manager only; see set_store()."""
        self.set_store(f"{self.get_mgr_id()}/{key}", val)

    # other modules, and the cluster's daemons

    def remote(self, module_name: str, method_name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of another module; arguments and result travel as JSON.

        Raises ImportError (the module is not enabled), NameError (it has no such method),
        RuntimeError (the method raised, or the module is not running), TypeError (an argument is
        not JSON).
        """
        return self._reach("remote").remote(module_name, method_name, args, kwargs)

    def send_command(
        self,
        result: CommandResult,
        svc_type: str,
        svc_id: str,
        command: str,
        tag: str,
        inbuf: str | None = None,
    ) -> None:
        """Send a command to a daemon of the cluster, and do not wait.

        `command` is JSON, with the prefix and the arguments; `result` gets the answer. With a
        `tag`, notify() hears of it, too. Raises ValueError: there is no such type of daemon.
        """
        if svc_type not in _SERVICE_TYPES:
            raise ValueError(f"unknown service type: {svc_type}")

        def done(
            response: commands_pb2.SendClusterCommandResponse | None, error: CallError | None
        ) -> None:
            if response is not None:
                answer = response.result
                text = answer.stdout or answer.stdout_bytes.decode("utf-8", "surrogateescape")
                result.complete(answer.retval, text, answer.stderr)
            else:
                number = error.error_number if error else errno.EIO
                result.complete(-number, "", str(error))

        host = self._reach("send_command")
        host.client.start(
            _rpc.SEND_CLUSTER_COMMAND,
            commands_pb2.SendClusterCommandRequest(
                service_type=svc_type,
                service_id=svc_id,
                command_json=command,
                inbuf=(inbuf or "").encode("utf-8", "surrogateescape"),
                tag=tag,
            ),
            timeout=host.settings.work_timeout,
            done=done,
        )

    def mon_command(
        self, cmd_dict: Mapping[str, Any], inbuf: str | None = None
    ) -> tuple[int, str, str]:
        """Send a command to a monitor and wait: the return value, the output, the status text."""
        result = CommandResult()
        self.send_command(result, "mon", "", json.dumps(cmd_dict), "", inbuf)
        return result.wait()

    def check_mon_command(
        self, cmd_dict: Mapping[str, Any], inbuf: str | None = None
    ) -> HandleCommandResult:
        """Do as mon_command() does; raises MonCommandFailed if it returned an error."""
        result = HandleCommandResult(*self.mon_command(cmd_dict, inbuf))
        if result.retval:
            raise MonCommandFailed(
                f"{cmd_dict['prefix']} failed: {result.stderr} retval: {result.retval}"
            )
        return result

    # tables

    @staticmethod
    def to_pretty_iec(n: int) -> str:
        """Write a number in short, with the prefix of a binary unit: 20480 is "20 Ki"."""
        for power, prefix in ((6, "Ei"), (5, "Pi"), (4, "Ti"), (3, "Gi"), (2, "Mi"), (1, "Ki")):
            if n > 10 * 1024**power:
                return f"{n // 1024**power} {prefix}"
        return f"{n} "

    @staticmethod
    def get_pretty_row(elems: Sequence[str], width: int) -> str:
        """Write a row of a table, right-aligned in columns that share `width`."""
        column = width // len(elems) - 2
        return "|" + "".join(f"{elem:>{column}} |" for elem in elems)

    def get_pretty_header(self, elems: Sequence[str], width: int) -> str:
        """Write the head of a table: its titles between two lines, each line ended."""
        rule = "+" + ("-" * (width // len(elems) - 1) + "+") * len(elems)
        return f"{rule}\n{self.get_pretty_row(elems, width)}\n{rule}\n"
