"""Options as operators meet them: `outpost config …`, Config.Watch, options of the cluster."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator

import grpc
import pytest
from fixture import DEADLINE, Manager, Outcome, error_info, run_tests
from outpost.v1 import (
    commands_pb2,
    commands_pb2_grpc,
    config_pb2,
    config_pb2_grpc,
    types_pb2,
)

_OPTIONS = [
    types_pb2.OptionDescriptor(
        name="an_int",
        type=types_pb2.OPTION_TYPE_INT,
        level=types_pb2.OPTION_LEVEL_BASIC,
        description="how many",
        long_description="Counts things.\nMany of them.",
        default_value="5",
        min="0",
        max="10",
        tags=["counting"],
        see_also=["a_choice", "a_float"],
        runtime=True,
    ),
    types_pb2.OptionDescriptor(
        name="a_choice",
        type=types_pb2.OPTION_TYPE_STR,
        default_value="red",
        enum_allowed=["red", "green"],
    ),
    types_pb2.OptionDescriptor(name="a_float", type=types_pb2.OPTION_TYPE_FLOAT, max="2"),
    types_pb2.OptionDescriptor(name="a_bool", type=types_pb2.OPTION_TYPE_BOOL),
    types_pb2.OptionDescriptor(name="a_uint", type=types_pb2.OPTION_TYPE_UINT),
    types_pb2.OptionDescriptor(name="a_size", type=types_pb2.OPTION_TYPE_SIZE),
    types_pb2.OptionDescriptor(name="some_secs", type=types_pb2.OPTION_TYPE_SECS),
    types_pb2.OptionDescriptor(name="an_addr", type=types_pb2.OPTION_TYPE_ADDR),
    types_pb2.OptionDescriptor(name="a_uuid", type=types_pb2.OPTION_TYPE_UUID),
    types_pb2.OptionDescriptor(name="password", type=types_pb2.OPTION_TYPE_STR, secret=True),
]


@pytest.fixture(scope="module")
def running() -> Iterator[Manager]:
    with Manager(installed=["hello"], flags=["--sim-speed", "0"]) as manager:
        yield manager


@pytest.fixture
def manager(running: Manager) -> Iterator[Manager]:
    """A manager with the module "demo", of which nothing is set."""
    session = running.session(name="demo", options=_OPTIONS).serve()
    yield running
    session.close()
    for row in dump(running):
        running.check("config", "rm", row["name"])


def dump(manager: Manager) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(manager.check("config", "dump", "-f", "json"))
    return rows


def history(manager: Manager, *number: str) -> list[dict[str, object]]:
    versions: list[dict[str, object]] = json.loads(
        manager.check("config", "log", *number, "-f", "json")
    )
    return versions


# --- set, get, rm ---


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        (("mgr/demo/an_int",), "mgr/demo/an_int"),
        (("mgr", "mgr/demo/an_int"), "mgr/demo/an_int"),
        (("mgr.x", "mgr/demo/an_int"), "mgr/demo/x/an_int"),
        (("mgr/demo/x/an_int",), "mgr/demo/x/an_int"),
        (("mgr", "mgr/demo/x/an_int"), "mgr/demo/x/an_int"),
        (("mgr.x", "mgr/demo/x/an_int"), "mgr/demo/x/an_int"),
    ],
)
def test_set_get_rm(manager: Manager, where: tuple[str, ...], shown: str) -> None:
    assert manager.outpost("config", "set", *where, "7") == (0, "", "")
    assert manager.outpost("config", "get", *where) == (0, "7\n", "")
    assert manager.outpost("config", "get", "mgr/demo/an_int") == (0, "7\n", "")
    assert manager.outpost("config", "get", *where, "-f", "json") == (0, '"7"\n', "")
    assert [row["name"] for row in dump(manager)] == [shown]
    assert manager.outpost("config", "rm", *where) == (0, "", "")
    assert manager.outpost("config", "get", *where) == (0, "5\n", "")
    assert manager.outpost("config", "rm", *where) == (0, "", "")
    assert manager.outpost("config", "get", "mgr/demo/a_bool") == (0, "\n", "")


def test_rm_of_what_nobody_has(manager: Manager) -> None:
    assert manager.outpost("config", "rm", "mgr", "mgr/demo/an_itn") == (
        0,
        "",
        "nothing is set for 'mgr/demo/an_itn': module demo does not declare it; did you mean"
        " mgr/demo/an_int?\n",
    )


def test_set_as_ceph_tools_ask_for_it(manager: Manager) -> None:
    """The JSON command of Ceph's own clients."""
    command = {"prefix": "config set", "who": "mgr", "name": "mgr/demo/a_size", "value": "4K"}
    request = commands_pb2.CommandsRunRequest(command_json=json.dumps(command))
    response = manager.stub(commands_pb2_grpc.CommandsStub).Run(request, timeout=DEADLINE)
    assert (response.result.retval, response.result.stderr) == (0, "")
    assert manager.check("config", "get", "mgr", "mgr/demo/a_size") == "4096\n"


