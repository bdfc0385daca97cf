"""What a module asks of its manager: data, keys, other modules, health."""

from __future__ import annotations

import json

import grpc
import pytest
from probe_module import Probe

from outpost.testing import Refusal, wait_until
from outpost.v1 import types_pb2


def test_keys(probe: Probe) -> None:
    assert probe("self.get_store('k')") is None
    assert probe("self.get_store('k', 'default')") == "default"
    assert probe("self.set_store('k', 'é'); self.get_store('k')") == "é"
    assert probe.manager.keys["sample"]["k"] == "é".encode()
    assert probe("self.set_store('k2', ''); self.get_store_prefix('k')") == {"k": "é", "k2": ""}
    assert probe("self.set_store('k', None); self.get_store_prefix('')") == {"k2": ""}
    assert probe("self.get_localized_store('k2')") == ""
    assert probe("self.set_localized_store('k2', 'mine'); self.get_localized_store('k2')") == "mine"
    assert probe.manager.keys["sample"]["x/k2"] == b"mine"


def test_values_of_keys_that_are_not_text(probe: Probe) -> None:
    kinds, message = probe.raised("self.set_store('k', 7)")
    assert kinds[0] == "TypeError"
    assert message == "key 'k': the value must be str, bytes or None, not int"
    probe("self.set_store('k', b'\\xff')")
    assert probe.manager.keys["sample"]["k"] == b"\xff"
    kinds, message = probe.raised("self.get_store('k')")
    assert kinds[0] == "ValueError"
    assert message == (
        "key 'k': the value, 1 bytes, is not UTF-8 text: get_store_bytes() returns it"
    )
    assert probe("self.get_store_bytes('k') == b'\\xff'") is True
    assert probe("self.get_store_bytes('nosuch')") is None


def test_keys_that_change_together(probe: Probe) -> None:
    assert probe("self.update_store({'a': '1', 'b': b'\\x00'})") is True
    assert probe.manager.keys["sample"] == {"a": b"1", "b": b"\x00"}
    code = "self.update_store({'a': None, 'c': '3'}, expected={'a': '1', 'c': None})"
    assert probe(code) is True
    assert probe.manager.keys["sample"] == {"b": b"\x00", "c": b"3"}
    assert probe(code) is False, "a is not there any more"
    assert probe("self.update_store({'c': '4'}, expected={'b': None})") is False
    assert probe.manager.keys["sample"] == {"b": b"\x00", "c": b"3"}
    for argument in ("{'a': 1}", "{}, expected={'a': 1}"):
        assert probe.raised(f"self.update_store({argument})")[0][0] == "TypeError"


def test_get_parses_once_a_version(probe: Probe) -> None:
    probe.manager.structures["osd_map"] = (4, '{"epoch": 4}')
    assert probe("self.get('osd_map')") == {"epoch": 4}
    assert probe("self.get('osd_map') is self.get('osd_map')")
    assert len(probe.manager.requests("Cluster.Get")) == 1, "what is current is not asked for"
    probe.manager.structures["osd_map"] = (5, '{"epoch": 5}')
    assert probe("self.get('osd_map')") == {"epoch": 5}
    assert len(probe.manager.requests("Cluster.Get")) == 2


def test_get_what_there_is_not(probe: Probe) -> None:
    assert probe("self.get('nosuch')") is None
    wait_until(
        lambda: any(
            "data that there is not, 'nosuch'" in line for line in probe.session.log_lines()
        ),
        "the log line",
    )


def test_facts_of_the_manager(probe: Probe) -> None:
    assert probe("[self.get_mgr_id(), self.version]") == ["x", "outpost 0.0 fake"]
    assert probe("self.have_mon_connection()") is True


def test_remote(probe: Probe) -> None:
    seen = []

    def method(*args: object, **kwargs: object) -> dict[str, list[int]]:
        seen.append((args, kwargs))
        return {"a": [1]}

    probe.manager.methods["other", "method"] = method
    number = probe.session.start("do", code="self.remote('other', 'method', 1, 'two', key=None)")
    assert json.loads(probe.session.result(number).stdout) == {"value": {"a": [1]}}
    assert seen == [((1, "two"), {"key": None})]
    (request,) = probe.manager.requests("Remote.Call")
    assert request.parent_call == f"call-{number}"


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (types_pb2.RemoteError(kind="METHOD_NOT_FOUND"), "NameError", "Method not found: other.f"),
        (
            types_pb2.RemoteError(kind="RAISED", type="KeyError", message="'x'"),
            "RuntimeError",
            "Remote method threw exception: KeyError: 'x'",
        ),
        (
            types_pb2.RemoteError(kind="RAISED", traceback="Traceback…"),
            "RuntimeError",
            "Remote method threw exception: Traceback…",
        ),
        (
            types_pb2.RemoteError(kind="NOT_JSON", message="a set"),
            "RuntimeError",
            "Remote method returned what can't be written as JSON: other.f: a set",
        ),
    ],
)
def test_remote_failures(probe: Probe, error: types_pb2.RemoteError, kind: str, told: str) -> None:
    probe.manager.methods["other", "f"] = lambda: error
    kinds, message = probe.raised("self.remote('other', 'f')")
    assert kinds[0] == kind
    assert message.startswith(told)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, "MODULE_NOT_ENABLED", "ImportError"),
        (grpc.StatusCode.UNAVAILABLE, "MODULE_NOT_RUNNING", "RuntimeError"),
        (grpc.StatusCode.UNAVAILABLE, "MODULE_LOST", "RuntimeError"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "RuntimeError"),
        (grpc.StatusCode.FAILED_PRECONDITION, "CALL_CYCLE", "RuntimeError"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", "TimeoutError"),
    ],
)
def test_remote_refusals(probe: Probe, code: grpc.StatusCode, reason: str, kind: str) -> None:
    probe.manager.refusals["Remote.Call"] = Refusal(code, "not so", reason)
    kinds, message = probe.raised("self.remote('other', 'f')")
    assert kind in kinds
    assert "not so" in message


