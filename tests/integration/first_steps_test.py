"""What a person does first: the modules that ship, on the command line."""

from __future__ import annotations

import errno
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixture import Manager, Outcome, run_tests


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    with Manager("hello", "hello_cpp", "status", "iostat") as manager:
        yield manager


def both(manager: Manager, *words: str | Path, stdin: str | bytes | None = None) -> Outcome:
    """Say `hello …` and `hello-cpp …`: the one answer that both give."""
    python = manager.outpost("hello", *words, stdin=stdin)
    cpp = manager.outpost("hello-cpp", *words, stdin=stdin)
    as_python = Outcome(*(re.sub(r"hello[-_]cpp", "hello", str(text)) for text in cpp[1:]), "")
    assert (cpp.rc, as_python[0], as_python[1]) == python
    return python


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ([], "Hello, world!"),
        (["Joe"], "Hello, Joe!"),
        (["--person_name", "Joe"], "Hello, Joe!"),
        (["--person_name=Joe"], "Hello, Joe!"),
        (["--person-name=Joe"], "Hello, Joe!"),
        (["Joe Doe"], "Hello, Joe Doe!"),
        ([""], "Hello, world!"),
        (["Zoë 世界"], "Hello, Zoë 世界!"),
        (["--person_name=--emphatic"], "Hello, --emphatic!"),
        # As with ceph: what is no `hello count` is a `hello` of somebody called count.
        (["count"], "Hello, count!"),
        (["count", "3"], "1\n2\n3"),
        (["count", "--num", "2"], "1\n2"),
        (["count", "1000"], "\n".join(str(i) for i in range(1, 1001))),
    ],
)
def test_hello_is_the_same_in_both_languages(
    manager: Manager, words: list[str], answer: str
) -> None:
    assert both(manager, *words) == (0, answer + "\n", "")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["count", "many"], "Invalid command: many doesn't represent an int"),
        (["count", "3", "4"], "Invalid command: unused arguments: ['4']"),
        (["Joe", "Ann"], "Invalid command: unused arguments: ['Ann']"),
        (["--volume", "11"], "Invalid command: Unexpected argument '--volume'"),
    ],
)
def test_what_does_not_fit_is_refused_the_same(
    manager: Manager, words: list[str], error: str
) -> None:
    rc, out, err = both(manager, *words)
    assert (rc, out) == (errno.EINVAL, "")
    assert err.startswith(f"{error}\nhello")
    assert err.endswith("\nError EINVAL: invalid command\n")


@pytest.mark.parametrize("num", ["0", "1001", "-5"])
def test_numbers_out_of_range_are_refused(manager: Manager, num: str) -> None:
    for command in ("hello", "hello-cpp"):
        rc, out, err = manager.outpost(command, "count", num)
        assert (rc, out) == (errno.EINVAL, "")
        assert re.search(rf"(?<!\S){num} (is not from 1 to 1000|not in range \[1, 1000\])", err), (
            err
        )


@pytest.mark.parametrize(
    ("content", "words", "outcome"),
    [
        ("Ann\nBob\n", [], (0, "Hello, Ann!\nHello, Bob!\n", "")),
        (" Ann \n\n\tBob\r\n", [], (0, "Hello, Ann!\nHello, Bob!\n", "")),
        ("Ann", ["Joe"], (0, "Hello, Joe!\nHello, Ann!\n", "")),
        ("Zoë\n世界\n", [], (0, "Hello, Zoë!\nHello, 世界!\n", "")),
        ("", [], (errno.EINVAL, "", "Error EINVAL: hello: the input file is empty\n")),
        (" \n\n", ["Joe"], (errno.EINVAL, "", "Error EINVAL: hello: the input file is empty\n")),
    ],
)
def test_in_files(
    manager: Manager, tmp_path: Path, content: str, words: list[str], outcome: Outcome
) -> None:
    names = tmp_path / "names"
    names.write_text(content, newline="")
    assert both(manager, *words, "-i", names) == outcome
    assert both(manager, *words, "--in-file=-", stdin=content) == outcome


