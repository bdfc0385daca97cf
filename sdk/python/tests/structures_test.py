"""get(): what is kept, when the manager is asked, and what comes of changing what it returns."""

from __future__ import annotations

import copy
import fcntl
import gc
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Runner
from module_process import ModuleProcess
from probe_module import Probe

from outpost import _json
from outpost._read_only import read_only
from outpost._rendering import to_yaml
from outpost._structures import _map_shared
from outpost.testing import FakeManager
from outpost.v1 import cluster_pb2

VALUE = {
    "epoch": 1,
    "osds": [{"osd": 0, "tags": ["a", "b"]}, {"osd": 1, "tags": []}],
    "flags": None,
}


def frozen() -> Any:
    return read_only(copy.deepcopy(VALUE))


# reading without asking


def test_what_is_current_costs_no_call(probe: Probe) -> None:
    probe.manager.set_structure("pg_summary", {"n": 1})
    before = len(probe.manager.requests("Cluster.Get"))
    assert probe("[self.get('pg_summary')['n'] for _ in range(100)]") == [1] * 100
    assert len(probe.manager.requests("Cluster.Get")) == before + 1


def test_a_read_after_the_module_was_told_of_a_change_sees_it(probe: Probe) -> None:
    for n in range(200):
        # the change is told in the session before the command that is sent after it
        probe.manager.set_structure("df", {"n": n})
        assert probe("self.get('df')") == {"n": n}


def test_after_a_command_to_the_cluster_the_manager_is_asked_once(probe: Probe) -> None:
    probe.manager.set_structure("mon_map", {"epoch": 1})
    probe("self.get('mon_map')")
    before = len(probe.manager.requests("Cluster.Get"))
    probe("self.mon_command({'prefix': 'osd set'}); self.get('mon_map')['epoch']")
    probe("self.get('mon_map')['epoch']")
    (request,) = probe.manager.requests("Cluster.Get")[before:]
    assert request.if_newer_than == 1


