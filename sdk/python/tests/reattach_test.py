"""Managers that go away, come back, or do not want the module."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from conftest import Runner
from module_process import write_module
from sample_modules import SILENT, WAITING

from outpost.testing import FakeManager, Refusal, wait_until
from outpost.v1 import module_host_pb2, types_pb2

ServeStatus = module_host_pb2.ServeStatus


def test_attaches_again_when_the_manager_comes_back(manager: FakeManager, run: Runner) -> None:
    process = run(WAITING, token="sesame")
    first = manager.session()
    first.wait_for("serve_status")
    pid = first.run("pid").stdout
    for _ in range(2):
        manager.stop()
        manager.start()
        session = manager.session()
        assert session.register == first.register
        assert session.register.token == "sesame"
        assert session.wait_for("serve_status").state == ServeStatus.STATE_RUNNING
        assert session.run("pid").stdout == pid
    wait_until(lambda: "attached again to manager x" in session.log_lines(), "the log line")
    assert "serve starts" not in session.log_lines(), "serve() goes on, it is not started again"
    session.shutdown()
    assert process.end() == (0, "")


def test_a_new_manager_learns_what_the_old_one_knew(manager: FakeManager, run: Runner) -> None:
    run(
        """
        class Sample(MgrModule):
            MODULE_OPTIONS = [Option("colour", default="red")]

            def config_notify(self):
                self.log.info("colour %s", self.get_module_option("colour"))

            @CLIReadCommand("raise")
            def raise_check(self):
                check = {"severity": "warning", "summary": "bad", "count": 2, "detail": ["a", "b"]}
                self.set_health_checks({"BAD": check})
                return 0, "", ""

            @CLIReadCommand("get")
            def get_it(self):
                return 0, str(self.get("thing")), ""
        """
    )
    session = manager.session()
    manager.structures["thing"] = (9, '["old"]')
    assert session.run("raise").retval == 0
    assert session.run("get").stdout == "['old']"
    manager.stop()
    manager.options["mgr/sample/colour"] = "blue"
    manager.structures["thing"] = (1, '["new"]')
    manager.start()
    session = manager.session()
    wait_until(lambda: len(manager.requests("Health.Set")) == 2, "the health check again")
    first, second = manager.requests("Health.Set")
    assert first == second
    (check,) = manager.health["sample"]
    assert (check.code, check.summary, check.count) == ("BAD", "bad", 2)
    assert (check.severity, list(check.detail)) == (types_pb2.SEVERITY_WARNING, ["a", "b"])
    wait_until(lambda: "colour blue" in session.log_lines(), "config_notify")
    assert session.run("get").stdout == "['new']", "versions of two managers are not compared"
    assert manager.requests("Cluster.Get")[-1].if_newer_than == 0


def test_a_manager_that_does_not_know_the_session(manager: FakeManager, run: Runner) -> None:
    run(
        """
        class Sample(MgrModule):
            @CLICommand("write")
            def write(self):
                self.set_store("k", "v")
                return 0, "", ""
        """
    )
    session = manager.session()
    manager.close_session(session)  # as a manager that was started again, and is quick
    session.start("write")
    wait_until(lambda: manager.requests("KeyValue.Put"), "the call in the old session")
    assert not manager.keys["sample"]
    session.end()
    manager.session()
    wait_until(lambda: manager.keys["sample"] == {"k": b"v"}, "the call in the new session")


def test_calls_wait_for_the_next_session(manager: FakeManager, run: Runner) -> None:
    run(
        """
        class Sample(MgrModule):
            def serve(self):
                number = 0
                while True:
                    assert self.get_store("key") is None
                    number += 1
                    self.set_store("rounds", str(number))
        """
    )
    session = manager.session()
    for _ in range(3):
        rounds = int(wait_until(lambda: manager.keys["sample"].get("rounds"), "serve's rounds"))
        manager.stop()
        manager.start()
        session = manager.session()
        reached = rounds + 10
        wait_until(
            lambda: int(manager.keys["sample"]["rounds"]) > reached,  # noqa: B023
            "serve goes on",
        )
    assert session.wait_for("serve_status").state == ServeStatus.STATE_RUNNING


REFUSALS = [
    (grpc.StatusCode.ALREADY_EXISTS, "NAME_TAKEN"),
    (grpc.StatusCode.ALREADY_EXISTS, "COMMAND_TAKEN"),
    (grpc.StatusCode.INVALID_ARGUMENT, "BAD_REGISTER"),
    (grpc.StatusCode.UNAUTHENTICATED, "BAD_TOKEN"),
    (grpc.StatusCode.FAILED_PRECONDITION, "MODULE_DISABLED"),
    (grpc.StatusCode.FAILED_PRECONDITION, "PROTOCOL_VERSION"),
    (grpc.StatusCode.INVALID_ARGUMENT, "PROTOCOL_ERROR"),
]


@pytest.mark.parametrize(("code", "reason"), REFUSALS)
def test_a_refusal_is_told_in_one_line(
    manager: FakeManager, run: Runner, code: grpc.StatusCode, reason: str
) -> None:
    manager.refusals["ModuleHost.Attach"] = Refusal(code, "we do not want it", reason)
    status, stderr = run(WAITING).end()
    assert status == 78
    assert stderr == f"outpost: module sample: {reason}: Attach: we do not want it\n"
    assert len(manager.registers) == 1


def test_refused_when_it_attaches_again(manager: FakeManager, run: Runner) -> None:
    process = run(WAITING)
    manager.session()
    manager.stop()
    manager.refusals["ModuleHost.Attach"] = Refusal(
        grpc.StatusCode.FAILED_PRECONDITION, "disabled by an operator", "MODULE_DISABLED"
    )
    manager.start()
    status, stderr = process.end()
    assert status == 78
    assert "disabled by an operator" in stderr


def test_tries_again_until_the_manager_is_active(manager: FakeManager, run: Runner) -> None:
    manager.refusals["ModuleHost.Attach"] = Refusal(
        grpc.StatusCode.UNAVAILABLE, "a standby", "NOT_ACTIVE"
    )
    run(SILENT)
    wait_until(lambda: len(manager.registers) >= 3, "attempts")
    del manager.refusals["ModuleHost.Attach"]
    assert manager.session().run("echo", word="x").stdout == "x"


def test_ends_itself_when_orphaned(manager: FakeManager, run: Runner) -> None:
    manager.orphan_grace = 0.6
    process = run(WAITING, token="sesame")
    manager.session().wait_for("serve_status")
    manager.stop()
    began = time.monotonic()
    status, stderr = process.end()
    assert status == 75
    assert "outpost: module sample: no manager for 0.6 s:" in stderr
    assert 0.4 < time.monotonic() - began < 5


PROGRAM = """
import json, logging, sys
from outpost._loader import load_module
from outpost._logs import LogShipper
from outpost._session import Session
from outpost._settings import Settings
settings = Settings(name="sample", **json.loads(sys.argv[2]))
logs = LogShipper(settings.log_buffer)
logging.getLogger().addHandler(logs)
sys.exit(Session(load_module(sys.argv[1], settings), settings, logs).run())
"""


def start_with(directory: Path, **settings: Any) -> subprocess.Popen[str]:
    """Run a silent module with settings that `outpost.run` has no option for."""
    return subprocess.Popen(
        [
            *(sys.executable, "-c", PROGRAM),
            *(str(write_module(directory / "sample", SILENT)), json.dumps(settings)),
        ],
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_a_supervised_module_that_never_meets_a_manager(
    manager: FakeManager, tmp_path: Path
) -> None:
    manager.stop()
    process = start_with(tmp_path, address=manager.address, token="t", contact_grace=0.3)
    _, stderr = process.communicate(timeout=15)
    assert process.returncode == 75, stderr
    assert "no manager for 0.3 s" in stderr


def test_a_manager_that_falls_silent_is_left(manager: FakeManager, tmp_path: Path) -> None:
    process = start_with(tmp_path, address=manager.address, least_silence=0.3)
    manager.heartbeat_interval = 0.05
    session = manager.session()
    session.send(ping=module_host_pb2.Ping(sequence=1))
    again = manager.session()
    assert session.ended.wait(5)
    again.shutdown()
    _, stderr = process.communicate(timeout=15)
    assert (process.returncode, stderr) == (0, "")


def test_a_manager_that_does_not_answer_is_left(manager: FakeManager, tmp_path: Path) -> None:
    manager.answers = False
    process = start_with(tmp_path, address=manager.address, attach_timeout=0.3)
    wait_until(lambda: len(manager.registers) >= 2, "a second attempt")
    manager.answers = True
    manager.session().shutdown()
    process.communicate(timeout=15)
    assert process.returncode == 0


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
