"""A module's options and keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from outpost._bound import BoundToManager
from outpost._options import OptionValue

if TYPE_CHECKING:
    from outpost._watch import Watch


class ModuleSettings(BoundToManager):
    """The part of MgrModule that reads and writes options and keys.

    Reads of own options cost no call. Writes return when the change is durable, and every thread
    sees it from then on.
    """

    MODULE_OPTIONS: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """The module's options; others can't be read or set."""
    MODULE_OPTION_DEFAULTS: ClassVar[Mapping[str, OptionValue]] = {}
    """The declared default of each, by name; filled in when the module is loaded."""

    # options

    def get_module_option(self, key: str, default: OptionValue = None) -> OptionValue:
        """Return the present value of an own option, typed; `default` if it has none.

        Costs no call. Raises RuntimeError: the option isn't in MODULE_OPTIONS.
        """
        value = self._reach("get_module_option").option(key)
        return default if value is None else value

    def get_localized_module_option(self, key: str, default: OptionValue = None) -> OptionValue:
        """Return the value for this manager, or else for all: what get_module_option() does."""
        value = self._reach("get_localized_module_option").option(key)
        return default if value is None else value

    def get_module_option_ex(
        self, module: str, key: str, default: OptionValue = None
    ) -> OptionValue:
        """Return the value of an option of any module; `default` if there is none."""
        if module == self.module_name:
            return self.get_module_option(key, default)
        value = self._reach("get_module_option_ex").foreign_option(module, key)
        return default if value is None else value

    def set_module_option(self, key: str, val: OptionValue) -> None:
        """Set an own option for all managers; None takes it back to its default.

        Raises ValueError, with the manager's words, if the value does not fit, TypeError if it is
        no bool, number or text, and RuntimeError if the option isn't in MODULE_OPTIONS.
        """
        host = self._reach("set_module_option")
        host.require_option(key)
        host.set_option(self.module_name, key, val, localized=False)

    def set_module_option_ex(self, module: str, key: str, val: OptionValue) -> None:
        """Set an option of any module; see set_module_option()."""
        host = self._reach("set_module_option_ex")
        if module == self.module_name:
            host.require_option(key)
        host.set_option(module, key, val, localized=False)

    def set_localized_module_option(self, key: str, val: OptionValue) -> None:
        """Set an own option for this manager only; see set_module_option()."""
        host = self._reach("set_localized_module_option")
        host.require_option(key)
        host.set_option(self.module_name, key, val, localized=True)

    def get_ceph_option(self, key: str) -> OptionValue:
        """Return an option of the cluster, typed, as the manager sees it.

        Raises KeyError: there is none of this name.
        """
        return self._reach("get_ceph_option").cluster_option("", key)

    def get_foreign_ceph_option(self, entity: str, key: str) -> OptionValue:
        """Return an option of the cluster, typed, as a daemon ("osd.0") sees it.

        Raises KeyError: there is none of this name.
        """
        return self._reach("get_foreign_ceph_option").cluster_option(entity, key)

    # keys

    def get_store(self, key: str, default: str | None = None) -> str | None:
        """Return the value of a key of this module; `default` if there is none.

        Raises ValueError: the value is not text, and get_store_bytes() would return it.
        """
        value = self._reach("get_store").get_key(key)
        return default if value is None else value

    def get_store_bytes(self, key: str) -> bytes | None:
        """Return the value of a key of this module, whatever it is; None if there is none."""
        return self._reach("get_store_bytes").get_key_bytes(key)

    def get_store_prefix(self, key_prefix: str) -> dict[str, str]:
        """Return this module's keys that begin with a prefix, and their values."""
        return self._reach("get_store_prefix").get_keys(key_prefix)

    def set_store(self, key: str, val: str | bytes | None) -> None:
        """Set a key, or with None remove it; returns when that is durable.

        Raises ValueError, with the manager's words, if the key or the value is too long, and
        TypeError if the value is neither text nor bytes.
        """
        self._reach("set_store").set_key(key, val)

    def update_store(
        self,
        changes: Mapping[str, str | bytes | None],
        *,
        expected: Mapping[str, str | bytes | None] | None = None,
    ) -> bool:
        """Set and (with None) remove several keys at once, durably: all of them or none.

        Where a key does not have the value that is `expected` (None: is there, though it should not
        be), nothing is changed and False is returned. Raises as set_store() does; and
        ManagerUnavailableError if the manager went away meanwhile: it may have been done then.
        """
        return self._reach("update_store").change_keys(changes, expected or {})

    def watch_store(self, key_prefix: str, callback: Callable[[str, bytes | None], None]) -> Watch:
        """Call back with each key of this module that begins with a prefix, and when one changes.

        `callback` gets the whole key and its value, or None: it was removed. It first hears of all
        that there is, as if that had just been set. After the manager was away it hears of what has
        changed meanwhile, and of nothing twice; of changes that follow each other fast perhaps only
        of the last. It runs on the thread of notify(), one call at a time.

        The watch goes on until stop() is called on what is returned, or the module ends. Where the
        manager refuses it for good, that is logged, and Watch.error says why.
        """
        return self._reach("watch_store").watch_keys(key_prefix, callback)

    def watch_module_options(
        self, module: str, callback: Callable[[str, str, OptionValue], None]
    ) -> Watch:
        """Call back with the options of a module ("": of all), and when one changes.

        `callback` gets the module, the option's name, and its effective value as
        get_module_option() has it ("<redacted>" of a secret one). For the rest see watch_store(). A
        module that declares its options later is heard of when they change.
        """
        return self._reach("watch_module_options").watch_options(module, callback)

    def get_localized_store(self, key: str, default: str | None = None) -> str | None:
        """Return the value of a key for this manager, or else for all; `default` if none."""
        value = self._reach("get_localized_store").get_localized_key(key)
        return default if value is None else value

    def set_localized_store(self, key: str, val: str | bytes | None) -> None:
        """Set a key for this manager only; see set_store()."""
        host = self._reach("set_localized_store")
        host.set_key(f"{host.manager.manager_id}/{key}", val)
