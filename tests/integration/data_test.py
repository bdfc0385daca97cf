"""What modules get from the manager and from each other, in both languages."""

from __future__ import annotations

import errno
import itertools
import json
import re
from collections.abc import Iterator

import grpc
import pytest
from fixture import DEADLINE, Manager, error_info, run_tests, until
from outpost.v1 import (
    cluster_pb2,
    cluster_pb2_grpc,
    commands_pb2,
    commands_pb2_grpc,
    health_pb2,
    health_pb2_grpc,
    key_value_pb2,
    key_value_pb2_grpc,
    notifications_pb2,
    notifications_pb2_grpc,
    remote_pb2,
    remote_pb2_grpc,
    types_pb2,
)

_BOTH = ("probe", "probe_cpp")


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    # A cluster that stands still: what changes, the test has changed.
    with Manager(*_BOTH, installed=["hello"], flags=["--sim-speed", "0"]) as manager:
        yield manager


class Subscriber:
    """A raw subscription."""

    def __init__(self, manager: Manager, *types: str) -> None:
        self._stream = manager.stub(notifications_pb2_grpc.NotificationsStub).Subscribe(
            notifications_pb2.SubscribeRequest(types=types), timeout=DEADLINE
        )
        self.subscribed = next(self._stream).subscribed

    def next(self) -> notifications_pb2.Notification:
        notification: notifications_pb2.Notification = next(self._stream).notification
        return notification

    def close(self) -> None:
        self._stream.cancel()


def get(manager: Manager, name: str, **request: object) -> cluster_pb2.ClusterGetResponse:
    return manager.stub(cluster_pb2_grpc.ClusterStub).Get(
        cluster_pb2.ClusterGetRequest(name=name, **request), timeout=DEADLINE
    )


# --- cluster data and notifications ---


@pytest.mark.parametrize("sender", _BOTH)
def test_a_change_reaches_everybody(manager: Manager, sender: str) -> None:
    subscriber = Subscriber(manager, "osd_map", "config")
    assert sorted(subscriber.subscribed.types) == ["config", "osd_map"]
    for module in _BOTH:
        manager.call(module, "await_osd_flag", "noout", False)
        manager.call(module, "forget")
    before = get(manager, "osd_map")

    answer = manager.call(sender, "send", {"prefix": "osd set", "key": "noout"}, "tag-1")
    assert answer == [0, "", "noout is set"]

    # The cue is the epoch, the data is to be read.
    cue = subscriber.next()
    assert (cue.type, cue.sequence, cue.missed, cue.payload_json) == ("osd_map", 1, 0, "")
    assert cue.version > before.version
    after = get(manager, "osd_map")
    assert after.version == cue.version
    osd_map = json.loads(after.json)
    assert osd_map["epoch"] == int(cue.id) == json.loads(before.json)["epoch"] + 1
    for module in _BOTH:
        assert manager.call(module, "await_notification", "osd_map") == cue.id
        assert manager.call(module, "osd_flags") == osd_map["flags"]
        assert "noout" in osd_map["flags"].split(",")
        manager.call(module, "await_notification", "health")
    # Its sender alone is told that a command has ended.
    assert manager.call(sender, "await_notification", "command") == "tag-1"

    manager.call(sender, "send", {"prefix": "osd unset", "key": "noout"}, "")
    assert int(subscriber.next().id) == osd_map["epoch"] + 1
    for module in _BOTH:
        assert "noout" not in manager.call(module, "await_osd_flag", "noout", False)
    subscriber.close()


def test_commands_that_a_daemon_refuses(manager: Manager) -> None:
    for module in _BOTH:
        retval, out, err = manager.call(
            module, "send", {"prefix": "osd set", "key": "noway"}, "tag-2"
        )
        assert (retval, out) == (-errno.EINVAL, "")
        assert "noway" in err
        retval, _, err = manager.call(module, "send", {"prefix": "no such thing"}, "")
        assert (retval, err) == (-errno.EINVAL, "command not known")


