"""What a module asks of the manager, or tells it: data, keys, health, calls, cues, lines."""

from __future__ import annotations

import errno
import json
import time

import pytest
from conftest import NAME, Subject
from fixture import until
from outpost.v1 import cluster_pb2, health_pb2, health_pb2_grpc, types_pb2
from rules import rule


@rule(
    "module_host.proto",
    "Send it as the metadata entry `outpost-session` with every call on the other services",
)
def test_calls_carry_the_session_key(subject: Subject) -> None:
    subject.output("osd-epoch")
    subject.output("put", "session-key", "x")
    configure = next(m.message for m in subject.tap.messages() if m.kind == "configure")
    for method in ("Cluster/Get", "KeyValue/Put", "Notifications/Subscribe"):
        assert subject.tap.calls(method)[-1].session_key == configure.session_key, method


# --- cluster data ---


@rule("cluster.proto", "Keep what you read, and its version.")
@rule("cluster.proto", "The version the caller already has; 0: none.")
def test_unchanged_data_is_not_sent_again(subject: Subject) -> None:
    epoch = int(subject.output("osd-epoch"))
    subject.manager.check("osd", "set", "noout")
    newer = int(subject.output("osd-epoch"))
    assert newer > epoch
    before = len(subject.tap.calls("Cluster/Get"))
    assert int(subject.output("osd-epoch")) == newer
    for call in subject.tap.calls("Cluster/Get")[before:]:
        assert cluster_pb2.ClusterGetRequest.FromString(call.request).if_newer_than > 0
    subject.manager.check("osd", "unset", "noout")


# --- keys ---


@rule("key_value.proto", "A module's calls mean its own keys")
def test_keys(subject: Subject) -> None:
    assert subject.run("get", "no-such-key").retval == -errno.ENOENT
    subject.output("put", "key", "Grüße")
    assert subject.output("get", "key") == "Grüße"
    subject.output("put", "key", "")
    assert subject.output("get", "key") == "", "an empty value is a value"
    subject.output("delete", "key")
    assert subject.run("get", "key").retval == -errno.ENOENT
    subject.output("delete", "key")  # no error


# --- options ---


@rule("module_host.proto", "The present value of every option that the module declared.")
@rule("module_host.proto", "Each changed option with its new effective value.")
def test_options_follow_changes(subject: Subject) -> None:
    assert subject.output("option", "greeting") == "hello"
    assert subject.output("option", "limit") == "3"
    subject.manager.check("config", "set", f"mgr/{NAME}/greeting", "good day")
    until("the new value", lambda: subject.output("option", "greeting") == "good day")
    subject.manager.check("config", "set", f"mgr/{NAME}/limit", "10")
    until("the new value", lambda: subject.output("option", "limit") == "10")
    assert subject.manager.outpost("config", "set", f"mgr/{NAME}/limit", "11").rc == errno.EINVAL
    assert subject.output("option", "limit") == "10"
    for name in ("greeting", "limit"):
        subject.manager.check("config", "rm", f"mgr/{NAME}/{name}")
    until("the default", lambda: subject.output("option", "greeting") == "hello")
    until("the default", lambda: subject.output("option", "limit") == "3")
    assert subject.run("option", "undeclared").retval == -errno.ENOENT


# --- health ---


@rule("health.proto", "Set replaces all checks of the calling module; an empty list clears them.")
def test_health_checks(subject: Subject) -> None:
    def mine() -> list[types_pb2.HealthCheck]:
        stub = subject.manager.stub(health_pb2_grpc.HealthStub)
        checks = stub.Get(health_pb2.HealthGetRequest(), timeout=10).checks
        return [check for check in checks if check.source == NAME]

    assert mine() == []
    subject.output("health", "warning", "not so good")
    (check,) = mine()
    assert (check.code, check.severity) == ("CONFORMANCE_CHECK", types_pb2.SEVERITY_WARNING)
    assert (check.summary, check.count, list(check.detail)) == ("not so good", 1, ["as asked"])
    subject.output("health", "error", "worse")
    (check,) = mine()
    assert (check.severity, check.summary) == (types_pb2.SEVERITY_ERROR, "worse")
    assert "CONFORMANCE_CHECK" in subject.manager.check("health", "detail")
    subject.output("health", "ok")
    assert mine() == []


# --- calls between modules ---


@rule("module_host.proto", "The method's return value, as JSON.")
@rule("module_host.proto", "Positional arguments: a JSON array.")
@rule("module_host.proto", "Arguments by name: a JSON object.")
def test_methods_are_called_with_any_json(subject: Subject) -> None:
    args = [1, 2.5, "Grüße", None, True, [], {"a": {"b": []}}]
    kwargs = {"name": "value", "none": None}
    assert subject.manager.call(NAME, "echo", *args, **kwargs) == [args, kwargs]
    assert subject.manager.call(NAME, "echo") == [[], {}]