def test_remote_arguments_that_are_not_json(probe: Probe) -> None:
    for argument in ("object()", "float('nan')"):
        kinds, message = probe.raised(f"self.remote('other', 'f', {argument})")
        assert kinds[0] == "TypeError"
        assert message.startswith("remote other.f: an argument can't be written as JSON:")


def test_being_called(probe: Probe) -> None:
    assert json.loads(probe.session.call("add", 1, b=2).result_json) == {"sum": 3}
    for method in ("nosuch", "_private", "attribute", "__init__"):
        error = probe.session.call(method).error
        assert error.kind == "METHOD_NOT_FOUND"
        assert repr(method) in error.message
    error = probe.session.call("fail").error
    assert (error.kind, error.type, error.message) == ("RAISED", "LookupError", "no way")
    assert "in fail" in error.traceback
    error = probe.session.call("add").error
    assert (error.kind, error.type) == ("RAISED", "TypeError")
    for what in ("object", "nan"):
        assert probe.session.call("unsendable", what).error.kind == "NOT_JSON"


def test_a_calls_time_is_the_commands(probe: Probe) -> None:
    number = probe.session.start("do", timeout=0.2, code="time.sleep(0.3); self.get_store('k')")
    answer = json.loads(probe.session.result(number).stdout)
    assert "CallTimeoutError" in answer["raised"]


@pytest.mark.parametrize(
    ("checks", "told"),
    [
        ("[]", "health checks must be a dict by code, not list"),
        ("{'A': 1}", "health check A: it must be a dict, not int"),
        ("{'A': {'severity': 'bad'}}", "health check A: severity 'bad' is neither"),
        ("{'A': {'severity': 'error'}}", "health check A: summary must be text, not NoneType"),
        (
            "{'A': {'severity': 'error', 'summary': '', 'count': '1'}}",
            "health check A: count must be an int, not str",
        ),
        (
            "{'A': {'severity': 'error', 'summary': '', 'detail': 'x'}}",
            "health check A: detail must be a list of text",
        ),
        ("{'A': {'details': []}}", "health check A: unknown key 'details' (known: severity,"),
    ],
)
def test_health_checks_that_are_wrong(probe: Probe, checks: str, told: str) -> None:
    before = len(probe.manager.requests("Health.Set"))
    kinds, message = probe.raised(f"self.set_health_checks({checks})")
    assert kinds[0] == "ValueError"
    assert message.startswith(told)
    assert len(probe.manager.requests("Health.Set")) == before


def test_health_checks_are_cleared(probe: Probe) -> None:
    assert probe("self.set_health_checks({})") is None
    assert not probe.manager.health["sample"]


def test_daemons(probe: Probe) -> None:
    assert probe("self.get_server('host1')") == {
        "hostname": "host1",
        "ceph_version": "16.2",
        "services": [{"type": "osd", "id": "0"}],
    }
    probe.manager.refusals["Cluster.GetServer"] = Refusal(grpc.StatusCode.NOT_FOUND, "no host")
    assert probe("self.get_server('h')") == {"hostname": "h", "ceph_version": "", "services": []}
    assert probe("self.get_counter('osd', '0', 'op_w')") == {"op_w": [[99.0, 6], [100.0, 7]]}
    assert probe("type(self.get_latest('osd', '0', 'op_w')).__name__") == "int"
    assert probe("type(self.get_latest('osd', '0', 'lat')).__name__") == "float"
    assert probe("self.get_counter('osd', '0', 'nosuch')") == {"nosuch": []}
    assert probe("self.get_latest_counter('osd', '0', 'lat')") == {"lat": [100.0, 1.5, 3]}
    assert probe("self.get_latest('osd', '0', 'op_w')") == 7
    assert probe("self.get_latest('osd', '0', 'nosuch')") == 0
    assert probe("self.get_latest_avg('osd', '0', 'lat')") == [1.5, 3]
    assert probe("sorted(self.get_perf_schema('osd', '0')['osd.0'])") == ["dull", "lat", "op_w"]
    counters = probe("self.get_all_perf_counters(services=['osd'])")["osd.0"]
    assert sorted(counters) == ["lat", "op_w"]
    assert (counters["op_w"]["value"], counters["lat"]["count"]) == (7, 3)


def test_what_the_manager_does_not_have(probe: Probe) -> None:
    for method in ("GetServer", "ListServers"):
        probe.manager.refusals[f"Cluster.{method}"] = Refusal(
            grpc.StatusCode.UNIMPLEMENTED, "the source sim has no servers", "X"
        )
    kinds, message = probe.raised("self.get_server('host1')")
    assert "NotImplementedError" in kinds
    assert message == "Cluster.GetServer: the source sim has no servers"
    kinds, _ = probe.raised("self.list_servers()")
    assert "NotImplementedError" in kinds


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
