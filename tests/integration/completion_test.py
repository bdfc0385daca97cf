"""What the manager tells shells: the words that could be typed next (Commands.Complete)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fixture import DEADLINE, Manager, run_tests
from outpost import report
from outpost.v1 import commands_pb2, commands_pb2_grpc


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    with Manager("hello", installed=["status"], flags=["--sim-speed", "0"]) as manager:
        yield manager


def complete(manager: Manager, *words: str) -> dict[str, str]:
    """The words that could be the last one of `words`, and what they mean."""
    response = manager.stub(commands_pb2_grpc.CommandsStub).Complete(
        commands_pb2.CommandsCompleteRequest(words=words), timeout=DEADLINE
    )
    return {completion.text: completion.description for completion in response.completions}


def test_words_of_commands(manager: Manager) -> None:
    assert list(complete(manager, "conf")) == ["config", "config-key"]
    assert list(complete(manager, "config", "")) == [
        *("dump", "get", "help", "log", "ls", "reset", "rm", "set", "show")
    ]
    assert list(complete(manager, "hello", "cou")) == ["count"]
    assert complete(manager, "nosuch", "") == {}


def test_names_of_arguments(manager: Manager) -> None:
    assert list(complete(manager, "config", "set", "--")) == [
        *("--who", "--name", "--value", "--force")
    ]
    assert list(complete(manager, "config", "set", "--f")) == ["--force"]


def test_modules(manager: Manager) -> None:
    modules = complete(manager, "module", "enable", "")
    assert (modules["hello"], modules["status"]) == ("running", "disabled")
    assert complete(manager, "mgr", "module", "disable", "h") == {"hello": "running"}
    assert complete(manager, "module", "disable", "--module=h") == {"--module=hello": "running"}


def test_options_and_their_values(manager: Manager) -> None:
    assert list(complete(manager, "config", "get", "mgr/hello/pl")) == ["mgr/hello/place"]
    assert list(complete(manager, "config", "get", "m"))[:2] == ["mgr", "mgr.x"]
    assert list(complete(manager, "config", "rm", "mgr", "mgr/hello/em")) == ["mgr/hello/emphatic"]
    assert list(complete(manager, "config", "set", "mgr/hello/emphatic", "t")) == ["true"]
    assert list(complete(manager, "config", "set", "mgr", "mgr/hello/emphatic", "")) == [
        *("true", "false", "--value", "--force")
    ]
    assert {"debug", "info", "error"} <= set(
        complete(manager, "config", "set", "mgr/hello/log_level", "")
    )
    assert "mgr/hello/place" in complete(manager, "config", "help", "")


def test_what_the_cluster_has(manager: Manager) -> None:
    assert "osd_map" in complete(manager, "get", "osd_")
    assert list(complete(manager, "tell", "m")) == ["mon"]
    assert list(complete(manager, "tell", "osd")) == ["osd.0", "osd.1", "osd.2"]
    assert list(complete(manager, "osd", "out", "osd.1", "osd")) == ["osd.0", "osd.1", "osd.2"]
    assert complete(manager, "osd", "pool", "delete", "new") == {}
    manager.check("osd", "pool", "create", "newpool")
    assert list(complete(manager, "osd", "pool", "delete", "new")) == ["newpool"]
    manager.check("osd", "set", "noout")
    assert list(complete(manager, "health", "mute", "OSDMAP")) == ["OSDMAP_FLAGS"]


def test_counters(manager: Manager) -> None:
    assert "osd.0" in complete(manager, "perf", "osd.")
    assert "osd.op_w" in complete(manager, "counter", "osd.0", "osd.op_")
    assert "--verbose" in complete(manager, "module", "ls", "--")


def test_daemons_that_report() -> None:
    with Manager(flags=["--source", "report"]) as manager:
        assert complete(manager, "report", "ls", "b") == {}
        with report.Reporter("backup", "a", address=manager.address) as reporter:
            assert reporter.flush()
            assert complete(manager, "report", "ls", "b") == {"backup.a": "live"}


def test_an_osd_map_like_no_other() -> None:
    with (
        Manager(flags=["--source", "report"]) as manager,
        report.Reporter("backup", "a", address=manager.address) as reporter,
    ):
        for osd_map, osds in (
            (
                {"osds": [{"up": 1, "osd": 7}, 3, [], {}, {"osd": "x"}, {"osd": {"a": [8]}}]},
                ["osd.7"],
            ),
            ({"osds": {"osd": 7}, "pools": [{"pool_name": 5}, {"pool_name": "ä\n"}, None]}, []),
            ([{"osds": [{"osd": 7}]}], []),
            ("osds", []),
            ({"pools": [], "osds": [{"osd": 12, "": {"osd": 13}}]}, ["osd.12"]),
        ):
            reporter.set_structure("osd_map", osd_map)
            assert reporter.flush()
            assert list(complete(manager, "tell", "osd")) == osds


def test_keys(manager: Manager) -> None:
    manager.check("config-key", "set", "mgr/hello/some/key", "12")
    assert complete(manager, "config-key", "get", "mgr/h") == {"mgr/hello/some/key": "2 bytes"}


if __name__ == "__main__":
    run_tests(__file__)
