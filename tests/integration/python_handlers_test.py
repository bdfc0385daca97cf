"""Handlers of a Python module on the command line: arguments, input files, results."""

from __future__ import annotations

import errno
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixture import OUTPOST, Manager, run_tests


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    with Manager("handlers") as manager:
        yield manager


def take(manager: Manager, *words: str) -> Any:
    return json.loads(manager.check("take", *words))


def test_scalars(manager: Manager) -> None:
    assert take(manager, "scalars", "0x10", "1", "text", "red") == {
        "i": "16",
        "f": "1.0",
        "s": "'text'",
        "colour": "<Colour.red: 'red'>",
        "word": "'a'",
        "percent": "None",
        "label": "''",
        "force": "False",
    }
    taken = take(
        *(manager, "scalars", "-5", "2.5", "é ü", "green", "b", "--percent=100"),
        *("--label", "a-b", "--force"),
    )
    assert taken == {
        "i": "-5",
        "f": "2.5",
        "s": "'é ü'",
        "colour": "<Colour.green: 'green'>",
        "word": "'b'",
        "percent": "100",
        "label": "'a-b'",
        "force": "True",
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["x", "1", "s", "red"], "x doesn't represent an int"),
        (["1", "x", "s", "red"], "x doesn't represent a float"),
        (["1", "1", "s", "blue"], "blue not in red|green"),
        (["1", "1", "s"], "missing required parameter colour(red|green)"),
        (["1", "1", "s", "red", "--percent", "101"], "101 not in range [0, 100]"),
        (["1", "1", "s", "red", "--label", "A"], "invalid chars A in A"),
    ],
)
def test_what_does_not_fit_does_not_reach_the_handler(
    manager: Manager, words: list[str], told: str
) -> None:
    rc, out, err = manager.outpost("take", "scalars", *words)
    assert (rc, out) == (errno.EINVAL, "")
    assert f"Invalid command: {told}\n" in err


def test_several(manager: Manager) -> None:
    assert take(manager, "several", "1", "2", "red", "green", "--words", "a", "--words=b") == {
        "pair": "(1, 2)",
        "colours": "[<Colour.red: 'red'>, <Colour.green: 'green'>]",
        "words": "('a', 'b')",
    }
    rc, _, err = manager.outpost("take", "several", "1", "red")
    assert rc == errno.EINVAL
    assert "Invalid command: " in err


def test_types_of_ceph(manager: Manager) -> None:
    assert take(manager, "ceph", "4K", "osd.3", "1.2f") == [4096, 3, "1.2f"]
    rc, _, err = manager.outpost("take", "ceph", "4Q", "osd.3", "1.2f")
    assert rc == errno.EINVAL
    assert "4Q doesn't represent a size" in err


def test_input_files(manager: Manager, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\x00\xff")
    for command in ("bytes", "text"):
        done = subprocess.run(
            [OUTPOST, "read", command, "-i", file],
            capture_output=True,
            env=manager.environment(),
        )
        if command == "bytes":
            assert (done.returncode, done.stdout, done.stderr) == (0, b"\x00\xff", b"")
        else:
            assert (done.returncode, done.stdout) == (errno.EINVAL, b"")
            assert b"the input file is not UTF-8 text: byte 1 is 0xff" in done.stderr
    assert manager.check("read", "text") == "None\n"
    assert manager.check("read", "text", "-i", "-", stdin="é") == "'é'\n"
    assert manager.outpost("read", "bytes") == (
        errno.EINVAL,
        "",
        "Error EINVAL: Invalid command: Input file not specified: the command needs one"
        " (-i FILE)\n",
    )
    rc, _, err = manager.outpost("count", "--period", "0", "-i", file)
    assert (rc, err) == (
        errno.EINVAL,
        "Error EINVAL: Invalid command: Input file data (-i) not supported\n",
    )


def test_input_files_that_are_checked(manager: Manager, tmp_path: Path) -> None:
    poem = tmp_path / "poem"
    poem.write_text("roses\nare\n\n")
    assert manager.check("read", "poem", "-i", poem) == "roses\nare\n"
    poem.write_text("\n")
    assert manager.outpost("read", "poem", "-i", poem) == (
        errno.EINVAL,
        "",
        "Error EINVAL: Empty input file: Please add a poem to the file\n",
    )
    assert manager.outpost("read", "poem") == (
        errno.EINVAL,
        "",
        "Error EINVAL: Input file not specified: Please specify the file containing a poem with"
        ' "-i" option\n',
    )


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("none", "NoneType"),
        ("str", "str"),
        ("two", "a tuple of 2"),
        ("bytes-stderr", "a stderr that is bytes, not str"),
        ("none-stdout", "a stdout that is NoneType, not str or bytes"),
        ("int-stdout", "a stdout that is int, not str or bytes"),
        ("str-retval", "a retval that is str, not int"),
    ],
)
def test_what_handlers_must_not_return(manager: Manager, what: str, told: str) -> None:
    assert manager.outpost("give", what) == (
        errno.EINVAL,
        "",
        f"Error EINVAL: command 'give' is broken: its handler returned {told}; it must return"
        " HandleCommandResult(retval, stdout, stderr) or a tuple of these\n",
    )
    assert manager.outpost("give", "positive") == (0, "out\n", "err\n")


def test_an_exception_is_an_error_with_a_traceback(manager: Manager) -> None:
    rc, out, err = manager.outpost("give", "nothing of the kind")
    assert (rc, out) == (errno.EINVAL, "")
    assert err.startswith("Error EINVAL: Traceback (most recent call last):\n")
    assert err.endswith("KeyError: 'nothing of the kind'\n")
    assert manager.outpost("give", "positive").rc == 0


def test_polling(manager: Manager) -> None:
    polling = manager.outpost_background("count", "--period", "0.01")
    numbers = [int(polling.line()) for _ in range(3)]
    polling.kill()
    assert numbers == list(range(numbers[0], numbers[0] + 3))


if __name__ == "__main__":
    run_tests(__file__)
