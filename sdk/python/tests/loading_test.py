"""From a directory to a module: what Register tells, and what cannot be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Runner

from outpost.testing import FakeManager, wait_until
from outpost.v1 import module_host_pb2, types_pb2

ServeStatus = module_host_pb2.ServeStatus


def test_register_tells_all(manager: FakeManager, run: Runner) -> None:
    run(
        """
        __version__ = "1.2"

        class Sample(MgrModule):
            NOTIFY_TYPES = [NotifyType.osd_map, "service_map"]
            MAX_CONCURRENCY = 3
            MODULE_OPTIONS = [
                Option("size", type="size", default=4096, min=1, max=8192, desc="d", runtime=True),
                {"name": "colour", "enum_allowed": ["red", "green"], "default": "red"},
                Option("secret", secret=True, level="basic"),
                Option("on", type="bool", default=False),
            ]
        """,
        token="sesame",
    )
    session = manager.session()
    register = session.register
    assert register.name == "sample"
    assert register.token == "sesame"
    assert list(register.protocol_versions) == [1]
    assert register.sdk.startswith("outpost-python 0.1.0 (CPython 3.")
    assert register.version == "1.2"
    assert register.can_run
    assert not register.has_serve
    assert not register.standby_capable
    assert register.max_concurrency == 3
    assert register.pid > 1
    assert list(register.notify_types) == ["osd_map", "service_map"]
    size, colour, secret, on = register.options
    assert (size.type, size.default_value) == (types_pb2.OPTION_TYPE_SIZE, "4096")
    assert (size.min, size.max, size.description, size.runtime) == ("1", "8192", "d", True)
    assert list(colour.enum_allowed) == ["red", "green"]
    assert colour.type == types_pb2.OPTION_TYPE_STR
    assert not secret.HasField("default_value")
    assert secret.secret
    assert secret.level == types_pb2.OPTION_LEVEL_BASIC
    assert on.default_value == "false"


def test_can_run_false_keeps_it_attached_and_idle(manager: FakeManager, run: Runner) -> None:
    manager.serve = False
    process = run(
        """
        class Sample(MgrModule):
            def __init__(self, *args):
                raise AssertionError("must not be made")

            @staticmethod
            def can_run():
                return False, "no influxdb here"
        """
    )
    session = manager.session()
    assert not session.register.can_run
    assert session.register.can_run_error == "no influxdb here"
    session.shutdown()
    assert process.end() == (0, "")


BAD_MODULES = {
    "import": ("import nothing_of_this_name", "ModuleNotFoundError: No module named"),
    "syntax": ("def (", "SyntaxError"),
    "none": ("x = 1", "must define one subclass of MgrModule, and has: none"),
    "two": (
        "class A(MgrModule): pass\nclass B(MgrModule): pass",
        "must define one subclass of MgrModule, and has: A, B",
    ),
    "option": (
        "class A(MgrModule):\n    MODULE_OPTIONS = [Option('x', type='integer')]",
        "MODULE_OPTIONS: option x: type 'integer' is none of str, int,",
    ),
    "annotation": (
        "class A(MgrModule):\n    @CLICommand('a b')\n    def f(self, x): pass",
        "command 'a b': A.f(): parameter x has no type annotation",
    ),
    "init": (
        "class A(MgrModule):\n    def __init__(self, *a):\n        super().__init__(*a)\n"
        "        self.get_module_option('log_level')",
        "get_module_option() was called before the manager accepted the module (in __init__?):"
        " call it in serve(), in a command, in config_notify() or in notify()",
    ),
}


@pytest.mark.parametrize("name", BAD_MODULES)
def test_what_cannot_be_loaded_says_why(manager: FakeManager, run: Runner, name: str) -> None:
    source, message = BAD_MODULES[name]
    status, stderr = run(source).end()
    assert status == 1
    last = stderr.splitlines()[-1]
    assert last.startswith("outpost: module sample can't be loaded: ")
    assert message in last
    assert not manager.registers


def test_a_directory_without_module_py(manager: FakeManager, run: Runner, tmp_path: Path) -> None:
    status, stderr = run(tmp_path).end()
    assert status == 1
    assert stderr.endswith(f"{tmp_path} has no module.py\n")


def test_a_directory_that_would_hide_pythons_own(
    manager: FakeManager, run: Runner, tmp_path: Path
) -> None:
    for name in ("logging", "grpc", "a.b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "module.py").write_text("")
        status, stderr = run(tmp_path / name).end()
        assert status == 1
        assert f"Python takes '{name}' for something else; rename the directory" in stderr


def test_a_module_is_a_package(manager: FakeManager, run: Runner, tmp_path: Path) -> None:
    package = tmp_path / "not-a-name"  # `import` could not write it
    package.mkdir()
    (package / "__init__.py").write_text("from .module import Sample\n")
    (package / "words.py").write_text("WORD = 'relative'\n")
    (package / "module.py").write_text(
        "from mgr_module import CLIReadCommand, MgrModule\n"
        "from .words import WORD\n"
        "class Base(MgrModule): pass\n"
        "class Sample(Base):\n"
        "    @CLIReadCommand('word')\n"
        "    def word(self):\n"
        "        self.log.info('it works')\n"
        "        return 0, WORD, ''\n"
    )
    run(package)
    session = manager.session()
    assert session.run("word").stdout == "relative"
    wait_until(lambda: "it works" in session.log_lines(), "the log line")


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
