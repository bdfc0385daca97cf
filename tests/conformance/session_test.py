"""A session: registration, what the manager asks of a module that runs, and what it may add."""

from __future__ import annotations

import json
import os
import signal
import time

import grpc
import pytest
from conftest import NAME, Subject
from fixture import until
from google.protobuf.duration_pb2 import Duration
from outpost.v1 import cluster_pb2, manager_pb2, module_host_pb2
from rules import rule
from tap import OWN_IDS, Message

Response = module_host_pb2.AttachResponse


def _kinds(messages: list[Message], *, from_module: bool) -> list[str]:
    return [message.kind for message in messages if message.from_module == from_module]


# --- from Register to Serve ---


@rule("module_host.proto", "The first message of a stream is `register`, and no later one is.")
def test_register_comes_first_and_once(subject: Subject) -> None:
    said = _kinds(subject.tap.messages(), from_module=True)
    assert said[0] == "register"
    assert said.count("register") == 1


@rule("module_host.proto", "The answer to Configure.")
@rule("module_host.proto", "Start serve().")
def test_configure_is_answered_then_serve(subject: Subject) -> None:
    messages = subject.tap.messages()
    order = [m.kind for m in messages if m.kind in ("configure", "configured", "serve")]
    assert order == ["configure", "configured", "serve"]
    status = next(m.message for m in messages if m.kind == "serve_status")
    assert status.state == module_host_pb2.ServeStatus.STATE_RUNNING
    times = {m.kind: m.time for m in reversed(messages)}
    assert times["serve"] < times["serve_status"]


@rule("module_host.proto", '`module ls` shows "running"')
def test_module_ls_shows_it(subject: Subject) -> None:
    info = subject.manager.modules()[NAME]
    register = subject.tap.messages()[0].message
    assert info.state == manager_pb2.MODULE_STATE_RUNNING
    assert info.supervised and info.enabled
    assert info.pid == register.pid == subject.pid()
    assert info.sdk == register.sdk != ""


@rule(
    "module_host.proto",
    "The versions of this protocol that the module speaks, any order. Now: 1.",
)
@rule("module_host.proto", "Every command that the module answers.")
@rule("module_host.proto", "Every option that the module reads")
def test_register_tells_what_there_is(subject: Subject) -> None:
    register = subject.tap.messages()[0].message
    assert register.name == NAME
    assert list(register.protocol_versions) == [1]
    assert register.can_run and register.has_serve
    assert register.max_concurrency == 3
    assert {"osd_map", "config"} <= set(register.notify_types)
    commands = {" ".join(c.signature.split()[:2]) for c in register.commands}
    assert {f"conformance {name}" for name in COMMANDS} <= commands
    assert all(command.description for command in register.commands)
    assert {"greeting", "limit"} <= {option.name for option in register.options}


COMMANDS = [
    "echo",
    "fail",
    "json",
    "file",
    "wait",
    "release",
    "waits",
    "osd-epoch",
    "health",
    "put",
    "get",
    "delete",
    "option",
    "call",
    "heard",
    "notifications",
    "log",
]


@rule("module_host.proto", "read it to its end, close it, and put what it held in Register.token")
def test_the_token_is_what_the_file_descriptor_holds(fresh: Subject) -> None:
    fresh.tap.change_register = lambda register: register.ClearField("token")  # so that it may
    fresh.by_hand(token="what-the-file-holds")
    fresh.tap.wait_for("serve_status")
    assert fresh.tap.messages()[0].message.token.strip() == "what-the-file-holds"
    files = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{fresh.pid()}/fd")]
    assert not [file for file in files if "token" in file], "it is to be closed"


@rule("module_host.proto", "A program started otherwise chooses its name, leaves the token empty")
def test_started_by_hand(fresh: Subject) -> None:
    module = fresh.by_hand("visitor")
    fresh.tap.wait_for("serve_status")
    register = fresh.tap.messages()[0].message
    assert (register.name, register.token) == ("visitor", "")
    info = fresh.manager.wait_for_state("visitor", "RUNNING")
    assert (info.supervised, info.pid) == (False, module.process.pid)


