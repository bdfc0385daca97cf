"""From a handler's annotations to Ceph's signature string, and from JSON to its arguments."""

from __future__ import annotations

import collections.abc
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from outpost._errors import ModuleLoadError

_NOT_ARGUMENTS = ("self", "cls", "mgr", "_")
_END_POSITIONAL = "_end_positional_"


class ArgumentError(ValueError):
    """An argument does not fit the handler; the message is meant for the command's caller."""


@dataclass(frozen=True)
class Argument:
    """One argument of a command."""

    name: str
    description: str
    """In Ceph's grammar: "name=num,type=CephInt,req=false"."""
    required: bool
    convert: Callable[[Any], Any]


@dataclass(frozen=True)
class HandlerSignature:
    """What a command's handler takes."""

    arguments: tuple[Argument, ...]
    inbuf: type[str] | type[bytes] | None
    """The type of the parameter `inbuf`; None: it has no such parameter."""
    inbuf_required: bool

    def text(self, prefix: str) -> str:
        """Return Ceph's signature string for a command."""
        return " ".join([prefix, *(argument.description for argument in self.arguments)])

    def bind(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Pick the handler's arguments out of a command's JSON. Raises ArgumentError."""
        bound = {}
        for argument in self.arguments:
            value = command.get(argument.name)
            if value is None:
                value = command.get(argument.name.replace("_", "-"))
            if value is not None:
                try:
                    bound[argument.name] = argument.convert(value)
                except (TypeError, ValueError):
                    raise ArgumentError(
                        f"argument {argument.name}: {value!r} does not fit {argument.description}"
                    ) from None
            elif argument.required:
                raise ArgumentError(f"argument {argument.name} is missing")
        return bound


def handler_signature(prefix: str, handler: Callable[..., Any]) -> HandlerSignature:
    """Read a handler's parameters.

    Parameters that are keyword-only, or follow one named `_end_positional_`, can be given by name
    only. `inbuf` takes the input file: as text, or as it is when annotated `bytes`. Raises
    ModuleLoadError, which names the command and the parameter.
    """
    where = f"command {prefix!r}: {getattr(handler, '__qualname__', handler)}()"
    try:
        hints = typing.get_type_hints(handler)
    except Exception as error:
        raise ModuleLoadError(f"{where}: its annotations can't be resolved: {error}") from error
    arguments = []
    inbuf: type[str] | type[bytes] | None = None
    inbuf_required = False
    positional = True
    for index, parameter in enumerate(inspect.signature(handler).parameters.values()):
        name = parameter.name
        required = parameter.default is parameter.empty
        if name == _END_POSITIONAL:
            positional = False
        elif name == "inbuf":
            inbuf = bytes if _without_none(hints.get(name, str))[0] is bytes else str
            inbuf_required = required
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ModuleLoadError(f"{where}: *{name} can't be an argument of a command")
        elif index == 0 and name in _NOT_ARGUMENTS:
            continue
        elif name not in hints:
            raise ModuleLoadError(f"{where}: parameter {name} has no type annotation")
        else:
            keyword = not positional or parameter.kind is parameter.KEYWORD_ONLY
            arguments.append(_argument(where, name, hints[name], required, keyword))
    return HandlerSignature(tuple(arguments), inbuf, inbuf_required)


def _argument(where: str, name: str, annotation: Any, required: bool, keyword: bool) -> Argument:
    annotation, optional = _without_none(annotation)
    required = required and not optional
    repeated = typing.get_origin(annotation) in (
        list,
        collections.abc.Sequence,
        collections.abc.Iterable,
    )
    if repeated:
        annotation = typing.get_args(annotation)[0]
    kind = _SIMPLE.get(annotation) if isinstance(annotation, type) else None
    kind = kind or _choices(annotation)
    if kind is None:
        shown = getattr(annotation, "__name__", annotation)
        raise ModuleLoadError(
            f"{where}: parameter {name}: type {shown} can't be given on a command line; use int,"
            " float, bool, str, an Enum, a Literal, or an Optional or List of these"
        )
    type_text, convert = kind
    parts = [f"name={name}", type_text]
    if not required:
        parts.append("req=false")
    if repeated:
        parts.append("n=N")
    if keyword:
        parts.append("positional=false")
    return Argument(
        name=name,
        description=",".join(parts),
        required=required,
        convert=_each(convert) if repeated else convert,
    )


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
        if len(kinds) == 1:
            return kinds[0], True
    return annotation, False


def _choices(annotation: Any) -> tuple[str, Callable[[Any], Any]] | None:
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        words = {str(member.value): member for member in annotation}
    elif typing.get_origin(annotation) is typing.Literal:
        words = {str(value): value for value in typing.get_args(annotation)}
    else:
        return None

    def convert(value: Any) -> Any:
        try:
            return words[str(value)]
        except KeyError:
            raise ValueError(value) from None

    return f"type=CephChoices,strings={'|'.join(words)}", convert


def _each(convert: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def convert_each(value: Any) -> list[Any]:
        return [convert(item) for item in (value if isinstance(value, list) else [value])]

    return convert_each


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise ValueError(value)
    return word in ("true", "1", "yes", "on")


_SIMPLE: dict[type, tuple[str, Callable[[Any], Any]]] = {
    int: ("type=CephInt", int),
    float: ("type=CephFloat", float),
    bool: ("type=CephBool", _to_bool),
    str: ("type=CephString", str),
}
