"""Where the lines of a module's log go."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import Runner

from outpost.testing import FakeManager, wait_until
from outpost.v1 import types_pb2

SAYS = """
class Sample(MgrModule):
    @CLIReadCommand("say")
    def say(self, text: str, level: str = "info"):
        self.getLogger("part").log(getattr(logging, level.upper()), text)
        return 0, "", ""

    @CLIReadCommand("tell")
    def tell(self, text: str, priority: int, channel: str = "audit"):
        self.cluster_log(channel, priority, text)
        return 0, "", ""
"""


def test_levels_are_those_of_the_option(manager: FakeManager, run: Runner) -> None:
    run(SAYS)
    session = manager.session()
    levels = ("debug", "info", "warning", "error", "critical")
    expected: list[str] = []
    for least in range(5):
        manager.set_option(session, "log_level", levels[least])
        expected += levels[least:]
        for level in levels:
            session.run("say", text=level, level=level)
    wait_until(lambda: len(session.log_records()) >= len(expected), "the lines")
    assert session.log_lines() == expected
    manager.set_option(session, "log_level", "")
    for level in levels:
        session.run("say", text=f"now {level}", level=level)
    wait_until(lambda: session.log_lines()[-1] == "now critical", "the lines")
    assert "now debug" not in session.log_lines(), "info, where nothing is said"
    records = {record.message: record for record in session.log_records()[-4:]}
    assert records["now error"].level == types_pb2.LOG_LEVEL_ERROR
    assert records["now error"].logger == "part"
    assert not records["now error"].channel


def test_a_file_of_its_own(manager: FakeManager, run: Runner, tmp_path: Path) -> None:
    manager.log_file = f"{tmp_path}/outpostd.log"
    own = tmp_path / "outpostd.sample.log"
    run(SAYS)
    session = manager.session()
    session.run("say", text="before")
    wait_until(lambda: session.log_lines() == ["before"], "the line")
    manager.set_option(session, "log_to_file", "true")
    session.run("say", text="in the file", level="warning")
    line = own.read_text()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
    assert re.fullmatch(rf"{stamp} \[worker-\d\] \[WARNING\] \[part\] in the file\n", line), line
    own.rename(tmp_path / "rotated")
    session.run("say", text="after rotation")
    assert own.read_text().endswith("[part] after rotation\n")
    session.run("tell", text="for the cluster", priority=1)
    manager.set_option(session, "log_to_file", "false")
    session.run("say", text="back again")
    wait_until(lambda: session.log_lines()[-1] == "back again", "the line")
    assert session.log_lines() == ["before", "for the cluster", "back again"]


def test_no_file_where_the_manager_has_none(manager: FakeManager, run: Runner) -> None:
    manager.options["mgr/sample/log_to_file"] = "true"
    run(SAYS)
    session = manager.session()
    session.run("say", text="still here")
    wait_until(lambda: session.log_lines()[-1:] == ["still here"], "the line")
    assert session.log_lines() == [
        "log_to_file has no effect, as the manager's own log is no file (start it with"
        " --log-file); lines go to the manager's log",
        "still here",
    ]


def test_a_file_that_can_not_be_opened(manager: FakeManager, run: Runner, tmp_path: Path) -> None:
    manager.log_file = f"{tmp_path}/nosuch/outpostd.log"
    manager.options["mgr/sample/log_to_file"] = "true"
    run(SAYS)
    session = manager.session()
    session.run("say", text="still here")
    wait_until(lambda: session.log_lines()[-1:] == ["still here"], "the line")
    assert session.log_lines()[0] == (
        f"log_to_file has no effect: {tmp_path}/nosuch/outpostd.sample.log: No such file or"
        " directory; lines go to the manager's log"
    )


def test_the_log_of_the_cluster(manager: FakeManager, run: Runner) -> None:
    run(SAYS)
    session = manager.session()
    for priority in range(5):
        session.run("tell", text=f"told {priority}", priority=priority)
    wait_until(lambda: len(session.log_records()) == 5, "the lines")
    assert [(r.channel, r.level, r.logger, r.message) for r in session.log_records()] == [
        ("audit", types_pb2.LOG_LEVEL_DEBUG, "", "told 0"),
        ("audit", types_pb2.LOG_LEVEL_INFO, "", "told 1"),
        ("audit", types_pb2.LOG_LEVEL_WARNING, "", "told 2"),
        ("audit", types_pb2.LOG_LEVEL_WARNING, "", "told 3"),
        ("audit", types_pb2.LOG_LEVEL_ERROR, "", "told 4"),
    ]
    result = session.run("tell", text="x", priority=5)
    assert result.retval == -22
    assert "ValueError: 5 is not a valid" in result.stderr


def test_lines_that_are_also_the_clusters(
    manager: FakeManager, run: Runner, tmp_path: Path
) -> None:
    manager.log_file = f"{tmp_path}/outpostd"
    manager.options["mgr/sample/log_to_cluster_level"] = "warning"
    run(SAYS)
    session = manager.session()
    manager.set_option(session, "log_to_cluster", "true")
    session.run("say", text="one", level="info")
    session.run("say", text="two", level="warning")
    wait_until(lambda: len(session.log_records()) == 2, "the lines")
    assert [(r.message, r.channel) for r in session.log_records()] == [
        ("one", ""),
        ("two", "cluster"),
    ]
    manager.set_option(session, "log_to_file", "true")
    session.run("say", text="three", level="info")
    session.run("say", text="four", level="error")
    wait_until(lambda: len(session.log_records()) == 3, "the line for the cluster")
    assert session.log_lines()[-1] == "four"
    assert (tmp_path / "outpostd.sample.log").read_text().count("\n") == 2
    manager.set_option(session, "log_to_cluster", "false")
    session.run("say", text="five", level="error")
    assert (tmp_path / "outpostd.sample.log").read_text().count("\n") == 3


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
