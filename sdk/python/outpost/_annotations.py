"""From one parameter's annotation to an argument: how Ceph's grammar declares it, what it becomes.

annotation                          in the signature                the handler gets
str, int, float, bool               type=CephString, CephInt, …     that
an Enum                             type=CephChoices,strings=…      a member, by its value
Literal["a", "b"]                   type=CephChoices,strings=a|b    one of them
Annotated[int, Range(0, 10)]        type=CephInt,range=0|10         that
CephSize, … of argument_types       type=CephSize, …                an int, or text
Optional[T], T | None               req=false                       T
List[T], Sequence[T], Iterable[T]   n=N                             a list
Tuple[T, ...]                       n=N                             a tuple
Tuple[T, T]                         n=2                             a tuple
"""

from __future__ import annotations

import collections.abc
import enum
import re
import types
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

from outpost.argument_types import ArgumentType, GoodChars, Range

_CHOICE = re.compile(r"[^\s,|]+")


class AnnotationError(ValueError):
    """An annotation can't be an argument of a command; the message says why."""


class Argument(NamedTuple):
    """One argument of a command."""

    name: str
    description: str
    """In Ceph's grammar: "name=num,type=CephInt,req=false"."""
    required: bool
    has_default: bool
    """Whether the handler may be called without it; else it gets None where it is left out."""
    convert: Callable[[Any], Any]
    """Takes the JSON value. Raises ValueError or TypeError: it doesn't fit."""


def argument(name: str, annotation: Any, *, has_default: bool, positional: bool) -> Argument:
    """Read a parameter's annotation, whose names are resolved. Raises AnnotationError.

    `positional`: the argument may be given without its name.
    """
    annotation, metadata, optional = _strip(annotation)
    item, count, collect = _items(annotation)
    if item is not annotation:
        item, more, _ = _strip(item)
        metadata += more
    kind = _kind(item, metadata)
    required = not (has_default or optional or kind.optional)
    parts = [f"name={name}", *kind.parts]
    if not required:
        parts.append("req=false")
    if count:
        parts.append(f"n={count}")
    if not positional:
        parts.append("positional=false")
    convert = _each(kind.convert, count, collect) if count else kind.convert
    return Argument(name, ",".join(parts), required, has_default, convert)


def without_none(annotation: Any) -> Any:
    """Return T for Optional[T], T | None and Annotated[T, …]; anything else as it is."""
    return _strip(annotation)[0]


class _Kind(NamedTuple):
    parts: tuple[str, ...]
    convert: Callable[[Any], Any]
    optional: bool = False


def _strip(annotation: Any) -> tuple[Any, list[Any], bool]:
    metadata: list[Any] = []
    optional = False
    while True:
        origin = typing.get_origin(annotation)
        arguments = typing.get_args(annotation)
        if origin is typing.Annotated:
            annotation = arguments[0]
            metadata += arguments[1:]
        elif origin in (typing.Union, types.UnionType) and type(None) in arguments:
            optional = True
            rest = [kind for kind in arguments if kind is not type(None)]
            if len(rest) != 1:
                return annotation, metadata, optional
            annotation = rest[0]
        else:
            return annotation, metadata, optional


def _items(annotation: Any) -> tuple[Any, str, Callable[[list[Any]], Any]]:
    """Return the type of the items, how many there are ("", "N", "2"), and what makes them one."""
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is tuple and arguments:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return arguments[0], "N", tuple
        if arguments.count(arguments[0]) != len(arguments):
            raise AnnotationError(f"the elements of {annotation} must be of one type")
        return arguments[0], str(len(arguments)), tuple
    if origin in (list, collections.abc.Sequence, collections.abc.Iterable) and arguments:
        return arguments[0], "N", list
    return annotation, "", list


def _kind(annotation: Any, metadata: list[Any]) -> _Kind:
    choices = _choices(annotation)
    if choices is not None:
        return choices
    simple = _SIMPLE.get(annotation) if isinstance(annotation, type) else None
    if simple is None:
        shown = annotation.__name__ if isinstance(annotation, type) else annotation
        raise AnnotationError(
            f"type {shown} can't be given on a command line; use int, float, bool, str, an Enum,"
            " a Literal, a type of outpost.argument_types, or an Optional, List or Tuple of these"
        )
    ceph_type, convert = simple
    attributes = []
    for mark in metadata:
        if isinstance(mark, ArgumentType):
            ceph_type = mark.name
        elif isinstance(mark, Range):
            _check_range(mark, annotation)
            attributes.append(f"range={mark}")
            convert = _ranged(convert, mark)
        elif isinstance(mark, GoodChars):
            if annotation is not str or re.search(r"\s", mark.characters):
                raise AnnotationError(f"{mark} fits a str, and has no white space")
            attributes.append(f"goodchars={mark.characters}")
    return _Kind((f"type={ceph_type}", *attributes), convert)


def _choices(annotation: Any) -> _Kind | None:
    optional = False
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        words = {str(member.value): member for member in annotation}
    elif typing.get_origin(annotation) is typing.Literal:
        values = typing.get_args(annotation)
        optional = None in values
        words = {str(value): value for value in values if value is not None}
    else:
        return None
    for word in words:
        if not _CHOICE.fullmatch(word):
            raise AnnotationError(
                f"{word!r} can't be a choice: it must be a word without white space, ',' and '|'"
            )

    def convert(value: Any) -> Any:
        if isinstance(value, enum.Enum):
            value = value.value
        try:
            return words[str(value)]
        except KeyError:
            raise ValueError(value) from None

    return _Kind(("type=CephChoices", f"strings={'|'.join(words)}"), convert, optional)


def _check_range(mark: Range, annotation: type) -> None:
    limits = [limit for limit in (mark.min, mark.max) if limit is not None]
    fits: dict[type, tuple[type, ...]] = {int: (int,), float: (int, float)}
    if not all(isinstance(limit, fits.get(annotation, ())) for limit in limits):
        raise AnnotationError(f"{mark!r} does not fit {annotation.__name__}")
    if limits != sorted(limits):
        raise AnnotationError(f"{mark!r} is empty")


def _ranged(convert: Callable[[Any], Any], mark: Range) -> Callable[[Any], Any]:
    def convert_within(value: Any) -> Any:
        number = convert(value)
        if number < mark.min or (mark.max is not None and number > mark.max):
            raise ValueError(value)
        return number

    return convert_within


def _each(
    convert: Callable[[Any], Any], count: str, collect: Callable[[list[Any]], Any]
) -> Callable[[Any], Any]:
    def convert_each(value: Any) -> Any:
        items = list(value) if isinstance(value, list | tuple) else [value]
        if count != "N" and len(items) != int(count):
            raise ValueError(value)
        return collect([convert(item) for item in items])

    return convert_each


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise ValueError(value)
    return word in ("true", "1", "yes", "on")


_SIMPLE: dict[type, tuple[str, Callable[[Any], Any]]] = {
    int: ("CephInt", int),
    float: ("CephFloat", float),
    bool: ("CephBool", _to_bool),
    str: ("CephString", str),
}
