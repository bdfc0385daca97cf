"""MgrStandbyModule: what a module would run beside a standby manager."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from outpost import _rpc
from outpost._bound import BoundToManager
from outpost._errors import NotFoundError
from outpost._options import OptionValue
from outpost.v1 import manager_pb2

_log = logging.getLogger("outpost")


class MgrStandbyModule(BoundToManager):
    """What a module runs beside a standby manager: a server that says where the active one is.

    It can read options and keys and change none, and has no commands and no notifications. A module
    that has one beside its MgrModule can be loaded. **There are no standby managers yet, and
    nothing runs it**: this is what it will find when there are.
    """

    MODULE_OPTIONS: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """The module's options, as its MgrModule declares them."""
    MODULE_OPTION_DEFAULTS: ClassVar[Mapping[str, OptionValue]] = {}
    """The declared default of each, by name."""

    def __init__(self, module_name: str, capsule: object = None) -> None:
        self.module_name = module_name

    # for a module to override

    def serve(self) -> None:
        """Run until shutdown() is called. Each standby module has one of its own."""
        raise NotImplementedError(f"{type(self).__name__} has no serve()")

    def shutdown(self) -> None:
        """Make serve() return."""

    # what it can read

    @property
    def log(self) -> logging.Logger:
        """The logger whose lines go to the manager's log."""
        return logging.getLogger()

    def getLogger(self, name: str | None = None) -> logging.Logger:
        """Return a logger whose lines go to the manager's log."""
        return logging.getLogger(name)

    def get_mgr_id(self) -> str:
        """Return the manager's name."""
        return self._reach("get_mgr_id").manager.manager_id

    def get_mgr_ip(self) -> str:
        """Return the address at which others reach the manager's host, or else its name."""
        return self._reach("get_mgr_ip").manager.manager_ip or socket.gethostname()

    def get_active_uri(self) -> str:
        """Return where this module serves beside the active manager; "": nowhere."""
        request = manager_pb2.DescribeModuleRequest(name=self.module_name)
        try:
            client = self._reach("get_active_uri").client
            return client.call(_rpc.DESCRIBE_MODULE, request).module.uri
        except NotFoundError:
            return ""

    def get_module_option(self, key: str, default: OptionValue = None) -> OptionValue:
        """Return the present value of an own option, typed; `default` if it has none.

        Raises RuntimeError: the option isn't in MODULE_OPTIONS.
        """
        value = self._reach("get_module_option").option(key)
        return default if value is None else value

    def get_localized_module_option(self, key: str, default: OptionValue = None) -> OptionValue:
        """Return the value for this manager, or else for all: what get_module_option() does."""
        value = self._reach("get_localized_module_option").option(key)
        return default if value is None else value

    def get_ceph_option(self, key: str) -> OptionValue:
        """Return an option of the cluster, typed, as the manager sees it.

        Raises KeyError: there is none of this name.
        """
        return self._reach("get_ceph_option").cluster_option("", key)

    def get_store(self, key: str) -> str | None:
        """Return the value of a key of this module; None if there is none."""
        return self._reach("get_store").get_key(key)

    def get_localized_store(self, key: str, default: str | None = None) -> str | None:
        """Return the value of a key for this manager, or else for all; `default` if none."""
        value = self._reach("get_localized_store").get_localized_key(key)
        return default if value is None else value

    def get(self, data_name: str) -> Any:
        """Return a structure of the cluster; None, and an error is logged, where there is none."""
        try:
            return self._reach("get").structures.get(data_name)
        except NotFoundError as error:
            _log.error("the module asked for data that there is not, %r: %s", data_name, error)
            return None
