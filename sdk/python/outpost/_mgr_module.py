"""MgrModule: the class that a module derives from, with the names that ceph-mgr has for it."""

from __future__ import annotations

import enum
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from outpost import _ceph_names, _rpc, v1
from outpost._ceph_client import CephClient
from outpost._cluster_commands import ClusterCommands
from outpost._cluster_data import ClusterData
from outpost._commands import CLICommand, HandleCommandResult
from outpost._errors import NotFoundError
from outpost._health import HealthChecks, describe_checks
from outpost._manager_calls import ManagerCalls
from outpost._module_settings import ModuleSettings
from outpost._not_offered import NotOffered
from outpost._work import current_work
from outpost.v1 import cluster_pb2

if TYPE_CHECKING:
    from outpost._module_events import ModuleEvent
    from outpost._structure_info import StructureInfo
    from outpost._watch import Watch

_log = logging.getLogger("outpost")


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


class MgrModule(ClusterData, ClusterCommands, ManagerCalls, ModuleSettings, CephClient, NotOffered):
    """A module. Derive from it, and override what it needs.

    `serve()` runs on a thread of its own; commands, and calls of other modules, on up to
    MAX_CONCURRENCY threads at once; `config_notify()` and `notify()` on one more, in order.
    Set MAX_CONCURRENCY to 1 for a module whose commands must not run beside each other.

    What reaches the manager can't be used in `__init__`, which runs before the manager has accepted
    the module, and may raise CallError anywhere else.
    """

    COMMANDS: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Commands for handle_command(): {"cmd": signature, "desc": text, "perm": "rw"}, ["poll"]."""
    NOTIFY_TYPES: ClassVar[Sequence[NotifyType | str]] = ()
    """What notify() is to be told of."""
    MAX_CONCURRENCY: ClassVar[int] = 4
    """How many commands and calls run at once."""

    ClusterLogPrio: ClassVar[type[ClusterLogPrio]] = ClusterLogPrio

    def __init__(
        self, module_name: str, py_modules_ptr: object = None, this_ptr: object = None
    ) -> None:
        self.module_name = module_name

    # for a module to override

    def serve(self) -> None:
        """Do the module's long-running work; return when shutdown() is called."""

    def shutdown(self) -> None:
        """Make serve() return. Runs on a thread of its own.

        What it does here is to end the connection of `rados`, if there is one.
        """
        self._close_rados()

    def watchdog(self, seconds: float | None) -> None:
        """Say that serve() gets on, and will say so again within `seconds`.

        A promise that is not kept has the manager end the module, and start it again, within two
        heartbeats. None takes it back: before waiting for what may not come. Who promises nothing
        is never stuck. For serve(), and whatever it calls; a promise is the module's, not a
        thread's: the last one counts. Raises ValueError: `seconds` is not greater than 0.
        """
        self._reach("watchdog").watchdog.promise(seconds)

    def config_notify(self) -> None:
        """React to options that have changed: get_module_option() has their new values."""

    def notify(self, notify_type: NotifyType, notify_id: str) -> None:
        """React to a cue of one of NOTIFY_TYPES; the data is for get() to read.

        `notify_id` is the epoch of a map, the tag of a command; for NotifyType.clog, as in
        ceph-mgr, it is the line of the cluster's log, a dict: name, channel, priority, message.
        """

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
        """Add a line to the cluster's log, whatever log_level is.

        `channel` is "cluster", "audit" or a name of your own, `priority` one of ClusterLogPrio.
        Raises ValueError: there is no such priority.
        """
        level = _CLUSTER_LOG_LEVELS[ClusterLogPrio(priority)]
        logs = self._reach("cluster_log").logs
        logs.add(time.time(), level, "", message, channel or "cluster")

    # the manager and its data

    @property
    def version(self) -> str:
        """The manager's version."""
        return self._reach("version").manager.manager_version

    @property
    def release_name(self) -> str:
        """The name of the cluster's release, "quincy"; "" where there is none."""
        return self._reach("release_name").manager.cluster_release

    @staticmethod
    def lookup_release_name(major: int) -> str:
        """Return the name of Ceph's release with a major version: 17 is "quincy"."""
        return _ceph_names.release_name(major)

    def get_mgr_id(self) -> str:
        """Return the manager's name."""
        return self._reach("get_mgr_id").manager.manager_id

    def get_mgr_ip(self) -> str:
        """Return the address at which others reach the manager's host, or else its name."""
        return self._reach("get_mgr_ip").manager.manager_ip or os.uname().nodename

    def set_uri(self, uri: str) -> None:
        """Say where this module serves (a dashboard, an exporter); "": nowhere any more."""
        self._reach("set_uri").reports.set_uri(uri)

    def is_authorized(self, arguments: Mapping[str, str]) -> bool:
        """Return whether whoever runs the present command may use this module with these arguments.

        As the caps of the caller say ("allow module NAME with pool=rbd rw"), for the permissions
        that the command declares; in a method that is called remotely, for "rw". Where nobody has
        asked for anything, as in serve(), it is False, as in ceph-mgr. Raises
        ManagerUnavailableError where the manager can't be asked.
        """
        reports = self._reach("is_authorized").reports
        work = current_work.get()
        if not work.caller:
            return False
        command = CLICommand.COMMANDS.get(work.prefix)
        declared = {
            " ".join(entry["cmd"].split()).partition(" name=")[0]: entry.get("perm", "rw")
            for entry in self.COMMANDS
        }
        permissions = command.perm if command is not None else declared.get(work.prefix, "rw")
        return reports.is_authorized(work.caller, permissions, arguments)

    def get(
        self,
        data_name: str,
        *,
        mutable: bool = False,
        path: str = "",
        fields: Sequence[str] = (),
    ) -> Any:
        """Return a structure of the cluster ("osd_map", "health", …).

        While it has not changed it is the same object as last time, shared by all callers and
        read-only, and costs no call: the manager tells in the session when there is a newer one. A
        get() that begins after the module was told of a change (in notify(), by a command, by an
        answer) never returns what was before it. Where the session says nothing for two heartbeats,
        or is lost, the manager is asked each time.

        `mutable` makes it a copy of the caller's own; so it is, always, for a module of ceph-mgr's
        that is run unmodified (--as-ceph-mgr), which may rely on it. `path` takes a part out of it,
        in the manager: an RFC 6901 JSON Pointer, "/osds/0"; and `fields` only these members of
        that, an object or an array of objects. Parts are not kept, and are the caller's own.

        For a name that the manager does not know an error is logged, and None returned; None, too,
        for a part that is not there. Raises InvalidArgumentError: `path` is no JSON Pointer, or
        what it names has no fields.
        """
        host = self._reach("get")
        structures = host.structures
        try:
            if path or fields:
                return structures.get_part(data_name, path, fields)
            if mutable or host.settings.as_ceph_mgr:
                return structures.get_mutable(data_name)
            return structures.get(data_name)
        except NotFoundError as error:
            level = logging.DEBUG if path else logging.ERROR
            _log.log(level, "the module asked for data that there is not, %r: %s", data_name, error)
            return None

    def list_structures(self) -> list[StructureInfo]:
        """Tell which structures get() can return, by name, with their versions, sizes and ages."""
        from outpost._structure_info import structure_info

        client = self._reach("list_structures").client
        response = client.call(_rpc.CLUSTER_LIST, cluster_pb2.ClusterListRequest())
        return [structure_info(info) for info in response.structures]

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
        self._reach("set_health_checks").reports.set_health(describe_checks(checks))

    # modules

    def watch_module_events(
        self, callback: Callable[[ModuleEvent], None], *, after: int = 0
    ) -> Watch:
        """Call back with what has happened to modules and to the manager, and what happens.

        The manager keeps the last events, over its restarts too. `callback` hears of those after
        the one with the number `after`, the oldest first, and then of each as it comes; when the
        manager comes back, it hears of what it has not heard yet. A module that keeps the
        `sequence` of the last one that it has heard among its keys hears of each event once. For
        the rest see watch_store().
        """
        return self._reach("watch_module_events").watch_events(after, callback)

    # progress

    def update_progress_event(
        self, evid: str, desc: str, progress: float, add_to_ceph_s: bool
    ) -> None:
        """Make or change an event: a piece of long work, and how far it is.

        `evid` is the module's own name for it, `desc` says in one line what is done, `progress` is
        from 0 to 1; `add_to_ceph_s` shows it in `outpost status`, too. Raises ValueError: the name
        is empty, or the progress not from 0 to 1.
        """
        if not evid:
            raise ValueError("progress event: its id is empty")
        if not 0 <= progress <= 1:
            raise ValueError(f"progress event {evid}: progress {progress!r} is not from 0 to 1")
        event = v1.progress_pb2.ProgressEvent(
            id=evid, message=desc, progress=progress, in_status=add_to_ceph_s
        )
        self._reach("update_progress_event").reports.update_progress(event)

    def complete_progress_event(self, evid: str) -> None:
        """End an event; one that there is not is no error."""
        self._reach("complete_progress_event").reports.complete_progress(evid)

    def clear_all_progress_events(self) -> None:
        """Take away all events of this module."""
        self._reach("clear_all_progress_events").reports.clear_progress()

    # other modules

    def remote(self, module_name: str, method_name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of another module; arguments and result travel as JSON.

        Raises ImportError (the module is not enabled), NameError (it has no such method),
        RuntimeError (the method raised, or the module is not running), TypeError (an argument is
        not JSON).
        """
        return self._reach("remote").remote(module_name, method_name, args, kwargs)

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
