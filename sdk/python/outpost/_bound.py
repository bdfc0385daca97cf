"""What every part of MgrModule stands on: the manager, once it has accepted the module."""

from __future__ import annotations

from outpost._host import Host


class BoundToManager:
    """A module that is bound to its manager when that accepts it, after `__init__`."""

    module_name: str
    _host: Host | None = None

    def _outpost_bind(self, host: Host) -> None:
        host.owner = type(self).__name__
        self._host = host

    def _reach(self, method: str) -> Host:
        """Return the manager. Raises RuntimeError, which names the method: it is too early."""
        if self._host is None:
            raise RuntimeError(
                f"{method}() was called before the manager accepted the module (in __init__?): call"
                " it in serve(), in a command, in config_notify() or in notify()"
            )
        return self._host
