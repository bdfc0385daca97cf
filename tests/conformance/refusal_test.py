"""A manager that does not want the module: it says why on stderr, and ends with status 78."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import grpc
import pytest
from conftest import NAME, Subject
from outpost.v1 import module_host_pb2
from rules import rule


def _refused(subject: Subject, *said: str, **how: str) -> None:
    sessions = len(subject.tap.sessions())
    begin = time.monotonic()
    rc, _, err = subject.by_hand(**how).end()
    assert rc == os.EX_CONFIG, err
    assert time.monotonic() - begin < 10
    for text in said:
        assert text in err, err
    assert len(subject.tap.sessions()) == sessions + 1, "it did not try again"


@rule("module_host.proto", "NAME_TAKEN ALREADY_EXISTS exit; another process has the name")
@rule("module_host.proto", "a status whose message is meant to be read by a person")
def test_its_name_is_taken(subject: Subject) -> None:
    _refused(subject, f"module '{NAME}'", "end that one first")
    assert subject.json("echo", "x") == {"text": "x"}


@rule("module_host.proto", "COMMAND_TAKEN ALREADY_EXISTS exit; the message names the other module")
def test_its_commands_are_taken(subject: Subject) -> None:
    _refused(subject, NAME, name="another")
    assert subject.json("echo", "x") == {"text": "x"}


@rule("module_host.proto", "BAD_TOKEN UNAUTHENTICATED exit; the token is not (or no longer) valid")
def test_a_wrong_token(subject: Subject) -> None:
    _refused(subject, "token", name="another", token="a-token-of-nobody")
    register = subject.tap.sessions()[-1].messages[0].message
    assert register.token.strip() == "a-token-of-nobody"


@rule("module_host.proto", "BAD_REGISTER INVALID_ARGUMENT exit; the message names the field")
def test_a_bad_name(subject: Subject) -> None:
    _refused(subject, "9lives", name="9lives")


@rule("module_host.proto", "BAD_REGISTER INVALID_ARGUMENT exit; the message names the field")
def test_a_bad_signature(subject: Subject, changed: Changed) -> None:
    changed(lambda register: register.commands.add(signature="another name=x,type=CephNonsense"))
    _refused(subject, "CephNonsense", name="another")


@rule("module_host.proto", "PROTOCOL_VERSION FAILED_PRECONDITION exit; no version in common")
def test_another_version(subject: Subject, changed: Changed) -> None:
    def of_the_future(register: module_host_pb2.Register) -> None:
        register.protocol_versions[:] = [99]

    changed(of_the_future)
    _refused(subject, "version", name="another")


@rule(
    "module_host.proto",
    "MODULE_DISABLED FAILED_PRECONDITION exit; an operator disabled this name",
)
@rule(
    "module_host.proto",
    "PROTOCOL_ERROR INVALID_ARGUMENT exit; the message says what was out of order",
)
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, "MODULE_DISABLED"),
        (grpc.StatusCode.INVALID_ARGUMENT, "PROTOCOL_ERROR"),
    ],
)
def test_other_refusals(subject: Subject, code: grpc.StatusCode, reason: str) -> None:
    subject.tap.refuse_next(code, reason, "because of the test")
    _refused(subject, "because of the test", name="another")


Changed = Callable[[Callable[[module_host_pb2.Register], object]], None]


@pytest.fixture
def changed(subject: Subject) -> Changed:
    """Change what the module registers, on its way to the manager."""

    def change(how: Callable[[module_host_pb2.Register], object]) -> None:
        subject.tap.change_register = how

    yield change
    subject.tap.change_register = lambda register: None