def test_what_is_known_to_be_old_is_kept_no_longer(probe: Probe) -> None:
    probe.manager.set_structure("fs_map", {"epoch": 1})
    probe("self.get('fs_map')")
    probe.manager.set_structure("fs_map", {"epoch": 2})
    kept = "'fs_map' in self._host.structures._entries"
    assert probe(kept) is False
    assert probe("self.get('fs_map')['epoch']") == 2
    assert probe(kept) is True
    assert [r.if_newer_than for r in probe.manager.requests("Cluster.Get")][-2:] == [0, 0]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was_after_a_big_text(enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        assert len(_json.loads(json.dumps([[]] * 50_000))) == 50_000
        with pytest.raises(ValueError, match="delimiter"):
            _json.loads("[" + " " * 100_000 + "1 1]")
        assert gc.isenabled() is enabled
        assert gc.get_freeze_count() == 0
    finally:
        (gc.enable if before else gc.disable)()


def test_what_the_module_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        frozen_before = gc.get_freeze_count()
        _json.loads(json.dumps([[]] * 50_000))
        assert gc.get_freeze_count() >= frozen_before - 100  # some are freed, none are taken out
    finally:
        gc.unfreeze()


def test_a_lost_session_ends_all_promises(run: Runner, manager: FakeManager) -> None:
    run(
        """
        class Sample(MgrModule):
            @CLIReadCommand("get")
            def get_it(self):
                return 0, str(self.get("thing")), ""
        """
    )
    manager.set_structure("thing", ["old"])
    session = manager.session()
    assert session.run("get").stdout == "['old']"
    session.end()
    session = manager.session()
    dict.__setitem__(manager.structures, "thing", (2, '["new"]'))  # and nobody is told
    assert session.run("get").stdout == "['new']"


def test_a_silent_manager_is_asked(run: Runner, manager: FakeManager) -> None:
    manager.heartbeat_interval = 0.01
    run(
        """
        class Sample(MgrModule):
            @CLIReadCommand("get")
            def get_it(self):
                first = self.get("thing")
                time.sleep(0.1)  # more than two heartbeats
                return 0, str(self.get("thing") is first), ""
        """
    )
    manager.set_structure("thing", [1])
    assert manager.session().run("get").stdout == "True"
    assert [r.if_newer_than for r in manager.requests("Cluster.Get")] == [0, 1]


def test_without_a_promise_the_manager_is_asked_each_time(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe.manager, "watch", lambda name, session: None)
    probe.manager.set_structure("health", {"n": 1})
    before = len(probe.manager.requests("Cluster.Get"))
    probe("self._host.structures.doubt(); self.get('health')['n']")
    assert len(probe.manager.requests("Cluster.Get")) == before + 1


# copies and parts


def test_what_get_returns_is_read_only_and_a_copy_is_not(probe: Probe) -> None:
    probe.manager.set_structure("osd_map", VALUE)
    kinds, message = probe.raised("self.get('osd_map')['osds'][0].update(osd=7)")
    assert kinds[0] == "TypeError"
    assert "get(name, mutable=True)" in message
    code = "m = self.get('osd_map', mutable=True); m['osds'][0]['osd'] = 7; m['osds'][0]['osd']"
    assert probe(code) == 7
    assert probe("self.get('osd_map')") == VALUE


def test_a_module_of_ceph_mgrs_own_gets_copies(manager: FakeManager, tmp_path: Path) -> None:
    directory = tmp_path / "own"
    directory.mkdir()
    (directory / "module.py").write_text(
        "from mgr_module import CLICommand, MgrModule\n"
        "class Module(MgrModule):\n"
        "    @CLICommand('own')\n"
        "    def own(self):\n"
        "        value = self.get('thing')\n"
        "        value.append(2)\n"
        "        return 0, f'{value} {self.get(\"thing\")}', ''\n"
    )
    manager.set_structure("thing", [1])
    process = ModuleProcess(directory, manager.address, flags=["--as-ceph-mgr"])
    try:
        assert manager.session().run("own").stdout == "[1, 2] [1]"
    finally:
        process.kill()


def test_parts(probe: Probe) -> None:
    probe.manager.set_structure("osd_map", VALUE)
    assert probe("self.get('osd_map', path='/osds/1')") == VALUE["osds"][1]  # type: ignore[index]
    assert probe("self.get('osd_map', path='/osds', fields=['osd'])") == [{"osd": 0}, {"osd": 1}]
    assert probe("self.get('osd_map', fields=['epoch'])") == {"epoch": 1}
    assert probe("self.get('osd_map', path='/osds/7')") is None
    assert probe("self.get('nosuch', path='/osds/7')") is None


def test_which_structures_there_are(probe: Probe) -> None:
    probe.manager.set_structure("osd_map", VALUE)
    found = probe("[(s.name, s.size) for s in self.list_structures()]")
    assert ["osd_map", len(json.dumps(VALUE))] in found


# read-only values


def test_a_read_only_value_reads_as_the_value_itself() -> None:
    value = frozen()
    assert value == VALUE
    assert isinstance(value, dict)
    assert isinstance(value["osds"], list)
    assert json.loads(json.dumps(frozen())) == VALUE
    assert yaml.safe_load(to_yaml(frozen())) == VALUE
    assert repr(frozen()) == repr(VALUE)
    assert list(value) == list(VALUE)
    assert value["osds"][0] is value["osds"][0], "it is wrapped once"
    assert [osd["osd"] for osd in value["osds"]] == [0, 1]
    assert value.get("nosuch", 5) == 5
    assert value.get("flags", 5) is None


@pytest.mark.parametrize(
    "reach",
    [
        lambda v: v["osds"],
        lambda v: v.get("osds"),
        lambda v: dict(v)["osds"],
        lambda v: {**v}["osds"],
        lambda v: v.copy()["osds"],
        lambda v: (v | {})["osds"],
        lambda v: ({} | v)["osds"],
        lambda v: copy.copy(v)["osds"],
        lambda v: next(x for x in v.values() if isinstance(x, list)),
        lambda v: dict(v.items())["osds"],
        lambda v: v["osds"][0]["tags"],
        lambda v: next(iter(v["osds"]))["tags"],
        lambda v: list(v["osds"])[1]["tags"],
        lambda v: [*v["osds"]][1]["tags"],
        lambda v: v["osds"][:1][0]["tags"],
        lambda v: (v["osds"] + [])[0]["tags"],
        lambda v: ([] + v["osds"])[0]["tags"],
        lambda v: (v["osds"] * 2)[0]["tags"],
        lambda v: v["osds"].copy()[0]["tags"],
        lambda v: sorted(v["osds"], key=str)[0]["tags"],
        lambda v: next(reversed(v["osds"]))["tags"],
    ],
)
def test_no_way_in_reaches_what_could_be_changed(reach: Any) -> None:
    value = frozen()
    with pytest.raises(TypeError, match="can't be changed"):
        reach(value).append(1)
    assert value == VALUE


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.__setitem__("epoch", 2),
        lambda v: v.__delitem__("epoch"),
        lambda v: v.update(epoch=2),
        lambda v: v.setdefault("x", 2),
        lambda v: v.pop("epoch"),
        lambda v: v.popitem(),
        lambda v: v.clear(),
        lambda v: v.__ior__({"epoch": 2}),
        lambda v: v["osds"].__setitem__(0, 2),
        lambda v: v["osds"].__delitem__(0),
        lambda v: v["osds"].extend([1]),
        lambda v: v["osds"].insert(0, 1),
        lambda v: v["osds"].pop(),
        lambda v: v["osds"].remove({}),
        lambda v: v["osds"].sort(),
        lambda v: v["osds"].reverse(),
        lambda v: v["osds"].clear(),
        lambda v: v["osds"].__iadd__([1]),
        lambda v: v["osds"].__imul__(2),
    ],
)
def test_every_change_is_refused(change: Any) -> None:
    value = frozen()
    with pytest.raises(TypeError, match="can't be changed"):
        change(value)
    assert value == VALUE


