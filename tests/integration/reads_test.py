"""Reads of big structures by modules in both languages: coherent, without copies, in parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from fixture import DEADLINE, Manager, RawSession, run_tests
from outpost.v1 import cluster_pb2, cluster_pb2_grpc, module_host_pb2

_BOTH = ("probe", "probe_cpp")
_OSDS = 300


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    # A cluster that stands still: what changes, the test has changed.
    flags = ["--sim-speed", "0", "--sim-osds", str(_OSDS)]
    with Manager(*_BOTH, flags=flags) as manager:
        yield manager


def get(
    manager: Manager, name: str, session: RawSession | None = None, **request: object
) -> cluster_pb2.ClusterGetResponse:
    return manager.stub(cluster_pb2_grpc.ClusterStub).Get(
        cluster_pb2.ClusterGetRequest(name=name, **request),
        timeout=DEADLINE,
        metadata=session.metadata if session else None,
    )


@pytest.mark.parametrize("module", _BOTH)
def test_a_read_after_a_command_sees_what_it_has_changed(manager: Manager, module: str) -> None:
    for _ in range(15):
        for word in ("set", "unset"):
            manager.check("osd", word, "noout")
            flags = manager.call(module, "osd_flags").split(",")
            assert ("noout" in flags) == (word == "set")


@pytest.mark.parametrize("module", _BOTH)
def test_a_module_reads_its_own_writes(manager: Manager, module: str) -> None:
    for _ in range(10):
        for word in ("set", "unset"):
            command = {"prefix": f"osd {word}", "key": "nodown"}
            assert manager.call(module, "send", command, "")[0] == 0
            flags = manager.call(module, "osd_flags").split(",")
            assert ("nodown" in flags) == (word == "set")


@pytest.mark.parametrize("module", _BOTH)
def test_a_big_structure_is_mapped_and_not_copied(manager: Manager, module: str) -> None:
    manager.call(module, "osd_flags")
    maps = Path(f"/proc/{manager.modules()[module].pid}/maps").read_text()
    assert "/memfd:outpost-structure" in maps


def test_where_a_big_structure_lies(manager: Manager) -> None:
    whole = get(manager, "osd_map")
    shared = get(manager, "osd_map", accept_shared=True)
    assert (shared.version, shared.json, shared.unchanged) == (whole.version, "", False)
    content = Path(shared.shared.path).read_bytes()
    assert content.startswith(shared.shared.token)
    begin, end = shared.shared.offset, shared.shared.offset + shared.shared.size
    assert content[begin:end].decode() == whole.json
    assert len(content) >= end + 64
    with pytest.raises(PermissionError), Path(shared.shared.path).open("r+b") as file:
        file.write(b"x")
    assert not get(manager, "df", accept_shared=True).HasField("shared"), "a small one is sent"


def test_a_watch_is_for_one_change(manager: Manager) -> None:
    session = manager.session(name="watcher").serve()
    first = get(manager, "osd_map", session, watch=True)
    assert first.watched
    manager.check("osd", "set", "noup")
    manager.check("osd", "unset", "noup")
    change = session.receive().structure_changed
    assert (change.name, change.version) == ("osd_map", first.version + 1)
    same = get(manager, "osd_map", session, watch=True, if_newer_than=first.version + 2)
    assert (same.unchanged, same.watched) == (True, True)
    manager.check("osd", "set", "noup")
    message: module_host_pb2.AttachResponse = session.receive()
    assert message.structure_changed.version == first.version + 3, "the second told nobody"
    manager.check("osd", "unset", "noup")
    session.close()


def test_only_a_module_can_watch(manager: Manager) -> None:
    assert not get(manager, "osd_map", watch=True, path="/epoch").watched
    with pytest.raises(grpc.RpcError):
        get(manager, "nosuch", watch=True)


def test_parts_by_fields(manager: Manager) -> None:
    whole = json.loads(get(manager, "osd_map").json)
    fields = ["osd", "up", "nosuch"]
    some = json.loads(get(manager, "osd_map", path="/osds", fields=fields).json)
    assert some == [{"osd": osd["osd"], "up": osd["up"]} for osd in whole["osds"]]
    assert json.loads(get(manager, "osd_map", fields=["epoch"]).json) == {"epoch": whole["epoch"]}
    one = get(manager, "osd_map", path=f"/osds/{_OSDS - 1}", fields=["up"])
    assert json.loads(one.json) == {"up": 1}
    with pytest.raises(grpc.RpcError) as caught:
        get(manager, "osd_map", path="/epoch", fields=["up"])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert '"osd_map", path "/epoch": fields can be taken from' in caught.value.details()


def test_a_part_is_of_the_version_that_it_says(manager: Manager) -> None:
    for word in ("set", "unset"):
        manager.check("osd", word, "noin")
        part = get(manager, "osd_map", path="/flags")
        assert part.version == get(manager, "osd_map").version
        assert ("noin" in json.loads(part.json)) == (word == "set")


def test_what_the_modules_had_is_not_taken_for_the_next_managers(manager: Manager) -> None:
    for module in _BOTH:
        manager.call(module, "osd_flags")
    manager.check("osd", "set", "norecover")
    manager.kill9()
    manager.restart()
    for module in _BOTH:
        manager.wait_for_state(module, "RUNNING")
        assert "norecover" not in manager.call(module, "osd_flags"), "the simulator began anew"


if __name__ == "__main__":
    run_tests(__file__)