def test_reading_without_waste(manager: Manager) -> None:
    whole = get(manager, "osd_map")
    assert not whole.unchanged
    same = get(manager, "osd_map", if_newer_than=whole.version)
    assert same.unchanged and same.json == "" and same.version == whole.version
    assert same.ByteSize() < 50
    older = get(manager, "osd_map", if_newer_than=whole.version - 1)
    assert not older.unchanged and older.json == whole.json

    assert manager.call("probe", "same_object_twice", "osd_map") is True


def test_what_there_is_not(manager: Manager) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        get(manager, "osd_mpa")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert error_info(caught.value).metadata["errno"] == str(errno.ENOENT)
    assert re.search('"osd_mpa": there is no .*nearest are osd_map', caught.value.details())
    assert caught.value.details() in manager.call("probe_cpp", "get_error", "osd_mpa")
    # As in ceph-mgr: None, and a line in the log.
    assert manager.call("probe", "get", "osd_mpa") is None
    manager.wait_for_log(r"error \[module\] probe/outpost: .*'osd_mpa'.*nearest are osd_map")

    with pytest.raises(grpc.RpcError) as caught:
        Subscriber(manager, "osd_mpa")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == (
        'there are no notifications of type "osd_mpa"; did you mean osd_map?'
    )


def test_the_list_of_structures(manager: Manager) -> None:
    listed = manager.stub(cluster_pb2_grpc.ClusterStub).List(cluster_pb2.ClusterListRequest())
    assert (listed.source, listed.connected, listed.disconnected_reason) == ("sim", True, "")
    by_name = {structure.name: structure for structure in listed.structures}
    assert list(by_name) == sorted(by_name)
    osd_map = get(manager, "osd_map")
    assert by_name["osd_map"].version == osd_map.version
    assert by_name["osd_map"].size == len(osd_map.json.encode())
    for module in _BOTH:
        assert manager.call(module, "have_mon_connection") is True


def test_parts_of_structures(manager: Manager) -> None:
    whole = json.loads(get(manager, "osd_map").json)
    part = get(manager, "osd_map", path="/osds/1")
    assert json.loads(part.json) == whole["osds"][1]
    assert part.version == get(manager, "osd_map").version
    assert get(manager, "osd_map", path="/osds/1", if_newer_than=part.version).unchanged
    for path, code, words in [
        ("/osds/99/up", grpc.StatusCode.NOT_FOUND, 'there is "/osds", and nothing such in it'),
        ("osds", grpc.StatusCode.INVALID_ARGUMENT, "not a JSON Pointer"),
    ]:
        with pytest.raises(grpc.RpcError) as caught:
            get(manager, "osd_map", path=path)
        assert caught.value.code() == code
        assert words in caught.value.details()


def test_hosts_and_daemons(manager: Manager) -> None:
    servers = manager.call("probe", "list_servers")
    services = [(s["type"], s["id"]) for server in servers for s in server["services"]]
    assert {("mon", "a"), ("mgr", "x"), ("osd", "0")} <= set(services)
    host = servers[0]["hostname"]
    assert manager.call("probe", "get_server", host) == servers[0]
    assert manager.call("probe", "get_server", "nowhere")["services"] == []
    assert manager.call("probe", "get_metadata", "osd", "0")["osd_objectstore"] == "bluestore"
    assert manager.call("probe", "get_metadata", "mon", "a")["hostname"] == host
    assert manager.call("probe", "get_metadata", "osd", "99") is None
    assert manager.call("probe", "get_metadata", "osd", "99", {}) == {}
    assert manager.call("probe", "get_daemon_status", "osd", "0") == {}
    assert manager.call("probe", "get_daemon_status", "rgw", "99") == {}