# --- what a running module answers ---


@rule("module_host.proto", "Comes back in Heartbeat.")
@pytest.mark.parametrize("sequence", [1, 2**53 + 1, 2**64 - 1])
def test_a_ping_is_answered_with_its_sequence(subject: Subject, sequence: int) -> None:
    subject.tap.send(Response(ping=module_host_pb2.Ping(sequence=sequence)))
    subject.tap.wait_for("heartbeat", lambda heartbeat: heartbeat.sequence == sequence)


@rule("module_host.proto", "a module that has not answered three in a row is taken for dead.")
def test_pings_are_answered_while_commands_run(subject: Subject) -> None:
    waiting = [subject.manager.outpost_background(NAME, "wait") for _ in range(2)]
    until("two to wait", lambda: subject.json("waits")["waiting"] == 2)
    subject.tap.send(Response(ping=module_host_pb2.Ping(sequence=4711)))
    subject.tap.wait_for("heartbeat", lambda heartbeat: heartbeat.sequence == 4711)
    subject.output("release")
    assert [wait.end() for wait in waiting] == [(0, "released\n", ""), (0, "released\n", "")]


@rule("module_host.proto", "The id of the RunCommand.")
@rule("module_host.proto", "Chosen by the manager, unique in the session.")
@pytest.mark.parametrize("number", [OWN_IDS + 1, 2**64 - 1])
def test_an_answer_has_the_id_of_its_request(subject: Subject, number: int) -> None:
    given = {"prefix": "conformance echo", "text": "x"}
    result = subject.tap.run(json.dumps(given), "conformance echo", number)
    assert json.loads(result.stdout) == {"text": "x"}


@rule("module_host.proto", "which of its commands is meant.")
def test_a_command_that_it_does_not_have(subject: Subject) -> None:
    """A manager would not send it; the module answers all the same, and lives on."""
    result = subject.tap.run("{}", "no such command", OWN_IDS + 2)
    assert result.retval < 0
    assert subject.json("echo", "x") == {"text": "x"}


# --- what a newer manager may send ---


@rule(
    "module_host.proto",
    "A message that the module does not know (an empty `message`) is to be ignored: a "
    "newer manager may send it.",
)
def test_an_unknown_message_is_ignored(subject: Subject) -> None:
    sessions = len(subject.tap.sessions())
    subject.tap.send(b"")
    subject.tap.send(b"\xfa\x3f\x04abcd")  # field 1023, four bytes
    subject.tap.send(Response(ping=module_host_pb2.Ping(sequence=815)))
    subject.tap.wait_for("heartbeat", lambda heartbeat: heartbeat.sequence == 815)
    assert len(subject.tap.sessions()) == sessions


@rule("module_host.proto", "a newer manager may send it.")
def test_unknown_fields_are_ignored(subject: Subject) -> None:
    run = module_host_pb2.RunCommand(
        id=OWN_IDS + 3, prefix="conformance json", command_json='{"prefix": "conformance json"}'
    )
    text = run.SerializeToString() + b"\xfa\x3f\x04abcd"
    # Field 3 of AttachResponse, of length len(text).
    subject.tap.send(b"\x1a" + bytes([len(text)]) + text)
    result = subject.tap.wait_for("command_result", lambda result: result.id == OWN_IDS + 3)
    assert result.result.retval == 0


@rule("module_host.proto", "The id of the RunCommand or Call.")
def test_a_cancel_for_nothing_is_ignored(subject: Subject) -> None:
    subject.tap.send(Response(cancel=module_host_pb2.Cancel(id=2**63 - 1)))
    assert subject.json("echo", "x") == {"text": "x"}


# --- when the manager goes away ---


