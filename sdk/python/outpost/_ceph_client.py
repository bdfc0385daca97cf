"""A module's own connection to a Ceph cluster, by librados."""

from __future__ import annotations

import os
import threading
from typing import Any

from outpost._bound import BoundToManager

CONF_VARIABLE = "OUTPOST_CEPH_CONF"
NAME_VARIABLE = "OUTPOST_CEPH_NAME"
KEYRING_VARIABLE = "OUTPOST_CEPH_KEYRING"

_CONNECT_TIME = 30  # seconds


class CephClient(BoundToManager):
    """The part of MgrModule that reaches the cluster past the manager."""

    _rados: Any = None
    _rados_lock = threading.Lock()

    @property
    def rados(self) -> Any:
        """A connected rados.Rados, which is made when it is first asked for.

        It is this module's own client of the cluster that the manager looks after. Its calls block
        while the cluster is away. Raises NotImplementedError, which says what is missing: the
        manager's data come from no Ceph, or Debian's package python3-rados is not installed; and
        RuntimeError if the cluster can't be reached.
        """
        self._reach("rados")
        with self._rados_lock:
            if self._rados is None:
                self._rados = _connect(_variable(CONF_VARIABLE, "rados"))
            return self._rados

    def get_ceph_conf_path(self) -> str:
        """Return where Ceph's configuration file is.

        Raises NotImplementedError: the manager's data come from no Ceph.
        """
        self._reach("get_ceph_conf_path")
        return _variable(CONF_VARIABLE, "get_ceph_conf_path()")

    def _close_rados(self) -> None:
        with self._rados_lock:
            client, self._rados = self._rados, None
        if client is not None:
            client.shutdown()


def _variable(name: str, what: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise NotImplementedError(
            f"{what}: there is no Ceph to reach: a manager with --source ceph tells its modules the"
            f" configuration file, and for a module that is started by hand {name} does"
        )
    return value


def _connect(conf: str) -> Any:
    try:
        import rados
    except ImportError as error:
        raise NotImplementedError(
            f"rados: Python's librados can't be imported ({error}): install the package"
            " python3-rados (Debian's has it)"
        ) from None
    settings = {"client_mount_timeout": str(_CONNECT_TIME)}
    if keyring := os.environ.get(KEYRING_VARIABLE):
        settings["keyring"] = keyring
    name = os.environ.get(NAME_VARIABLE) or "client.admin"
    try:
        client = rados.Rados(conffile=conf, name=name, conf=settings)
        client.connect(timeout=_CONNECT_TIME)
    except rados.Error as error:
        raise RuntimeError(f"rados: {name} can't connect by {conf}: {error}") from error
    return client