def test_another_manager_s_value(manager: Manager) -> None:
    manager.check("config", "set", "mgr.y", "mgr/demo/an_int", "2")
    assert manager.check("config", "get", "mgr/demo/an_int") == "5\n"
    assert manager.check("config", "get", "mgr.y", "mgr/demo/an_int") == "2\n"
    assert manager.check("config", "get", "mgr/demo/y/an_int") == "2\n"


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("an_int", "x", '"x" is not an integer'),
        ("an_int", "11", '"11" is above the maximum, 10'),
        ("an_int", "-1", '"-1" is below the minimum, 0'),
        ("a_float", "3.0", '"3.0" is above the maximum, 2'),
        ("a_float", "zz", '"zz" is not a number'),
        ("a_bool", "maybe", '"maybe" is not a bool'),
        ("a_choice", "blue", '"blue" is not one of: red, green'),
        ("a_size", "4Q", '"4Q" is not a size'),
        ("a_uint", "-3", '"-3" is negative'),
        ("an_addr", "nowhere", '"nowhere" is not an address'),
        ("a_uuid", "1234", '"1234" is not a UUID'),
    ],
)
def test_values_that_are_refused(manager: Manager, option: str, value: str, reason: str) -> None:
    rc, out, err = manager.outpost("config", "set", "mgr", f"mgr/demo/{option}", "--", value)
    assert (rc, out) == (errno.EINVAL, "")
    assert err.startswith(f"Error EINVAL: error parsing value: option mgr/demo/{option}: {reason}")
    assert dump(manager) == []


@pytest.mark.parametrize(
    ("option", "value", "kept"),
    [
        ("a_bool", "yes", "true"),
        ("a_size", "4K", "4096"),
        ("some_secs", "2h30", "7230"),
        ("an_int", "+3", "3"),
        ("a_uuid", "0F0E0D0C-1111-2222-3333-444455556666", "0f0e0d0c-1111-2222-3333-444455556666"),
    ],
)
def test_values_in_canonical_form(manager: Manager, option: str, value: str, kept: str) -> None:
    manager.check("config", "set", f"mgr/demo/{option}", value)
    assert manager.check("config", "get", f"mgr/demo/{option}") == f"{kept}\n"


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        (
            ("set", "mgr/demo/an_itn", "1"),
            errno.EINVAL,
            "unrecognized config option 'mgr/demo/an_itn': module demo does not declare it; did"
            " you mean mgr/demo/an_int?",
        ),
        (
            ("set", "mgr", "mgr/dmo/an_int", "1"),
            errno.EINVAL,
            "unrecognized config option 'mgr/dmo/an_int': no module \"dmo\" has declared options;"
            " did you mean mgr/demo/an_int?",
        ),
        (
            ("get", "mgr", "mgr/demo/nosuch"),
            errno.ENOENT,
            "unrecognized key 'mgr/demo/nosuch': module demo does not declare it",
        ),
        (
            ("help", "mgr/demo/nosuch"),
            errno.ENOENT,
            "configuration option 'mgr/demo/nosuch' not recognized: module demo does not declare"
            " it",
        ),
        (
            ("set", "osd", "mgr/demo/an_int", "1"),
            errno.EINVAL,
            "unrecognized config target 'osd': the options of modules belong to mgr, or to"
            " mgr.<manager id> for one of the managers",
        ),
        (
            ("get", "mgr.x", "mgr/demo/y/an_int"),
            errno.EINVAL,
            "config target 'mgr.x' does not fit mgr/demo/y/an_int, which is for the manager y",
        ),
        (
            ("get", "mgr.x", "global/log_level"),
            errno.EINVAL,
            "config target 'mgr.x' does not fit global/log_level, which is for every manager",
        ),
        (
            ("get", "mgr/demo"),
            errno.EINVAL,
            'option key "mgr/demo": a key is mgr/<module>/<option>, mgr/<module>/<manager'
            " id>/<option> or global/<option>",
        ),
        (
            ("get",),
            errno.EINVAL,
            "Invalid command: missing required parameter who(<string>): mgr, mgr.<manager id>, or"
            " the key of an option",
        ),
        (("ls", "nosuch"), errno.ENOENT, "no module 'nosuch' has declared options"),
    ],
)
def test_what_there_is_not(manager: Manager, words: tuple[str, ...], error: int, text: str) -> None:
    name = errno.errorcode[error]
    assert manager.outpost("config", *words) == (error, "", f"Error {name}: {text}\n")


