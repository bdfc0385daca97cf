"""Commands: how they are declared, and from what handlers return to results."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from module_process import ModuleProcess, write_module

from outpost import CLICommand, CLIReadCommand, CLIWriteCommand, ModuleLoadError
from outpost._commands import describe_commands
from outpost._signature import ArgumentError
from outpost.testing import FakeManager, FakeSession


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> dict[str, CLICommand]:
    """The commands that a test declares in this process."""
    declared: dict[str, CLICommand] = {}
    monkeypatch.setattr(CLICommand, "COMMANDS", declared)
    return declared


def count(self: Any, to: int, aloud: bool = False) -> tuple[int, str, str]:
    """Count, one
    by one.

    :param to: how far
    :return: the result
    """
    return 0, f"{to} {aloud}", ""


def test_describe(commands: dict[str, CLICommand]) -> None:
    CLICommand("count", perm="r", poll=True)(count)
    (described,) = describe_commands([])
    assert described == commands["count"].describe()
    assert described.description == "Count, one by one."
    assert described.permissions == "r"
    assert described.poll
    assert described.signature == ("count name=to,type=CephInt name=aloud,type=CephBool,req=false")


def test_dump_cmd(commands: dict[str, CLICommand]) -> None:
    handler = CLIReadCommand("count")(CLIWriteCommand("add")(count))
    assert handler is count
    assert (commands["add"].perm, commands["count"].perm) == ("w", "r")
    assert commands["count"].args == "name=to,type=CephInt name=aloud,type=CephBool,req=false"
    assert commands["count"].desc == "Count, one by one."
    assert [entry["cmd"] for entry in CLICommand.dump_cmd_list()] == [
        "add name=to,type=CephInt name=aloud,type=CephBool,req=false",
        "count name=to,type=CephInt name=aloud,type=CephBool,req=false",
    ]
    assert commands["count"].dump_cmd() == {
        "cmd": "count name=to,type=CephInt name=aloud,type=CephBool,req=false",
        "desc": "Count, one by one.",
        "perm": "r",
        "poll": False,
    }


def test_call_without_a_manager(commands: dict[str, CLICommand]) -> None:
    CLICommand("count")(count)
    assert commands["count"].call(None, {"prefix": "count", "to": "3"}) == (0, "3 False", "")


def test_commands_that_a_module_registers_itself(commands: dict[str, CLICommand]) -> None:
    def anything(*args: Any, **kwargs: Any) -> Any:
        return count(*args, **kwargs)

    command = CLICommand("count", "r")
    command.store_func_metadata(count)
    command.func = anything
    assert commands == {}
    assert command.dump_cmd()["cmd"] == (
        "count name=to,type=CephInt name=aloud,type=CephBool,req=false"
    )
    assert command.call(None, {"to": 3, "aloud": True}, "") == (0, "3 True", "")


def test_input_files_without_a_manager(commands: dict[str, CLICommand]) -> None:
    @CLICommand("read")
    def read(self: Any, inbuf: str | None = None) -> tuple[int, str, str]:
        return 0, repr(inbuf), ""

    call = commands["read"].call
    for given, seen in ((None, "None"), ("", "None"), (b"", "''"), ("a", "'a'"), (b"a", "'a'")):
        assert call(None, {}, given) == (0, seen, "")
    CLICommand("count")(count)
    call = commands["count"].call
    for given in (None, "", b""):
        assert call(None, {"to": 1}, given) == (0, "1 False", "")
    with pytest.raises(ArgumentError, match="not supported"):
        call(None, {"to": 1}, "a")


def test_declarations_that_are_wrong(commands: dict[str, CLICommand]) -> None:
    with pytest.raises(ModuleLoadError, match=r"CLICommand\('x'\) decorates nothing"):
        CLICommand("x").describe()
    CLICommand("count")(count)
    with pytest.raises(ModuleLoadError, match="command 'count' is declared twice"):
        describe_commands([{"cmd": "count name=to,type=CephInt"}])
    for entry in ({"desc": "no cmd"}, {"cmd": 5}, "count"):
        with pytest.raises(ModuleLoadError, match='COMMANDS: an entry has no text "cmd": '):
            describe_commands([entry])  # type: ignore[list-item]


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

    def handle_command(self, inbuf: str | bytes, cmd):
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

    @CLIReadCommand("either")
    def either(self, inbuf: Union[str, bytes, None] = None):
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
Command("short", lambda self: (0, "out")).register()
Command("wrong", lambda self: "text").register()
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeSession]:
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
        *("old", "ret", "raise", "text", "raw", "either", "no input", "checked", "noisy"),
        *("joined", "short", "wrong"),
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
    assert (result.retval, result.stderr) == (
        -errno.EINVAL,
        "Invalid command: argument what is missing",
    )


def test_input_file_as_text(session: FakeSession) -> None:
    assert session.run("text").stdout == "None"
    assert session.run("text", b"").stdout == "''"
    assert session.run("text", "é\n".encode()).stdout == "'é\\n'"
    result = session.run("text", b"ab\xff")
    assert (result.retval, result.stderr) == (
        -errno.EINVAL,
        "Invalid command: the input file is not UTF-8 text: byte 2 is 0xff",
    )


def test_input_file_as_bytes(session: FakeSession) -> None:
    assert session.run("raw", b"\xff").stdout == "b'\\xff'"
    result = session.run("raw")
    assert (result.retval, result.stderr) == (
        -errno.EINVAL,
        "Invalid command: Input file not specified: the command needs one (-i FILE)",
    )


def test_input_file_as_text_or_bytes(session: FakeSession) -> None:
    assert session.run("either").stdout == "None"
    assert session.run("either", b"a").stdout == "'a'"
    assert session.run("either", b"\xff").stdout == "b'\\xff'"


def test_input_file_that_nobody_wants(session: FakeSession) -> None:
    result = session.run("no input", b"x")
    assert (result.retval, result.stderr) == (
        -errno.EINVAL,
        "Invalid command: Input file data (-i) not supported",
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
    assert session.run("old", x="arg", format="json").stdout == "arg '' json"
    assert session.run("old", b"\xff", x="arg", format="json").stdout == "arg b'\\xff' json"


def test_registered_handler(session: FakeSession) -> None:
    assert session.run("joined", word="w").stdout == "Sample w"
    assert session.run("short").stdout == "out"
    assert "its handler returned str;" in session.run("wrong").stderr


def test_noise_on_stdout_does_not_matter(session: FakeSession) -> None:
    assert session.run("noisy").stdout == "quiet"


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