@rule(
    "module_host.proto",
    "A module goes on running, backs off (exponentially, with jitter, starting at about "
    "0.1 s and never more than about 5 s apart) and attaches again with the same token",
)
def test_a_broken_stream_is_replaced(fresh: Subject) -> None:
    fresh.enable()
    pid = fresh.pid()
    begin = time.monotonic()
    fresh.tap.break_session()
    fresh.tap.wait_until("another session", lambda: len(fresh.tap.sessions()) == 2)
    assert time.monotonic() - begin < 2
    fresh.manager.wait_for_state(NAME, "RUNNING")
    fresh.tap.wait_for("serve_status", after=begin)
    registers = [fresh.tap.messages(session)[0].message for session in fresh.tap.sessions()]
    for register in registers:  # the order of commands may differ
        register.commands.sort(key=lambda command: command.signature)
    assert registers[0] == registers[1]
    assert fresh.pid() == pid
    assert fresh.json("echo", "x") == {"text": "x"}


@rule("module_host.proto", "NOT_ACTIVE UNAVAILABLE back off, attach again")
@rule("module_host.proto", "backs off (exponentially, with jitter, starting at about 0.1 s")
def test_it_backs_off_while_there_is_no_manager(fresh: Subject) -> None:
    for _ in range(4):
        fresh.tap.refuse_next(grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE", "this one is a standby")
    fresh.enable()
    begun = [session.begun for session in fresh.tap.sessions()]
    waits = [b - a for a, b in zip(begun, begun[1:])]
    assert len(waits) == 4
    assert waits[0] >= 0.05, waits
    assert waits[3] > 2 * waits[0], waits
    assert sum(waits) < 8, waits


@rule("module_host.proto", "tells a re-attach to the same process from one to a new process.")
@rule("health.proto", "Set replaces all checks of the calling module")
@rule("cluster.proto", "after a re-attach to another one, start again from 0.")
def test_it_outlives_the_manager(fresh: Subject) -> None:
    fresh.enable()
    fresh.output("put", "key", "value")
    fresh.output("health", "warning", "still here")
    fresh.manager.check("config", "set", f"mgr/{NAME}/greeting", "before")
    for flag in ("noout", "noin", "noup"):
        fresh.manager.check("osd", "set", flag)
    epoch = int(fresh.output("osd-epoch"))
    pid = fresh.pid()

    fresh.manager.kill9()
    assert os.path.exists(f"/proc/{pid}")
    fresh.manager.restart()
    fresh.manager.wait_for_state(NAME, "RUNNING")
    assert fresh.pid() == pid
    assert fresh.manager.modules()[NAME].restarts == 0
    assert fresh.output("get", "key") == "value"
    assert fresh.output("option", "greeting") == "before"
    fresh.manager.check("config", "set", f"mgr/{NAME}/greeting", "after")
    until("the new value", lambda: fresh.output("option", "greeting") == "after")
    # The new manager's simulated cluster begins anew, and so do its versions.
    before = len(fresh.tap.calls("Cluster/Get"))
    assert int(fresh.output("osd-epoch")) == epoch - 3
    get = fresh.tap.calls("Cluster/Get")[before]
    assert cluster_pb2.ClusterGetRequest.FromString(get.request).if_newer_than == 0
    until(
        "the health check to be raised again",
        lambda: "still here" in fresh.manager.check("health", "detail"),
    )


@rule("module_host.proto", "How long to look for a manager before ending oneself.")
def test_an_orphan_ends_itself(fresh: Subject) -> None:
    fresh.tap.change_configure = lambda c: c.orphan_grace.CopyFrom(Duration(nanos=500_000_000))
    module = fresh.by_hand()
    fresh.tap.wait_for("serve_status")
    begin = time.monotonic()
    fresh.manager.kill9()
    rc, _, err = module.end()
    assert rc == os.EX_TEMPFAIL, err
    assert time.monotonic() - begin >= 0.4


def test_sigterm_ends_it(fresh: Subject) -> None:
    """As for any program: the supervisor sends it to a module that did not end in time."""
    module = fresh.by_hand()
    fresh.tap.wait_for("serve_status")
    assert module.end(signal.SIGTERM).rc == 0