def test_arguments_that_are_missing(manager: Manager) -> None:
    rc, out, err = manager.outpost("config", "set", "mgr", "mgr/demo/an_int")
    assert (rc, out) == (errno.EINVAL, "")
    assert "Invalid command: missing required parameter value(<string>)" in err
    rc, _, err = manager.outpost("config", "rm")
    assert rc == errno.EINVAL
    assert "Invalid command: missing required parameter name(<string>)" in err


def test_forced_before_its_module_comes(manager: Manager) -> None:
    rc, _, err = manager.outpost("config", "set", "mgr/late/port", "80")
    assert rc == errno.EINVAL
    assert err.startswith("Error EINVAL: unrecognized config option 'mgr/late/port': no module")
    manager.check("config", "set", "mgr", "mgr/late/port", "80", "--force")
    (row,) = dump(manager)
    assert (row["name"], row["value"], row["level"]) == ("mgr/late/port", "<redacted>", "unknown")
    port = types_pb2.OptionDescriptor(name="port", type=types_pb2.OPTION_TYPE_INT)
    session = manager.session(name="late", options=[port])
    (option,) = [o for o in session.receive().configure.options if o.name == "port"]
    assert (option.value, option.source) == ("80", "module")
    session.close()
    # What is declared is checked, forced or not.
    assert manager.outpost("config", "set", "mgr/late/port", "x", "--force").rc == errno.EINVAL


def test_a_global_value(manager: Manager) -> None:
    manager.check("config", "set", "global/log_level", "debug")
    assert manager.check("config", "get", "mgr/demo/log_level") == "debug\n"
    assert [(row["section"], row["name"]) for row in dump(manager)] == [
        ("global", "global/log_level")
    ]


# --- dump, ls, help ---


def test_dump(manager: Manager) -> None:
    manager.check("config", "set", "mgr/demo/an_int", "7")
    manager.check("config", "set", "mgr.y", "mgr/demo/a_choice", "green")
    manager.check("config", "set", "mgr/demo/password", "hunter2")
    lines = [line.rstrip() for line in manager.check("config", "dump").splitlines()]
    assert lines == [
        "WHO  MASK  LEVEL     OPTION               VALUE       RO",
        "mgr        basic     mgr/demo/an_int      7",
        "mgr        advanced  mgr/demo/password    <redacted>  *",
        "mgr        advanced  mgr/demo/y/a_choice  green       *",
    ]
    assert dump(manager)[0] == {
        "section": "mgr",
        "name": "mgr/demo/an_int",
        "value": "7",
        "level": "basic",
        "can_update_at_runtime": True,
        "mask": "",
    }


