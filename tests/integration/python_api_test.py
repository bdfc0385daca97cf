"""The Python SDK's MgrModule against a real manager: options of every type, and commands."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixture import Manager, run_tests, until
from watches import watches_hear_all_changes


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    with Manager("api", "probe") as manager:
        yield manager


def get(manager: Manager, name: str) -> Any:
    return manager.call("api", "get_module_option", name)


# --- options ---


def test_defaults_are_typed(manager: Manager) -> None:
    options = manager.call("api", "options")
    assert options == {
        "a_str": "text",
        "an_int": -3,
        "a_uint": None,
        "a_float": 0.5,
        "a_bool": True,
        "an_addr": None,
        "an_addrvec": None,
        "a_uuid": None,
        "a_size": 4096,
        "secs": 5.0,
        "colour": "red",
    }
    assert manager.call("api", "get_module_option", "a_uint", 4) == 4
    assert manager.call("api", "get_localized_module_option", "colour", "green") == "red"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("a_str", "é \n x", "é \n x"),
        ("an_int", "-10", -10),
        ("a_uint", "18446744073709551615", 18446744073709551615),
        ("a_float", "1e-3", 0.001),
        ("a_bool", "off", False),
        ("a_uuid", "12345678-1234-1234-1234-123456789abc", "12345678-1234-1234-1234-123456789abc"),
        ("a_size", "4K", 4096),
        ("a_size", "2M", 2097152),
        ("secs", "2h30", 7230.0),
        ("colour", "green", "green"),
    ],
)
def test_what_an_operator_sets_is_typed_and_told_at_once(
    manager: Manager, name: str, text: str, value: Any
) -> None:
    manager.check("config", "set", f"mgr/api/{name}", text)
    manager.call("api", "await_told", name, value)
    assert get(manager, name) == value
    assert type(get(manager, name)) is type(value)
    manager.check("config", "rm", f"mgr/api/{name}")


def test_addresses(manager: Manager) -> None:
    manager.check("config", "set", "mgr/api/an_addr", "v2:1.2.3.4:0/0")
    manager.call("api", "await_told", "an_addr", "v2:1.2.3.4:0/0")
    manager.check("config", "set", "mgr/api/an_addrvec", "[v2:1.2.3.4:3300/0,v1:1.2.3.4:6789/0]")
    manager.call("api", "await_told", "an_addrvec", "[v2:1.2.3.4:3300/0,v1:1.2.3.4:6789/0]")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("an_int", 11, "10"),
        ("an_int", "x", "integer"),
        ("a_uint", -1, "negative"),
        ("a_float", "zz", "number"),
        ("a_float", float("2.5"), "2"),
        ("a_bool", "maybe", "bool"),
        ("a_uuid", "12", "UUID"),
        ("an_addr", "nowhere", "address"),
        ("a_size", "4Q", "size"),
        ("secs", "soon", "seconds"),
        ("colour", "blue", "green"),
    ],
)
def test_bad_values_raise_with_the_managers_words(
    manager: Manager, name: str, value: Any, told: str
) -> None:
    before = get(manager, name)
    kinds, message = manager.call("api", "attempt", "set_module_option", name, value)
    assert kinds[0] == "InvalidArgumentError" and "ValueError" in kinds
    assert f"mgr/api/{name}" in message
    assert told.lower() in message.lower()
    assert get(manager, name) == before


def test_what_the_module_sets_is_durable_and_told(manager: Manager) -> None:
    manager.call("api", "set_module_option", "an_int", 8)
    assert get(manager, "an_int") == 8
    assert manager.check("config", "get", "mgr/api/an_int") == "8\n"
    manager.call("api", "await_told", "an_int", 8)
    manager.call("api", "set_localized_module_option", "an_int", 9)
    assert get(manager, "an_int") == 9
    assert manager.check("config", "get", "mgr/api/x/an_int") == "9\n"
    manager.call("api", "set_localized_module_option", "an_int", None)
    assert get(manager, "an_int") == 8
    manager.call("api", "set_module_option", "an_int", None)
    assert get(manager, "an_int") == -3
    manager.call("api", "set_module_option", "a_bool", False)
    assert manager.check("config", "get", "mgr/api/a_bool") == "false\n"
    manager.call("api", "set_module_option", "a_bool", None)


def test_undeclared_options(manager: Manager) -> None:
    for method in ("get_module_option", "get_localized_module_option"):
        kinds, message = manager.call("api", "attempt", method, "nosuch")
        assert kinds[0] == "RuntimeError"
        assert message == "Config option 'nosuch' is not in Module.MODULE_OPTIONS"
    for method in ("set_module_option", "set_localized_module_option"):
        kinds, message = manager.call("api", "attempt", method, "nosuch", 1)
        assert kinds[0] == "RuntimeError"
        assert message == "Config option 'nosuch' is not in Module.MODULE_OPTIONS"


def test_options_of_another_module(manager: Manager) -> None:
    assert manager.call("api", "get_module_option_ex", "probe", "number") == 7
    manager.check("config", "set", "mgr/probe/number", "4")
    assert manager.call("api", "get_module_option_ex", "probe", "number") == 4
    manager.call("api", "set_module_option_ex", "probe", "number", 5)
    assert manager.check("config", "get", "mgr/probe/number") == "5\n"
    kinds, message = manager.call("api", "attempt", "set_module_option_ex", "probe", "number", 11)
    assert kinds[0] == "InvalidArgumentError"
    assert message == 'Config.Set: option mgr/probe/number: "11" is above the maximum, 10'
    manager.call("api", "set_module_option_ex", "probe", "number", None)
    assert manager.check("config", "get", "mgr/probe/number") == "7\n"
    assert manager.call("api", "get_module_option_ex", "api", "an_int") == -3
    manager.call("api", "set_module_option_ex", "api", "an_int", 6)
    assert get(manager, "an_int") == 6
    manager.call("api", "set_module_option_ex", "api", "an_int", None)
    assert manager.call("api", "get_module_option_ex", "probe", "nosuch", 5) == 5


def test_options_that_every_module_has(manager: Manager) -> None:
    values = [
        get(manager, name)
        for name in ("log_level", "log_to_file", "log_to_cluster", "log_to_cluster_level")
    ]
    assert values == ["", False, False, "info"]


# --- keys ---


def test_any_bytes_are_a_value(manager: Manager) -> None:
    everything = list(range(256))
    assert manager.call("api", "put_bytes", "bytes", everything) == everything
    kinds, message = manager.call("api", "attempt", "get_store", "bytes")
    assert kinds[0] == "ValueError" and "get_store_bytes" in message
    manager.call("api", "set_store", "bytes", None)
    assert manager.call("api", "get_store", "bytes") is None


def test_keys_that_change_together(manager: Manager) -> None:
    assert manager.call("api", "update_store", {"a": "1", "b": "2"}) is True
    expected = {"a": "1", "c": None}
    changes = {"a": None, "c": "3"}
    assert manager.call("api", "update_store", changes, expected=expected) is True
    assert manager.call("api", "get_store_prefix", "") == {"b": "2", "c": "3"}
    assert manager.call("api", "update_store", changes, expected=expected) is False
    assert manager.call("api", "get_store_prefix", "") == {"b": "2", "c": "3"}
    kinds, message = manager.call("api", "attempt", "update_store", {"ok": "1", "": "2"})
    assert "ValueError" in kinds and "the key is empty" in message
    assert manager.call("api", "get_store", "ok") is None, "all or none"


# --- the cluster ---


def test_hosts_and_daemons(manager: Manager) -> None:
    hosts = manager.call("api", "list_servers")
    assert [host["hostname"] for host in hosts] == ["host1", "host2", "host3"]
    assert {"type": "osd", "id": "0"} in hosts[0]["services"]
    assert manager.call("api", "get_server", "host1") == hosts[0]
    nobody = {"hostname": "nosuch", "ceph_version": "", "services": []}
    assert manager.call("api", "get_server", "nosuch") == nobody
    assert manager.call("api", "get_metadata", "osd", "0")["hostname"] == "host1"
    assert manager.call("api", "get_metadata", "osd", "99") is None
    assert manager.call("api", "get_metadata", "osd", "99", {"a": "b"}) == {"a": "b"}
    assert manager.call("api", "get_daemon_status", "osd", "99") == {}


def test_counters(manager: Manager) -> None:
    schema = manager.call("api", "get_perf_schema", "osd", "0")["osd.0"]
    assert set(schema["osd.numpg"]) == {"description", "nick", "type", "priority", "units"}
    (series,) = manager.call("api", "get_counter", "osd", "0", "osd.numpg").values()
    until("a placement group", lambda: manager.call("api", "get_latest", "osd", "0", "osd.numpg"))
    newest = manager.call("api", "get_latest_counter", "osd", "0", "osd.numpg")["osd.numpg"]
    assert len(newest) == 2 and newest[0] >= series[0][0] and type(newest[1]) is int
    average = manager.call("api", "get_latest_avg", "osd", "0", "osd.op_latency")
    assert len(average) == 2 and type(average[1]) is int
    assert manager.call("api", "get_counter", "osd", "0", "nosuch") == {"nosuch": []}
    assert manager.call("api", "get_latest", "osd", "0", "nosuch") == 0
    counters = manager.call("api", "get_all_perf_counters", 10)
    assert {path for daemon in counters.values() for path in daemon} == {
        path for path, counter in schema.items() if counter["priority"] >= 10
    }
    assert set(counters["osd.0"]["osd.op"]) == {*schema["osd.op"], "value"}


def test_options_of_the_cluster(manager: Manager) -> None:
    assert manager.call("api", "get_ceph_option", "mon_allow_pool_delete") is False
    assert manager.call("api", "get_foreign_ceph_option", "osd.0", "osd_max_backfills") == 1
    for method, args in (("get_ceph_option", []), ("get_foreign_ceph_option", ["osd.0"])):
        kinds, message = manager.call("api", "attempt", method, *args, "nosuch")
        assert kinds[0] == "KeyError" and "nosuch" in message


# --- commands to daemons ---


def test_the_sender_alone_hears_of_its_command_with_the_result(manager: Manager) -> None:
    manager.call("probe", "forget")
    command = {"prefix": "osd set", "key": "noup"}
    assert manager.call("api", "send", "mon", "", command, "t-1") == [0, "", "noup is set", True]
    command["prefix"] = "osd unset"
    assert manager.call("probe", "send", command, "t-2")[0] == 0
    assert manager.call("probe", "await_notification", "command") == "t-2"


def test_return_codes_of_daemons_are_kept(manager: Manager) -> None:
    answer = manager.call("api", "mon_command", {"prefix": "osd set", "key": "noway"})
    assert answer[0] == -errno.EINVAL and "noway" in answer[2]
    retval, _, words = manager.call("api", "tell_command", "osd", "0", {"prefix": "nosuch"})
    assert retval < 0 and words
    kinds, message = manager.call("api", "attempt", "check_mon_command", {"prefix": "nosuch"})
    assert kinds[0] == "MonCommandFailed"
    assert message == f"nosuch failed: command not known retval: {-errno.EINVAL}"
    kinds, message = manager.call("api", "attempt", "osd_command", {"prefix": "x", "id": "abc"})
    assert (kinds[0], message) == ("ValueError", 'invalid osd_id: "abc"')


# --- what the module tells of itself ---


def test_progress_and_where_it_serves(manager: Manager) -> None:
    manager.call("api", "update_progress_event", "e", "Moving data", 0.25, True)
    assert "Moving data" in manager.check("status")
    manager.call("api", "update_progress_event", "quiet", "Counting", 0.5, False)
    assert "Counting" not in manager.check("status")
    assert "Counting" in manager.check("progress")
    manager.call("api", "complete_progress_event", "e")
    assert "[Complete]: Moving data" in manager.check("progress")
    manager.call("api", "clear_all_progress_events")
    assert "Counting" not in manager.check("progress")
    kinds, message = manager.call("api", "attempt", "update_progress_event", "e", "", 2, True)
    assert (kinds[0], message) == ("ValueError", "progress event e: progress 2 is not from 0 to 1")
    manager.call("api", "set_uri", "http://host:1/")
    assert json.loads(manager.check("mgr", "services")) == {"api": "http://host:1/"}
    manager.call("api", "set_uri", "")
    assert manager.check("mgr", "services") == "{}\n"


def test_facts(manager: Manager) -> None:
    version, release, name = manager.call("api", "facts")
    assert version.startswith("outpost ")
    assert (release, name) == ("pacific", "api")
    assert manager.call("api", "get_mgr_id") == "x"
    assert manager.call("api", "get_mgr_ip")
    assert manager.call("api", "is_authorized", {}) is True
    assert manager.call("api", "have_mon_connection") is True
    assert manager.call("api", "lookup_release_name", 16) == "pacific"


def test_a_manager_after_a_crash_is_told_again() -> None:
    with Manager("api") as manager:
        manager.call("api", "update_progress_event", "e", "Moving data", 0.25, True)
        manager.call("api", "set_uri", "http://host:1/")
        check = {"severity": "error", "summary": "so bad", "count": 1, "detail": ["d"]}
        manager.call("api", "set_health_checks", {"API_BAD": check})
        manager.kill9()
        manager.restart()
        until("the check", lambda: "API_BAD: so bad" in manager.check("health", "detail"))
        until("the event", lambda: "Moving data" in manager.check("progress"))
        assert json.loads(manager.check("mgr", "services")) == {"api": "http://host:1/"}


# --- its log ---


def test_lines_of_the_clusters_log(manager: Manager) -> None:
    manager.call("api", "cluster_log", "audit", 4, "somebody came")
    until("it", lambda: "somebody came" in manager.check("log", "last", "9", "info", "audit"))
    assert manager.call("api", "await_line", "somebody came") == {
        "name": "api",
        "channel": "audit",
        "priority": "[ERR]",
        "message": "somebody came",
    }
    line = manager.check("log", "last", "1", "info", "audit")
    assert line.endswith(" api audit [ERR] somebody came\n"), line
    manager.check("config", "set", "mgr/api/log_to_cluster_level", "warning")
    manager.check("config", "set", "mgr/api/log_to_cluster", "true")
    manager.call("api", "await_option", "log_to_cluster", True)
    manager.call("api", "say", "not for the cluster", "info")
    manager.call("api", "say", "for the cluster", "warning")
    until("it", lambda: " for the cluster" in manager.check("log", "last"))
    assert "not for the cluster" not in manager.check("log", "last")
    manager.check("config", "rm", "mgr/api/log_to_cluster")
    manager.check("config", "rm", "mgr/api/log_to_cluster_level")


def test_a_file_of_its_own(tmp_path: Path) -> None:
    log, own = tmp_path / "outpostd.log", tmp_path / "outpostd.api.log"
    with Manager("api", flags=["--log-file", log]) as manager:
        manager.call("api", "say", "to the manager", "info")
        manager.wait_for_log("api/part: to the manager", log)
        manager.check("config", "set", "mgr/api/log_to_file", "true")
        manager.call("api", "await_option", "log_to_file", True)
        manager.call("api", "say", "to the file", "warning")
        assert re.search(r" \[worker-\d\] \[WARNING\] \[part\] to the file\n$", own.read_text())
        manager.check("config", "rm", "mgr/api/log_to_file")
        manager.call("api", "await_option", "log_to_file", False)
        manager.call("api", "say", "back again", "info")
        manager.wait_for_log("api/part: back again", log)
        assert "to the file" not in log.read_text()


def test_no_file_where_the_manager_logs_to_stderr(manager: Manager) -> None:
    manager.check("config", "set", "mgr/api/log_to_file", "true")
    manager.wait_for_log("log_to_file has no effect, as the manager's own log is no file")
    manager.call("api", "say", "still here", "info")
    manager.wait_for_log("api/part: still here")
    manager.check("config", "rm", "mgr/api/log_to_file")


def test_what_changes_is_heard_also_after_a_restart_of_the_manager() -> None:
    watches_hear_all_changes("api", int)


if __name__ == "__main__":
    run_tests(__file__)
