"""The Python SDK's MgrModule against a real manager: options of every type, and commands."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest
from fixture import Manager, run_tests


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
    kinds, message = manager.call("api", "attempt", "set_module_option_ex", "probe", "number", 5)
    assert kinds[0] == "PermissionDeniedError"
    assert message == "Config.Set: module 'api' may not change the option mgr/probe/number"
    manager.check("config", "rm", "mgr/probe/number")
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


if __name__ == "__main__":
    run_tests(__file__)