def test_show(manager: Manager) -> None:
    manager.check("config", "set", "global/an_int", "5")
    manager.check("config", "set", "mgr/demo/an_int", "7")
    manager.check("config", "set", "mgr.x", "mgr/demo/an_int", "8")
    manager.check("config", "set", "mgr.y", "mgr/demo/a_choice", "green")
    manager.check("config", "set", "mgr/demo/password", "hunter2")
    lines = [line.split() for line in manager.check("config", "show", "mgr.x").splitlines()]
    assert ["NAME", "VALUE", "SOURCE", "OVERRIDES"] in lines
    assert ["mgr/demo/an_int", "8", "localized", "global,module"] in lines
    assert ["mgr/demo/password", "<redacted>", "module"] in lines
    assert not any("a_choice" in line[0] for line in lines), "that is on another manager"
    shown = json.loads(manager.check("config", "show", "mgr.x", "-f", "json"))
    assert {
        "name": "mgr/demo/an_int",
        "value": "8",
        "source": "localized",
        "overrides": ["global", "module"],
    } in shown
    assert manager.check("config", "show", "mgr.x", "mgr/demo/an_int") == "8\n"
    outcome = manager.outpost("config", "show", "mgr.x", "mgr/demo/an_itn")
    assert outcome.rc == errno.ENOENT
    assert "did you mean mgr/demo/an_int?" in outcome.err
    outcome = manager.outpost("config", "show", "mgr.y")
    assert outcome.rc == errno.ENOENT
    assert "no config state for daemon mgr.y; this manager is mgr.x" in outcome.err


def test_all_that_is_set_for_a_manager(manager: Manager) -> None:
    manager.check("config", "set", "mgr/demo/an_int", "7")
    manager.check("config", "set", "mgr.x", "mgr/demo/an_int", "8")
    manager.check("config", "set", "mgr.y", "mgr/demo/a_choice", "green")

    def rows(who: str) -> list[tuple[str, str, str]]:
        shown = json.loads(manager.check("config", "get", who, "-f", "json"))
        return [(row["section"], name, row["value"]) for name, row in shown.items()]

    assert rows("mgr") == [("mgr", "mgr/demo/an_int", "7")]
    assert rows("mgr.x") == [("mgr.x", "mgr/demo/an_int", "8")]
    assert rows("mgr.y") == [
        ("mgr.y", "mgr/demo/a_choice", "green"),
        ("mgr", "mgr/demo/an_int", "7"),
    ]
    assert manager.check("config", "get", "mgr.x").splitlines()[0].split() == [
        *("WHO", "MASK", "LEVEL", "OPTION", "VALUE", "RO")
    ]


def test_ls(manager: Manager) -> None:
    keys = manager.check("config", "ls", "demo").splitlines()
    assert keys == sorted(keys)
    assert {f"mgr/demo/{option.name}" for option in _OPTIONS} < set(keys)
    assert "mgr/demo/log_level" in keys
    assert json.loads(manager.check("config", "ls", "demo", "-f", "json")) == keys
    assert set(keys) <= set(manager.check("config", "ls").splitlines())
    manager.check("config", "set", "mgr/demo/x/an_int", "9")
    manager.check("config", "set", "mgr/demo/password", "hunter2")
    table = manager.check("config", "ls", "demo", "--detail")
    assert re.search(r"^mgr/demo/an_int +9 +localized +how many *$", table, re.M)
    assert re.search(r"^mgr/demo/password +<redacted> +module *$", table, re.M)


def test_help(manager: Manager) -> None:
    assert manager.check("config", "help", "mgr/demo/an_int") == (
        "mgr/demo/an_int - how many\n"
        "  (int, basic)\n"
        "  Default: 5\n"
        "  Minimum: 0\n"
        "  Maximum: 10\n"
        "  Can update at runtime: true\n"
        "  Tags: [counting]\n"
        "  See also: [a_choice,a_float]\n"
        "\n"
        "Counts things.\n"
        "Many of them.\n"
    )
    assert manager.check("config", "help", "mgr/demo/a_choice") == (
        "mgr/demo/a_choice - \n"
        "  (str, advanced)\n"
        "  Default: red\n"
        "  Possible values:  red green\n"
        "  Can update at runtime: false\n"
    )
    told = json.loads(manager.check("config", "help", "mgr/demo/an_int", "-f", "json-pretty"))
    assert (told["type"], told["default"], told["min"], told["max"]) == ("int", "5", "0", "10")
    assert (told["can_update_at_runtime"], told["see_also"]) == (True, ["a_choice", "a_float"])


