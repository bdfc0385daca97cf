"""A module's options, as it declares, reads and sets them."""

from __future__ import annotations

import grpc
import pytest
from conftest import Runner
from probe_module import Probe

from outpost._options import OptionTable
from outpost.testing import FakeManager, Refusal, wait_until
from outpost.v1 import module_host_pb2, types_pb2


def test_options_are_typed(probe: Probe) -> None:
    names = ["text", "int", "uint", "float", "bool", "size", "secs"]
    values = probe(f"[self.get_module_option(name) for name in {names}]")
    assert values == ["t", -3, None, 1.5, True, 4096, 5.0]
    assert probe("type(self.get_module_option('secs')).__name__") == "float"
    assert probe("self.get_module_option('uint', 9)") == 9
    assert probe("self.get_localized_module_option('int')") == -3


def test_undeclared_options(probe: Probe) -> None:
    for code in (
        "self.get_module_option('nosuch')",
        "self.get_localized_module_option('nosuch')",
        "self.set_module_option('nosuch', 1)",
        "self.set_localized_module_option('nosuch', 1)",
    ):
        kinds, message = probe.raised(code)
        assert kinds[0] == "RuntimeError"
        assert message == "Config option 'nosuch' is not in Sample.MODULE_OPTIONS"


def test_options_are_set_and_seen_at_once(probe: Probe) -> None:
    assert probe("self.set_module_option('bool', False); self.get_module_option('bool')") is False
    assert probe.manager.options["mgr/sample/bool"] == "false"
    assert probe("self.set_module_option('int', 5); self.get_module_option('int')") == 5
    assert probe("self.set_localized_module_option('int', 6); self.get_module_option('int')") == 6
    assert probe.manager.options["mgr/sample/x/int"] == "6"
    assert probe("self.set_module_option('int', 7); self.get_module_option('int')") == 6
    code = "self.set_localized_module_option('int', None); self.get_module_option('int')"
    assert probe(code) == 7
    assert probe("self.set_module_option('int', None); self.get_module_option('int')") == -3


def test_a_value_that_does_not_fit(probe: Probe) -> None:
    probe.manager.refusals["Config.Set"] = Refusal(
        grpc.StatusCode.INVALID_ARGUMENT, 'option mgr/sample/int: "x" is not an int', "", {}
    )
    kinds, message = probe.raised("self.set_module_option('int', 'x')")
    assert kinds[0] == "InvalidArgumentError"
    assert "ValueError" in kinds
    assert message == 'Config.Set: option mgr/sample/int: "x" is not an int'


def test_config_changed_reaches_config_notify(probe: Probe) -> None:
    probe.manager.set_option(probe.session, "text", "changed")
    wait_until(lambda: "text changed" in probe.session.log_lines(), "config_notify")
    assert probe("self.get_module_option('text')") == "changed"


def test_options_of_other_modules(probe: Probe) -> None:
    probe.manager.options["mgr/other/depth"] = "12"
    assert probe("self.get_module_option_ex('other', 'depth')") == "12"
    assert probe("self.get_module_option_ex('other', 'nosuch', 4)") == 4
    assert probe("self.get_module_option_ex('sample', 'float')") == 1.5


def test_none_takes_it_back_to_the_default(probe: Probe) -> None:
    assert probe("self.set_module_option('float', 3); self.get_module_option('float')") == 3.0
    assert probe("self.set_module_option('float', None); self.get_module_option('float')") == 1.5
    assert "mgr/sample/float" not in probe.manager.options
    assert probe("self.set_localized_module_option('size', 1); self.get_module_option('size')") == 1
    code = "self.set_localized_module_option('size', None); self.get_module_option('size')"
    assert probe(code) == 4096
    assert probe("self.MODULE_OPTION_DEFAULTS['size']") == 4096
    assert probe("self.MODULE_OPTION_DEFAULTS['uint']") is None


def test_values_that_no_option_can_have(probe: Probe) -> None:
    for value, kind in (("[1]", "list"), ("b'x'", "bytes"), ("{}", "dict")):
        kinds, message = probe.raised(f"self.set_module_option('text', {value})")
        assert kinds[0] == "TypeError"
        assert message == f"option text: a value must be bool, int, float, str or None, not {kind}"
    assert "mgr/sample/text" not in probe.manager.options


def test_options_of_the_cluster(probe: Probe) -> None:
    probe.manager.cluster_options = {"fsid": "abc", "osd.3/debug_osd": "1/5"}
    assert probe("self.get_ceph_option('fsid')") == "abc"
    assert probe("self.get_foreign_ceph_option('osd.3', 'debug_osd')") == "1/5"
    probe.manager.cluster_options.update(
        {"ratio": 0.05, "count": 250, "allow": True, "deny": False, "osd.1/count": 3}
    )
    for name, value in (("ratio", 0.05), ("count", 250), ("allow", True), ("deny", False)):
        assert probe(f"self.get_ceph_option('{name}')") == value
    assert probe("type(self.get_ceph_option('allow')).__name__") == "bool"
    assert probe("self.get_foreign_ceph_option('osd.1', 'count')") == 3
    kinds, message = probe.raised("self.get_ceph_option('nosuch')")
    assert kinds[0] == "KeyError"
    assert "no option nosuch" in message


