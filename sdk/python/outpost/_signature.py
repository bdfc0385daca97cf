"""What a handler's parameters say: Ceph's signature string, and how JSON becomes arguments."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from outpost._annotations import AnnotationError, Argument, argument, without_none
from outpost._errors import ModuleLoadError

_THE_MODULE = ("self", "mgr", "_")
_END_POSITIONAL = "_end_positional_"
_EXTRA_ARGUMENTS = "extra_args"


class ArgumentError(ValueError):
    """An argument does not fit the handler; the message is meant for the command's caller."""


class HandlerSignature(NamedTuple):
    """What a command's handler takes."""

    arguments: tuple[Argument, ...]
    inbuf: frozenset[type]
    """What its parameter `inbuf` may be: str, bytes, both; empty: it has no such parameter."""
    inbuf_required: bool

    def text(self, prefix: str) -> str:
        """Return Ceph's signature string for a command."""
        return " ".join([prefix, *(each.description for each in self.arguments)])

    def bind(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Pick the handler's arguments out of a command's JSON. Raises ArgumentError."""
        bound = {}
        for wanted in self.arguments:
            value = command.get(wanted.name)
            if value is None:
                value = command.get(wanted.name.replace("_", "-"))
            if value is not None:
                try:
                    bound[wanted.name] = wanted.convert(value)
                except (TypeError, ValueError):
                    raise ArgumentError(
                        f"argument {wanted.name}: {value!r} does not fit {wanted.description}"
                    ) from None
            elif wanted.required:
                raise ArgumentError(f"argument {wanted.name} is missing")
            elif not wanted.has_default:
                bound[wanted.name] = None
        return bound


def handler_signature(prefix: str, handler: Callable[..., Any]) -> HandlerSignature:
    """Read a handler's parameters, through the decorators that functools.wraps() made of it.

    The first one is the module. Parameters that are keyword-only, or follow one named
    `_end_positional_`, can be given by name only. `inbuf` takes the input file (see inbuf_types()).
    A decorator may add arguments: its function then has an attribute `extra_args`, a dict of names
    and types. Raises ModuleLoadError, which names the command and the parameter.
    """
    where = f"command {prefix!r}: {getattr(handler, '__qualname__', handler)}()"
    arguments = []
    inbuf_required = False
    positional = True
    for parameter in _parameters(where, handler):
        name = parameter.name
        has_default = parameter.default is not parameter.empty
        if name == _END_POSITIONAL:
            positional = False
        elif name == "inbuf":
            inbuf_required = not has_default
        else:
            positional = positional and parameter.kind is not parameter.KEYWORD_ONLY
            with_name = f"{where}: parameter {name}"
            if parameter.annotation is parameter.empty:
                raise ModuleLoadError(f"{with_name} has no type annotation")
            annotation = _resolve(with_name, handler, parameter.annotation)
            try:
                arguments.append(
                    argument(name, annotation, has_default=has_default, positional=positional)
                )
            except AnnotationError as error:
                raise ModuleLoadError(f"{with_name}: {error}") from None
    known = {each.name for each in arguments}
    for name, kind in _extra_arguments(handler).items():
        if name not in known:
            arguments.append(argument(name, kind, has_default=True, positional=False))
    return HandlerSignature(tuple(arguments), inbuf_types(where, handler), inbuf_required)


def inbuf_types(where: str, handler: Callable[..., Any]) -> frozenset[type]:
    """Return what a function's parameter `inbuf` may be; empty: it has no such parameter.

    It is text, unless it is annotated `bytes`; `str | bytes` takes what is not text as bytes.
    Raises ModuleLoadError.
    """
    parameter = inspect.signature(handler).parameters.get("inbuf")
    if parameter is None:
        return frozenset()
    if parameter.annotation is parameter.empty:
        return frozenset({str})
    where = f"{where}: parameter inbuf"
    kind = without_none(_resolve(where, handler, parameter.annotation))
    kinds = frozenset(typing.get_args(kind) or (kind,)) - {type(None)}
    if not kinds <= {str, bytes}:
        raise ModuleLoadError(f"{where} must be annotated str, bytes, or str | bytes")
    return kinds


def _parameters(where: str, handler: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return all parameters but the first, which takes the module."""
    parameters = list(inspect.signature(handler).parameters.values())
    for number, parameter in enumerate(parameters):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ModuleLoadError(
                f"{where}: *{parameter.name} can't be an argument of a command; if a decorator has"
                " it, the decorator must use functools.wraps()"
            )
        if number and parameter.kind is parameter.POSITIONAL_ONLY:
            raise ModuleLoadError(
                f"{where}: parameter {parameter.name} is positional-only, and arguments are passed"
                " by name"
            )
    first = parameters[0] if parameters else None
    if first is None or not (first.name in _THE_MODULE or first.annotation is first.empty):
        raise ModuleLoadError(f"{where}: its first parameter must be the module: self")
    return parameters[1:]


def _resolve(where: str, handler: Callable[..., Any], annotation: Any) -> Any:
    """Return what an annotation means, where it is text or has text in it.

    Each by itself, so that names which only type checkers know may stand elsewhere: in what the
    handler returns.
    """
    function = inspect.unwrap(handler)
    names = getattr(function, "__globals__", {})
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        try:
            hints = typing.get_type_hints(holder, names, include_extras=True)
        except NameError:
            scope = {**_class_names(function), **names}
            hints = typing.get_type_hints(holder, scope, include_extras=True)
    except Exception as error:
        raise ModuleLoadError(f"{where}: its annotation can't be resolved: {error}") from error
    return hints["it"]


def _class_names(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the names of the classes that a function stands in; its annotations may mean them."""
    names: dict[str, Any] = {}
    scope: Mapping[str, Any] = getattr(function, "__globals__", {})
    for part in getattr(function, "__qualname__", "").split(".")[:-1]:
        owner = scope.get(part)
        if not isinstance(owner, type):
            break
        scope = vars(owner)
        names.update(scope)
    return names


def _extra_arguments(handler: Callable[..., Any]) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    layer: Any = handler
    while layer is not None:
        extra.update(getattr(layer, _EXTRA_ARGUMENTS, {}))
        layer = getattr(layer, "__wrapped__", None)
    return extra