def test_formats(manager: Manager) -> None:
    manager.check("config", "set", "mgr/demo/an_int", "7")
    assert "name: mgr/demo/an_int\n" in manager.check("config", "dump", "-f", "yaml")
    assert "<name>mgr/demo/an_int</name>" in manager.check("config", "dump", "-f", "xml")
    request = commands_pb2.CommandsRunRequest(words=["config", "dump"], format="toml")
    result = manager.stub(commands_pb2_grpc.CommandsStub).Run(request, timeout=DEADLINE).result
    assert result.retval == -errno.EINVAL
    assert "toml" in result.stderr


# --- log, reset ---


def test_log_and_reset(manager: Manager) -> None:
    manager.check("config", "set", "mgr/demo/an_int", "1")
    version = history(manager, "1")[0]["version"]
    manager.check("config", "set", "mgr/demo/an_int", "2")
    manager.check("config", "set", "mgr/demo/a_choice", "green")
    text = manager.check("config", "log", "2")
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d{4}"
    assert re.fullmatch(
        rf"--- \d+ --- {stamp} --- user/admin ---\n"
        r"\+ mgr/demo/a_choice = green\n"
        rf"--- \d+ --- {stamp} --- user/admin ---\n"
        r"- mgr/demo/an_int = 1\n"
        r"\+ mgr/demo/an_int = 2\n",
        text,
    ), text

    assert manager.outpost("config", "reset", str(version)) == (0, "", "")
    assert manager.check("config", "get", "mgr/demo/an_int") == "1\n"
    assert manager.check("config", "get", "mgr/demo/a_choice") == "red\n"
    (newest,) = history(manager, "1")
    assert newest["who"] == f"user/admin (reset to {version})"
    assert newest["changes"] == [
        {"name": "mgr/demo/a_choice", "previous_value": "green"},
        {"name": "mgr/demo/an_int", "previous_value": "2", "new_value": "1"},
    ]
    assert history(manager)[1]["who"] == "user/admin"
    rc, _, err = manager.outpost("config", "reset", "999999")
    assert rc == errno.EINVAL
    assert err.startswith("Error EINVAL: must specify a valid historical version to revert to; ")
    assert "there is no version 999999" in err


def test_reset_leaves_secrets_and_says_so(manager: Manager) -> None:
    manager.check("config", "set", "mgr/demo/password", "hunter2")
    version = history(manager, "1")[0]["version"]
    manager.check("config", "set", "mgr/demo/password", "hunter3")
    assert manager.outpost("config", "reset", str(version)) == (
        0,
        "",
        "mgr/demo/password stays as it is: former values of secrets are not kept\n",
    )
    assert manager.check("config", "get", "mgr/demo/password") == "hunter3\n"
    assert "hunter" not in manager.check("config", "log")
    assert "hunter" not in manager.log()


def test_the_history_names_modules(manager: Manager) -> None:
    session = manager.session(name="setter", options=_OPTIONS).serve()
    stub = manager.stub(config_pb2_grpc.ConfigStub)
    stub.Set(
        config_pb2.ConfigSetRequest(key="an_int", value="3"),
        metadata=session.metadata,
        timeout=DEADLINE,
    )
    # Any option of another module, too.
    stub.Set(
        config_pb2.ConfigSetRequest(key="mgr/demo/an_int", value="4"),
        metadata=session.metadata,
        timeout=DEADLINE,
    )
    later, sooner = history(manager, "2")
    assert (later["who"], sooner["who"]) == ("module/setter", "module/setter")
    assert manager.check("config", "get", "mgr/demo/an_int") == "4\n"
    session.close()


# --- what changes, as it changes ---


class Watch:
    """A Config.Watch that has begun."""

    def __init__(self, manager: Manager, module: str = "") -> None:
        self._stream = manager.stub(config_pb2_grpc.ConfigStub).Watch(
            config_pb2.ConfigWatchRequest(module=module), timeout=DEADLINE
        )
        self._stream.initial_metadata()  # its headers say that it watches

    def next(self) -> tuple[str, str, str | None, str]:
        change = next(self._stream)
        option = change.option
        value = option.value if option.HasField("value") else None
        return change.module, option.name, value, option.source

    def close(self) -> None:
        self._stream.cancel()


