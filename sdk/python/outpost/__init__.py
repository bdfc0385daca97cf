"""Write modules for the Outpost manager in Python.

A module is a directory with a module.py, which has one subclass of MgrModule:

    from outpost import CLIReadCommand, HandleCommandResult, MgrModule

    class Hello(MgrModule):
        @CLIReadCommand("hello")
        def hello(self, person_name: str = "world") -> HandleCommandResult:
            "Say hello"
            return HandleCommandResult(stdout=f"Hello, {person_name}!")

`python3 -m outpost.run DIR` runs it. Everything here is also found under the names that ceph-mgr
has for it, in `mgr_module`.
"""

from outpost._cluster_data import ServerInfo
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
from outpost._health import HealthChecks
from outpost._mgr_module import (
    ClusterLogPrio,
    MgrModule,
    MgrStandbyModule,
    MonCommandFailed,
    NotifyType,
)
from outpost._options import Option, OptionValue
from outpost._settings import ExitCode

__all__ = [
    "CLICheckNonemptyFileInput",
    "CLICommand",
    "CLIReadCommand",
    "CLIWriteCommand",
    "CallError",
    "CallTimeoutError",
    "ClusterLogPrio",
    "Command",
    "CommandResult",
    "DetachedError",
    "ExitCode",
    "HandleCommandResult",
    "HandlerFuncType",
    "HealthChecks",
    "InvalidArgumentError",
    "ManagerUnavailableError",
    "MgrModule",
    "MgrStandbyModule",
    "ModuleLoadError",
    "MonCommandFailed",
    "NotFoundError",
    "NotSupportedError",
    "NotifyType",
    "Option",
    "OptionValue",
    "OutpostError",
    "PermissionDeniedError",
    "ServerInfo",
]
