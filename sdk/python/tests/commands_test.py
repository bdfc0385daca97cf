"""Commands: from annotations to signatures, from JSON to arguments, from returns to results."""

from __future__ import annotations

import enum
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any, List, Literal, Optional  # noqa: UP035

import pytest
from fake_manager import FakeManager, FakeSession
from module_process import ModuleProcess, write_module

from outpost import ModuleLoadError
from outpost._commands import CLICommand
from outpost._signature import ArgumentError, handler_signature


class Colour(enum.Enum):
    red = "red"
    green = "green"


class Size(str, enum.Enum):
    small = "s"
    large = "l"


def all_kinds(  # type: ignore[no-untyped-def]
    self,
    i: int,
    f: float,
    b: bool,
    s: str,
    colour: Colour,
    word: Literal["a", "b"],
    many: List[int],  # noqa: UP006
    opt: Optional[int],  # noqa: UP045
    new_opt: int | None = None,
    with_default: str = "x",
    names: list[str] | None = None,
    _end_positional_: int = 0,
    later: bool = False,
    *,
    size: Size = Size.small,
    inbuf: bytes | None = None,
):
    """Does
    much."""


def test_signatures_of_all_kinds() -> None:
    signature = handler_signature("do all", all_kinds)
    assert signature.text("do all").split(" ") == [
        "do",
        "all",
        "name=i,type=CephInt",
        "name=f,type=CephFloat",
        "name=b,type=CephBool",
        "name=s,type=CephString",
        "name=colour,type=CephChoices,strings=red|green",
        "name=word,type=CephChoices,strings=a|b",
        "name=many,type=CephInt,n=N",
        "name=opt,type=CephInt,req=false",
        "name=new_opt,type=CephInt,req=false",
        "name=with_default,type=CephString,req=false",
        "name=names,type=CephString,req=false,n=N",
        "name=later,type=CephBool,req=false,positional=false",
        "name=size,type=CephChoices,strings=s|l,req=false,positional=false",
    ]
    assert signature.inbuf is bytes
    assert not signature.inbuf_required


def test_arguments_are_converted() -> None:
    signature = handler_signature("do all", all_kinds)
    required = {"i": "3", "f": 2, "b": "true", "s": 5, "colour": "red", "word": "b", "many": [1]}
    assert signature.bind({"prefix": "do all", "target": ["mgr", ""], **required}) == {
        "i": 3,
        "f": 2.0,
        "b": True,
        "s": "5",
        "colour": Colour.red,
        "word": "b",
        "many": [1],
    }
    bound = signature.bind({**required, "with-default": "y", "names": "one", "size": "l"})
    assert bound["with_default"] == "y"
    assert bound["names"] == ["one"]
    assert bound["size"] is Size.large


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"i": "x"}, "argument i: 'x' does not fit name=i,type=CephInt"),
        ({"f": "x"}, "argument f: 'x' does not fit name=f,type=CephFloat"),
        ({"b": "maybe"}, "argument b: 'maybe' does not fit"),
        ({"colour": "blue"}, "argument colour: 'blue' does not fit"),
        ({"word": "c"}, "argument word: 'c' does not fit"),
        ({"many": [1, "x"]}, "argument many: [1, 'x'] does not fit"),
        ({"i": None}, "argument i is missing"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    fine = {"i": 1, "f": 1.5, "b": False, "s": "", "colour": "green", "word": "a", "many": []}
    signature = handler_signature("do all", all_kinds)
    signature.bind(fine)
    with pytest.raises(ArgumentError) as caught:
        signature.bind({**fine, **arguments})
    assert str(caught.value).startswith(message)


def unannotated(self, x): ...  # type: ignore[no-untyped-def]


def starred(self: Any, *args: int) -> None: ...


def odd(self: Any, x: dict[str, str]) -> None: ...


def either(self: Any, x: int | str) -> None: ...


def unknown(self: Any, x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (unannotated, "command 'p': unannotated(): parameter x has no type annotation"),
        (starred, "command 'p': starred(): *args can't be an argument of a command"),
        (odd, "command 'p': odd(): parameter x: type dict can't be given on a command line"),
        (either, "can't be given on a command line; use int, float, bool, str, an Enum"),
        (unknown, "command 'p': unknown(): its annotations can't be resolved: name 'Nowhere'"),
    ],
)
def test_handlers_that_cannot_be_commands(handler: Callable[..., Any], message: str) -> None:
    with pytest.raises(ModuleLoadError) as caught:
        handler_signature("p", handler)
    assert message in str(caught.value)


