"""What a module reaches of its manager: data, options, keys, other modules, health."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from outpost import _rpc, v1
from outpost._client import Client, Link
from outpost._errors import CallError, NotFoundError
from outpost._logs import LogShipper
from outpost._options import (
    OptionTable,
    OptionValue,
    cluster_option_value,
    option_text,
    option_value,
)
from outpost._reports import Reports
from outpost._settings import Settings
from outpost._structures import Structures
from outpost._tagged_commands import TaggedCommands
from outpost._watchdog import Watchdog
from outpost._work import current_work
from outpost.v1 import commands_pb2, module_host_pb2

if TYPE_CHECKING:
    from outpost._module_events import ModuleEvent
    from outpost._watch import Watch, WatchCalls, Watched

_Value = TypeVar("_Value")

# For how many intervals of its Pings, and how many seconds at most, a silent manager is believed to
# have nothing to tell of structures.
_TRUST_INTERVALS = 2
_LONGEST_TRUST = 30.0


class Host:
    """The manager, as its module sees it; lasts over lost and new sessions.

    Thread safety: every method may be called on any thread; configure() on one at a time.
    Every call may raise CallError and DetachedError.
    """

    def __init__(self, settings: Settings, option_names: Collection[str], logs: LogShipper) -> None:
        self.settings = settings
        self.client = Client(settings.call_timeout)
        self.structures = Structures(self.client)
        self.client.on_told = self.structures.doubt
        self.logs = logs
        self.options = OptionTable()
        self.reports = Reports(self.client)
        self.tagged_commands = TaggedCommands()
        self.watchdog = Watchdog()
        self.manager = module_host_pb2.Configure()
        """What the manager said when it last accepted the module."""
        self.owner = "MgrModule"
        """The name of the module's class, for its messages."""
        self.run_on_cue_thread: Callable[[Callable[[], None]], None] = _run_at_once
        """Runs a job on the thread of notify()."""
        self._option_names = frozenset(option_names)
        self._cluster_option_types: dict[str, str] = {}

    def configure(self, configure: module_host_pb2.Configure, link: Link) -> bool:
        """Take what the manager said; returns whether any option changed. Raises ValueError."""
        changed = self.options.configure(configure.manager_instance, configure.options)
        if configure.manager_instance != self.manager.manager_instance:
            self.structures.manager_changed()  # before calls reach the new one
        self.manager = configure
        self.client.attach(link)
        interval = configure.heartbeat_interval
        trust = _TRUST_INTERVALS * (interval.seconds + interval.nanos / 1e9)
        self.structures.session_began(min(trust or _LONGEST_TRUST, _LONGEST_TRUST))
        return changed

    # options

    def require_option(self, name: str) -> None:
        """Raise RuntimeError unless the module has this option: declared, or from the manager."""
        if name not in self._option_names and name not in self.options:
            raise RuntimeError(f"Config option '{name}' is not in {self.owner}.MODULE_OPTIONS")

    def option(self, name: str) -> OptionValue:
        """Return the effective value of an own option. Raises RuntimeError: not declared."""
        try:
            return self.options.get(name)
        except KeyError:
            self.require_option(name)
            return None

    def foreign_option(self, module: str, name: str) -> OptionValue:
        """Return the effective value of another module's option; None: not declared."""
        request = v1.config_pb2.ConfigGetRequest(key=f"mgr/{module}/{name}")
        try:
            return option_value(self.client.call(_rpc.CONFIG_GET, request).option)
        except NotFoundError:
            return None

    def set_option(self, module: str, name: str, value: OptionValue, *, localized: bool) -> None:
        """Set an option, or with None remove it; returns when it is durable and visible here.

        Raises TypeError: the value is not what an option can be.
        """
        if value is not None and not isinstance(value, bool | int | float | str):
            raise TypeError(
                f"option {name}: a value must be bool, int, float, str or None,"
                f" not {type(value).__name__}"
            )
        manager = self.manager
        place = f"{manager.manager_id}/" if localized else ""
        key = f"mgr/{module}/{place}{name}"
        if value is None:
            effective = self.client.call(
                _rpc.CONFIG_REMOVE, v1.config_pb2.ConfigRemoveRequest(key=key)
            ).option
        else:
            effective = self.client.call(
                _rpc.CONFIG_SET, v1.config_pb2.ConfigSetRequest(key=key, value=option_text(value))
            ).effective
        if module == self.settings.name and effective.name == name:
            self.options.update([effective], instance=manager.manager_instance)

    def cluster_option(self, entity: str, name: str) -> OptionValue:
        """Return an option of the cluster, typed, as `entity` sees it ("": the manager).

        Raises KeyError: there is none of this name.
        """
        request = v1.config_pb2.GetClusterOptionRequest(entity=entity, name=name)
        try:
            response = self.client.call(_rpc.GET_CLUSTER_OPTION, request)
        except NotFoundError as error:
            raise KeyError(str(error)) from None
        if not response.HasField("value"):
            return None
        return cluster_option_value(response.value, self._cluster_option_type(name))

    def _cluster_option_type(self, name: str) -> str:
        """Return the type of an option of the cluster, in Ceph's words; asked for once."""
        kind = self._cluster_option_types.get(name)
        if kind is None:
            command = {"prefix": "config help", "key": name, "format": "json"}
            request = commands_pb2.SendClusterCommandRequest(
                service_type="mon", command_json=json.dumps(command)
            )
            result = self.client.call(_rpc.SEND_CLUSTER_COMMAND, request).result
            kind = "str"  # a cluster that is no Ceph may know no types
            if result.retval == 0:
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    text = result.stdout or result.stdout_bytes.decode()
                    kind = str(json.loads(text)["type"])
            self._cluster_option_types[name] = kind
        return kind

    # keys

    def get_key_bytes(self, key: str) -> bytes | None:
        """Return the value of a key, or None."""
        response = self.client.call(
            _rpc.KEY_VALUE_GET, v1.key_value_pb2.KeyValueGetRequest(key=key)
        )
        return response.value if response.HasField("value") else None

    def get_key(self, key: str) -> str | None:
        """Return the value of a key, or None. Raises ValueError: it is not text."""
        value = self.get_key_bytes(key)
        return None if value is None else _text(key, value)

    def get_localized_key(self, key: str) -> str | None:
        """Return a key's value for this manager, or else for all; None if there is neither.

        Raises ValueError: it is not text.
        """
        value = self.get_key(f"{self.manager.manager_id}/{key}")
        return self.get_key(key) if value is None else value

    def get_keys(self, prefix: str) -> dict[str, str]:
        """Return the keys that begin with a prefix. Raises ValueError: a value is not text."""
        response = self.client.call(
            _rpc.KEY_VALUE_LIST, v1.key_value_pb2.KeyValueListRequest(prefix=prefix)
        )
        return {entry.key: _text(entry.key, entry.value) for entry in response.entries}

    def set_key(self, key: str, value: str | bytes | None) -> None:
        """Set a key, or with None remove it; returns when that is durable. Raises TypeError."""
        if value is None:
            self.client.call(_rpc.KEY_VALUE_DELETE, v1.key_value_pb2.KeyValueDeleteRequest(key=key))
        else:
            self.client.call(
                _rpc.KEY_VALUE_PUT,
                v1.key_value_pb2.KeyValuePutRequest(key=key, value=_bytes(key, value)),
            )

    def change_keys(
        self,
        changes: Mapping[str, str | bytes | None],
        expected: Mapping[str, str | bytes | None],
    ) -> bool:
        """Change keys if others, or they, are as expected; returns whether. Raises TypeError."""
        request = v1.key_value_pb2.KeyValueBatchRequest()
        for key, value in expected.items():
            request.conditions.add(key=key, value=None if value is None else _bytes(key, value))
        for key, value in changes.items():
            request.changes.add(key=key, value=None if value is None else _bytes(key, value))
        return self.client.call(_rpc.KEY_VALUE_BATCH, request).succeeded

    # watches

    def watch_options(
        self, module: str, callback: Callable[[str, str, OptionValue], None]
    ) -> Watch:
        """Watch the options of a module; "": of all."""
        from outpost import _watch

        def tell(watched: _watch.Watched[OptionValue]) -> None:
            of, _, name = watched.key.partition("/")
            callback(of, name, None if watched.gone else watched.value)

        return self._watch(_watch.option_calls(self.client, module), tell)

    def watch_keys(self, prefix: str, callback: Callable[[str, bytes | None], None]) -> Watch:
        """Watch the keys that begin with a prefix."""
        from outpost import _watch

        def tell(watched: _watch.Watched[bytes]) -> None:
            callback(watched.key, None if watched.gone else watched.value)

        return self._watch(_watch.store_calls(self.client, prefix), tell)

    def watch_events(self, after: int, callback: Callable[[ModuleEvent], None]) -> Watch:
        """Watch what happens to modules."""
        from outpost._module_events import EventReader
        from outpost._watch import Watch

        return Watch(
            EventReader(self.client, self.settings.backoff, after, callback, self.run_on_cue_thread)
        )

    def _watch(self, calls: WatchCalls[_Value], tell: Callable[[Watched[_Value]], None]) -> Watch:
        from outpost._watch import Watch, Watcher

        return Watch(
            Watcher(self.client, self.settings.backoff, calls, tell, self.run_on_cue_thread)
        )

    # other modules

    def remote(
        self, module: str, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call another module's method.

        Raises ImportError (the module is not enabled), NameError (no such method), RuntimeError
        (the method raised), TypeError (an argument is not JSON).
        """
        try:
            request = v1.remote_pb2.RemoteCallRequest(
                module=module,
                method=method,
                args_json=json.dumps(args, allow_nan=False),
                kwargs_json=json.dumps(kwargs, allow_nan=False),
                parent_call=current_work.get().call_id,
            )
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"remote {module}.{method}: an argument can't be written as JSON: {error}"
            ) from None
        try:
            response = self.client.call(
                _rpc.REMOTE_CALL, request, timeout=self.settings.work_timeout
            )
        except CallError as error:
            if error.reason == "MODULE_NOT_ENABLED":
                raise ImportError(f"Module not found: {error}") from None
            raise
        if response.WhichOneof("outcome") == "result_json":
            return json.loads(response.result_json)
        failure = response.error
        if failure.kind == "METHOD_NOT_FOUND":
            raise NameError(f"Method not found: {module}.{method}: {failure.message}")
        if failure.kind == "NOT_JSON":
            raise RuntimeError(
                f"Remote method returned what can't be written as JSON: {module}.{method}:"
                f" {failure.message}"
            )
        told = failure.traceback or f"{failure.type}: {failure.message}"
        raise RuntimeError(f"Remote method threw exception: {told}")


def _run_at_once(job: Callable[[], None]) -> None:
    job()


def _bytes(key: str, value: str | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise TypeError(
        f"key {key!r}: the value must be str, bytes or None, not {type(value).__name__}"
    )


def _text(key: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueError(
            f"key {key!r}: the value, {len(value)} bytes, is not UTF-8 text:"
            " get_store_bytes() returns it"
        ) from None
