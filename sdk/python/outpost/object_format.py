"""Decorators that make a command's result of what a handler returns or raises.

    @CLIReadCommand("wormholes")
    @Responder()
    def wormholes(self, oid: str) -> list[dict[str, str]]:
        "List wormholes"
        try:
            return [{"name": wormhole.name} for wormhole in self.query(oid)]
        except LookupError as error:
            raise ErrorResponse(f"Unknown oid: {oid}", return_value=-errno.ENOENT) from error

The caller's `--format` chooses how the value is written (see Format); JSON where there is none. The
format is checked before the handler runs. A decorator stands below the one of the command; the
handler needs no parameter `format`, and gets it if it has one.

- Responder writes any value: dicts, lists, text, numbers, and objects that have to_simplified(). An
  object may have mgr_return_value(), the command's return value.
- EmptyResponder is for handlers that return None: there is no output.
- ErrorResponseHandler is for handlers that return the result themselves.
- Each of them makes results of exceptions derived from ErrorResponseBase: ErrorResponse, in most
  cases. Other exceptions are mistakes in the program, and reach the caller with their traceback.

Another look of the output is a class that is given to Responder: see ObjectFormatAdapter and
CommonFormatter. The names are ceph-mgr's.
"""

from __future__ import annotations

import enum
import errno
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

from outpost import _rendering
from outpost._commands import HandlerFuncType

__all__ = [
    "DEFAULT_JSON_INDENT",
    "CommonFormatter",
    "ConstantResponderBase",
    "EmptyResponder",
    "ErrorResponse",
    "ErrorResponseBase",
    "ErrorResponseHandler",
    "Format",
    "JSONDataProvider",
    "JSONFormatter",
    "ObjectFormatAdapter",
    "ObjectResponseFuncType",
    "Responder",
    "ReturnValueAdapter",
    "ReturnValueProvider",
    "SimpleData",
    "SimpleDataProvider",
    "UnknownFormat",
    "UnsupportedFormat",
    "YAMLDataProvider",
    "YAMLFormatter",
]

DEFAULT_JSON_INDENT = 2

SimpleData = Any
"""Dicts, lists, text, numbers, bools and None."""

ObjectResponseFuncType = Callable[..., Any]


class Format(str, enum.Enum):
    """The output formats that a caller may ask for."""

    plain = "plain"
    json = "json"
    json_compact = "json-compact"
    json_pretty = "json-pretty"
    yaml = "yaml"
    xml = "xml"
    xml_pretty = "xml-pretty"


@runtime_checkable
class SimpleDataProvider(Protocol):
    """Can be written, in any format."""

    def to_simplified(self) -> SimpleData:
        """Return the same as basic types."""


@runtime_checkable
class JSONDataProvider(Protocol):
    """Has basic types of its own for JSON; see ObjectFormatAdapter."""

    def to_json(self) -> Any:
        """Return basic types, and not JSON text."""


@runtime_checkable
class YAMLDataProvider(Protocol):
    """Has basic types of its own for YAML; see ObjectFormatAdapter."""

    def to_yaml(self) -> Any:
        """Return basic types, and not YAML text."""


@runtime_checkable
class JSONFormatter(Protocol):
    """Writes JSON."""

    def format_json(self) -> str:
        """Return JSON text."""


@runtime_checkable
class YAMLFormatter(Protocol):
    """Writes YAML."""

    def format_yaml(self) -> str:
        """Return YAML text."""


@runtime_checkable
class ReturnValueProvider(Protocol):
    """Knows the return value of the command that returns it."""

    def mgr_return_value(self) -> int:
        """Return 0, or a negative errno."""


@runtime_checkable
class CommonFormatter(Protocol):
    """Writes a value that it was made of, in the formats that it has a method for.

    The method for "json-pretty" is called format_json_pretty(). A format that valid_formats() names
    and that has no method is an UnsupportedFormat, any other an UnknownFormat.
    """

    def valid_formats(self) -> Iterable[str]:
        """Return the names that are formats, supported or not."""