def test_describe() -> None:
    command = CLICommand("do all", perm="r", poll=True)
    command.func = all_kinds
    described = command.describe()
    assert described.description == "Does much."
    assert described.permissions == "r"
    assert described.poll


RETURNS = """
class Sample(MgrModule):
    COMMANDS = [
        {
            "cmd": "old  name=x,type=CephString",
            "desc": "The old\\n way",
            "perm": "r",
            "poll": "true",
        },
    ]

    def handle_command(self, inbuf, cmd):
        return 0, f"{cmd['x']} {inbuf!r} {cmd['format']}", ""

    @CLICommand("ret")
    def ret(self, what: str):
        return {
            "result": HandleCommandResult(-errno.ENOENT, "out", "err"),
            "tuple": (5, "o", "e"),
            "bytes": (0, b"\\xff\\x00", ""),
            "surrogates": (0, os.fsdecode(b"a\\xff"), "e\\udc80"),
            "none": None,
            "str": "text",
            "two": (0, ""),
            "four": (0, "", "", ""),
            "list": [0, "", ""],
            "retval": ("0", "", ""),
            "huge": (2**31, "", ""),
            "stdout": (0, None, ""),
            "stderr": (0, "", b"x"),
        }[what]

    @CLIWriteCommand("raise")
    def raise_it(self, what: str):
        kinds = {"value": ValueError("boom é"), "exit": SystemExit(3), "stop": KeyboardInterrupt()}
        raise kinds[what]

    @CLIReadCommand("text")
    def text(self, inbuf: Optional[str] = None):
        return 0, repr(inbuf), ""

    @CLIReadCommand("raw")
    def raw(self, inbuf: bytes):
        return 0, repr(inbuf), ""

    @CLIReadCommand("no input")
    def no_input(self):
        return 0, "", ""

    @CLIReadCommand("checked")
    @CLICheckNonemptyFileInput(desc="a poem")
    def checked(self, n: int, inbuf: str):
        return 0, f"{n} {inbuf!r}", ""

    @CLIReadCommand("noisy")
    def noisy(self):
        print("noise")
        return 0, "quiet", ""


def joined(self, word: str = "none"):
    "Joined later"
    return 0, f"{type(self).__name__} {word}", ""

Command("joined", joined, perm="r", poll=True).register()
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("s")
    manager = FakeManager(Path(directory))
    manager.start()
    process = ModuleProcess(write_module(directory / "sample", RETURNS), manager.address)
    yield manager.session()
    process.kill()
    manager.stop()


def test_registered_commands(session: FakeSession) -> None:
    declared = {c.signature.partition(" name=")[0]: c for c in session.register.commands}
    assert set(declared) == {
        *("old", "ret", "raise", "text", "raw", "no input", "checked", "noisy", "joined")
    }
    old, joined = declared["old"], declared["joined"]
    assert (old.signature, old.description) == ("old name=x,type=CephString", "The old way")
    assert (old.permissions, old.poll) == ("r", True)
    assert joined.signature == "joined name=word,type=CephString,req=false"
    assert (joined.permissions, joined.poll, joined.description) == ("r", True, "Joined later")
    assert declared["raise"].permissions == "w"
    assert declared["checked"].signature == "checked name=n,type=CephInt"


@pytest.mark.parametrize(
    ("what", "retval", "stdout", "stderr"),
    [("result", -2, "out", "err"), ("tuple", 5, "o", "e")],
)
def test_results(session: FakeSession, what: str, retval: int, stdout: str, stderr: str) -> None:
    result = session.run("ret", what=what)
    assert (result.retval, result.stdout, result.stderr) == (retval, stdout, stderr)


def test_bytes(session: FakeSession) -> None:
    result = session.run("ret", what="bytes")
    assert (result.retval, result.stdout, result.stdout_bytes) == (0, "", b"\xff\x00")
    result = session.run("ret", what="surrogates")
    assert (result.stdout_bytes, result.stderr) == (b"a\xff", "e\\udc80")


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("none", "returned NoneType;"),
        ("str", "returned str;"),
        ("two", "returned a tuple of 2;"),
        ("four", "returned a tuple of 4;"),
        ("list", "returned list;"),
        ("retval", "returned a retval that is str, not int;"),
        ("huge", "returned a retval, 2147483648, that does not fit 32 bits;"),
        ("stdout", "returned a stdout that is NoneType, not str or bytes;"),
        ("stderr", "returned a stderr that is bytes, not str;"),
    ],
)
def test_wrong_results_are_told(session: FakeSession, what: str, told: str) -> None:
    result = session.run("ret", what=what)
    assert result.retval == -errno.EINVAL
    assert result.stderr.startswith("command 'ret' is broken: its handler ")
    assert told in result.stderr


@pytest.mark.parametrize(
    ("what", "told"),
    [("value", "ValueError: boom é"), ("exit", "SystemExit: 3"), ("stop", "KeyboardInterrupt")],
)
def test_exceptions_are_results(session: FakeSession, what: str, told: str) -> None:
    result = session.run("raise", what=what)
    assert result.retval == -errno.EINVAL
    assert result.stdout == ""
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert told in result.stderr


def test_wrong_arguments_are_told(session: FakeSession) -> None:
    result = session.run("ret")
    assert (result.retval, result.stderr) == (-errno.EINVAL, "ret: argument what is missing")


def test_input_file_as_text(session: FakeSession) -> None:
    assert session.run("text").stdout == "None"
    assert session.run("text", b"").stdout == "''"
    assert session.run("text", "é\n".encode()).stdout == "'é\\n'"
    result = session.run("text", b"ab\xff")
    assert (result.retval, result.stderr) == (
        -errno.EINVAL,
        "text: the input file is not UTF-8 text: byte 2 is 0xff",
    )


def test_input_file_as_bytes(session: FakeSession) -> None:
    assert session.run("raw", b"\xff").stdout == "b'\\xff'"
    result = session.run("raw")
    assert (result.retval, result.stderr) == (
        -errno.EINVAL,
        "raw: an input file is needed (-i FILE)",
    )


def test_input_file_that_nobody_wants(session: FakeSession) -> None:
    result = session.run("no input", b"x")
    assert (result.retval, result.stderr) == (
        -errno.EINVAL,
        "no input: an input file was given, and the command takes none",
    )


def test_input_file_that_is_checked(session: FakeSession) -> None:
    assert session.run("checked", b"roses\n", n=1).stdout == "1 'roses'"
    result = session.run("checked", n=1)
    assert result.retval == -errno.EINVAL
    assert result.stderr.startswith("Input file not specified: ")
    assert 'containing a poem with "-i"' in result.stderr
    result = session.run("checked", b" \n", n=1)
    assert (result.retval, result.stderr) == (
        -errno.EINVAL,
        "Empty input file: Please add a poem to the file",
    )


def test_handle_command(session: FakeSession) -> None:
    assert session.run("old", b"in", x="arg", format="json").stdout == "arg 'in' json"


def test_registered_handler(session: FakeSession) -> None:
    assert session.run("joined", word="w").stdout == "Sample w"


def test_noise_on_stdout_does_not_matter(session: FakeSession) -> None:
    assert session.run("noisy").stdout == "quiet"


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
