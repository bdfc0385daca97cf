"""Module options: how they are declared, and their present values."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from outpost._errors import ModuleLoadError
from outpost.v1 import types_pb2

_log = logging.getLogger("outpost")

OptionValue = bool | int | float | str | None
"""What an option can be; None: it is not set and has no default."""

OptionTypeLabel = Literal[
    "uint", "int", "str", "float", "bool", "addr", "addrvec", "uuid", "size", "secs"
]

_TYPES: dict[str, types_pb2.OptionType] = {
    "str": types_pb2.OPTION_TYPE_STR,
    "int": types_pb2.OPTION_TYPE_INT,
    "uint": types_pb2.OPTION_TYPE_UINT,
    "float": types_pb2.OPTION_TYPE_FLOAT,
    "bool": types_pb2.OPTION_TYPE_BOOL,
    "addr": types_pb2.OPTION_TYPE_ADDR,
    "addrvec": types_pb2.OPTION_TYPE_ADDRVEC,
    "uuid": types_pb2.OPTION_TYPE_UUID,
    "size": types_pb2.OPTION_TYPE_SIZE,
    "secs": types_pb2.OPTION_TYPE_SECS,
}
_LEVELS: dict[str, types_pb2.OptionLevel] = {
    "basic": types_pb2.OPTION_LEVEL_BASIC,
    "advanced": types_pb2.OPTION_LEVEL_ADVANCED,
    "dev": types_pb2.OPTION_LEVEL_DEV,
}
_FLAG_RUNTIME = 1
_KEYS = (
    *("name", "type", "level", "desc", "long_desc", "default", "min", "max", "enum_allowed"),
    *("tags", "see_also", "runtime", "secret", "flags"),
)


class Option(dict[str, Any]):
    """Declares one module option, as an entry of MODULE_OPTIONS.

    `type` is one of uint, int, str, float, bool, addr, addrvec, uuid, size (bytes) and secs
    (seconds). `min` and `max` are inclusive. `runtime` says that a change takes effect without a
    restart, and so does 1 in `flags`, the only one of Ceph's flags that a module option has. A
    `secret` is never logged or dumped. An option without a default is None until it is set.
    """

    def __init__(
        self,
        name: str,
        default: OptionValue = None,
        type: OptionTypeLabel = "str",
        desc: str | None = None,
        long_desc: str | None = None,
        min: OptionValue = None,
        max: OptionValue = None,
        enum_allowed: list[str] | None = None,
        tags: list[str] | None = None,
        see_also: list[str] | None = None,
        runtime: bool = False,
        level: str | None = None,
        flags: int = 0,
        secret: bool | None = None,
    ) -> None:
        given = {
            "name": name,
            "default": default,
            "type": type,
            "desc": desc,
            "long_desc": long_desc,
            "min": min,
            "max": max,
            "enum_allowed": enum_allowed,
            "tags": tags,
            "see_also": see_also,
            "runtime": runtime,
            "level": level,
            "flags": flags or None,
            "secret": secret,
        }
        super().__init__((key, value) for key, value in given.items() if value is not None)


def option_text(value: OptionValue) -> str:
    """Write a value as the manager reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def option_value(option: types_pb2.OptionValue) -> OptionValue:
    """Read a value as the manager writes it. Raises ValueError, which names the option."""
    if not option.HasField("value"):
        return None
    text = option.value
    try:
        match option.type:
            case types_pb2.OPTION_TYPE_BOOL:
                return {"true": True, "false": False}[text]
            case (
                types_pb2.OPTION_TYPE_INT | types_pb2.OPTION_TYPE_UINT | types_pb2.OPTION_TYPE_SIZE
            ):
                return int(text)
            case types_pb2.OPTION_TYPE_FLOAT | types_pb2.OPTION_TYPE_SECS:
                return float(text)
            case _:
                return text
    except (KeyError, ValueError):
        kind = types_pb2.OptionType.Name(option.type)
        raise ValueError(f"option {option.name}: the manager sent {text!r} as {kind}") from None


def cluster_option_value(text: str, kind: str) -> OptionValue:
    """Read an option of the cluster, whose type is in Ceph's words; text where it can't be."""
    try:
        match kind:
            case "bool":
                return {"true": True, "false": False, "1": True, "0": False}[text]
            case "int" | "uint" | "size":
                return int(text)
            case "float" | "secs" | "millisecs":
                return float(text)
    except (KeyError, ValueError):
        pass
    return text


