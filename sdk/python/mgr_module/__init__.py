"""The names under which ceph-mgr's modules import what `outpost` has."""

from outpost import (
    PG_STATES,
    CLICheckNonemptyFileInput,
    CLICommand,
    CLIReadCommand,
    CLIWriteCommand,
    ClusterLogPrio,
    Command,
    CommandResult,
    CRUSHMap,
    HandleCommandResult,
    HandlerFuncType,
    MgrModule,
    MgrStandbyModule,
    MonCommandFailed,
    NotifyType,
    Option,
    OptionTypeLabel,
    OptionValue,
    OSDMap,
    OSDMapIncremental,
)
from outpost import HealthCheck as HealthCheckT
from outpost import HealthChecks as HealthChecksT
from outpost import PerfCounter as PerfCounterT
from outpost import ServerInfo as ServerInfoT
from outpost import ServiceInfo as ServiceInfoT
from outpost._api_marks import API
from outpost._commands import ERROR_MSG_EMPTY_INPUT_FILE, ERROR_MSG_NO_INPUT_FILE

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