def test_watch(manager: Manager) -> None:
    other = manager.session(name="other").serve()
    everything, demo = Watch(manager), Watch(manager, "demo")
    manager.check("config", "set", "mgr/other/log_level", "debug")
    manager.check("config", "set", "mgr/demo/an_int", "6")
    assert everything.next() == ("other", "log_level", "debug", "module")
    for watch in (everything, demo):
        assert watch.next() == ("demo", "an_int", "6", "module")
    manager.check("config", "set", "mgr.y", "mgr/demo/an_int", "1")  # is not for this manager
    manager.check("config", "rm", "mgr/demo/an_int")
    manager.check("config", "set", "mgr/demo/password", "hunter2")
    manager.check("config", "rm", "mgr/demo/password")
    for watch in (everything, demo):
        assert watch.next() == ("demo", "an_int", "5", "default")
        assert watch.next() == ("demo", "password", "<redacted>", "module")
        assert watch.next() == ("demo", "password", None, "default")
        watch.close()
    other.close()


def test_the_module_hears_of_its_change_at_once(manager: Manager) -> None:
    session = manager.session(name="listener", options=_OPTIONS).serve()
    manager.check("config", "set", "mgr", "mgr/listener/a_size", "1K")
    (option,) = session.receive().config_changed.options
    assert (option.name, option.value) == ("a_size", "1024")
    session.close()


# --- options of the cluster ---


def cluster_option(manager: Manager, entity: str, name: str) -> str:
    response = manager.stub(config_pb2_grpc.ConfigStub).GetClusterOption(
        config_pb2.GetClusterOptionRequest(entity=entity, name=name), timeout=DEADLINE
    )
    assert response.HasField("value")
    return str(response.value)


def test_options_of_the_cluster(manager: Manager) -> None:
    assert cluster_option(manager, "", "mon_allow_pool_delete") == "false"
    assert cluster_option(manager, "osd.0", "debug_osd") == "1/5"
    assert cluster_option(manager, "", "cluster_network") == ""
    # `config` passes on what is not an option of a module.
    assert manager.outpost("config", "set", "osd.0", "debug_osd", "5/5") == (0, "", "")
    assert cluster_option(manager, "osd.0", "debug_osd") == "5/5"
    assert cluster_option(manager, "osd.1", "debug_osd") == "1/5"
    assert manager.outpost("config", "get", "osd.0", "debug_osd") == (0, "5/5\n", "")
    assert manager.outpost("config", "rm", "osd.0", "debug_osd") == (0, "", "")
    assert cluster_option(manager, "osd.0", "debug_osd") == "1/5"
    assert manager.outpost("config", "get", "osd.0", "nosuch") == Outcome(
        errno.ENOENT, "", "Error ENOENT: unrecognized key 'nosuch'\n"
    )
    assert manager.outpost("config", "set", "mgr", "nosuch", "1") == Outcome(
        errno.EINVAL, "", "Error EINVAL: unrecognized config option 'nosuch'\n"
    )
    described = json.loads(manager.check("config", "help", "debug_osd"))
    assert (described["name"], described["type"]) == ("debug_osd", "str")
    assert manager.outpost("config", "help", "nosuch") == Outcome(
        errno.ENOENT, "", "Error ENOENT: configuration option 'nosuch' not recognized\n"
    )


@pytest.mark.parametrize(
    ("entity", "name", "code", "text"),
    [
        (
            *("", "nosuch", grpc.StatusCode.NOT_FOUND),
            "option nosuch of mgr: unrecognized key 'nosuch'",
        ),
        (
            *("rgw.a", "debug_osd", grpc.StatusCode.INVALID_ARGUMENT),
            "option debug_osd of rgw.a: unrecognized entity 'rgw.a'",
        ),
        ("", "", grpc.StatusCode.INVALID_ARGUMENT, "the field `name` is empty"),
    ],
)
def test_options_that_the_cluster_has_not(
    manager: Manager, entity: str, name: str, code: grpc.StatusCode, text: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        cluster_option(manager, entity, name)
    assert caught.value.code() is code
    assert caught.value.details().startswith(text)
    expected = errno.ENOENT if code is grpc.StatusCode.NOT_FOUND else errno.EINVAL
    assert error_info(caught.value).metadata["errno"] == str(expected)


if __name__ == "__main__":
    run_tests(__file__)
