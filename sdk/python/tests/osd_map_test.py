"""OSDMap, OSDMapIncremental and CRUSHMap: what needs no tool of Ceph's."""

from __future__ import annotations

import copy
import inspect
import logging

import pytest
import sample_maps
from probe_module import Probe

import mgr_module
from outpost import CRUSHMap, OSDMap, OSDMapIncremental

ONE = sample_maps.ONE


def sample() -> OSDMap:
    return OSDMap(sample_maps.osd_map(), sample_maps.crush_map())


def test_what_a_map_says() -> None:
    osdmap = sample()
    assert osdmap.get_epoch() == 41
    assert osdmap.get_crush_version() == 7
    assert osdmap.get_require_osd_release() == "pacific"
    assert osdmap.dump() == sample_maps.osd_map()
    assert {number: pool["pool_name"] for number, pool in osdmap.get_pools().items()} == {
        1: "data",
        2: "quick",
        12: "cold",
    }
    assert list(osdmap.get_pools_by_name()) == ["data", "quick", "cold"]
    assert osdmap.get_pools_by_name()["cold"] is osdmap.get_pools()[12]
    profile = osdmap.get_ec_profile("ec")
    assert profile is not None
    assert profile["k"] == "3"
    assert osdmap.get_ec_profile("none") is None


def test_pools_by_take() -> None:
    osdmap = sample()
    assert osdmap.get_pools_by_take(-1) == [1, 12]
    assert osdmap.get_pools_by_take(-5) == [2]
    assert osdmap.get_pools_by_take(-2) == []


def test_raw_used_rate() -> None:
    osdmap = sample()
    assert osdmap.pool_raw_used_rate(1) == 3
    assert osdmap.pool_raw_used_rate(12) == pytest.approx(5 / 3)
    osdmap.get_pools()[12]["erasure_code_profile"] = "odd"
    assert osdmap.pool_raw_used_rate(12) == 0
    with pytest.raises(KeyError, match="there is no pool with the number 3"):
        osdmap.pool_raw_used_rate(3)


def test_items_of_crush() -> None:
    crush = sample().get_crush()
    assert crush.dump() == sample_maps.crush_map()
    assert [crush.get_item_name(item) for item in (-1, -7, 4, 9, -99)] == [
        *("default", "host1~ssd", "osd.4"),
        *(None, None),
    ]
    assert [crush.get_item_weight(item) for item in (-1, -2, 0, 3, 9)] == [9.0, 3.0, 1.0, 2.0, None]
    assert crush.find_roots() == [-5, -1]
    assert crush.find_takes() == [-5, -1]
    assert crush.get_osds_under(-1) == [0, 3, 1, 4, 2, 5]
    assert crush.get_osds_under(-5) == [3, 4, 5]
    with pytest.raises(KeyError):
        crush.get_osds_under(-50)
    shares = crush.get_take_weight_osd_map(-1)
    assert shares == pytest.approx({osd: (1 if osd < 3 else 2) / 9 for osd in range(6)})
    assert crush.get_take_weight_osd_map(-5) == pytest.approx({3: 1 / 3, 4: 1 / 3, 5: 1 / 3})
    assert crush.device_class_counts() == {"hdd": 3, "ssd": 3}


def test_an_osd_that_is_in_no_bucket() -> None:
    dump = sample_maps.crush_map()
    dump["devices"].append({"id": 6, "name": "osd.6"})
    crush = CRUSHMap(dump)
    assert crush.get_item_weight(6) == 0
    assert crush.device_class_counts() == {"hdd": 3, "ssd": 3, None: 1}


def test_rules_of_crush(caplog: pytest.LogCaptureFixture) -> None:
    crush = sample().get_crush()
    fast = crush.get_rule("fast")
    assert fast is not None
    assert fast["rule_id"] == 1
    assert crush.get_rule_by_id(1) is fast
    assert crush.get_rule("slow") is None
    assert crush.get_rule_by_id(3) is None
    assert crush.get_rule_root("fast") == -5
    assert crush.get_rule_root("slow") is None
    with caplog.at_level(logging.WARNING):
        assert crush.get_rule_root("headless") is None
    assert "CRUSH rule 'headless' has no 'take' step" in caplog.text


