"""Where placement groups are, by Ceph's own tools. Needs Debian's ceph-base."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sample_maps

from outpost import OSDMap, PlacementError, _placement, _work
from outpost._map_encoding import EncodingError, encode_crush_map, encode_osd_map

# Each kind of bucket, as crushtool reads it; the hosts' sizes make trees of several heights.
CRUSH_TEXT = """
tunable choose_local_tries 0
tunable choose_local_fallback_tries 0
tunable choose_total_tries 50
tunable chooseleaf_descend_once 1
tunable chooseleaf_vary_r 1
tunable chooseleaf_stable 1
tunable straw_calc_version 1
tunable allowed_bucket_algs 62
{devices}
type 0 osd
type 1 host
type 2 root
{hosts}
root default {{
    id -1
    id -20 class hdd
    id -21 class ssd
    alg straw2
    hash 0
{items}
}}
rule data {{
    id 0
    type replicated
    min_size 1
    max_size 10
    step take default
    step chooseleaf firstn 0 type host
    step emit
}}
rule ec {{
    id 3
    type erasure
    min_size 3
    max_size 6
    step set_chooseleaf_tries 5
    step set_choose_tries 100
    step take default class ssd
    step choose indep 0 type osd
    step emit
}}
"""


def crush_text() -> str:
    devices, hosts, items, osd = [], [], [], 0
    for number, (algorithm, size) in enumerate(
        [("straw2", 3), ("list", 4), ("tree", 5), ("tree", 2), ("uniform", 2)]
    ):
        names = [f"osd.{osd + place}" for place in range(size)]
        # crushtool has no classes in uniform buckets
        classes = ("", "") if algorithm == "uniform" else (" class hdd", " class ssd")
        devices += [
            f"device {osd + place} {name}{classes[place % 2]}" for place, name in enumerate(names)
        ]
        weight = "1.000" if algorithm == "uniform" else None
        hosts.append(
            f"host host{number} {{\n id -{number + 2}\n id -{30 + number} class hdd\n"
            f" id -{40 + number} class ssd\n alg {algorithm}\n hash 0\n"
            + "".join(
                f" item {name} weight {weight or f'{1 + place / 8:.3f}'}\n"
                for place, name in enumerate(names)
            )
            + "}"
        )
        items.append(f"    item host{number} weight {size}.000")
        osd += size
    return CRUSH_TEXT.format(
        devices="\n".join(devices), hosts="\n".join(hosts), items="\n".join(items)
    )


def tool(*arguments: str | Path) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sample() -> OSDMap:
    return OSDMap(sample_maps.osd_map(), sample_maps.crush_map())


def test_a_crush_map_is_written_as_ceph_writes_it(tmp_path: Path) -> None:
    (tmp_path / "text").write_text(crush_text())
    tool("crushtool", "-c", tmp_path / "text", "-o", tmp_path / "theirs")
    dump = json.loads(tool("crushtool", "-i", tmp_path / "theirs", "--dump"))
    assert {bucket["alg"] for bucket in dump["buckets"]} == {"straw2", "list", "tree", "uniform"}
    (tmp_path / "ours").write_bytes(encode_crush_map(dump))
    assert json.loads(tool("crushtool", "-i", tmp_path / "ours", "--dump")) == dump

    def mappings(crush: Path) -> str:
        rules = [("0", "3"), ("3", "5")]
        return "".join(
            tool(
                *("crushtool", "-i", crush, "--test", "--show-mappings", "--rule", rule),
                *("--num-rep", replicas, "--min-x", "0", "--max-x", "1023"),
            )
            for rule, replicas in rules
        )

    assert mappings(tmp_path / "ours") == mappings(tmp_path / "theirs") != ""


def test_weight_sets_are_written(tmp_path: Path) -> None:
    dump = sample_maps.crush_map()
    dump["choose_args"] = {
        "-1": [{"bucket_id": -2, "weight_set": [[0.25, 2.5]]}],
        "12": [{"bucket_id": -1, "weight_set": [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]}],
    }
    (tmp_path / "crush").write_bytes(encode_crush_map(dump))
    read = json.loads(tool("crushtool", "-i", tmp_path / "crush", "--dump"))
    found = {
        key: [(arg["bucket_id"], arg["weight_set"]) for arg in args]
        for key, args in read["choose_args"].items()
    }
    assert (-2, [[0.25, 2.5]]) in found["-1"]
    assert (-1, [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]) in found["12"]


def test_an_osd_map_is_written_as_ceph_reads_it(tmp_path: Path) -> None:
    dump = sample_maps.osd_map()
    dump["osds"][1].update(up=0, weight=0.25, primary_affinity=0.5)
    dump["osds"][2].update({"in": 0}, weight=0.0)
    del dump["osds"][5]
    dump["pg_upmap"] = [{"pgid": "1.1f", "osds": [0, 4, 5]}]
    dump["pg_upmap_items"] = [{"pgid": "2.3", "mappings": [{"from": 3, "to": 4}]}]
    dump["pg_temp"] = [{"pgid": "c.1", "osds": [0, 1]}, {"pgid": "1.2", "osds": [3]}]
    dump["pg_temp"][0]["pgid"] = "12.1"
    dump["primary_temp"] = [{"pgid": "1.3", "osd": 4}]
    path = tmp_path / "osdmap"
    path.write_bytes(encode_osd_map(dump, encode_crush_map(sample_maps.crush_map())))
    read = json.loads(tool("osdmaptool", path, "--dump", "json"))

    for key in ("epoch", "fsid", "flags_num", "crush_version", "pool_max", "max_osd"):
        assert read[key] == dump[key], key
    for key in ("require_min_compat_client", "require_osd_release", "erasure_code_profiles"):
        assert read[key] == dump[key], key
    for key in ("full_ratio", "backfillfull_ratio", "nearfull_ratio"):
        assert read[key] == pytest.approx(dump[key])
    for ours, theirs in zip(dump["pools"], read["pools"], strict=True):
        del ours["erasure_code_profile"]  # placement does not need it
        assert {key: theirs[key] for key in ours} == ours
    for ours, theirs in zip(dump["osds"], read["osds"], strict=True):
        assert {key: theirs[key] for key in ours} == ours
    for key in ("pg_upmap", "pg_upmap_items"):
        assert read[key] == dump[key], key
    assert [entry["pgid"] for entry in read["pg_temp"]] == ["1.2", "12.1"]
    assert "1.3" in json.dumps(read["primary_temp"])


def test_groups_of_a_pool() -> None:
    osdmap = sample()
    mapped = osdmap.map_pool_pgs_up(1)
    assert mapped is not None
    assert list(mapped) == [f"1.{group:x}" for group in range(32)]
    for osds in mapped.values():
        assert {osd % 3 for osd in osds} == {0, 1, 2}, "one of each host"
    quick = osdmap.map_pool_pgs_up(2)
    assert quick is not None
    assert {osd for osds in quick.values() for osd in osds} <= {3, 4, 5}
    assert quick["2.0"] == quick["2.4"], "eight groups are placed as four"
    wide = osdmap.map_pool_pgs_up(12)
    assert wide is not None
    assert all(len(osds) == 5 for osds in wide.values())
    assert osdmap.map_pool_pgs_up(3) is None


def test_one_group() -> None:
    dump = sample_maps.osd_map()
    osdmap = OSDMap(dump, sample_maps.crush_map())
    mapped = osdmap.map_pool_pgs_up(1)
    assert mapped is not None
    up = mapped["1.1f"]
    assert osdmap.pg_to_up_acting_osds(1, 0x1F) == {
        "up": up,
        "acting": up,
        "up_primary": up[0],
        "acting_primary": up[0],
    }
    other = [osd for osd in range(6) if osd not in up][:2]
    dump["pg_temp"] = [{"pgid": "1.1f", "osds": other}]
    place = OSDMap(dump, sample_maps.crush_map()).pg_to_up_acting_osds(1, 0x1F)
    assert (place["up"], place["acting"], place["acting_primary"]) == (up, other, other[0])
    with pytest.raises(KeyError, match="there is no pool with the number 9"):
        osdmap.pg_to_up_acting_osds(9, 0)


def test_what_is_down_or_out_holds_nothing() -> None:
    dump = sample_maps.osd_map()
    dump["osds"][0].update(up=0)
    mapped = OSDMap(dump, sample_maps.crush_map()).map_pool_pgs_up(1)
    assert mapped is not None
    assert all(0 not in osds for osds in mapped.values())
    assert min(map(len, mapped.values())) == 2, "down, it leaves a gap"
    osdmap = sample()
    inc = osdmap.new_incremental()
    inc.set_osd_reweights({0: 0})
    mapped = osdmap.apply_incremental(inc).map_pool_pgs_up(1)
    assert mapped is not None
    assert all(0 not in osds and len(osds) == 3 for osds in mapped.values()), "out, none"


def test_the_compat_weight_set_moves_groups() -> None:
    osdmap = sample()
    inc = osdmap.new_incremental()
    inc.set_crush_compat_weight_set_weights({3: 0, 4: 0, 5: 0})
    mapped = osdmap.apply_incremental(inc).map_pool_pgs_up(1)
    assert mapped is not None
    assert {osd for osds in mapped.values() for osd in osds} == {0, 1, 2}


def test_upmaps_even_out() -> None:
    osdmap = sample()

    def spread(of: OSDMap) -> int:
        mapped = of.map_pool_pgs_up(2)
        assert mapped is not None
        counts = Counter(osd for osds in mapped.values() for osd in osds)
        return max(counts.values()) - min(counts[osd] for osd in (3, 4, 5))

    before = spread(osdmap)
    inc = osdmap.new_incremental()
    found = osdmap.calc_pg_upmaps(inc, 1, 10, ["quick"])
    assert found == len(inc.dump()["new_pg_upmap_items"])
    assert all(item["pgid"].startswith("2.") for item in inc.dump()["new_pg_upmap_items"])
    after = osdmap.apply_incremental(inc)
    assert spread(after) <= max(2, before)
    if found:
        assert spread(after) < before
    item = {"pgid": "1.0", "mappings": [{"from": 0, "to": 3}]}
    assert item not in after.dump()["pg_upmap_items"]
    assert osdmap.calc_pg_upmaps(osdmap.new_incremental(), 1, 0) == 0
    with pytest.raises(KeyError, match="there is no pool 'none'"):
        osdmap.calc_pg_upmaps(inc, 1, 1, ["none"])


def test_upmaps_of_a_skewed_map() -> None:
    dump = sample_maps.osd_map()
    mapped = sample().map_pool_pgs_up(1)
    assert mapped is not None
    # all that osd.3 has goes to osd.0, on the same host
    dump["pg_upmap_items"] = [
        {"pgid": group, "mappings": [{"from": 3, "to": 0}]}
        for group, osds in mapped.items()
        if 3 in osds
    ]
    osdmap = OSDMap(dump, sample_maps.crush_map())
    inc = osdmap.new_incremental()
    found = osdmap.calc_pg_upmaps(inc, 1, 4, ["data"])
    change = inc.dump()
    assert 0 < found <= 4
    assert found == len(change["new_pg_upmap_items"]) + len(change["old_pg_upmap_items"])
    evened = osdmap.apply_incremental(inc).map_pool_pgs_up(1)
    assert evened is not None
    assert sum(3 in osds for osds in evened.values()) > 0


def test_no_tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlacementError) as raised:
        sample().map_pool_pgs_up(1)
    assert str(raised.value) == (
        "placement is computed by Ceph's osdmaptool, which is not installed here: install the"
        " package ceph-base (Debian's has it)"
    )


def a_tool(directory: Path, script: str) -> None:
    path = directory / "osdmaptool"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_tool_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    a_tool(tmp_path, "echo 'bad crc' >&2; exit 3")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(PlacementError, match="osdmaptool failed, with status 3: bad crc"):
        sample().map_pool_pgs_up(1)


def test_a_tool_that_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    a_tool(tmp_path, "exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    begun = time.monotonic()
    work = _work.current_work.set(_work.Work(deadline=begun + 0.2))
    try:
        with pytest.raises(PlacementError, match="was not done after 0 s, and was ended"):
            sample().map_pool_pgs_up(1)
    finally:
        _work.current_work.reset(work)
    assert time.monotonic() - begun < 30


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    sample().map_pool_pgs_up(1)
    assert list(tmp_path.iterdir()) == []


def test_garbage_from_the_tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    a_tool(tmp_path, "echo what")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(PlacementError, match=r"osdmaptool does not say where 1\.0 is: what"):
        sample().pg_to_up_acting_osds(1, 0)
    assert _placement.map_pool(b"", 1) == {}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "osds": ({"osds": [{"osd": "x"}]}, "the OSD map can't be written for Ceph's tools"),
    "pool": ({"pools": [{"pool": 1}]}, "the OSD map can't be written for Ceph's tools"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_map_that_cannot_be_written(name: str) -> None:
    changes, message = BAD[name]
    with pytest.raises(EncodingError, match=message):
        OSDMap({**sample_maps.osd_map(), **changes}, sample_maps.crush_map()).map_pool_pgs_up(1)


def test_buckets_whose_numbers_json_does_not_have() -> None:
    crush = sample_maps.crush_map()
    crush["buckets"][0]["alg"] = "straw"
    with pytest.raises(EncodingError, match="CRUSH bucket default is of the algorithm 'straw'"):
        OSDMap(sample_maps.osd_map(), crush).map_pool_pgs_up(1)


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
