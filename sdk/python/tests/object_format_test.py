"""object_format: from what handlers return and raise to results, in each format."""

from __future__ import annotations

import builtins
import collections
import enum
import errno
import functools
import json
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

import object_format
from outpost import CLICommand
from outpost.object_format import (
    CommonFormatter,
    ConstantResponderBase,
    EmptyResponder,
    ErrorResponse,
    ErrorResponseBase,
    ErrorResponseHandler,
    Format,
    JSONDataProvider,
    JSONFormatter,
    ObjectFormatAdapter,
    Responder,
    ReturnValueAdapter,
    ReturnValueProvider,
    SimpleDataProvider,
    UnknownFormat,
    UnsupportedFormat,
    YAMLDataProvider,
    YAMLFormatter,
)


class Wormhole:
    def __init__(self, name: str, age: int) -> None:
        self.name = name
        self.age = age

    def to_simplified(self) -> dict[str, Any]:
        return {"name": self.name, "age": self.age}


class Compatible(Wormhole):
    def to_json(self) -> dict[str, Any]:
        return {"json": self.name}

    def to_yaml(self) -> dict[str, Any]:
        return {"yaml": self.name}


class Broken:
    def mgr_return_value(self) -> int:
        return -errno.EIO

    def to_simplified(self) -> str:
        return "half of it"


class Colour(str, enum.Enum):
    red = "red"


class Level(enum.IntEnum):
    high = 3


def responded(value: Any, responder: Responder | None = None, **kwargs: Any) -> Any:
    @(responder or Responder())
    def handler() -> Any:
        return value

    return handler(**kwargs)


@pytest.mark.parametrize(
    ("value", "pretty", "compact"),
    [
        ({}, "{}", "{}"),
        ([], "[]", "[]"),
        (None, "null", "null"),
        ("é", '"\\u00e9"', '"\\u00e9"'),
        ({"b": [1, 2.5], "a": True}, '{\n  "a": true,\n  "b": [\n    1,\n    2.5\n  ]\n}', None),
        (Wormhole("w", 3), '{\n  "age": 3,\n  "name": "w"\n}', '{"age":3,"name":"w"}'),
        ([Wormhole("w", 3)], None, '[{"age":3,"name":"w"}]'),
        ({"at": (Colour.red, Level.high)}, None, '{"at":["red",3]}'),
    ],
)
def test_json(value: Any, pretty: str | None, compact: str | None) -> None:
    if pretty is not None:
        assert responded(value) == (0, pretty, "")
        assert responded(value, format="json") == (0, pretty, "")
        assert responded(value, format="json-pretty") == (0, pretty, "")
        assert responded(value, format="json_pretty") == (0, pretty, "")
    if compact is not None:
        assert responded(value, format="json-compact") == (0, compact, "")


def test_json_on_a_line() -> None:
    adapter = ObjectFormatAdapter({"b": 1, "a": [2]}, json_indent=None)
    assert adapter.format_json() == '{"a": [2], "b": 1}'
    assert "\n" in adapter.format_json_pretty()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "{}\n"),
        ({"b": [1, 2], "a": "999"}, "a: '999'\nb:\n- 1\n- 2\n"),
        ([Wormhole("w", 3)], "- age: 3\n  name: w\n"),
        ((Colour.red, Level.high), "- red\n- 3\n"),
        (collections.OrderedDict(x=None), "x: null\n"),
        ({1: collections.defaultdict(int, y=2)}, "1:\n  y: 2\n"),
    ],
)
def test_yaml(value: Any, text: str) -> None:
    assert responded(value, format="yaml") == (0, text, "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "<response />"),
        (None, "<response />"),
        ("a<b&c", "<response>a&lt;b&amp;c</response>"),
        ({"b": 1.5, "a": False}, "<response><a>false</a><b>1.5</b></response>"),
        ([1, [2]], "<response><item>1</item><item><item>2</item></item></response>"),
        ({"os d": 1, 7: None}, '<response><item name="7" /><item name="os d">1</item></response>'),
        ("\0\ud800\r\n\t", "<response>\ufffd\ufffd&#13;\n\t</response>"),
        ({'"': "", "o": {}}, '<response><item name="&quot;" /><o /></response>'),
        ([Wormhole("w", 3)], "<response><item><age>3</age><name>w</name></item></response>"),
    ],
)
def test_xml(value: Any, text: str) -> None:
    assert responded(value, format="xml") == (0, text, "")
    ElementTree.fromstring(text)


def test_xml_pretty() -> None:
    retval, text, _ = responded({"a": [1], "b": "x"}, format="xml-pretty")
    assert (retval, text.splitlines()) == (
        0,
        [
            "<response>",
            "  <a>",
            "    <item>1</item>",
            "  </a>",
            "  <b>x</b>",
            "</response>",
        ],
    )


