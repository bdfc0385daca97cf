"""The names under which ceph-mgr's modules import what `outpost` has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import outpost
from outpost import (
    PG_STATES,
    CLICheckNonemptyFileInput,
    CLICommand,
    CLIReadCommand,
    CLIWriteCommand,
    ClusterLogPrio,
    Command,
    CommandResult,
    HandleCommandResult,
    HandlerFuncType,
    MgrModule,
    MonCommandFailed,
    NotifyType,
    Option,
    OptionTypeLabel,
    OptionValue,
)
from outpost import HealthCheck as HealthCheckT
from outpost import HealthChecks as HealthChecksT
from outpost import PerfCounter as PerfCounterT
from outpost import ServerInfo as ServerInfoT
from outpost import ServiceInfo as ServiceInfoT
from outpost._api_marks import API
from outpost._commands import ERROR_MSG_EMPTY_INPUT_FILE, ERROR_MSG_NO_INPUT_FILE

if TYPE_CHECKING:
    from outpost import CRUSHMap, MgrStandbyModule, OSDMap, OSDMapIncremental
else:
    # as in `outpost`: imported when they are asked for
    _LATER = ("CRUSHMap", "MgrStandbyModule", "OSDMap", "OSDMapIncremental")

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(outpost, name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATER})


NFS_GANESHA_SUPPORTED_FSALS = ["CEPH", "RGW"]
NFS_POOL_NAME = ".nfs"

__all__ = [
    "API",
    "ERROR_MSG_EMPTY_INPUT_FILE",
    "ERROR_MSG_NO_INPUT_FILE",
    "NFS_GANESHA_SUPPORTED_FSALS",
    "NFS_POOL_NAME",
    "PG_STATES",
    "CLICheckNonemptyFileInput",
    "CLICommand",
    "CLIReadCommand",
    "CLIWriteCommand",
    "CRUSHMap",
    "ClusterLogPrio",
    "Command",
    "CommandResult",
    "HandleCommandResult",
    "HandlerFuncType",
    "HealthCheckT",
    "HealthChecksT",
    "MgrModule",
    "MgrStandbyModule",
    "MonCommandFailed",
    "NotifyType",
    "OSDMap",
    "OSDMapIncremental",
    "Option",
    "OptionTypeLabel",
    "OptionValue",
    "PerfCounterT",
    "ServerInfoT",
    "ServiceInfoT",
]
