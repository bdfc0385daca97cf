"""Write modules for the Outpost manager in Python.

A module is a directory with a module.py, which has one subclass of MgrModule:

    from outpost import CLIReadCommand, HandleCommandResult, MgrModule

    class Hello(MgrModule):
        @CLIReadCommand("hello")
        def hello(self, person_name: str = "world") -> HandleCommandResult:
            "Say hello"
            return HandleCommandResult(stdout=f"Hello, {person_name}!")

`python3 -m outpost.run DIR` runs it. Everything here is also found under the names that ceph-mgr
has for it, in `mgr_module`. Beside it are outpost.object_format (output in the caller's
format; also found as `object_format`), and outpost.argument_types (what annotations can say).
"""

from outpost._ceph_names import PG_STATES
from outpost._cluster_commands import MonCommandFailed
from outpost._cluster_data import LatestValue, PerfCounter, ServerInfo, ServiceInfo
from outpost._commands import (
    CLICheckNonemptyFileInput,
    CLICommand,
    CLIReadCommand,
    CLIWriteCommand,
    Command,
    CommandResult,
    HandleCommandResult,
    HandlerFuncType,
)
from outpost._crush_map import CRUSHMap
from outpost._errors import (
    CallError,
    CallTimeoutError,
    DetachedError,
    InvalidArgumentError,
    ManagerUnavailableError,
    ModuleLoadError,
    NotFoundError,
    NotSupportedError,
    OutpostError,
    PermissionDeniedError,
)
from outpost._health import HealthCheck, HealthChecks
from outpost._manager_data import (
    Latencies,
    ManagerStatus,
    ModuleStatus,
    ProcessUsage,
    RequestStats,
    StoreStats,
    SubscriptionStatus,
)
from outpost._mgr_module import (
    ClusterLogPrio,
    MgrModule,
    NotifyType,
    StructureInfo,
)
from outpost._module_events import ModuleEvent
from outpost._options import Option, OptionTypeLabel, OptionValue
from outpost._osd_map import OSDMap, OSDMapIncremental
from outpost._placement import PlacementError
from outpost._settings import ExitCode
from outpost._standby import MgrStandbyModule
from outpost._watch import Watch
from outpost._work import caller_is_gone

__all__ = [
    "PG_STATES",
    "CLICheckNonemptyFileInput",
    "CLICommand",
    "CLIReadCommand",
    "CLIWriteCommand",
    "CRUSHMap",
    "CallError",
    "CallTimeoutError",
    "ClusterLogPrio",
    "Command",
    "CommandResult",
    "DetachedError",
    "ExitCode",
    "HandleCommandResult",
    "HandlerFuncType",
    "HealthCheck",
    "HealthChecks",
    "InvalidArgumentError",
    "Latencies",
    "LatestValue",
    "ManagerStatus",
    "ManagerUnavailableError",
    "MgrModule",
    "MgrStandbyModule",
    "ModuleEvent",
    "ModuleLoadError",
    "ModuleStatus",
    "MonCommandFailed",
    "NotFoundError",
    "NotSupportedError",
    "NotifyType",
    "OSDMap",
    "OSDMapIncremental",
    "Option",
    "OptionTypeLabel",
    "OptionValue",
    "OutpostError",
    "PerfCounter",
    "PermissionDeniedError",
    "PlacementError",
    "ProcessUsage",
    "RequestStats",
    "ServerInfo",
    "ServiceInfo",
    "StoreStats",
    "StructureInfo",
    "SubscriptionStatus",
    "Watch",
    "caller_is_gone",
]
