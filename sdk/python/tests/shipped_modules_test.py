"""The modules that ship, each as a process, against a manager in this one."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from conftest import Runner

from outpost.testing import FakeManager, FakeSession, wait_until

if "TEST_SRCDIR" in os.environ:
    MODULES = Path(os.environ["TEST_SRCDIR"], os.environ["TEST_WORKSPACE"], "modules")
else:
    MODULES = Path(__file__).resolve().parents[3] / "modules"


def test_hello(manager: FakeManager, run: Runner) -> None:
    run(MODULES / "hello")
    session = manager.session()
    assert [c.signature for c in session.register.commands] == [
        "hello name=person_name,type=CephString,req=false",
        "hello count name=num,type=CephInt",
    ]
    assert session.run("hello").stdout == "Hello, world!"
    assert session.run("hello", person_name="Ada").stdout == "Hello, Ada!"
    assert session.run("hello", b" Bob \n\nEve\n").stdout == "Hello, Bob!\nHello, Eve!"
    both = session.run("hello", b"Bob\n", person_name="Ada")
    assert both.stdout == "Hello, Ada!\nHello, Bob!"
    for empty in (b"", b" \n\n"):
        result = session.run("hello", empty)
        assert (result.retval, result.stderr) == (
            -errno.EINVAL,
            "hello: the input file is empty",
        )


def test_hello_options(manager: FakeManager, run: Runner) -> None:
    run(MODULES / "hello")
    session = manager.session()
    manager.set_option(session, "emphatic", "false")
    wait_until(
        lambda: "place is now world, emphatic is now false" in session.log_lines(), "config_notify"
    )
    manager.set_option(session, "place", "Mars")
    wait_until(
        lambda: "place is now Mars, emphatic is now false" in session.log_lines(), "config_notify"
    )
    assert session.run("hello").stdout == "Hello, Mars."
    assert session.run("hello", person_name="Ada").stdout == "Hello, Ada."


def test_hello_count(manager: FakeManager, run: Runner) -> None:
    run(MODULES / "hello")
    session = manager.session()
    assert session.run("hello count", num=3).stdout == "1\n2\n3"
    assert session.run("hello count", num=1000).stdout.endswith("\n1000")
    for number in (0, 1001, -1):
        result = session.run("hello count", num=number)
        assert (result.retval, result.stderr) == (
            -errno.EINVAL,
            f"hello count: {number} is not from 1 to 1000",
        )


def test_hello_ends(manager: FakeManager, run: Runner) -> None:
    process = run(MODULES / "hello")
    session = manager.session()
    wait_until(lambda: "hello starts" in session.log_lines(), "serve()")
    session.shutdown()
    assert process.end() == (0, "")
    assert session.log_lines()[-1] == "hello ends"


@pytest.fixture
def iostat(manager: FakeManager, run: Runner) -> FakeSession:
    run(MODULES / "iostat")
    return manager.session()


def rates(seconds: str) -> str:
    total = {"num_read": 40, "num_write": 21, "num_read_kb": 102400, "num_write_kb": 50}
    return json.dumps({"pg_stats_delta": {"stat_sum": total, "stamp_delta": seconds}})


def test_iostat(manager: FakeManager, iostat: FakeSession) -> None:
    (command,) = iostat.register.commands
    assert command.poll
    assert command.signature == (
        "iostat name=width,type=CephInt,req=false name=print_header,type=CephBool,req=false"
        " name=format,type=CephString,req=false,positional=false"
    )
    manager.structures["io_rate"] = (1, rates("2.000"))
    plain = iostat.run("iostat", width=84, print_header=True).stdout.splitlines()
    rule = "+-------------+-------------+-------------+-------------+-------------+-------------+"
    assert plain == [
        rule,
        "|        Read |       Write |       Total |   Read IOPS |  Write IOPS |  Total IOPS |",
        rule,
        "|    50 MiB/s |    25 KiB/s |    50 MiB/s |          20 |          10 |          30 |",
    ]
    assert json.loads(iostat.run("iostat", format="json").stdout) == {
        "read_bytes": 52428800,
        "write_bytes": 25600,
        "total_bytes": 52454400,
        "read_ops": 20,
        "write_ops": 10,
        "total_ops": 30,
    }


def test_iostat_without_rates(manager: FakeManager, iostat: FakeSession) -> None:
    result = iostat.run("iostat")
    assert result.retval == -errno.EAGAIN
    assert result.stderr == "iostat: the cluster has not reported any I/O rates yet"
    manager.structures["io_rate"] = (1, rates("0.000"))
    assert json.loads(iostat.run("iostat", format="json").stdout)["total_ops"] == 0


def test_iostat_refuses(manager: FakeManager, iostat: FakeSession) -> None:
    manager.structures["io_rate"] = (1, rates("1.0"))
    result = iostat.run("iostat", format="xml")
    assert result.stderr == "iostat: format xml is none of plain, json, json-pretty"
    assert iostat.run("iostat", width=17).stderr == "iostat: width 17 is less than 18"
    assert iostat.run("iostat", width=18).retval == 0


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
