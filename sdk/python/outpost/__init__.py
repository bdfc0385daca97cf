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

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from outpost import _light_grpc as _light_grpc  # before all that imports gRPC
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
from outpost._mgr_module import ClusterLogPrio, MgrModule, NotifyType
from outpost._options import Option, OptionTypeLabel, OptionValue
from outpost._settings import ExitCode
from outpost._work import caller_is_gone

if TYPE_CHECKING:
    from outpost._crush_map import CRUSHMap
    from outpost._manager_data import (
        Latencies,
        ManagerStatus,
        ModuleStatus,
        ProcessUsage,
        RequestStats,
        StoreStats,
        SubscriptionStatus,
    )
    from outpost._module_events import ModuleEvent
    from outpost._osd_map import OSDMap, OSDMapIncremental
    from outpost._placement import PlacementError
    from outpost._standby import MgrStandbyModule
    from outpost._structure_info import StructureInfo
    from outpost._watch import Watch
else:
    # What few modules use is imported when it is asked for: a module should serve soon.
    _LATER = {
        "CRUSHMap": "_crush_map",
        "Latencies": "_manager_data",
        "ManagerStatus": "_manager_data",
        "MgrStandbyModule": "_standby",
        "ModuleEvent": "_module_events",
        "ModuleStatus": "_manager_data",
        "OSDMap": "_osd_map",
        "OSDMapIncremental": "_osd_map",
        "PlacementError": "_placement",
        "ProcessUsage": "_manager_data",
        "RequestStats": "_manager_data",
        "StoreStats": "_manager_data",
        "StructureInfo": "_structure_info",
        "SubscriptionStatus": "_manager_data",
        "Watch": "_watch",
    }

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATER})


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