def test_a_change_of_weights() -> None:
    osdmap = sample()
    before = copy.deepcopy(osdmap.dump())
    inc = osdmap.new_incremental()
    assert inc.get_epoch() == 42
    inc.set_osd_reweights({1: 0.5, 2: 0})
    assert inc.dump()["new_weight"] == [{"osd": 1, "weight": 0x8000}, {"osd": 2, "weight": 0}]
    changed = osdmap.apply_incremental(inc)
    assert changed.get_epoch() == 42
    assert changed.get_crush_version() == 8
    assert [(osd["weight"], osd["in"]) for osd in changed.dump()["osds"]][:4] == [
        *((1.0, 1), (0.5, 1), (0.0, 0), (1.0, 1)),
    ]
    assert osdmap.dump() == before, "the map itself stays as it is"
    with pytest.raises(ValueError, match="the change makes epoch 42, and this map is 42"):
        changed.apply_incremental(inc)


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan"), float("inf")])
def test_weights_that_are_none(weight: float) -> None:
    with pytest.raises(ValueError, match=r"osd\.0: .* is no weight: a number from 0 to 1"):
        sample().new_incremental().set_osd_reweights({0: weight})


def test_the_compat_weight_set() -> None:
    osdmap = sample()
    assert not CRUSHMap.have_default_choose_args(osdmap.get_crush().dump())
    assert CRUSHMap.get_default_choose_args(osdmap.get_crush().dump()) == []
    inc = osdmap.new_incremental()
    inc.set_crush_compat_weight_set_weights({0: 0.5, 4: 1.75})
    crush = osdmap.apply_incremental(inc).get_crush().dump()
    assert CRUSHMap.have_default_choose_args(crush)
    sets = {
        arg["bucket_id"]: arg["weight_set"][0] for arg in CRUSHMap.get_default_choose_args(crush)
    }
    assert sets[-2] == [0.5, 2.0]
    assert sets[-3] == [1.0, 1.75]
    assert sets[-1] == [2.5, 2.75, 3.0], "buckets weigh what is in them"
    assert sets[-7] == [1.75], "so do those of a class"
    assert sets[-5] == [2.0, 1.75, 2.0]
    assert crush["buckets"] == sample_maps.crush_map()["buckets"]
    assert osdmap.get_crush().dump()["choose_args"] == {}
    inc.set_crush_compat_weight_set_weights({0: 0.25})
    again = CRUSHMap.get_default_choose_args(osdmap.apply_incremental(inc).get_crush().dump())
    assert again[1] == {"bucket_id": -2, "weight_set": [[0.25, 2.0]]}


def test_a_simple_map() -> None:
    osdmap = OSDMap.build_simple(3, "5a0d8bd5-6b5b-4fae-a1f5-2b8e8e2a8a32", 4)
    assert osdmap.get_epoch() == 3
    assert osdmap.dump()["max_osd"] == 4
    assert osdmap.get_pools() == {}
    assert osdmap.get_crush().get_osds_under(-1) == [0, 1, 2, 3]
    assert OSDMap.build_simple().dump()["max_osd"] == 0


def test_a_module_gets_the_present_map(probe: Probe) -> None:
    probe.manager.set_structure("osd_map", sample_maps.osd_map())
    probe.manager.set_structure("osd_map_crush", sample_maps.crush_map())
    assert probe("self.get_osdmap().get_epoch()") == 41
    assert probe("self.get_osdmap().get_crush().find_roots()") == [-5, -1]
    assert probe("self.get_osdmap().dump() is self.get('osd_map')") is True
    probe.manager.set_structure("osd_map", {**sample_maps.osd_map(), "epoch": 43})
    assert probe("self.get_osdmap().get_epoch()") == 43


def test_names_are_ceph_mgrs() -> None:
    def names(owner: type) -> set[str]:
        return {name for name in vars(owner) if not name.startswith("_")}

    assert mgr_module.OSDMap is OSDMap
    assert names(OSDMap) == {
        *("apply_incremental", "build_simple", "calc_pg_upmaps", "dump", "get_crush"),
        *("get_crush_version", "get_ec_profile", "get_epoch", "get_pools", "get_pools_by_name"),
        *("get_pools_by_take", "get_require_osd_release", "map_pool_pgs_up", "new_incremental"),
        *("pg_to_up_acting_osds", "pool_raw_used_rate"),
    }
    assert names(OSDMapIncremental) - {"add_upmaps", "applied_to"} == {
        *("dump", "get_epoch", "set_crush_compat_weight_set_weights", "set_osd_reweights"),
    }
    assert names(CRUSHMap) == {
        *("DEFAULT_CHOOSE_ARGS", "ITEM_NONE", "device_class_counts", "dump", "find_roots"),
        *("find_takes", "get_default_choose_args", "get_item_name", "get_item_weight"),
        *("get_osds_under", "get_rule", "get_rule_by_id", "get_rule_root"),
        *("get_take_weight_osd_map", "have_default_choose_args"),
    }
    assert list(inspect.signature(OSDMap.calc_pg_upmaps).parameters)[1:] == [
        *("inc", "max_deviation", "max_iterations", "pools"),
    ]


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
