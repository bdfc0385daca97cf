"""What modules report: mutes and the history of health, progress, the log, where they serve."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator

import grpc
import pytest
from fixture import DEADLINE, Manager, RawSession, run_tests, until
from outpost.v1 import (
    health_pb2,
    health_pb2_grpc,
    manager_pb2,
    manager_pb2_grpc,
    module_host_pb2,
    notifications_pb2,
    notifications_pb2_grpc,
    progress_pb2,
    progress_pb2_grpc,
    types_pb2,
)


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    # A cluster that stands still: what changes, the test has changed.
    with Manager("hello", flags=["--sim-speed", "0"]) as manager:
        yield manager


@pytest.fixture
def session(manager: Manager) -> Iterator[RawSession]:
    session = manager.session(name="raw").serve()
    yield session
    session.close()


def raise_checks(manager: Manager, session: RawSession, **counts: int) -> None:
    checks = [
        types_pb2.HealthCheck(
            code=code,
            severity=types_pb2.SEVERITY_ERROR,
            summary=f"{count} things broke",
            count=count,
            detail=["here"],
        )
        for code, count in counts.items()
    ]
    manager.stub(health_pb2_grpc.HealthStub).Set(
        health_pb2.HealthSetRequest(checks=checks), metadata=session.metadata
    )


def test_a_muted_check_does_not_count(manager: Manager, session: RawSession) -> None:
    raise_checks(manager, session, RAW_BROKE=2)
    assert manager.check("health") == "HEALTH_ERR 2 things broke\n"
    assert manager.check("health", "mute", "RAW_BROKE", "1h") == ""
    assert manager.check("health") == "HEALTH_OK (muted: RAW_BROKE(59m))\n"
    assert manager.check("health", "detail") == (
        "HEALTH_OK (muted: RAW_BROKE(59m))\n"
        "(MUTED ttl 59m) [ERR] RAW_BROKE: 2 things broke\n    here\n"
    )
    assert "health: HEALTH_OK\n            (muted: RAW_BROKE(59m))" in manager.check("status")
    data = json.loads(manager.check("health", "--format", "json"))
    assert data["status"] == "HEALTH_OK"
    assert data["checks"]["RAW_BROKE"]["muted"] is True
    assert [mute["code"] for mute in data["mutes"]] == ["RAW_BROKE"]
    # fewer is no reason to end it, more is
    raise_checks(manager, session, RAW_BROKE=1)
    assert manager.check("health").startswith("HEALTH_OK (muted")
    raise_checks(manager, session, RAW_BROKE=3)
    assert manager.check("health") == "HEALTH_ERR 3 things broke\n"
    manager.check("health", "mute", "RAW_BROKE")
    assert manager.check("health") == "HEALTH_OK (muted: RAW_BROKE)\n"
    manager.check("health", "unmute", "RAW_BROKE")
    assert manager.check("health") == "HEALTH_ERR 3 things broke\n"
    raise_checks(manager, session)
    assert manager.check("health") == "HEALTH_OK\n"


def test_a_sticky_mute_survives_the_check_and_the_manager() -> None:
    with Manager(flags=["--sim-speed", "0"]) as manager:
        manager.check("health", "mute", "RAW_BROKE", "--sticky")
        manager.kill9()
        manager.restart()
        session = manager.session(name="raw").serve()
        raise_checks(manager, session, RAW_BROKE=2)
        assert manager.check("health", "detail").splitlines()[:2] == [
            "HEALTH_OK (muted: RAW_BROKE)",
            "(MUTED, STICKY) [ERR] RAW_BROKE: 2 things broke",
        ]
        manager.check("health", "unmute")
        assert manager.check("health").startswith("HEALTH_ERR")
        session.close()


def test_a_mute_ends_when_its_time_is_over(manager: Manager, session: RawSession) -> None:
    raise_checks(manager, session, RAW_BROKE=2)
    stream = manager.stub(notifications_pb2_grpc.NotificationsStub).Subscribe(
        notifications_pb2.SubscribeRequest(types=["health"]), timeout=DEADLINE
    )
    next(stream)  # Subscribed
    manager.check("health", "mute", "RAW_BROKE", "1s")
    assert manager.check("health").startswith("HEALTH_OK")
    next(stream)  # muted
    next(stream)  # the time is over
    assert manager.check("health") == "HEALTH_ERR 2 things broke\n"
    stream.cancel()
    raise_checks(manager, session)


def test_bad_mutes(manager: Manager) -> None:
    outcome = manager.outpost("health", "mute", "NOSUCH")
    assert outcome.rc == errno.ENOENT
    assert outcome.err == "Error ENOENT: health alert NOSUCH is not currently raised\n"
    outcome = manager.outpost("health", "mute", "NOSUCH", "soon")
    assert outcome.rc == errno.EINVAL
    assert 'ttl: "soon" is not a duration' in outcome.err
    outcome = manager.outpost("health", "mute", "no such", "--sticky")
    assert outcome.rc == errno.EINVAL
    assert '"no such": the code may have capitals' in outcome.err
    assert manager.outpost("health", "unmute", "NOSUCH").rc == 0


def test_the_history_of_health(manager: Manager, session: RawSession) -> None:
    raise_checks(manager, session, RAW_HISTORY=1)
    raise_checks(manager, session)
    lines = manager.check("health", "history", "2").splitlines()
    assert lines[1].split()[2:] == ["cleared", "RAW_HISTORY", "1", "things", "broke", "raw"]
    assert lines[2].split()[2:] == ["raised", "RAW_HISTORY", "1", "things", "broke", "raw"]
    events = (
        manager.stub(health_pb2_grpc.HealthStub)
        .History(health_pb2.HealthHistoryRequest(limit=1))
        .events
    )
    assert [(e.check.code, e.cleared) for e in events] == [("RAW_HISTORY", True)]
    # … and the cluster log tells the same
    log = manager.check("log", "last", "2", "info").splitlines()
    assert log[0].endswith("cluster [ERR] Health check failed: 1 things broke (RAW_HISTORY)")
    assert log[1].endswith("cluster [INF] Health check cleared: RAW_HISTORY (was: 1 things broke)")


def test_a_check_that_changes(manager: Manager, session: RawSession) -> None:
    raise_checks(manager, session, RAW_CHANGES=1)
    raise_checks(manager, session, RAW_CHANGES=2)
    raise_checks(manager, session)
    lines = manager.check("health", "history", "3").splitlines()[1:]
    assert [line.split()[2:5] for line in lines] == [
        ["cleared", "RAW_CHANGES", "2"],
        ["changed", "RAW_CHANGES", "2"],
        ["raised", "RAW_CHANGES", "1"],
    ]
    events = json.loads(manager.check("health", "history", "3", "--format", "json"))
    assert [(event["cleared"], event["changed"]) for event in events] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    # … in the words of Ceph
    log = manager.check("log", "last", "3", "info").splitlines()
    assert [line.partition(" cluster ")[2] for line in log] == [
        "[ERR] Health check failed: 1 things broke (RAW_CHANGES)",
        "[ERR] Health check update: 2 things broke (RAW_CHANGES)",
        "[INF] Health check cleared: RAW_CHANGES (was: 2 things broke)",
    ]


def test_an_orderly_end_of_the_manager_is_no_failure() -> None:
    with Manager(flags=["--sim-speed", "0"]) as manager:
        manager.stop()
        manager.restart()
        assert manager.check("health", "history").splitlines()[1:] == []
        assert manager.check("log", "last") == ""


def test_progress(manager: Manager, session: RawSession) -> None:
    stub = manager.stub(progress_pb2_grpc.ProgressStub)
    assert manager.check("progress") == "Nothing in progress\n"

    def update(name: str, progress: float, in_status: bool) -> None:
        event = progress_pb2.ProgressEvent(
            id=name, message=f"work on {name}", progress=progress, in_status=in_status
        )
        stub.Update(progress_pb2.ProgressUpdateRequest(event=event), metadata=session.metadata)

    update("shown", 0.5, True)
    update("quiet", 0.1, False)
    status = manager.check("status")
    assert re.search(r"progress:\n    work on shown \(\d+s\)\n      \[={14}>\.{13}\] 50%", status)
    assert "quiet" not in status
    assert "work on quiet" in manager.check("progress")
    data = json.loads(manager.check("status", "--format", "json"))
    assert data["progress_events"]["quiet"]["progress"] == 0.1
    stub.Complete(progress_pb2.ProgressCompleteRequest(id="shown"), metadata=session.metadata)
    assert re.search(r"\[Complete\]: work on shown \(\d+s\)", manager.check("progress"))
    assert [e.id for e in stub.List(progress_pb2.ProgressListRequest()).events] == ["quiet"]
    assert len(json.loads(manager.check("progress", "json"))["completed"]) == 1
    # bad ones
    with pytest.raises(grpc.RpcError) as caught:
        update("shown", 1.5, True)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "'shown' of module 'raw'" in caught.value.details()
    with pytest.raises(grpc.RpcError) as caught:
        stub.Update(progress_pb2.ProgressUpdateRequest())
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
    # nobody completes the work of a module that is gone
    session.close()
    until("the end of its work", lambda: not stub.List(progress_pb2.ProgressListRequest()).events)
    manager.check("progress", "clear")


def test_where_modules_serve(manager: Manager, session: RawSession) -> None:
    stub = manager.stub(manager_pb2_grpc.ManagerStub)
    assert manager.check("mgr", "services") == "{}\n"
    stub.SetUri(manager_pb2.SetUriRequest(uri="http://host:1/"), metadata=session.metadata)
    assert json.loads(manager.check("mgr", "services")) == {"raw": "http://host:1/"}
    assert manager.modules()["raw"].uri == "http://host:1/"
    with pytest.raises(grpc.RpcError) as caught:
        stub.SetUri(manager_pb2.SetUriRequest(uri="a\nb"), metadata=session.metadata)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    session.close()
    until("the end of its service", lambda: manager.check("mgr", "services") == "{}\n")


def write_log(session: RawSession, *records: types_pb2.LogRecord) -> None:
    session.send(log=module_host_pb2.LogBatch(records=records))


def test_the_log_of_a_module(manager: Manager, session: RawSession) -> None:
    stream = manager.stub(manager_pb2_grpc.ManagerStub).TailLog(
        manager_pb2.TailLogRequest(module="raw", follow=True), timeout=DEADLINE
    )
    write_log(
        session,
        types_pb2.LogRecord(level=types_pb2.LOG_LEVEL_ERROR, logger="part", message="it broke"),
        types_pb2.LogRecord(
            level=types_pb2.LOG_LEVEL_INFO, channel="audit", message="somebody did something"
        ),
    )
    line = next(stream)
    assert (line.source, line.record.logger, line.record.message) == ("raw", "part", "it broke")
    assert line.record.level == types_pb2.LOG_LEVEL_ERROR
    assert next(stream).record.channel == "audit"
    stream.cancel()
    lines = manager.check("module", "logs", "raw", "2").splitlines()
    assert lines[0].endswith(" raw/part [ERR] it broke")
    assert lines[1].endswith(" raw audit [INF] somebody did something")
    assert manager.check("log", "last", "1", "info", "audit").endswith("did something\n")
    assert "did something" not in manager.check("log", "last", "100")
    outcome = manager.outpost("module", "logs", "nosuch")
    assert outcome.rc == errno.ENOENT
    assert "'nosuch'" in outcome.err


def test_the_log_of_nobody(manager: Manager, session: RawSession) -> None:
    stub = manager.stub(manager_pb2_grpc.ManagerStub)
    for follow in (False, True):
        request = manager_pb2.TailLogRequest(module="rwa", follow=follow)
        with pytest.raises(grpc.RpcError) as caught:
            next(stub.TailLog(request, timeout=DEADLINE))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        assert caught.value.details() == (
            "there is no module 'rwa', and nobody else of that name has written to the log;"
            " did you mean raw?"
        )
    # … but others than modules write to it, too, or will
    manager.check("log", "a line")
    for name in ("user/admin", "mgr.x", "main", "cluster", "raw"):
        stream = stub.TailLog(manager_pb2.TailLogRequest(module=name, lines=1), timeout=DEADLINE)
        assert {line.source for line in stream} <= {name}


def test_the_cluster_log_is_notified(manager: Manager, session: RawSession) -> None:
    stream = manager.stub(notifications_pb2_grpc.NotificationsStub).Subscribe(
        notifications_pb2.SubscribeRequest(types=["clog"]), timeout=DEADLINE
    )
    next(stream)  # Subscribed
    manager.check("log", "a word", "from the operator")
    notification = next(stream).notification
    assert notification.id == "cluster"
    assert json.loads(notification.payload_json) == {
        "name": "user/admin",
        "channel": "cluster",
        "priority": "[INF]",
        "message": "a word from the operator",
    }
    stream.cancel()


def test_the_last_lines_without_following_end(manager: Manager, session: RawSession) -> None:
    write_log(session, *(types_pb2.LogRecord(message=f"line {i}") for i in range(5)))
    stub = manager.stub(manager_pb2_grpc.ManagerStub)

    def last() -> list[str]:
        stream = stub.TailLog(manager_pb2.TailLogRequest(module="raw", lines=3), timeout=DEADLINE)
        return [line.record.message for line in stream]

    until("the last lines", lambda: last() == ["line 2", "line 3", "line 4"])


def test_configure_tells_what_modules_ask_for(manager: Manager) -> None:
    session = manager.session(name="raw2")
    configure = session.receive().configure
    assert configure.manager_ip
    assert configure.cluster_release == "pacific"
    assert configure.cluster_id
    session.close()


if __name__ == "__main__":
    run_tests(__file__)