def test_options(manager: Manager) -> None:
    for name in ("hello", "hello_cpp"):
        assert manager.check("config", "set", f"mgr/{name}/place", "Mars") == ""
        assert manager.check("config", "set", f"mgr/{name}/emphatic", "no") == ""
        assert manager.check("config", "get", f"mgr/{name}/emphatic") == "false\n"
    # A module is told of a change at once, but by a message of its own.
    for name in ("hello", "hello_cpp"):
        manager.wait_for_log(rf"{name}\S*: place is now Mars, emphatic is now false")
    assert both(manager) == (0, "Hello, Mars.\n", "")
    assert both(manager, "Joe") == (0, "Hello, Joe.\n", "")

    listed = json.loads(manager.check("config", "ls", "hello_cpp", "--detail", "-f", "json"))
    mine = {entry["key"].removeprefix("mgr/hello_cpp/"): entry for entry in listed}
    assert mine["place"]["value"] == "Mars"
    assert mine["place"]["source"] == "module"
    assert mine["log_level"]["source"] == "default"

    for name in ("hello", "hello_cpp"):
        assert manager.check("config", "rm", f"mgr/{name}/place") == ""
        assert manager.check("config", "rm", f"mgr/{name}/emphatic") == ""
        manager.wait_for_log(rf"{name}\S*: place is now world, emphatic is now true")
    assert both(manager) == (0, "Hello, world!\n", "")


def test_osd_status(manager: Manager) -> None:
    osd_map = json.loads(manager.check("get", "osd_map"))
    table = manager.check("osd", "status").splitlines()
    assert table[0].split("  ")[0] == "ID"
    assert re.split(r"\s{2,}", table[0].strip()) == [
        *("ID", "HOST", "USED", "AVAIL", "WR OPS", "WR DATA", "RD OPS", "RD DATA", "STATE")
    ]
    rows = [line.split() for line in table[1:]]
    assert [row[0] for row in rows] == [str(osd["osd"]) for osd in osd_map["osds"]] == list("012")
    assert {row[-1] for row in rows} == {"exists,up"}

    data = json.loads(manager.check("osd", "status", "--format", "json"))
    osds = {osd["id"]: osd for osd in data["osds"]}
    tree = json.loads(manager.check("get", "osd_map_tree"))["nodes"]
    hosts = {child: n["name"] for n in tree if n["type"] == "host" for child in n["children"]}
    assert {i: osd["host"] for i, osd in osds.items()} == hosts
    stats = json.loads(manager.check("get", "osd_stats"))["osd_stats"]
    assert {i: (osd["used_bytes"], osd["avail_bytes"]) for i, osd in osds.items()} == {
        osd["osd"]: (osd["kb_used"] * 1024, osd["kb_avail"] * 1024) for osd in stats
    }
    assert all(osd["state"] == ["exists", "up"] for osd in osds.values())


def test_iostat_polls_until_it_is_interrupted(manager: Manager) -> None:
    iostat = manager.outpost_background("iostat", "-p", "0.2")
    lines = [iostat.line() for _ in range(5)]
    # The header is above the first row only.
    assert re.match(r"[+-]+$", lines[0]) and re.match(r"[+-]+$", lines[2])
    assert re.findall(r"\w+(?: \w+)?", lines[1]) == [
        *("Read", "Write", "Total", "Read IOPS", "Write IOPS", "Total IOPS")
    ]
    for row in lines[3:]:
        assert re.match(r"(\|\s+[\d.]+ ?[KMGT]?i?B/s\s+){3}(\|\s+\d+\s+){3}\|$", row), row
    rc, _, err = iostat.end(signal.SIGINT)
    assert (rc, err) == (0, "")