@pytest.mark.parametrize(
    ("value", "lines"),
    [  # as sdk/cpp/outpost/table_test.cc has it
        ("text\nas it is", ["text", "as it is"]),
        (None, [""]),
        (True, ["true"]),
        ([], [""]),
        ({}, ["NAME  VALUE  "]),
        (["b", 1, None], ["b", "1", ""]),
        ([{"b": 1}, [2]], ['{"b":1}', "[2]"]),
        (
            {"b": 1, "a": None, "c": [2, "é"]},
            ["NAME  VALUE    ", "a              ", "b     1        ", 'c     [2,"é"]  '],
        ),
        (
            [Wormhole("w", 3), {"name": "longer", "mass": 1.5}],
            ["AGE  MASS  NAME    ", "3          w       ", "     1.5   longer  "],
        ),
        ([{}, {}], ["{}", "{}"]),
    ],
)
def test_plain(value: Any, lines: list[str]) -> None:
    assert responded(value, format="plain") == (0, "\n".join(lines), "")


@pytest.mark.parametrize("name", [each.value for each in Format])
def test_what_cannot_be_written_is_a_mistake_of_the_program(name: str) -> None:
    with pytest.raises((TypeError, yaml.YAMLError)):
        responded({"x": object()}, format=name)


def test_formats_are_checked_before_the_handler_runs() -> None:
    ran = []

    @Responder()
    def handler() -> None:
        ran.append(1)

    assert handler(format="toml") == (-errno.EINVAL, "", "Unknown format name: toml")
    assert ran == []
    assert handler(format="xml")[0] == 0
    assert ran == [1]


def test_without_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    imported = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name == "yaml":
            raise ImportError("No module named 'yaml'")
        return imported(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)

    @Responder()
    def handler() -> list[int]:
        ran.append(1)
        return ran

    retval, out, err = handler(format="yaml")
    assert (retval, out, ran) == (-errno.EOPNOTSUPP, "", [])
    assert "No module named 'yaml'" in err
    assert "install python3-yaml" in err
    assert handler(format="json-compact") == (0, "[1]", "")

    class Mine(ObjectFormatAdapter):
        def format_yaml(self) -> str:
            return "---\n" + super().format_yaml()

    assert responded({}, Responder(Mine), format="yaml")[0] == -errno.EOPNOTSUPP


def test_a_handler_with_a_format_gets_it() -> None:
    @Responder()
    def handler(format: str | None = None) -> Any:  # noqa: A002
        return {"format": format}

    assert json.loads(handler()[1]) == {"format": None}
    assert handler(format="yaml") == (0, "format: yaml\n", "")


class Boxes:
    """Writes plain text and XML, and knows YAML, but can't write it."""

    def __init__(self, obj: dict[str, Any]) -> None:
        self.obj = obj

    def valid_formats(self) -> Iterable[str]:
        return ["plain", "xml", "yaml"]

    def format_plain(self) -> str:
        return f"{self.obj['size']} boxes"

    def format_xml(self) -> str:
        return f"<boxes>{self.obj['size']}</boxes>"


def test_an_own_formatter() -> None:
    responder = Responder(Boxes)
    assert responded({"size": 2}, responder, format="plain") == (0, "2 boxes", "")
    assert responded({"size": 2}, responder, format="xml") == (0, "<boxes>2</boxes>", "")
    assert responded({"size": 2}, responder, format="yaml") == (
        -errno.EINVAL,
        "",
        "Unsupported format: yaml",
    )
    for unknown in ({"format": "json"}, {}):
        assert responded({"size": 2}, responder, **unknown) == (
            -errno.EINVAL,
            "",
            "Unknown format name: json",
        )


def test_compatible() -> None:
    both = Responder(functools.partial(ObjectFormatAdapter, compatible=True, json_indent=None))
    value = Compatible("w", 3)
    assert responded(value, both) == (0, '{"json": "w"}', "")
    assert responded(value, both, format="yaml") == (0, "yaml: w\n", "")
    assert responded(Wormhole("w", 3), both, format="yaml") == (0, "age: 3\nname: w\n", "")
    assert responded(value, format="yaml") == (0, "age: 3\nname: w\n", "")


def test_return_values() -> None:
    assert responded(Broken()) == (-errno.EIO, '"half of it"', "")
    assert ReturnValueAdapter({}).mgr_return_value() == 0
    assert ReturnValueAdapter(-5, default=7).mgr_return_value() == 7
    assert ReturnValueAdapter(Broken()).mgr_return_value() == -errno.EIO


def test_protocols() -> None:
    adapter = ObjectFormatAdapter({})
    assert isinstance(adapter, CommonFormatter)
    assert isinstance(adapter, JSONFormatter)
    assert isinstance(adapter, YAMLFormatter)
    assert isinstance(Broken(), ReturnValueProvider)
    assert isinstance(Wormhole("w", 1), SimpleDataProvider)
    assert not isinstance(Wormhole("w", 1), JSONDataProvider)
    assert isinstance(Compatible("w", 1), JSONDataProvider)
    assert isinstance(Compatible("w", 1), YAMLDataProvider)
    assert set(adapter.valid_formats()) >= {
        *("plain", "json", "json-compact", "json-pretty", "yaml", "xml", "xml-pretty"),
    }