@rule("module_host.proto", "The method raised, or does not exist.")
@rule("types.proto", 'The kind: "METHOD_NOT_FOUND", "RAISED", "NOT_JSON"')
def test_methods_that_fail(subject: Subject) -> None:
    outcome = subject.manager.call("probe", "relay", NAME, "fail", "no luck today")
    assert "no luck today" in outcome["message"]
    outcome = subject.manager.call("probe", "relay", NAME, "no_such_method")
    assert "no_such_method" in outcome["message"]
    kinds = [
        m.message.error.kind
        for m in subject.tap.messages()
        if m.kind == "call_result" and m.message.WhichOneof("outcome") == "error"
    ]
    assert kinds[-2:] == ["RAISED", "METHOD_NOT_FOUND"]


@rule("remote.proto", "Call calls one method and waits for what it returns.")
def test_it_calls_other_modules(subject: Subject) -> None:
    assert subject.json("call", "probe", "echo", "a", "b") == [["a", "b"], {}]
    result = subject.run("call", "probe", "fail", "bad luck")
    assert result.retval == -errno.EIO
    assert "bad luck" in result.stderr
    result = subject.run("call", "nobody", "echo")
    assert result.retval == -errno.EIO
    assert "nobody" in result.stderr


@rule(
    "remote.proto",
    "A call that would come back to a method that is waiting for it is refused, and the "
    "refusal shows the whole chain",
)
@rule("module_host.proto", "Pass this on as `parent_call` in calls made on behalf of this command.")
@rule("module_host.proto", "Pass this on as `parent_call` in calls made on behalf of this one.")
def test_a_cycle_is_refused(subject: Subject) -> None:
    begin = time.monotonic()
    relay = ["relay", NAME, "relay", NAME, "echo"]
    result = subject.run("call", NAME, *relay)
    assert result.retval == -errno.EIO
    assert "conformance call" in result.stderr, result.stderr
    assert result.stderr.count("relay") >= 2, result.stderr
    # By way of another module.
    result = subject.run("call", "probe", "relay", NAME, *relay)
    assert "probe" in json.loads(result.stdout)["message"]
    assert json.loads(result.stdout)["message"].count("relay") >= 2
    assert time.monotonic() - begin < 5


@rule("remote.proto", "The call's deadline is passed on.")
def test_a_call_has_no_longer_than_its_caller(subject: Subject) -> None:
    assert subject.run("call", NAME, "echo", timeout=5).retval == 0
    call = [m.message for m in subject.tap.messages() if m.kind == "call"][-1]
    assert 0 < call.timeout.ToMilliseconds() <= 5100  # gRPC rounds


# --- notifications ---


@rule(
    "notifications.proto",
    "With `explicit_acks`, the manager sends the next notification of a state-like type "
    "after the last one was acknowledged",
)
@rule("module_host.proto", "Proof that a notification was handled")
def test_notifications_are_acknowledged_when_handled(subject: Subject) -> None:
    def heard(kind: str) -> list[str]:
        return [i for k, i in subject.json("heard") if k == kind]

    def acks() -> int:
        return sum(m.kind == "notification_ack" for m in subject.tap.messages())

    subject.manager.check("osd", "set", "noin")
    until("the OSD map's change", lambda: heard("osd_map"))
    subject.tap.wait_until("its acknowledgement", acks)
    until("all to be acknowledged", lambda: len(subject.json("heard")) == acks())

    subject.output("notifications", "hold")
    before, acknowledged = heard("osd_map"), acks()
    for flag in ("nobackfill", "norebalance", "norecover"):
        subject.manager.check("osd", "set", flag)
    epoch = subject.output("osd-epoch")
    assert (heard("osd_map"), acks()) == (before, acknowledged)
    subject.output("notifications", "go")
    until("the newest to be heard", lambda: heard("osd_map")[-1:] == [epoch])
    # Three changes were at most two cues: what was on its way, and the newest.
    assert len(heard("osd_map")) - len(before) <= 2
    for flag in ("noin", "nobackfill", "norebalance", "norecover"):
        subject.manager.check("osd", "unset", flag)


@rule("notifications.proto", "Event-like types (clog, command, config) each matter.")
def test_each_event_is_heard(subject: Subject) -> None:
    def heard() -> list[str]:
        return [i for k, i in subject.json("heard") if k == "config"]

    before = len(heard())
    subject.output("notifications", "hold")
    for number in range(1, 6):
        subject.manager.check("config", "set", f"mgr/{NAME}/limit", str(number))
    subject.output("notifications", "go")
    until("all five", lambda: len(heard()) == before + 5)
    subject.manager.check("config", "rm", f"mgr/{NAME}/limit")


# --- logs ---


@rule("module_host.proto", "Lines for the manager's log.")
@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_log_lines(subject: Subject, level: str) -> None:
    text = f"a line of {level}: Grüße"
    subject.output("log", level, text)
    subject.manager.wait_for_log(text)
    record = subject.tap.wait_for(
        "log", lambda batch: any(record.message == text for record in batch.records)
    )
    (line,) = [record for record in record.records if record.message == text]
    assert line.level == types_pb2.LogLevel.Value(f"LOG_LEVEL_{level.upper()}")