def test_formats(manager: Manager) -> None:
    plain = manager.check("status")
    assert re.search(r"^  manager:\n    id: +x \(outpost ", plain, re.MULTILINE)
    compact = manager.check("status", "--format", "json")
    pretty = manager.check("status", "--format", "json-pretty")
    assert compact.count("\n") == 1 and pretty.count("\n") > 20
    for text in (compact, pretty):
        status = json.loads(text)
        assert status["manager"]["id"] == "x"
        assert status["source"] == {"name": "sim", "connected": True, "reason": ""}
        assert status["modules"]["running"] == ["hello", "hello_cpp", "iostat", "status"]
        assert status["osdmap"]["up"] == 3
    assert json.loads(manager.check("osd", "status", "-f", "json-pretty"))["osds"]
    version = manager.check("version").strip()
    assert manager.check("version", "-f", "yaml") == f"version: {version}\n"
    xml = f"<response><version>{version}</version></response>\n"
    assert manager.check("version", "-f", "xml") == xml
    assert manager.outpost("osd", "status", "-f", "yml") == (
        errno.EINVAL,
        "",
        'Error EINVAL: --format: "yml" is not one of plain, json, json-compact, json-pretty,'
        " yaml, xml, xml-pretty\n",
    )


def test_out_file(manager: Manager, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert manager.outpost("hello", "Joe", "-o", out) == (0, "", "")
    assert out.read_text() == "Hello, Joe!"  # as ceph writes it: no newline is added in a file
    manager.check("get", "osd_map", "-o", out)
    assert json.loads(out.read_text())["osds"]
    assert manager.outpost("hello", "-o", tmp_path / "no" / "out") == (
        1,
        "",
        f"Can't open output file {tmp_path}/no/out: [Errno 2] No such file or directory\n",
    )


def test_help_lists_the_commands_of_modules(manager: Manager) -> None:
    text = manager.check("hello", "--help")
    assert re.search(r"^hello \[<person_name>\] +Say hello, to a person", text, re.MULTILINE)
    assert re.search(r"^hello-cpp count <num:int> +Count up", text, re.MULTILINE)
    assert "osd status" not in text


def test_commands_of_the_cluster_pass_through(manager: Manager) -> None:
    assert manager.outpost("osd", "set", "noout") == (0, "", "noout is set\n")
    assert "noout" in json.loads(manager.check("get", "osd_map"))["flags"]
    assert manager.check("health").startswith("HEALTH_WARN noout flag(s) set")
    assert manager.outpost("osd", "unset", "noout") == (0, "", "noout is unset\n")
    assert manager.check("health") == "HEALTH_OK\n"
    assert manager.outpost("tell", "mon", "osd", "unset", "noout").rc == 0


def test_structures(manager: Manager) -> None:
    listed = json.loads(manager.check("structures", "--format", "json"))
    names = [entry["name"] for entry in listed]
    assert names == sorted(names)
    assert {"osd_map", "health", "df", "pg_summary", "mgr_map"} <= set(names)
    table = manager.check("structures").splitlines()
    assert table[0].split() == ["STRUCTURE", "VERSION", "BYTES", "CHANGED", "CONFIRMED"]
    assert [row.split()[0] for row in table[1:]] == names
    by_name = {entry["name"]: entry for entry in listed}
    osd_map = manager.check("get", "osd_map", "--format", "json").rstrip("\n")
    assert len(osd_map.encode()) == by_name["osd_map"]["bytes"]


def test_notify_prints_what_happens(manager: Manager) -> None:
    notify = manager.outpost_background("notify", "osd_map", "config")
    # It prints nothing until it hears something, and has to be there first.
    while notify._lines.empty():
        manager.check("osd", "set", "noscrub")
        manager.check("osd", "unset", "noscrub")
    assert re.match(r"\S+Z osd_map \d+ \d+$", notify.line())
    rc, _, err = notify.end(signal.SIGINT)
    assert (rc, err) == (0, "")


def test_timeout() -> None:
    with Manager("slow") as manager:
        rc, out, err = manager.outpost("slow", "--timeout", "0.3")
        assert (rc, out) == (errno.ETIMEDOUT, "")
        assert err.startswith("Error ETIMEDOUT: "), err
        assert manager.check("slow", "release") == ""
        assert manager.check("slow") == "at last\n"


if __name__ == "__main__":
    run_tests(__file__)
