"""`outpost module events`, and Manager.TailEvents: what has happened to modules."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from fixture import DEADLINE, Background, Manager, error_info, run_tests, until
from outpost.v1 import manager_pb2, manager_pb2_grpc, module_host_pb2


@pytest.fixture(scope="module")
def empty() -> Iterator[Manager]:
    """A manager without modules."""
    with Manager() as manager:
        yield manager


def events(manager: Manager, *words: str) -> list[dict[str, Any]]:
    """What `module events` prints as JSON."""
    found: list[dict[str, Any]] = json.loads(
        manager.check("module", "events", *words, "--format", "json")
    )
    return found


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in found]


def await_event(manager: Manager, module: str, kind: str) -> dict[str, Any]:
    """The last event of a kind, once there is one."""
    found = until(
        f"an event of {module}: {kind}",
        lambda: [e for e in events(manager, module) if e["kind"] == kind],
    )
    return found[-1]


def tail(manager: Manager, **fields: Any) -> Any:
    """The stream of TailEvents."""
    request = manager_pb2.TailEventsRequest(**fields)
    return manager.stub(manager_pb2_grpc.ManagerStub).TailEvents(request, timeout=DEADLINE)


def test_the_life_of_a_module() -> None:
    with Manager("crasher") as manager:
        pid = manager.modules()["crasher"].pid
        first = events(manager, "crasher")
        assert kinds(first) == ["spawned", "attached", "serving"]
        assert {event["pid"] for event in first} == {pid}
        assert first[-1]["state"] == "running"
        manager.check("module", "restart", "crasher")
        manager.check("module", "disable", "crasher")
        manager.check("module", "enable", "crasher")
        then = events(manager, "crasher")[3:]
        stop = ["stopping", "detached", "exited"]
        start = ["spawned", "attached", "serving"]
        told = [kind for kind in kinds(then) if kind not in stop]
        assert told == ["restart", *start, "disabled", "enabled", *start]
        assert sorted(k for k in kinds(then) if k in stop) == sorted(2 * stop)
        assert {e["by"] for e in then if e["kind"] in ("restart", "disabled", "enabled")} == {
            "user/admin"
        }
        exits = [event for event in then if event["kind"] == "exited"]
        assert [event["crashed"] for event in exits] == [False, False]
        assert exits[0]["pid"] == pid and exits[0]["exit"]["status"] == 0
        sequences = [event["sequence"] for event in events(manager)]
        assert sequences == sorted(set(sequences))
        assert "manager started" in kinds(events(manager))
        # as people read it
        lines = manager.check("module", "events", "crasher", "--last", "2").splitlines()
        assert [line.split(" ", 1)[1].split(" (")[0] for line in lines] == [
            "crasher attached",
            "crasher serving",
        ]
        assert (
            manager.check("mgr", "module", "events", "crasher", "--last", "2").splitlines() == lines
        )


def test_a_segfault_tells_its_signal_and_where_it_was() -> None:
    with Manager("crasher") as manager:
        pid = manager.modules()["crasher"].pid
        assert manager.outpost("crasher", "segfault").rc != 0
        exited = await_event(manager, "crasher", "exited")
        assert exited["crashed"] and exited["pid"] == pid
        assert exited["exit"]["signal"] == signal.SIGSEGV
        assert exited["host"]
        assert any("Segmentation fault" in line for line in exited["output"])
        assert any("segfault" in line and "module.py" in line for line in exited["output"])
        assert exited["message"].startswith("signal 11")
        backoff = await_event(manager, "crasher", "backoff")
        assert backoff["next_start"] > backoff["time"]
        manager.wait_for_state("crasher", "RUNNING")
        assert await_event(manager, "crasher", "spawned")["pid"] not in (0, pid)
        text = manager.check("module", "events", "crasher", "--detail")
        assert "\n    Fatal Python error: Segmentation fault\n" in text
        raised = [e["message"] for e in events(manager) if e["kind"] == "health raised"]
        assert any(message.startswith("RECENT_MGR_MODULE_CRASH: ") for message in raised)


def test_what_serve_raises_is_told_with_its_traceback() -> None:
    with Manager("crasher") as manager:
        manager.check("crasher", "raise")
        failed = await_event(manager, "crasher", "serve failed")
        assert "no way home" in failed["message"] and not failed["crashed"]
        exited = await_event(manager, "crasher", "exited")
        assert exited["crashed"] and "no way home" in exited["exit"]["reason"]
        for event in (failed, exited):
            assert "LostError: no way home" in event["traceback"]
            assert "in serve" in event["traceback"]


def test_a_command_that_is_not_answered_in_time() -> None:
    with Manager("faulty") as manager:
        with pytest.raises(grpc.RpcError):
            manager.run("faulty", "hang", timeout=0.5)
        timed_out = await_event(manager, "faulty", "timed out")
        assert timed_out["message"] == 'command "faulty hang" timed out'
        manager.check("faulty", "well")


def test_who_is_refused() -> None:
    with Manager() as manager:
        manager.session(name="stranger", protocol_versions=[99]).refusal()
        refused = [e for e in events(manager) if e["kind"] == "refused"]
        assert "'stranger'" in refused[-1]["message"] and refused[-1]["module"] == ""
        session = manager.session(name="stranger", version="7").serve()
        manager.session(name="stranger").refusal()
        again = await_event(manager, "stranger", "refused")
        assert "stranger" in again["message"]
        attached = await_event(manager, "stranger", "attached")
        assert attached["by_hand"] and attached["version"] == "7"
        failed = module_host_pb2.ServeStatus(
            state=module_host_pb2.ServeStatus.STATE_FAILED, error="lost", traceback="at home"
        )
        session.send(serve_status=failed)
        crashed = await_event(manager, "stranger", "serve failed")
        assert crashed["crashed"] and crashed["traceback"] == "at home"
        # it is forgotten, but what happened to it is not
        until("it to be gone", lambda: "stranger" not in manager.modules())
        assert "serve failed" in kinds(events(manager, "stranger"))


def test_restarts_of_the_manager() -> None:
    with Manager("crasher") as manager:
        before = events(manager)
        manager.stop()
        manager.restart()
        after = events(manager)
        assert after[: len(before)] == before
        new = after[len(before) :]
        assert new[0]["kind"] == "manager stopping"
        assert min(e["sequence"] for e in new) > before[-1]["sequence"]
        assert kinds(new).count("manager started") == 1
        serving = after[-1]["sequence"]
        manager.kill9()
        manager.restart()
        until("it to serve", lambda: manager.state("crasher") == "RUNNING")
        request = tail(manager, module="crasher", after=serving)
        adopted = [manager_pb2.EventKind.Name(event.kind) for event in request]
        assert adopted[:2] == ["EVENT_KIND_ADOPTED", "EVENT_KIND_ATTACHED"], adopted


def follow(manager: Manager, *words: str) -> Background:
    return manager.outpost_background("module", "events", *words, "--format", "json")


def test_following_goes_on_over_a_restart_of_the_manager() -> None:
    with Manager("crasher") as manager:
        follower = follow(manager, "crasher", "-f")
        seen = [json.loads(follower.line()) for _ in range(3)]
        assert kinds(seen) == ["spawned", "attached", "serving"]
        manager.check("module", "restart", "crasher")
        while seen[-1]["kind"] != "serving" or len(seen) < 4:
            seen.append(json.loads(follower.line()))
        manager.stop()
        manager.restart()
        last = seen[-1]["sequence"]
        while seen[-1]["kind"] != "serving" or seen[-1]["sequence"] == last:
            seen.append(json.loads(follower.line()))
        outcome = follower.end(signal.SIGINT)
        assert outcome.rc == 0
        assert "is there again" in outcome.err
        assert [e["sequence"] for e in seen] == [e["sequence"] for e in events(manager, "crasher")]


def test_the_stream_says_that_it_hears_and_takes_what_it_is_asked_for() -> None:
    with Manager("crasher") as manager:
        stream = tail(manager, module="crasher", follow=True, last=0)
        stream.initial_metadata()
        manager.check("module", "disable", "crasher")
        assert next(stream).kind == manager_pb2.EVENT_KIND_DISABLED
        stream.cancel()
        last = list(tail(manager, last=1))
        assert len(last) == 1 and last[0].kind == manager_pb2.EVENT_KIND_EXITED
        assert list(tail(manager, after=last[0].sequence)) == []
        with pytest.raises(grpc.RpcError) as refused:
            list(tail(manager, module="crashr"))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        assert "'crashr'" in refused.value.details() and "crasher" in refused.value.details()
        assert error_info(refused.value)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nosuch"], "nosuch"),
        (["--last", "0"], "range"),
        (["--last", "x"], "int"),
        (["-f", "--last", "x"], '"x" is not a number'),
        (["a", "b", "-f"], 'unused argument "b"'),
        (["--wrong", "-f"], '"--wrong"'),
        (["nosuch", "-f"], "nosuch"),
        (["-f", "--format", "yaml"], "no yaml is made of a stream"),
    ],
)
def test_what_is_asked_wrongly(empty: Manager, words: list[str], says: str) -> None:
    rc, _, err = empty.outpost("module", "events", *words)
    assert rc != 0 and says in err


if __name__ == "__main__":
    run_tests(__file__)