class WithErrno(Exception):
    def __init__(self, number: object) -> None:
        super().__init__("sad")
        self.errno = number


@pytest.mark.parametrize(
    ("error", "return_value", "response"),
    [
        (ValueError("sad"), None, (-errno.EINVAL, "", "sad")),
        (ValueError("sad"), -errno.ENOENT, (-errno.ENOENT, "", "sad")),
        (KeyError("k"), None, (-errno.EINVAL, "", "'k'")),
        (OSError(errno.EBUSY, "busy"), None, (-errno.EBUSY, "", "[Errno 16] busy")),
        (OSError(errno.EBUSY, "busy"), -errno.EIO, (-errno.EIO, "", "[Errno 16] busy")),
        (OSError("no number"), None, (-errno.EINVAL, "", "no number")),
        (WithErrno(-5), None, (-5, "", "sad")),
        (WithErrno("five"), None, (-errno.EINVAL, "", "sad")),
        (WithErrno(0), None, (-errno.EINVAL, "", "sad")),
    ],
)
def test_wrap(error: Exception, return_value: int | None, response: tuple[int, str, str]) -> None:
    wrapped = ErrorResponse.wrap(error, return_value)
    assert isinstance(wrapped, ErrorResponse)
    assert wrapped.format_response() == response
    assert wrapped.mgr_return_value() == response[0]
    assert wrapped.errno == -response[0]
    assert wrapped.__cause__ is error


def test_wrap_leaves_a_response() -> None:
    error = UnknownFormat("x")
    assert ErrorResponse.wrap(error, return_value=-5) is error

    class Mine(ErrorResponse):
        pass

    assert type(Mine.wrap(ValueError("x"))) is Mine


def test_error_responses() -> None:
    error = ErrorResponse("gone", return_value=-errno.ENOENT)
    assert (str(error), repr(error)) == ("gone", "ErrorResponse('gone', -2)")
    assert error.errno == errno.ENOENT
    assert ErrorResponse("bad").format_response() == (-errno.EINVAL, "", "bad")
    assert UnknownFormat("x").format_response() == (-errno.EINVAL, "", "Unknown format name: x")
    assert UnsupportedFormat("x").format_response() == (-errno.EINVAL, "", "Unsupported format: x")
    with pytest.raises(NotImplementedError, match="ErrorResponseBase has no format_response"):
        ErrorResponseBase().format_response()


class Teapot(ErrorResponseBase):
    def format_response(self) -> tuple[int, str, str]:
        return -418, "tea", "short and stout"


def pour(kind: str) -> Any:
    kinds: dict[str, Exception] = {
        "error": ErrorResponse("no tea", return_value=-errno.ENOENT),
        "own": Teapot(),
        "mistake": ZeroDivisionError("boom"),
    }
    raise kinds[kind]


@pytest.mark.parametrize("decorator", [Responder(), ErrorResponseHandler(), EmptyResponder()])
def test_errors_become_results(decorator: Callable[..., Any]) -> None:
    handler = decorator(pour)
    assert handler("error") == (-errno.ENOENT, "", "no tea")
    assert handler("own") == (-418, "tea", "short and stout")
    with pytest.raises(ZeroDivisionError, match="boom"):
        handler("mistake")


def test_error_response_handler_leaves_results() -> None:
    for result in ((0, "raw", "note"), None):
        handler = ErrorResponseHandler()(lambda result=result: result)
        assert handler() == result


def test_empty_responder() -> None:
    assert EmptyResponder()(lambda: None)() == (0, "", "")
    with pytest.raises(ValueError, match=r"expects None of the function, which returned \[\]"):
        EmptyResponder()(list)()


def test_constant_responder() -> None:
    class Done(ConstantResponderBase):
        def mgr_body_value(self) -> str:
            return "done"

        def mgr_status_value(self) -> str:
            return "really"

    assert Done()(lambda: 5)() == (0, "done", "really")


def test_under_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    declared: dict[str, CLICommand] = {}
    monkeypatch.setattr(CLICommand, "COMMANDS", declared)

    @CLICommand("weigh", perm="r")
    @Responder()
    def weigh(self: Any, name: str = "moon") -> dict[str, Any]:
        """Weigh something."""
        return {"name": name}

    command = declared["weigh"]
    assert command.dump_cmd() == {
        "cmd": "weigh name=name,type=CephString,req=false"
        " name=format,type=CephString,req=false,positional=false",
        "desc": "Weigh something.",
        "perm": "r",
        "poll": False,
    }
    assert command.call(None, {"name": "sun", "format": "yaml"}) == (0, "name: sun\n", "")
    assert command.call(None, {}) == (0, '{\n  "name": "moon"\n}', "")


def test_the_name_that_modules_import() -> None:
    from outpost import object_format as ours

    assert sorted(object_format.__all__) == sorted(ours.__all__)
    assert all(getattr(object_format, name) is getattr(ours, name) for name in ours.__all__)


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