class ObjectFormatAdapter:
    """Writes a value in every Format.

    With `compatible`, an object's to_json() and to_yaml() are used for these formats, if it has
    them. They must return basic types and not text.
    """

    def __init__(
        self, obj: Any, json_indent: int | None = DEFAULT_JSON_INDENT, compatible: bool = False
    ) -> None:
        self.obj = obj
        self.json_indent = json_indent
        self._compatible = compatible

    def _json_data(self) -> Any:
        if self._compatible and isinstance(self.obj, JSONDataProvider):
            return self.obj.to_json()
        return self.obj

    def _yaml_data(self) -> Any:
        if self._compatible and isinstance(self.obj, YAMLDataProvider):
            return self.obj.to_yaml()
        return self._json_data()

    def valid_formats(self) -> Iterable[str]:
        """Return the names of all formats; with "_" for "-" they are as good."""
        return {each.value for each in Format} | set(Format.__members__)

    def format_json(self) -> str:
        """Return JSON with sorted keys, indented by `json_indent`."""
        return _rendering.to_json(self._json_data(), self.json_indent)

    def format_json_pretty(self) -> str:
        """Return JSON with sorted keys, indented."""
        return _rendering.to_json(self._json_data(), self.json_indent or DEFAULT_JSON_INDENT)

    def format_json_compact(self) -> str:
        """Return JSON with sorted keys and no white space."""
        return _rendering.to_compact_json(self._json_data())

    def format_yaml(self) -> str:
        """Return YAML with sorted keys. Raises ErrorResponse: PyYAML is not installed."""
        _require_yaml()
        return _rendering.to_yaml(self._yaml_data())

    def format_xml(self) -> str:
        """Return XML on one line, an element <response>."""
        return _rendering.to_xml(self._json_data(), pretty=False)

    def format_xml_pretty(self) -> str:
        """Return XML, indented."""
        return _rendering.to_xml(self._json_data(), pretty=True)

    def format_plain(self) -> str:
        """Return text for people."""
        return _rendering.to_plain(self._json_data())


class ReturnValueAdapter:
    """Knows the return value of a command from what its handler returned."""

    def __init__(self, obj: Any, default: int = 0) -> None:
        self.obj = obj
        self.default_return_value = default

    def mgr_return_value(self) -> int:
        """Return what the object says, or else the default."""
        if isinstance(self.obj, ReturnValueProvider):
            return int(self.obj.mgr_return_value())
        return self.default_return_value


class ErrorResponseBase(Exception):
    """An exception that is a command's result. Derive from it, and override format_response()."""

    def format_response(self) -> tuple[int, str, str]:
        """Return the result: a negative errno, the output, the error text."""
        raise NotImplementedError(f"{type(self).__name__} has no format_response()")


class UnknownFormat(ErrorResponseBase):
    """The caller's format is none."""

    def __init__(self, format_name: str) -> None:
        super().__init__(format_name)
        self.format_name = format_name

    def format_response(self) -> tuple[int, str, str]:
        """Return -EINVAL."""
        return -errno.EINVAL, "", f"Unknown format name: {self.format_name}"


class UnsupportedFormat(ErrorResponseBase):
    """The caller's format is one, and this command's output can't be written in it."""

    def __init__(self, format_name: str) -> None:
        super().__init__(format_name)
        self.format_name = format_name

    def format_response(self) -> tuple[int, str, str]:
        """Return -EINVAL."""
        return -errno.EINVAL, "", f"Unsupported format: {self.format_name}"


_Error = TypeVar("_Error", bound="ErrorResponse")


class ErrorResponse(ErrorResponseBase):
    """An error to be told to the command's caller: text, and a negative errno (-EINVAL)."""

    def __init__(self, status: str, return_value: int | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.return_value = -errno.EINVAL if return_value is None else return_value

    def format_response(self) -> tuple[int, str, str]:
        """Return the errno and the text."""
        return self.return_value, "", self.status

    def mgr_return_value(self) -> int:
        """Return the return value."""
        return self.return_value

    @property
    def errno(self) -> int:
        """The errno, a positive number."""
        return abs(self.return_value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.status!r}, {self.return_value!r})"

    @classmethod
    def wrap(
        cls: type[_Error], exc: Exception, return_value: int | None = None
    ) -> ErrorResponseBase:
        """Make one of another exception: its text, and its `errno` if it has one.

        `return_value` is used instead of `errno`. An ErrorResponseBase is returned as it is.
        """
        if isinstance(exc, ErrorResponseBase):
            return exc
        if return_value is None:
            number = getattr(exc, "errno", None)
            return_value = -abs(number) if isinstance(number, int) and number else None
        wrapped = cls(str(exc), return_value=return_value)
        wrapped.__cause__ = exc
        return wrapped