def test_counters(manager: Manager) -> None:
    schema = manager.call("probe", "get_perf_schema", "osd", "0")["osd.0"]
    assert schema["osd.op"]["priority"] == 10
    [(path, series)] = manager.call("probe", "get_counter", "osd", "0", "osd.op").items()
    assert path == "osd.op"
    assert series and len(series[0]) == 2
    assert manager.call("probe", "get_latest", "osd", "0", "osd.numpg") > 0
    total, count = manager.call("probe", "get_latest_avg", "osd", "0", "osd.op_latency")
    assert total >= 0 and count >= 0
    counters = manager.call("probe", "get_all_perf_counters")
    assert {"osd.0", "osd.1", "osd.2"} == set(counters)
    assert counters["osd.0"]["osd.stat_bytes"]["value"] > 0
    assert "osd.op_r" not in manager.call("probe", "get_all_perf_counters", 8)["osd.0"]
    assert manager.call("probe", "get_counter", "osd", "0", "nosuch") == {"nosuch": []}
    assert manager.call("probe", "get_counter", "osd", "99", "osd.op") == {"osd.op": []}


# --- calls between modules ---


@pytest.mark.parametrize("caller", _BOTH)
@pytest.mark.parametrize("callee", _BOTH)
def test_remote_calls(manager: Manager, caller: str, callee: str) -> None:
    arguments = [1, -2.5, "Zoë", None, True, [1, [2]], {"a": {"b": []}}]
    assert manager.call(caller, "relay", callee, "echo", *arguments, key="value") == {
        "result": [arguments, {"key": "value"}]
    }


def test_errors_of_remote_calls_in_python(manager: Manager) -> None:
    def relay(*words: object) -> tuple[str, str]:
        outcome = manager.call("probe", "relay", *words)
        return outcome["error"], outcome["message"]

    assert relay("probe_cpp", "fail", "the key")[0] == "RuntimeError"
    assert relay("probe_cpp", "fail", "the key")[1] == (
        "Remote method threw exception: NOT_FOUND: the key"
    )
    kind, message = relay("probe", "fail", "the key")
    assert kind == "RuntimeError"
    assert message.startswith("Remote method threw exception: Traceback ")
    assert message.rstrip().endswith("KeyError: 'the key'")
    for module in _BOTH:
        kind, message = relay(module, "nosuch")
        assert kind == "NameError"
        assert message.startswith(f"Method not found: {module}.nosuch")
    kind, message = relay("probe", "no_json")
    assert kind == "RuntimeError"
    assert "can't be written as JSON" in message
    kind, message = relay("hello", "hello")
    assert kind == "ImportError"
    assert re.match("Module not found: .*'hello' is not enabled", message), message
    kind, message = relay("prope", "echo")
    assert kind == "ImportError"
    assert "module 'prope' is not known; did you mean 'probe'?" in message


def test_errors_of_remote_calls_in_cpp(manager: Manager) -> None:
    def relay(*words: object) -> dict[str, str]:
        outcome: dict[str, str] = manager.call("probe_cpp", "relay", *words)
        return outcome

    outcome = relay("probe", "fail", "the key")
    assert (outcome["kind"], outcome["type"], outcome["text"]) == (
        *("RAISED", "KeyError"),
        "'the key'",
    )
    outcome = relay("probe_cpp", "fail", "the key")
    assert (outcome["kind"], outcome["type"], outcome["text"]) == ("RAISED", "NOT_FOUND", "the key")
    for module in _BOTH:
        assert relay(module, "nosuch")["kind"] == "METHOD_NOT_FOUND"
    assert relay("probe", "no_json")["kind"] == "NOT_JSON"
    outcome = relay("hello", "hello")
    assert (outcome["code"], outcome["reason"]) == ("FAILED_PRECONDITION", "MODULE_NOT_ENABLED")
    assert "'hello' is not enabled" in outcome["message"]


