"""Commands: their arguments and results, how many run at once, and how they end early."""

from __future__ import annotations

import errno
import json
import signal
import time
from typing import Any

import grpc
import pytest
from conftest import NAME, Subject
from fixture import until
from google.protobuf.duration_pb2 import Duration
from outpost.v1 import commands_pb2, commands_pb2_grpc, module_host_pb2
from rules import rule
from tap import OWN_IDS


def _in_flight(subject: Subject) -> int:
    return int(subject.manager.modules()[NAME].in_flight)


def _waiting(subject: Subject) -> int:
    return int(subject.json("waits")["waiting"])


@rule(
    "module_host.proto",
    "each argument by name, typed, validated against the command's signature.",
)
@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["x"], {"text": "x"}),
        (['Grüße, 世界 "\\'], {"text": 'Grüße, 世界 "\\'}),
        (["x", "--count", "7"], {"text": "x", "count": 7}),
        (["x", "--ratio=0.25"], {"text": "x", "ratio": 0.25}),
        (["x", "--flag"], {"text": "x", "flag": True}),
        (["x", "--color", "green"], {"text": "x", "color": "green"}),
        (
            ["x", "1", "2.5", "true", "red", "a", "b c"],
            {
                "text": "x",
                "count": 1,
                "ratio": 2.5,
                "flag": True,
                "color": "red",
                "words": ["a", "b c"],
            },
        ),
    ],
    ids=lambda value: "" if isinstance(value, dict) else None,
)
def test_arguments(subject: Subject, words: list[str], given: dict[str, Any]) -> None:
    assert subject.json("echo", *words) == given


@rule("commands.proto", "Both are checked against the signature before the provider sees them.")
@pytest.mark.parametrize("words", [[], ["x", "--count", "101"], ["x", "--color", "pink"]])
def test_arguments_that_do_not_fit_do_not_reach_it(subject: Subject, words: list[str]) -> None:
    def asked() -> int:
        return sum(message.kind == "run_command" for message in subject.tap.messages())

    before = asked()
    assert subject.run("echo", *words).retval == -errno.EINVAL
    assert asked() == before


@rule("types.proto", "0, or a negative errno (-22: EINVAL).")
@rule(
    "types.proto",
    "A command's own failure is a result with a negative retval, never a gRPC error.",
)
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOENT, errno.EEXIST, 133])
def test_a_failure_is_an_errno_with_both_texts(subject: Subject, number: int) -> None:
    result = subject.run("fail", str(number))
    assert result.retval == -number
    assert result.stdout == "half of it"
    assert result.stderr == f"failed with {number}, as asked"
    rc, _, err = subject.manager.outpost(NAME, "fail", str(number))
    assert rc == number
    assert f"failed with {number}, as asked" in err


@rule("types.proto", "The output, where it is text.")
def test_json_comes_back_whole(subject: Subject) -> None:
    assert subject.json("json") == {
        "integer": 42,
        "float": 2.5,
        "text": "Grüße, 世界",
        "list": [True, None, "x"],
        "object": {},
    }


@rule("module_host.proto", "The content of the caller's --in-file; empty where there was none.")
@rule("module_host.proto", "Whether inbuf was given at all: tells an empty file from none.")
@pytest.mark.parametrize("inbuf", [None, b"", b"text\n", b"\xff\x00\xfe", b"x" * 3_000_000])
def test_the_input_file(subject: Subject, inbuf: bytes | None) -> None:
    expected = "no file" if inbuf is None else f"{len(inbuf)} bytes, adding up to {sum(inbuf)}"
    assert subject.run("file", inbuf=inbuf).stdout == expected


# --- at once ---


@rule("module_host.proto", "How many commands and calls the module handles at once")
@rule("module_host.proto", "waits in a bounded queue in the manager.")
def test_as_many_run_at_once_as_it_says(subject: Subject) -> None:
    waiting = [subject.manager.outpost_background(NAME, "wait") for _ in range(2)]
    until("two to wait", lambda: _waiting(subject) == 2)  # thus, three ran at once
    waiting.append(subject.manager.outpost_background(NAME, "wait"))
    until("the third to be there", lambda: _in_flight(subject) == 3)
    with pytest.raises(grpc.RpcError) as caught:
        subject.run("echo", "x", timeout=0.3)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # One goes, and there is room again.
    assert waiting.pop().end(signal.SIGINT).rc == 128 + signal.SIGINT
    assert subject.json("echo", "x") == {"text": "x"}
    subject.output("release")
    assert [wait.end() for wait in waiting] == [(0, "released\n", "")] * 2


@rule("module_host.proto", "waits in a bounded queue in the manager.")
def test_a_queue_is_worked_off(subject: Subject) -> None:
    stub = subject.manager.stub(commands_pb2_grpc.CommandsStub)
    pending = [
        stub.Run.future(
            commands_pb2.CommandsRunRequest(words=[NAME, "echo", str(number)]), timeout=20
        )
        for number in range(200)
    ]
    answers = [json.loads(future.result().result.stdout) for future in pending]
    assert answers == [{"text": str(number)} for number in range(200)]


# --- early ends ---


@rule("module_host.proto", "the caller of this command or call is gone.")
def test_a_cancelled_command_gives_its_place_back(subject: Subject) -> None:
    """It is answered all the same: until then, the manager counts it as in hand."""
    before = subject.json("waits")["cancelled"]
    for number in range(1, 6):  # more than run at once
        wait = subject.manager.outpost_background(NAME, "wait")
        until("it to wait", lambda: _waiting(subject) == 1)
        assert wait.end(signal.SIGINT).rc == 128 + signal.SIGINT
        until("it to notice", lambda n=number: subject.json("waits")["cancelled"] == before + n)
    until("nothing to be in hand", lambda: _in_flight(subject) == 0)
    cancelled = [m.message.id for m in subject.tap.messages() if m.kind == "cancel"]
    answered = [m.message.id for m in subject.tap.messages() if m.kind == "command_result"]
    assert set(cancelled) - {2**63 - 1} <= set(answered)


@rule("module_host.proto", "How long the caller still waits, from now.")
@rule("commands.proto", "did not answer before the deadline (-110 ETIMEDOUT)")
def test_a_deadline_ends_it(subject: Subject) -> None:
    begin = time.monotonic()
    rc, _, err = subject.manager.outpost("--timeout", "0.4", NAME, "wait")
    assert rc == errno.ETIMEDOUT, err
    assert time.monotonic() - begin < 5
    run = [m.message for m in subject.tap.messages() if m.kind == "run_command"][-1]
    assert 0 < run.timeout.ToMilliseconds() <= 400
    until("its place to be free", lambda: _in_flight(subject) == 0)
    assert _waiting(subject) == 0


@rule("module_host.proto", "How long the caller still waits, from now.")
def test_its_time_is_over_without_a_word(subject: Subject) -> None:
    """A manager sends Cancel then; it need not be waited for."""
    before = subject.json("waits")["cancelled"]
    run = module_host_pb2.RunCommand(
        id=OWN_IDS + 9,
        prefix="conformance wait",
        command_json='{"prefix": "conformance wait"}',
        timeout=Duration(nanos=200_000_000),
    )
    subject.tap.send(module_host_pb2.AttachResponse(run_command=run))
    answer = subject.tap.wait_for("command_result", lambda result: result.id == run.id)
    assert answer.result.retval == -errno.ECANCELED
    assert subject.json("waits")["cancelled"] == before + 1
