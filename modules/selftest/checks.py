"""What `mgr self-test run` and `mgr self-test remote` check."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from mgr_module import CommandResult, MgrModule

# Every source has these; what a real Ceph has more of is not this module's to test.
_STRUCTURES = (
    "df",
    "fs_map",
    "health",
    "mgr_map",
    "mon_map",
    "mon_status",
    "osd_map",
    "osd_map_crush",
    "osd_map_tree",
    "osd_metadata",
    "osd_stats",
    "pg_summary",
    "pool_stats",
    "service_map",
)
# Modules that ship; one of them has to be enabled to be called.
_OTHERS = ("hello", "iostat", "status")


def check(right: bool, what: str) -> None:
    """Raise AssertionError, whatever Python's flags are."""
    if not right:
        raise AssertionError(what)


def check_equal(got: object, wanted: object, what: str) -> None:
    """Compare values and their types: True is not 1."""
    check(got == wanted and type(got) is type(wanted), f"{what} gives {got!r} and not {wanted!r}")


def check_raises(kind: type[BaseException], call: Callable[[], object], what: str) -> None:
    """Call what must fail."""
    try:
        call()
    except kind:
        return
    raise AssertionError(f"{kind.__name__} not raised {what}")


class Checks:
    """Checks that one module can make of its manager."""

    def __init__(self, module: MgrModule) -> None:
        self._module = module

    def run(self) -> None:
        """Run all but the calls to other modules. Raises AssertionError at the first that fails."""
        self._manager()
        self._cluster()
        self._daemons()
        self._options()
        self._store()
        self._commands()
        self._health()

    def _manager(self) -> None:
        check(self._module.version != "", "version is empty")
        check(self._module.get_mgr_id() != "", "get_mgr_id() is empty")
        check(isinstance(self._module.have_mon_connection(), bool), "have_mon_connection()")

    def _cluster(self) -> None:
        get = self._module.get
        for name in _STRUCTURES:
            check(get(name) is not None, f"there is no structure {name}")
        check(get("__OBJ_DNE__") is None, "a structure that there is not was found")

    def _daemons(self) -> None:
        m = self._module
        for server in m.list_servers():
            hostname = str(server["hostname"])
            check_equal(m.get_server(hostname)["hostname"], hostname, "get_server()")
        for osd in m.get("osd_map")["osds"]:
            number = str(osd["osd"])
            m.get_metadata("osd", number)
            m.get_daemon_status("osd", number)
            for counter in m.get_perf_schema("osd", number).get(f"osd.{number}", {}):
                check(counter in m.get_counter("osd", number, counter), f"no counter {counter}")
        check_equal(m.get_metadata("osd", "nosuch"), None, "metadata of no daemon")

    def _options(self) -> None:
        m = self._module
        m.set_module_option("testkey", "testvalue")
        check_equal(m.get_module_option("testkey"), "testvalue", "an option that was set")
        m.set_localized_module_option("testkey", "foo")
        check_equal(m.get_localized_module_option("testkey"), "foo", "a localized option")
        m.set_localized_module_option("testkey", None)
        check_equal(m.get_localized_module_option("rwoption6"), True, "a localized default")
        check_equal(m.get_module_option("roption1"), None, "an option without a default")
        check_equal(m.get_module_option("roption1", "foobar"), "foobar", "the caller's default")
        check_equal(m.get_module_option("roption2", "foobar"), "xyz", "the declared default")
        typed: tuple[tuple[str, Any, Any], ...] = (
            ("rwoption1", 8080, "8080"),  # declared without a type: text
            ("rwoption2", 10, 10),
            ("rwoption3", 1.5, 1.5),
            ("rwoption4", "foo", "foo"),
            ("rwoption5", False, False),
        )
        for key, value, wanted in typed:
            m.set_module_option(key, value)
            check_equal(m.get_module_option(key), wanted, f"option {key} set to {value!r}")
            m.set_module_option_ex(m.module_name, key, value)
            check_equal(m.get_module_option_ex(m.module_name, key), wanted, f"{key}, as another's")
            m.set_module_option(key, None)
            check_equal(m.get_module_option(key), None, f"option {key} taken back")
        check_raises(ValueError, lambda: m.set_module_option("rwoption7", 43), "for 43 of 1 to 42")
        check_raises(
            RuntimeError, lambda: m.get_module_option("nosuch"), "for an undeclared option"
        )
        check_equal(m.get_module_option_ex("foo", "bar"), None, "an option of no module")

    def _store(self) -> None:
        m = self._module
        before = set(m.get_store_prefix("test"))
        m.set_store("testkey", "testvalue")
        check_equal(m.get_store("testkey"), "testvalue", "a key that was set")
        check_equal(set(m.get_store_prefix("test")), before | {"testkey"}, "get_store_prefix()")
        m.set_store("testkey", None)
        check_equal(m.get_store("testkey"), None, "a key that was removed")

    def _commands(self) -> None:
        result = CommandResult()
        self._module.send_command(result, "mon", "", json.dumps({"prefix": "osd dump"}), "")
        retval, _, text = result.wait()
        check(retval == 0, f"osd dump: {retval} {text}")

    def _health(self) -> None:
        self._module.set_health_checks(
            {"SELF_TEST": {"severity": "warning", "summary": "a self-test runs", "detail": []}}
        )
        self._module.set_health_checks({})

    def remote_calls(self) -> None:
        """Call other modules, rightly and wrongly."""
        m = self._module
        other = self._call_another()
        check_raises(ImportError, lambda: m.remote("idontexist", "self_test"), "for no module")
        check_raises(NameError, lambda: m.remote(other, "idontexist"), "for no method")

    def _call_another(self) -> str:
        """Call the first module that can be, and return its name."""
        for name in _OTHERS:
            try:
                self._module.remote(name, "self_test")
            except ImportError:
                continue
            return name
        raise AssertionError(f"none of the modules {', '.join(_OTHERS)} is enabled to be called")