def describe_options(
    declared: Iterable[Mapping[str, Any]], *, lenient: bool = False
) -> list[types_pb2.OptionDescriptor]:
    """Turn MODULE_OPTIONS into what Register carries.

    Raises ModuleLoadError, which names the entry and the key; if `lenient`, keys that no option has
    are passed over, and an unknown type is text, as in ceph-mgr.
    """
    if lenient:
        declared = [_known_part(entry) for entry in declared]
    return [_describe(entry) for entry in declared]


def declared_defaults(declared: Iterable[Mapping[str, Any]]) -> dict[str, OptionValue]:
    """Return the declared default of each option in MODULE_OPTIONS, by name."""
    return {entry["name"]: entry.get("default") for entry in declared}


def _known_part(entry: Mapping[str, Any]) -> dict[str, Any]:
    known = {key: value for key, value in entry.items() if key in _KEYS}
    if known.get("type", "str") not in _TYPES:
        known["type"] = "str"
    if known != dict(entry):
        _log.warning("option %s: of its declaration %s is used", entry.get("name"), known)
    return known


def _describe(entry: Mapping[str, Any]) -> types_pb2.OptionDescriptor:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise ModuleLoadError(f"MODULE_OPTIONS: an entry has no name: {dict(entry)!r}")
    unknown = sorted(set(entry).difference(_KEYS))
    if unknown:
        raise ModuleLoadError(f"MODULE_OPTIONS: option {name}: unknown key {unknown[0]!r}")
    option = types_pb2.OptionDescriptor(
        name=name,
        type=_choice(_TYPES, name, "type", entry.get("type", "str")),
        level=_choice(_LEVELS, name, "level", entry.get("level", "advanced")),
        description=entry.get("desc", ""),
        long_description=entry.get("long_desc", ""),
        enum_allowed=[str(word) for word in entry.get("enum_allowed", ())],
        tags=entry.get("tags", ()),
        see_also=entry.get("see_also", ()),
        runtime=bool(entry.get("runtime", False)) or _runtime_flag(name, entry.get("flags", 0)),
        secret=bool(entry.get("secret", False)),
    )
    if entry.get("default") is not None:
        option.default_value = option_text(entry["default"])
    if entry.get("min") is not None:
        option.min = option_text(entry["min"])
    if entry.get("max") is not None:
        option.max = option_text(entry["max"])
    return option


def _runtime_flag(name: str, flags: Any) -> bool:
    if flags not in (0, _FLAG_RUNTIME):
        raise ModuleLoadError(
            f"MODULE_OPTIONS: option {name}: flags {flags!r}: a module option has none but"
            f" {_FLAG_RUNTIME}, a change takes effect at run time"
        )
    return bool(flags)


def _choice(choices: Mapping[str, Any], name: str, key: str, word: Any) -> Any:
    try:
        return choices[word]
    except (KeyError, TypeError):
        raise ModuleLoadError(
            f"MODULE_OPTIONS: option {name}: {key} {word!r} is none of {', '.join(choices)}"
        ) from None


class OptionTable:
    """The present values of the module's own options.

    A manager numbers its values: they come as answers to changes and on the session's stream, and
    an older one may come last. Thread safety: every method may be called on any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._instance = ""
        self._values: dict[str, OptionValue] = {}
        self._revisions: dict[str, int] = {}

    def configure(self, instance: str, options: Iterable[types_pb2.OptionValue]) -> bool:
        """Take all values, from the manager that accepted the module; returns whether any differs.

        Raises ValueError, having taken none.
        """
        with self._lock:
            if instance != self._instance:  # it counts revisions anew
                self._instance = instance
                self._revisions.clear()
            return self._take(options)

    def update(
        self, options: Iterable[types_pb2.OptionValue], *, instance: str | None = None
    ) -> None:
        """Take new values, except those that are older than what is known.

        `instance` is who told them, where that may be another manager by now: then it is too late
        for them. Raises ValueError, having taken none.
        """
        with self._lock:
            if instance is None or instance == self._instance:
                self._take(options)

    def _take(self, options: Iterable[types_pb2.OptionValue]) -> bool:
        fresh = {
            option.name: (option_value(option), option.revision)
            for option in options
            if option.revision >= self._revisions.get(option.name, 0)
        }
        changed = any(
            name not in self._values or self._values[name] != value
            for name, (value, _) in fresh.items()
        )
        self._values.update((name, value) for name, (value, _) in fresh.items())
        self._revisions.update((name, revision) for name, (_, revision) in fresh.items())
        return changed

    def get(self, name: str) -> OptionValue:
        """Return the value of an option. Raises KeyError when it isn't declared."""
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values