def test_a_change_of_its_own_is_told_too(probe: Probe) -> None:
    probe.manager.set_option(probe.session, "text", "first")
    wait_until(lambda: "text first" in probe.session.log_lines(), "config_notify")
    probe.manager.set_option(probe.session, "log_level", "info")
    assert probe("self.get_module_option('log_level')") == "info"
    wait_until(lambda: probe.session.log_lines().count("text first") == 2, "config_notify again")


def test_what_is_told_late_does_not_hide_a_newer_value(probe: Probe) -> None:
    def told(option: types_pb2.OptionValue) -> None:
        probe.session.send(config_changed=module_host_pb2.ConfigChanged(options=[option]))
        probe.session.send(ping=module_host_pb2.Ping(sequence=option.revision))
        probe.session.wait_for("heartbeat", lambda beat: beat.sequence == option.revision)

    assert probe("self.set_module_option('int', 5); self.get_module_option('int')") == 5
    late = probe.manager.option(probe.session.register, "int")
    assert probe("self.set_module_option('int', 6); self.get_module_option('int')") == 6
    told(late)
    assert probe("self.get_module_option('int')") == 6
    probe.manager.options["mgr/sample/int"] = "7"
    probe.manager.option_changed()
    told(probe.manager.option(probe.session.register, "int"))
    assert probe("self.get_module_option('int')") == 7
    assert probe("self.set_module_option('int', None); self.get_module_option('int')") == -3


def test_another_manager_counts_its_values_anew() -> None:
    def value(number: int, revision: int) -> types_pb2.OptionValue:
        return types_pb2.OptionValue(
            name="n", type=types_pb2.OPTION_TYPE_INT, value=str(number), revision=revision
        )

    table = OptionTable()
    assert table.configure("old", [value(1, 70)])
    assert table.configure("new", [value(2, 1)])
    table.update([value(1, 71)], instance="old")  # it was on its way when that one ended
    assert table.get("n") == 2
    assert not table.configure("new", [value(1, 0)])
    table.update([value(3, 2)], instance="new")
    assert table.get("n") == 3


EVERY_FIELD = """
class Sample(MgrModule):
    MODULE_OPTIONS = [
        Option(
            name="depth",
            default=3,
            type="int",
            desc="How deep",
            long_desc="How deep it goes, and why",
            min=1,
            max=9,
            tags=["water", "sea"],
            see_also=["width"],
            runtime=True,
            level="dev",
        ),
        Option("width", 2.5, "float"),
        Option("at_once", type="bool", flags=1),
        Option("colour", "red", enum_allowed=["red", "green"], secret=True),
        {"name": "kind", "type": "addr"},
        {"name": "kinds", "type": "addrvec"},
        {"name": "id", "type": "uuid"},
        {"name": "room", "type": "size", "default": "4K", "min": 0},
        {"name": "pause", "type": "secs", "default": "5m"},
        {"name": "many", "type": "uint", "max": 4294967296},
    ]
"""


def test_every_field_is_told(manager: FakeManager, run: Runner) -> None:
    run(EVERY_FIELD)
    options = {option.name: option for option in manager.session().register.options}
    depth = options["depth"]
    assert depth == types_pb2.OptionDescriptor(
        name="depth",
        type=types_pb2.OPTION_TYPE_INT,
        level=types_pb2.OPTION_LEVEL_DEV,
        description="How deep",
        long_description="How deep it goes, and why",
        default_value="3",
        min="1",
        max="9",
        tags=["water", "sea"],
        see_also=["width"],
        runtime=True,
    )
    assert options["width"].default_value == "2.5"
    assert not options["width"].runtime
    assert options["at_once"].runtime
    assert options["colour"].secret
    assert list(options["colour"].enum_allowed) == ["red", "green"]
    assert options["room"].default_value == "4K"
    assert [types_pb2.OptionType.Name(option.type)[12:].lower() for option in options.values()] == [
        *("int", "float", "bool", "str", "addr", "addrvec", "uuid", "size", "secs", "uint")
    ]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{}", "an entry has no name: {}"),
        ("{'name': 'x', 'defualt': 1}", "option x: unknown key 'defualt'"),
        ("Option('x', level='expert')", "option x: level 'expert' is none of basic, advanced, dev"),
        (
            "Option('x', flags=3)",
            "option x: flags 3: a module option has none but 1, a change takes effect at run time",
        ),
    ],
)
def test_declarations_that_are_wrong(
    manager: FakeManager, run: Runner, entry: str, told: str
) -> None:
    status, stderr = run(f"class Sample(MgrModule):\n    MODULE_OPTIONS = [{entry}]").end()
    assert status == 1
    assert f"MODULE_OPTIONS: {told}" in stderr.splitlines()[-1]


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
