"""The names under which ceph-mgr's modules import what `outpost` has."""

from outpost import (
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
    MgrStandbyModule,
    MonCommandFailed,
    NotifyType,
    Option,
    OptionValue,
)
from outpost import HealthChecks as HealthChecksT
from outpost import ServerInfo as ServerInfoT

__all__ = [
    "CLICheckNonemptyFileInput",
    "CLICommand",
    "CLIReadCommand",
    "CLIWriteCommand",
    "ClusterLogPrio",
    "Command",
    "CommandResult",
    "HandleCommandResult",
    "HandlerFuncType",
    "HealthChecksT",
    "MgrModule",
    "MgrStandbyModule",
    "MonCommandFailed",
    "NotifyType",
    "Option",
    "OptionValue",
    "ServerInfoT",
]