def test_a_cycle_is_an_error_and_no_deadlock(manager: Manager) -> None:
    ring = ["probe_cpp", "relay", "probe", "relay", "probe_cpp", "echo"]
    there = manager.call("probe", "relay", *ring)["result"]
    assert (there["code"], there["reason"]) == ("FAILED_PRECONDITION", "CALL_CYCLE")
    assert "probe.relay() -> probe_cpp.relay() -> probe.relay()" in there["message"]

    ring = ["probe", "relay", "probe_cpp", "relay", "probe", "echo"]
    there = manager.call("probe_cpp", "relay", *ring)["result"]
    assert (there["error"], there["reason"]) == ("CallError", "CALL_CYCLE")
    assert "probe_cpp.relay() -> probe.relay() -> probe_cpp.relay()" in there["message"]

    # Back to the same module, but to something else, is none.
    ring = ["probe_cpp", "relay", "probe", "echo", "1"]
    assert manager.call("probe", "relay", *ring) == {"result": {"result": [["1"], {}]}}


def test_operators_call_methods_too(manager: Manager) -> None:
    stub = manager.stub(remote_pb2_grpc.RemoteStub)
    response = stub.Call(remote_pb2.RemoteCallRequest(module="probe", method="fail"))
    assert response.error.kind == "RAISED"
    assert response.error.type == "TypeError"
    assert "Traceback" in response.error.traceback
    with pytest.raises(grpc.RpcError) as caught:
        stub.Call(remote_pb2.RemoteCallRequest(module="probe", method="echo", args_json="{}"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "`args_json` is not a JSON array"


# --- health and logs ---


@pytest.mark.parametrize("module", _BOTH)
def test_health_checks(manager: Manager, module: str) -> None:
    manager.call(module, "raise_health", "PROBE_SAD", "the probe is sad", "it rains")
    assert manager.check("health") == "HEALTH_WARN the probe is sad\n"
    assert manager.check("health", "detail") == (
        "HEALTH_WARN the probe is sad\n[WRN] PROBE_SAD: the probe is sad\n    it rains\n"
    )
    data = json.loads(manager.check("health", "--format", "json"))
    assert data == {
        "status": "HEALTH_WARN",
        "checks": {
            "PROBE_SAD": {
                "severity": "HEALTH_WARN",
                "summary": {"message": "the probe is sad", "count": 1},
                "detail": [{"message": "it rains"}],
                "source": module,
                "muted": False,
            }
        },
        "mutes": [],
    }
    assert "health: HEALTH_WARN\n            the probe is sad" in manager.check("status")
    # Who raised it can't take it back any more.
    manager.check("module", "disable", module)
    assert manager.check("health", "detail") == "HEALTH_OK\n"
    manager.check("module", "enable", module)
    assert manager.check("health", "detail") == "HEALTH_OK\n"


def test_health_checks_that_are_wrong(manager: Manager) -> None:
    session = manager.session(name="raw").serve()
    stub = manager.stub(health_pb2_grpc.HealthStub)

    def refused(**check: object) -> str:
        with pytest.raises(grpc.RpcError) as caught:
            stub.Set(
                health_pb2.HealthSetRequest(checks=[types_pb2.HealthCheck(**check)]),
                metadata=session.metadata,
            )
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        details: str = caught.value.details()
        return details

    warning = types_pb2.SEVERITY_WARNING
    assert '"raw sad"' in refused(code="raw sad", severity=warning, summary="s")
    assert "RAW_SAD" in refused(code="RAW_SAD", summary="s")
    assert manager.check("health", "detail") == "HEALTH_OK\n"
    session.close()


@pytest.mark.parametrize("module", _BOTH)
def test_log_lines(manager: Manager, module: str) -> None:
    numbers = itertools.count()

    def heard() -> bool:
        """Whether a warning of the module reaches the log."""
        text = f"line {next(numbers)} of {module}"
        manager.call(module, "say", text, f"after {text}")
        # The line of the cluster log comes in any case, and behind.
        manager.wait_for_log(rf"{module}: \[audit\] after {text}\n")
        log = manager.log()
        assert f"{module}: {text}\n" not in log or f" warning [module] {module}: {text}\n" in log
        return f"{module}: {text}\n" in log

    assert heard()
    manager.check("config", "set", f"mgr/{module}/log_level", "error")
    until("warnings to be dropped", lambda: not heard())
    manager.check("config", "rm", f"mgr/{module}/log_level")
    until("warnings to be back", heard)


# --- options ---


def test_options_of_modules(manager: Manager) -> None:
    assert manager.call("probe", "get_module_option", "number") == 7
    manager.call("probe", "set_module_option", "number", 9)
    assert manager.check("config", "get", "mgr/probe/number") == "9\n"
    assert manager.call("probe", "get_module_option", "number") == 9
    manager.call("probe", "set_localized_module_option", "number", 3)
    assert manager.check("config", "get", "mgr/probe/number") == "3\n"
    assert manager.check("config", "get", "mgr/probe/x/number") == "3\n"
    manager.call("probe", "forget")
    manager.check("config", "rm", "mgr/probe/x/number")
    assert manager.call("probe", "await_notification", "config") == "mgr/probe/number"
    until("the module to know", lambda: manager.call("probe", "get_module_option", "number") == 9)
    outcome = manager.call("probe_cpp", "relay", "probe", "set_module_option", "number", 11)
    assert (outcome["kind"], outcome["type"]) == ("RAISED", "InvalidArgumentError")
    assert "mgr/probe/number" in outcome["text"] and "10" in outcome["text"]
    outcome = manager.call("probe_cpp", "relay", "probe", "get_module_option", "nosuch")
    assert outcome["text"] == "Config option 'nosuch' is not in Module.MODULE_OPTIONS"
    manager.call("probe", "set_module_option", "number", None)
    assert manager.check("config", "get", "mgr/probe/number") == "7\n"


# --- keys ---


def test_keys(manager: Manager) -> None:
    assert manager.call("probe", "get_store", "nosuch") is None
    assert manager.call("probe_cpp", "get", "nosuch") is None
    assert manager.call("probe", "put", "shared/name", "Zoë") == ""
    assert manager.call("probe_cpp", "put", "shared/name", "of C++") == ""
    assert manager.call("probe", "get_store", "shared/name") == "Zoë"
    assert manager.call("probe_cpp", "get", "shared/name") == "of C++"
    assert manager.call("probe", "put", "shared/other", "") == ""
    assert manager.call("probe", "put", "sharing", "no") == ""
    assert manager.call("probe", "get_store_prefix", "shared/") == {
        "shared/name": "Zoë",
        "shared/other": "",
    }
    assert manager.call("probe_cpp", "list", "") == {"shared/name": "of C++"}
    manager.call("probe", "set_store", "shared/other", None)
    assert list(manager.call("probe", "get_store_prefix", "")) == ["shared/name", "sharing"]

    # All or nothing.
    assert manager.call("probe_cpp", "swap", "claim", None, "joe") == ""
    assert manager.call("probe_cpp", "swap", "claim", "joe", "ann") == ""
    assert "claim" in manager.call("probe_cpp", "swap", "claim", "joe", "eve")
    assert manager.call("probe_cpp", "list", "claim") == {"claim": "ann", "claim/swapped": "yes"}


def test_keys_are_private(manager: Manager) -> None:
    assert manager.call("probe", "put", "secret", "of probe") == ""
    stub = manager.stub(key_value_pb2_grpc.KeyValueStub)
    session = manager.session(name="raw").serve()
    request = key_value_pb2.KeyValueGetRequest(module="probe", key="secret")
    requests = [
        (stub.Get, request),
        (stub.List, key_value_pb2.KeyValueListRequest(module="probe")),
        (stub.Put, key_value_pb2.KeyValuePutRequest(module="probe", key="secret", value=b"x")),
        (stub.Delete, key_value_pb2.KeyValueDeleteRequest(module="probe", key="secret")),
        (
            stub.Batch,
            key_value_pb2.KeyValueBatchRequest(module="probe", changes=[{"key": "secret"}]),
        ),
    ]
    for method, message in requests:
        with pytest.raises(grpc.RpcError) as caught:
            method(message, metadata=session.metadata)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert caught.value.details() == "module 'raw' may not reach the keys of module 'probe'"
        assert error_info(caught.value).metadata["errno"] == str(errno.EACCES)
    # No name, or a path: nobody else's either.
    assert not stub.Get(
        key_value_pb2.KeyValueGetRequest(key="secret"), metadata=session.metadata
    ).HasField("value")
    assert not stub.Get(
        key_value_pb2.KeyValueGetRequest(key="../probe/secret"), metadata=session.metadata
    ).HasField("value")
    # An operator may.
    assert stub.Get(request).value == b"of probe"
    session.close()
    with pytest.raises(grpc.RpcError) as caught:
        stub.List(key_value_pb2.KeyValueListRequest(), metadata=session.metadata)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_keys_that_do_not_fit(manager: Manager) -> None:
    assert "the key is empty" in manager.call("probe", "put", "", "x")
    assert "the key has 1025 bytes; at most 1024" in manager.call("probe", "put", "k" * 1025, "x")
    large = "x" * (8 * 1024 * 1024)
    assert manager.call("probe", "put", "large", large) == ""
    message = manager.call("probe", "put", "large", large + "x")
    assert message.startswith("InvalidArgumentError: "), message[:200]
    assert 'the value of key "large" has 8388609 bytes; at most 8388608' in message
    stub = manager.stub(key_value_pb2_grpc.KeyValueStub)
    response = stub.Get(key_value_pb2.KeyValueGetRequest(module="probe", key="large"))
    assert response.value == large.encode()


def test_any_bytes_are_a_value(manager: Manager) -> None:
    stub = manager.stub(key_value_pb2_grpc.KeyValueStub)
    value = bytes(range(256))
    stub.Put(key_value_pb2.KeyValuePutRequest(module="probe_cpp", key="bytes", value=value))
    response = stub.Get(key_value_pb2.KeyValueGetRequest(module="probe_cpp", key="bytes"))
    assert response.value == value
    stub.Delete(key_value_pb2.KeyValueDeleteRequest(module="probe_cpp", key="bytes"))


# --- commands, as JSON ---


def test_commands_as_json(manager: Manager) -> None:
    manager.check("module", "enable", "hello")
    stub = manager.stub(commands_pb2_grpc.CommandsStub)

    def run(text: str) -> commands_pb2.CommandsRunResponse:
        return stub.Run(commands_pb2.CommandsRunRequest(command_json=text), timeout=DEADLINE)

    response = run('{"prefix": "hello count", "num": 2}')
    assert (response.result.retval, response.result.stdout) == (0, "1\n2")
    assert (response.prefix, response.provider) == ("hello count", "module/hello")
    for text, message in (
        ("hello", "unparseable JSON hello"),
        ("[]", "not JSON object []"),
        ("{}", "bad or missing field 'prefix'"),
        ('{"prefix": "helo"}', "No handler found for 'helo'; nearest: hello"),
    ):
        result = run(text).result
        assert result.retval == -errno.EINVAL
        assert result.stderr.startswith(message), result.stderr
    assert run('{"prefix": "hello count", "num": "x"}').result.retval == -errno.EINVAL
    assert run('{"prefix": "hello count"}').result.retval == -errno.EINVAL
    with pytest.raises(grpc.RpcError) as caught:
        run("")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "neither `words` nor `command_json` is set" in caught.value.details()


if __name__ == "__main__":
    run_tests(__file__)