def _require_yaml() -> None:
    try:
        _rendering.yaml_library()
    except _rendering.MissingLibraryError as error:
        raise ErrorResponse.wrap(error) from error


class Responder:
    """Writes what a handler returns in the format that the caller wants.

    `formatter` makes a CommonFormatter of a value; the default is ObjectFormatAdapter. It is also
    called with {}, to learn whether there is such a format before the handler runs.
    """

    def __init__(self, formatter: Callable[..., CommonFormatter] | None = None) -> None:
        self.formatter = formatter
        self.default_format: str = Format.json.value

    def _formatter(self, obj: Any) -> CommonFormatter:
        return ObjectFormatAdapter(obj) if self.formatter is None else self.formatter(obj)

    def _format_method(
        self, formatter: CommonFormatter, format_name: str | None
    ) -> Callable[[], str]:
        name = str.__str__(format_name or self.default_format)
        if name not in formatter.valid_formats():
            raise UnknownFormat(name)
        method: Callable[[], str] | None = getattr(
            formatter, f"format_{name.replace('-', '_')}", None
        )
        if method is None:
            raise UnsupportedFormat(name)
        return method

    def _check_format(self, format_name: str | None) -> None:
        formatter = self._formatter({})
        method = self._format_method(formatter, format_name)
        if isinstance(formatter, ObjectFormatAdapter) and method == formatter.format_yaml:
            _require_yaml()

    def _return_value(self, obj: Any) -> int:
        return ReturnValueAdapter(obj).mgr_return_value()

    def __call__(self, f: ObjectResponseFuncType) -> HandlerFuncType:
        """Decorate a handler."""
        pass_format = "format" in inspect.signature(f).parameters

        @functools.wraps(f)
        def respond(*args: Any, **kwargs: Any) -> tuple[int, str, str]:
            format_name = kwargs.get("format") if pass_format else kwargs.pop("format", None)
            try:
                self._check_format(format_name)
                value = f(*args, **kwargs)
                body = self._format_method(self._formatter(value), format_name)()
                return self._return_value(value), body, ""
            except ErrorResponseBase as error:
                return error.format_response()

        respond.extra_args = {"format": str}  # type: ignore[attr-defined]
        return respond


class ErrorResponseHandler:
    """Makes a result of an ErrorResponseBase that a handler raises; else leaves what it returns."""

    def __call__(self, f: Callable[..., tuple[int, str, str]]) -> HandlerFuncType:
        """Decorate a handler."""

        @functools.wraps(f)
        def respond(*args: Any, **kwargs: Any) -> tuple[int, str, str]:
            try:
                return f(*args, **kwargs)
            except ErrorResponseBase as error:
                return error.format_response()

        return respond


class ConstantResponderBase:
    """Returns always the same result, whatever the handler returns; errors as Responder does.

    Derive from it, and override what is different.
    """

    def mgr_return_value(self) -> int:
        """Return the return value."""
        return 0

    def mgr_body_value(self) -> str:
        """Return the output."""
        return ""

    def mgr_status_value(self) -> str:
        """Return the text beside the output."""
        return ""

    def process_response(self, result: Any) -> None:
        """Look at what the handler returned."""

    def __call__(self, f: Callable[..., Any]) -> HandlerFuncType:
        """Decorate a handler."""

        @functools.wraps(f)
        def respond(*args: Any, **kwargs: Any) -> tuple[int, str, str]:
            try:
                self.process_response(f(*args, **kwargs))
            except ErrorResponseBase as error:
                return error.format_response()
            return self.mgr_return_value(), self.mgr_body_value(), self.mgr_status_value()

        return respond


class EmptyResponder(ConstantResponderBase):
    """Returns an empty output for a handler that returns None, which it must."""

    def process_response(self, result: Any) -> None:
        """Raise ValueError: there was a result, which nobody would see."""
        if result is not None:
            raise ValueError(
                f"EmptyResponder expects None of the function, which returned {result!r};"
                " Responder shows what is returned"
            )
