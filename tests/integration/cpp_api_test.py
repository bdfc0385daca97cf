"""The C++ SDK's module API against a real manager; python_api_test.py is its twin."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fixture import Manager, run_tests, until
from watches import watches_hear_all_changes

OK = ["OK", ""]


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    with Manager("api_cpp", "probe", "selftest", flags=["--sim-speed", "0"]) as manager:
        yield manager


def call(manager: Manager, method: str, *args: Any) -> Any:
    return manager.call("api_cpp", method, *args)


# --- handlers ---


def test_a_value_in_every_format(manager: Manager) -> None:
    assert manager.check("api-cpp", "shelf") == "on top: left: 1 and 2\n"
    assert json.loads(manager.check("api-cpp", "shelf", "--format", "json")) == {
        "name": "top: left",
        "boxes": [1, 2],
    }
    assert manager.check("api-cpp", "shelf", "--format", "json-pretty").startswith("{\n")
    yaml = "boxes:\n- 1\n- 2\nname: 'top: left'\n"
    assert manager.check("api-cpp", "shelf", "--format", "yaml") == yaml
    assert manager.check("api-cpp", "shelf", "--format", "xml") == (
        "<response><boxes><item>1</item><item>2</item></boxes><name>top: left</name></response>\n"
    )


def test_arguments_are_typed(manager: Manager) -> None:
    words = ["green", "3", "0.5", "a", "b", "--size", "4K", "--loud"]
    assert json.loads(manager.check("api-cpp", "args", *words, "--format", "json")) == {
        "color": "green",
        "num": 3,
        "factor": 0.5,
        "size": 4096,
        "loud": True,
        "words": ["a", "b"],
    }
    least = json.loads(manager.check("api-cpp", "args", "red", "1", "--format", "json"))
    assert least == {
        "color": "red",
        "num": 1,
        "factor": None,
        "size": 512,
        "loud": False,
        "words": None,
    }
    for bad, told in (
        (["blue", "3"], "blue not in red|green"),
        (["red", "10"], "10 not in range [1, 9]"),
        (["red", "1", "--words", "A"], "invalid chars A"),
        (["red"], "missing required parameter num"),
    ):
        outcome = manager.outpost("api-cpp", "args", *bad)
        assert outcome.rc == errno.EINVAL
        assert told in outcome.err


def test_input_is_bytes_and_asked_for(manager: Manager) -> None:
    out = manager.check("api-cpp", "input", "-i", "-", "--format", "json", stdin=b"\xff\x00\n")
    assert json.loads(out) == [255, 0, 10]
    outcome = manager.outpost("api-cpp", "input")
    assert outcome.rc == errno.EINVAL
    assert "Input file not specified: Please specify the file containing some bytes" in outcome.err
    outcome = manager.outpost("api-cpp", "input", "-i", "-", stdin=b" \n")
    assert "Empty input file: Please add some bytes to the file" in outcome.err


def test_a_failure_keeps_its_output_and_its_code(manager: Manager) -> None:
    outcome = manager.outpost("api-cpp", "code")
    assert (outcome.rc, outcome.out) == (errno.ENOTEMPTY, "some output\n")
    assert outcome.err == "Error ENOTEMPTY: not empty\n"


def test_the_callers_deadline_is_passed_on(manager: Manager) -> None:
    outcome = manager.outpost("--timeout", "1", "api-cpp", "wait")
    assert outcome.rc == errno.ETIMEDOUT
    # It reached the module that was called by the module that was called.
    assert call(manager, "await_told", "waited") == "a time"


# --- options ---


def test_options_of_every_type(manager: Manager) -> None:
    assert call(manager, "options") == {
        "a_str": "text",
        "an_int": -3,
        "a_uint": None,
        "a_float": 0.5,
        "a_bool": True,
        "an_addr": None,
        "a_uuid": None,
        "a_size": 4096,
        "secs": 5.0,
        "colour": "red",
    }
    changes: list[tuple[str, str, Any]] = [
        ("a_str", "é \n x", "é \n x"),
        ("an_int", "-10", -10),
        ("a_uint", "18446744073709551615", 18446744073709551615),
        ("a_float", "1e-3", 0.001),
        ("a_bool", "off", False),
        ("an_addr", "v2:1.2.3.4:0/0", "v2:1.2.3.4:0/0"),
        ("a_uuid", "12345678-1234-1234-1234-123456789abc", "12345678-1234-1234-1234-123456789abc"),
        ("a_size", "2M", 2097152),
        ("secs", "2h30", 7230.0),
        ("colour", "green", "green"),
    ]
    for name, text, value in changes:
        manager.check("config", "set", f"mgr/api_cpp/{name}", text)
        assert call(manager, "await_told", f"changed {name}") == "yes"
        assert call(manager, "options")[name] == value
        manager.check("config", "rm", f"mgr/api_cpp/{name}")


def test_a_callback_hears_of_its_option_at_once(manager: Manager) -> None:
    manager.check("config", "set", "mgr/api_cpp/an_int", "4")
    until("the callback", lambda: call(manager, "await_told", "an_int") == "4")
    manager.check("config", "rm", "mgr/api_cpp/an_int")
    until("the callback", lambda: call(manager, "await_told", "an_int") == "-3")


def test_what_the_module_sets_is_durable_and_has_layers(manager: Manager) -> None:
    assert call(manager, "set_option", "an_int", "8", False) == OK
    assert call(manager, "options")["an_int"] == 8
    assert manager.check("config", "get", "mgr/api_cpp/an_int") == "8\n"
    assert call(manager, "set_option", "an_int", "7", True) == OK
    assert call(manager, "options")["an_int"] == 7
    assert manager.check("config", "get", "mgr/api_cpp/x/an_int") == "7\n"
    assert call(manager, "set_option", "an_int", None, True) == OK
    assert call(manager, "options")["an_int"] == 8
    assert call(manager, "set_option", "an_int", None, False) == OK
    assert call(manager, "options")["an_int"] == -3


def test_bad_and_undeclared_options_are_errors(manager: Manager) -> None:
    code, message = call(manager, "set_option", "an_int", "11", False)
    assert code == "INVALID_ARGUMENT"
    assert "mgr/api_cpp/an_int" in message and "10" in message
    code, message = call(manager, "set_option", "colour", "blue", False)
    assert code == "INVALID_ARGUMENT" and "green" in message
    code, message = call(manager, "set_option", "nosuch", "1", False)
    assert code == "NOT_FOUND"
    assert message.startswith("option nosuch is not declared by this module (it has: log_level")
    assert call(manager, "options")["an_int"] == -3


def test_options_of_another_module(manager: Manager) -> None:
    assert call(manager, "option_of", "probe", "number") == "7"
    assert call(manager, "option_of", "probe", "nosuch")[0] == "NOT_FOUND"
    assert call(manager, "set_option_of", "probe", "number", "5") == OK
    assert manager.check("config", "get", "mgr/probe/number") == "5\n"
    assert call(manager, "set_option_of", "probe", "number", "11")[0] == "INVALID_ARGUMENT"
    assert call(manager, "set_option_of", "probe", "number", None) == OK
    assert call(manager, "option_of", "probe", "number") == "7"
    assert call(manager, "set_option_of", "api_cpp", "an_int", "6") == OK
    assert call(manager, "options")["an_int"] == 6
    assert call(manager, "set_option_of", "api_cpp", "an_int", None) == OK


def test_a_declaration_reaches_the_operator_whole(manager: Manager) -> None:
    told = manager.check("config", "help", "mgr/api_cpp/colour")
    for words in ("one of two", "neither of them blue", "dev", "red", "green"):
        assert words in told


def test_options_of_the_cluster(manager: Manager) -> None:
    manager.check("config", "set", "osd", "osd_max_backfills", "3")
    assert call(manager, "cluster_option", "osd.0", "osd_max_backfills") == "3"
    manager.check("config", "rm", "osd", "osd_max_backfills")


# --- keys ---


def test_localized_keys(manager: Manager) -> None:
    assert call(manager, "get_localized", "k") is None
    assert call(manager, "put", "k", "everywhere") == OK
    assert call(manager, "get_localized", "k") == "everywhere"
    assert call(manager, "put_localized", "k", "here") == OK
    assert call(manager, "get_localized", "k") == "here"
    assert call(manager, "put_localized", "k", None) == OK
    assert call(manager, "get_localized", "k") == "everywhere"


def test_a_value_that_is_too_large_is_an_error(manager: Manager) -> None:
    assert call(manager, "put_bytes", 1 << 20) == OK
    code, message = call(manager, "put_bytes", (8 << 20) + 1)
    assert code in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")
    assert message


# --- reports ---


def test_who_it_is(manager: Manager) -> None:
    who = call(manager, "who")
    assert (who["name"], who["mgr_id"], who["connected"]) == ("api_cpp", "x", True)
    assert who["version"].startswith("outpost ")
    assert len(who["cluster"]) == 36


def test_progress(manager: Manager) -> None:
    assert call(manager, "progress", "move", "moving house", 0.5) == OK
    assert re.search(r"moving house \(\d+s\)\n +\[=", manager.check("status"))
    assert call(manager, "complete", "move") == OK
    assert re.search(r"\[Complete\]: moving house", manager.check("progress"))
    code, message = call(manager, "progress", "move", "moving house", 1.5)
    assert code == "INVALID_ARGUMENT" and "move" in message
    assert call(manager, "progress", "other", "other work", 0) == OK
    assert call(manager, "clear") == OK
    assert "other work" not in manager.check("progress")


def test_where_it_serves(manager: Manager) -> None:
    assert call(manager, "uri", "http://host:1/") == OK
    assert json.loads(manager.check("mgr", "services"))["api_cpp"] == "http://host:1/"
    assert call(manager, "uri", "") == OK
    assert "api_cpp" not in json.loads(manager.check("mgr", "services"))


def test_health_checks(manager: Manager) -> None:
    assert call(manager, "health", "API_BROKE", "it broke") == OK
    assert "[ERR] API_BROKE: it broke" in manager.check("health", "detail")
    code, message = call(manager, "health", "API_BROKE", "")
    assert (code, message) == ("INVALID_ARGUMENT", "health check API_BROKE: summary: it is empty")
    assert "[ERR] API_BROKE: it broke" in manager.check("health", "detail")


def test_self_test(manager: Manager) -> None:
    outcome = manager.outpost("mgr", "self-test", "module", "api_cpp")
    assert outcome.rc == 0 and "tried out" in outcome.out
    assert call(manager, "set_option", "an_int", "9", False) == OK
    outcome = manager.outpost("mgr", "self-test", "module", "api_cpp")
    assert outcome.rc != 0 and "nine is no good" in outcome.err
    assert call(manager, "set_option", "an_int", None, False) == OK


# --- the log ---


def test_levels_change_at_run_time(manager: Manager) -> None:
    debug, warning = 1, 3
    call(manager, "log", debug, "not said")
    manager.check("config", "set", "mgr/api_cpp/log_level", "debug")
    assert call(manager, "await_told", "changed log_level") == "yes"
    call(manager, "log", debug, "said in detail")
    call(manager, "log", warning, "said aloud")
    lines = "module", "logs", "api_cpp", "100"
    until("the lines", lambda: "said aloud" in manager.check(*lines))
    assert "said in detail" in manager.check(*lines)
    assert "not said" not in manager.check(*lines)
    manager.check("config", "rm", "mgr/api_cpp/log_level")


def test_the_cluster_log(manager: Manager) -> None:
    call(manager, "cluster_log", "audit", "somebody came")
    until("the line", lambda: "somebody came" in manager.check("log", "last", "9", "info", "audit"))
    manager.check("config", "set", "mgr/api_cpp/log_to_cluster", "true")
    assert call(manager, "await_told", "changed log_to_cluster") == "yes"
    call(manager, "log", 3, "for all to see")
    until("the line", lambda: "[WRN] for all to see" in manager.check("log", "last", "9"))
    manager.check("config", "rm", "mgr/api_cpp/log_to_cluster")


def test_a_file_of_its_own() -> None:
    with Manager("api_cpp") as manager:
        log_file = manager.directory / "mgr.log"
        manager.stop()
        manager.flags += ["--log-file", log_file]
        manager.restart()
        manager.settled("api_cpp")
        manager.check("config", "set", "mgr/api_cpp/log_to_file", "true")
        assert call(manager, "await_told", "changed log_to_file") == "yes"
        call(manager, "log", 4, "into the file")
        own = manager.directory / "mgr.api_cpp.log"
        pattern = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[\d+\] \[ERROR\] \[root\] into the file\n"
        assert re.search(pattern, own.read_text())
        assert "into the file" not in log_file.read_text()


# --- commands to daemons ---


def test_return_codes_of_daemons_are_kept(manager: Manager) -> None:
    answer = call(manager, "mon_command", {"prefix": "osd set", "key": "noway"})
    assert answer[0] == -errno.EINVAL and "noway" in answer[2]
    retval, _, words = call(manager, "osd_command", 0, {"prefix": "nosuch"})
    assert retval < 0 and words
    assert call(manager, "check_mon_command", {"prefix": "nosuch"}) == [
        "UNKNOWN",
        f"nosuch failed: command not known retval: {-errno.EINVAL}",
    ]


def test_a_tagged_command_comes_back_to_its_sender(manager: Manager) -> None:
    call(manager, "send", {"prefix": "osd set", "key": "noup"}, "t-1")
    assert call(manager, "await_told", "result t-1") == "noup is set"
    assert call(manager, "await_told", "command t-1") == "yes"


def test_what_changes_is_heard_also_after_a_restart_of_the_manager() -> None:
    watches_hear_all_changes("api_cpp", str)


if __name__ == "__main__":
    run_tests(__file__)