def test_deep_copies_can_be_changed() -> None:
    for copied in (copy.deepcopy(frozen()), pickle.loads(pickle.dumps(frozen()))):
        assert copied == VALUE
        copied["osds"][0]["tags"].append("c")
        assert type(copied["osds"][0]) is dict


# texts


def test_a_text_that_only_json_understands_is_understood() -> None:
    assert _json.loads("[NaN, 1]")[1] == 1
    big = json.dumps(["x" * 100] * 1000)
    assert _json.loads(big) == _json.loads(memoryview(big.encode())) == json.loads(big)
    with pytest.raises(ValueError):  # noqa: PT011
        _json.loads("{")


def shared_file(content: bytes, seals: int) -> tuple[int, cluster_pb2.SharedText]:
    file = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(file, content)
    fcntl.fcntl(file, 1033, seals)  # F_ADD_SEALS
    path = f"/proc/{os.getpid()}/fd/{file}"
    return file, cluster_pb2.SharedText(path=path, token=b"token", offset=5, size=2)


def test_a_text_in_the_managers_memory(tmp_path: Path) -> None:
    everything = 0x1 | 0x2 | 0x4 | 0x8
    file, shared = shared_file(b"token{}" + bytes(64), everything)
    text = _map_shared(shared)
    assert text is not None
    os.close(file)
    assert _json.loads(text) == {}
    assert _map_shared(shared) is None, "the manager keeps it no more"


@pytest.mark.parametrize(
    ("content", "seals"),
    [(b"token{}", 0x2), (b"token{}", 0x8), (b"other{}", 0xF), (b"token", 0xF), (b"", 0xF)],
)
def test_what_could_change_or_is_something_else_is_not_taken(content: bytes, seals: int) -> None:
    file, shared = shared_file(content, seals)
    assert _map_shared(shared) is None
    os.close(file)


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
