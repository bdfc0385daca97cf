"""The end of a module: drain, shutdown, and what it is worth when work is in hand."""

from __future__ import annotations

import json
import os
import signal
import time

from conftest import NAME, Subject
from fixture import until
from google.protobuf.duration_pb2 import Duration
from outpost.v1 import manager_pb2, module_host_pb2
from rules import rule
from tap import OWN_IDS

Response = module_host_pb2.AttachResponse


@rule(
    "module_host.proto",
    "no new commands and calls follow; answer Drained when those in hand are done.",
)
@rule("module_host.proto", "wake serve(), run shutdown(), half-close the stream, exit.")
@rule("module_host.proto", "half-close, then exit with status 0")
def test_disabled(fresh: Subject) -> None:
    fresh.enable()
    pid = fresh.pid()
    begin = time.monotonic()
    fresh.manager.check("module", "disable", NAME)
    assert time.monotonic() - begin < 3, "an idle module ends at once"
    order = [m.kind for m in fresh.tap.messages() if m.kind in ("drain", "drained", "shutdown")]
    assert order == ["drain", "drained", "shutdown"]
    assert fresh.tap.session.half_closed is not None
    assert not os.path.exists(f"/proc/{pid}")
    info = fresh.manager.modules()[NAME]
    assert info.state == manager_pb2.MODULE_STATE_DISABLED
    assert info.last_exit in ("", "exit status 0"), info.last_exit


@rule("module_host.proto", "answer Drained when those in hand are done.")
def test_drained_comes_after_the_last_answer(fresh: Subject) -> None:
    fresh.enable()
    waiting = [fresh.manager.outpost_background(NAME, "wait") for _ in range(2)]
    until("two to wait", lambda: fresh.json("waits")["waiting"] == 2)
    disable = fresh.manager.outpost_background("module", "disable", NAME)
    fresh.tap.wait_for("drain")
    for wait in waiting:
        assert wait.end(signal.SIGINT).rc == 128 + signal.SIGINT
    fresh.tap.wait_for("drained")
    assert disable.end().rc == 0
    times = [m.time for m in fresh.tap.messages() if m.kind == "command_result"]
    drained = next(m.time for m in fresh.tap.messages() if m.kind == "drained")
    assert max(times) < drained


@rule("module_host.proto", "End within the grace.")
@rule("module_host.proto", "How long the module has before SIGTERM")
def test_shutdown_with_work_in_hand(fresh: Subject) -> None:
    module = fresh.by_hand()
    fresh.tap.wait_for("serve_status")
    run = module_host_pb2.RunCommand(
        id=OWN_IDS + 1,
        prefix="conformance wait",
        command_json=json.dumps({"prefix": "conformance wait"}),
    )
    fresh.tap.send(Response(run_command=run))
    until("it to wait", lambda: fresh.json("waits")["waiting"] == 1)
    begin = time.monotonic()
    shutdown = module_host_pb2.Shutdown(grace=Duration(seconds=5), reason="the test says so")
    fresh.tap.send(Response(shutdown=shutdown))
    assert module.end().rc == 0
    assert time.monotonic() - begin < 5
    assert fresh.tap.session.half_closed is not None


@rule("module_host.proto", "Why, for the module's log")
def test_shutdown_by_the_manager_that_ends(fresh: Subject) -> None:
    fresh.enable()
    pid = fresh.pid()
    fresh.manager.stop()
    assert not os.path.exists(f"/proc/{pid}")
    assert [m.kind for m in fresh.tap.messages()].count("shutdown") == 1


def test_it_is_started_again(fresh: Subject) -> None:
    """As any other; there is nothing in it that stands in the way."""
    fresh.enable()
    pid = fresh.pid()
    fresh.manager.check("module", "restart", NAME)
    assert fresh.pid() not in (0, pid)
    assert fresh.json("echo", "x") == {"text": "x"}
    pid = fresh.pid()
    os.kill(pid, signal.SIGKILL)
    until("another process", lambda: fresh.pid() not in (0, pid))
    fresh.manager.wait_for_state(NAME, "RUNNING")
    assert fresh.json("echo", "x") == {"text": "x"}
