"""The examples of ceph-mgr's module developer's guide, as it prints them, on the command line."""

from __future__ import annotations

import errno
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixture import OUTPOST, Manager, run_tests

LIST = ("antigravity", "list", "wormholes")
SEND = ("antigravity", "send", "to", "blackhole")


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    with Manager("gravity") as manager:
        yield manager


def test_help_shows_what_the_guide_shows(manager: Manager) -> None:
    shown = manager.check(*SEND, "--help")
    assert "antigravity send to blackhole <oid>" in shown
    assert "[<blackhole>]" in shown
    assert "Send the specified object to black hole" in " ".join(shown.split())


def test_send_to_blackhole(manager: Manager, tmp_path: Path) -> None:
    assert manager.outpost(*SEND, "apple") == (0, "the black hole swallowed 'apple'\n", "")
    assert manager.outpost(*SEND, "plum") == (
        errno.ENOENT,
        "",
        "Error ENOENT: object 'plum' not found\n",
    )
    wrong = tmp_path / "passphrase"
    wrong.write_text("open")
    assert manager.outpost(*SEND, "apple", "78M", "-i", wrong) == (
        errno.EINVAL,
        "",
        "Error EINVAL: unable to decrypt location\n",
    )
    assert manager.check(*SEND, "pear", "--blackhole=78M", "-i", "-", stdin="please")
    rc, out, err = manager.outpost(*SEND)
    assert (rc, out) == (errno.EINVAL, "")
    assert err == (
        "Invalid command: missing required parameter oid(<string>)\n"
        "antigravity send to blackhole <oid> [<blackhole>] :  Send the specified object to black"
        " hole\nError EINVAL: invalid command\n"
    )
    wrong.write_bytes(b"\xff")
    assert manager.outpost(*SEND, "apple", "78M", "-i", wrong) == (
        errno.EINVAL,
        "",
        "Error EINVAL: Invalid command: the input file is not UTF-8 text: byte 0 is 0xff\n",
    )


def test_commands(manager: Manager) -> None:
    polling = manager.outpost_background("foobar", "x", "--period", "0.01")
    for _ in range(3):
        assert polling.line() == "foobar x ''"
    polling.kill()


FORMATS = {
    "json": '[\n  {\n    "name": "north"\n  },\n  {\n    "name": "south"\n  }\n]\n',
    "json-compact": '[{"name":"north"},{"name":"south"}]\n',
    "yaml": "- name: north\n- name: south\n",
    "xml": "<response><item><name>north</name></item><item><name>south</name></item></response>\n",
    "xml-pretty": "<response>\n  <item>\n    <name>north</name>\n  </item>\n"
    "  <item>\n    <name>south</name>\n  </item>\n</response>\n",
    "plain": "NAME   \nnorth  \nsouth  \n",
}
FORMATS["json-pretty"] = FORMATS["json"]


@pytest.mark.parametrize("name", FORMATS)
def test_list_wormholes_in_every_format(manager: Manager, name: str) -> None:
    for words in (("--format", name), (f"--format={name}",), ("-f", name)):
        assert manager.outpost(*LIST, "apple", *words) == (0, FORMATS[name], "")


def test_list_wormholes(manager: Manager) -> None:
    assert manager.outpost(*LIST, "apple") == (0, FORMATS["json"], "")
    detailed = json.loads(manager.check(*LIST, "apple", "--details"))
    assert detailed[0] == {"name": "north", "age": 7, "destination": "Andromeda"}
    assert manager.outpost(*LIST, "plum") == (
        errno.ENOENT,
        "",
        "Error ENOENT: Unknown oid: plum\n",
    )
    assert manager.outpost(*LIST, "quince") == (
        errno.EBUSY,
        "",
        f"Error EBUSY: [Errno {errno.EBUSY}] the database is being repaired\n",
    )


def test_a_format_that_there_is_not(manager: Manager) -> None:
    # past the command line, which refuses it itself
    result = manager.run(*LIST, "apple", "--format=toml").result
    assert (result.retval, result.stderr) == (-errno.EINVAL, "Unknown format name: toml")


def test_dump_config(manager: Manager) -> None:
    done = subprocess.run(
        [OUTPOST, "antigravity", "dump", "config", "apple"],
        capture_output=True,
        env=manager.environment(),
    )
    assert (done.returncode, done.stdout) == (0, b"\xff\x00raw")
    assert manager.outpost("antigravity", "dump", "config", "pear") == (0, "text\n", "")
    assert manager.outpost("antigravity", "dump", "config", "plum") == (
        errno.ENOENT,
        "",
        "Error ENOENT: Blob does not exist\n",
    )


def test_create_wormhole(manager: Manager) -> None:
    create = ("antigravity", "create", "wormhole")
    assert manager.outpost(*create, "pear", "east") == (0, "", "")
    assert json.loads(manager.check(*LIST, "pear")) == [{"name": "east"}]
    assert manager.outpost(*create, "pear", "?") == (
        errno.EINVAL,
        "",
        "Error EINVAL: '?' is no name for a wormhole\n",
    )


def test_errors_that_nobody_expects() -> None:
    with Manager("gravity_list") as manager:
        assert manager.outpost(*LIST, "apple") == (0, FORMATS["json"], "")
        rc, out, err = manager.outpost(*LIST, "plum")
        assert (rc, out) == (errno.EINVAL, "")
        assert err.startswith("Error EINVAL: Traceback (most recent call last):\n")
        assert err.endswith("UnknownOIDError: plum\n")


def test_to_simplified() -> None:
    with Manager("gravity_simplified") as manager:
        assert json.loads(manager.check(*LIST, "x")) == {"gravitons": 999, "tachyons": 404}
        assert manager.check(*LIST, "x", "-f", "yaml") == "gravitons: 999\ntachyons: 404\n"


if __name__ == "__main__":
    run_tests(__file__)
