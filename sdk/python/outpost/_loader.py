"""From a directory with a module.py to a module that can be run."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from outpost._commands import describe_commands, run_command
from outpost._errors import ModuleLoadError
from outpost._host import Host
from outpost._mgr_module import MgrModule, NotifyType
from outpost._options import declared_defaults, describe_options
from outpost._settings import EXITS_WITH_A_MEANING, Settings
from outpost.v1 import module_host_pb2, types_pb2

VERSION = "0.1.0"
_PROTOCOL_VERSIONS = (1,)


@dataclass(kw_only=True)
class LoadedModule:
    """A module's class, checked, and its instance."""

    register: module_host_pb2.Register
    """What the manager is told of it."""
    module_class: type[MgrModule]
    instance: MgrModule | None
    """None where can_run() said that the module can't run here, and before make_instance()."""

    @property
    def wants_instance(self) -> bool:
        """Whether make_instance() is to be called when the manager has accepted the module."""
        return self.instance is None and self.register.can_run

    def make_instance(self, host: Host) -> None:
        """Make the instance of a module whose __init__ may call the manager.

        Raises ModuleLoadError; its cause is the exception.
        """
        instance = self.module_class.__new__(self.module_class)
        instance._outpost_bind(host)
        try:
            instance.__init__(self.register.name, None, None)  # type: ignore[misc]
        except Exception as error:
            raise _init_failed(self.module_class, error) from error
        self.instance = instance

    @property
    def option_names(self) -> frozenset[str]:
        """The names of the options that the module may read."""
        return frozenset(option.name for option in self.register.options)

    @property
    def max_concurrency(self) -> int:
        """How many commands and calls run at once."""
        return self.register.max_concurrency

    @property
    def notify_types(self) -> tuple[str, ...]:
        """What the module wants to be notified of."""
        return tuple(self.register.notify_types)

    @property
    def has_serve(self) -> bool:
        """Whether the module has a serve() of its own."""
        return self.register.has_serve

    @staticmethod
    def notify_type(name: str) -> NotifyType:
        """Return what notify() gets: a member where there is one, else the text."""
        try:
            return NotifyType(name)
        except ValueError:
            return cast(NotifyType, name)  # ceph-mgr's signature has no room for the others

    def run_command(self, run: module_host_pb2.RunCommand) -> types_pb2.CommandResult:
        """Run a command; whatever happens becomes a result."""
        assert self.instance is not None, "a module that can't run gets no commands"
        return run_command(
            self.instance,
            run.prefix,
            json.loads(run.command_json or "{}"),
            run.inbuf if run.has_inbuf or run.inbuf else None,
        )

    def run_call(self, call: module_host_pb2.Call) -> module_host_pb2.CallResult:
        """Run a method; whatever happens becomes a result."""
        result = module_host_pb2.CallResult(id=call.id)
        try:
            method = self._method(call.method)
            if method is None:
                result.error.kind = "METHOD_NOT_FOUND"
                result.error.message = f"module {self.register.name} has no method {call.method!r}"
                return result
            returned = method(
                *json.loads(call.args_json or "[]"), **json.loads(call.kwargs_json or "{}")
            )
        except BaseException as error:  # whatever it is, the caller is to see it
            _describe_error(result.error, "RAISED", error)
            return result
        try:
            result.result_json = json.dumps(returned, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            _describe_error(result.error, "NOT_JSON", error)
        return result

    def _method(self, name: str) -> Callable[..., Any] | None:
        if name.startswith("_"):
            return None
        method = getattr(self.instance, name, None)
        return method if callable(method) else None


def load_module(directory: str | os.PathLike[str], settings: Settings) -> LoadedModule:
    """Import DIRECTORY/module.py, find its MgrModule, and make an instance.

    Raises ModuleLoadError; its cause is the exception, where the module's own code raised one.
    """
    return load_class(find_module_class(directory), settings)


def load_class(module_class: type[MgrModule], settings: Settings) -> LoadedModule:
    """Check a module's class, and make an instance. Raises ModuleLoadError, as load_module().

    With settings.as_ceph_mgr it is taken as ceph-mgr takes it: what is wrong with its options is
    passed over, and the instance is made later, by make_instance(), so that it may make calls.
    """
    options = describe_options(module_class.MODULE_OPTIONS, lenient=settings.as_ceph_mgr)
    module_class.MODULE_OPTION_DEFAULTS = declared_defaults(module_class.MODULE_OPTIONS)
    can_run, reason = _can_run(module_class)
    instance = None
    if can_run and not settings.as_ceph_mgr:
        try:
            instance = module_class(settings.name, None, None)
        except Exception as error:
            raise _init_failed(module_class, error) from error
    register = module_host_pb2.Register(
        name=settings.name,
        token=settings.token,
        protocol_versions=_PROTOCOL_VERSIONS,
        sdk=f"outpost-python {VERSION} ({_python()})",
        version=str(getattr(sys.modules[module_class.__module__], "__version__", "")),
        commands=describe_commands(module_class.COMMANDS),
        options=options,
        notify_types=[NotifyType.name_of(kind) for kind in module_class.NOTIFY_TYPES],
        can_run=can_run,
        can_run_error=reason,
        max_concurrency=max(1, module_class.MAX_CONCURRENCY),
        pid=os.getpid(),
        has_serve=module_class.serve is not MgrModule.serve,
        instance=os.urandom(16).hex(),
    )
    return LoadedModule(register=register, module_class=module_class, instance=instance)


def find_module_class(directory: str | os.PathLike[str]) -> type[MgrModule]:
    """Import DIRECTORY/module.py and return its one MgrModule.

    The directory is imported as a package of its own name, so that relative imports work in it;
    its parent is added to sys.path, behind all else, for what lies beside it. Raises
    ModuleLoadError.
    """
    path = os.path.realpath(directory)
    if not os.path.isfile(os.path.join(path, "module.py")):
        raise ModuleLoadError(f"{path} has no module.py")
    package = os.path.basename(path)
    if "." in package or package in sys.stdlib_module_names or package in sys.modules:
        raise ModuleLoadError(
            f"{path}: a directory of this name can't be imported as a package: Python takes"
            f" {package!r} for something else; rename the directory"
        )
    try:
        _import_package(package, path)
        module = importlib.import_module(f"{package}.module")
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code in EXITS_WITH_A_MEANING:
            raise
        raise ModuleLoadError(f"{path}/module.py: import failed: {_one_line(error)}") from error
    classes = dict.fromkeys(value for value in vars(module).values() if inspect.isclass(value))
    found = [
        value
        for value in classes
        if issubclass(value, MgrModule) and value.__module__.partition(".")[0] == package
    ]
    leaves = [
        value
        for value in found
        if not any(other is not value and issubclass(other, value) for other in found)
    ]
    if len(leaves) != 1:
        names = ", ".join(value.__name__ for value in leaves) or "none"
        raise ModuleLoadError(
            f"{path}/module.py must define one subclass of MgrModule, and has: {names}"
        )
    return leaves[0]


def _import_package(name: str, path: str) -> None:
    init = os.path.join(path, "__init__.py")
    spec = importlib.util.spec_from_file_location(
        name, init if os.path.isfile(init) else None, submodule_search_locations=[path]
    )
    if spec is None:
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [path]
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    sys.path.append(os.path.dirname(path))
    if spec.loader is not None:
        spec.loader.exec_module(package)


def _init_failed(module_class: type[MgrModule], error: Exception) -> ModuleLoadError:
    return ModuleLoadError(f"{module_class.__name__}() failed: {_one_line(error)}")


def _can_run(module_class: type[MgrModule]) -> tuple[bool, str]:
    try:
        can_run, reason = module_class.can_run()
    except Exception as error:
        return False, f"can_run() failed: {_one_line(error)}"
    if can_run:
        return True, ""
    return False, str(reason) or "can_run() returned False, and no reason"


def _describe_error(target: types_pb2.RemoteError, kind: str, error: BaseException) -> None:
    target.kind = kind
    target.type = type(error).__name__
    target.message = _sendable(str(error))
    target.traceback = _sendable("".join(traceback.format_exception(error)))


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _python() -> str:
    name = {"cpython": "CPython", "pypy": "PyPy"}.get(sys.implementation.name)
    return f"{name or sys.implementation.name} {sys.version.split()[0].rstrip('+')}"


def _one_line(error: BaseException) -> str:
    return " ".join(traceback.format_exception_only(error)[-1].split())
