"""OSDMap and CRUSHMap beside ceph-mgr's own: one module runs in both, on one cluster's map.

The cluster has what makes placement interesting: device classes, an erasure-coded pool, OSDs with
other weights and affinities, and exceptions.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixture import TEST_MODULES, Manager, run_tests, until

from tests.integration.ceph.cluster import CephCluster

SETUP = """
osd crush class create fast
osd crush set-device-class fast 0 1 2
osd crush rule create-replicated on-fast default osd fast
osd erasure-code-profile set wide k=2 m=1 crush-failure-domain=osd
osd pool create data 32
osd pool create quick 16 16 replicated on-fast
osd pool create cold 8 8 erasure wide
osd crush reweight osd.3 2.5
osd reweight 1 0.6
osd primary-affinity 2 0.25
osd set-require-min-compat-client luminous --yes-i-really-mean-it
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CephCluster]:
    probe = TEST_MODULES / "mapprobe"
    directory = tmp_path_factory.mktemp("ceph")
    with CephCluster(directory, osds=4, mgr_modules=[probe]) as cluster:
        for line in SETUP.strip().splitlines():
            rc, _, err = cluster.ceph(*line.split())
            assert rc == 0, f"{line}: {err}"
        rc, out, err = cluster.ceph("pg", "map", "1.0", "--format", "json")
        assert rc == 0, err
        up = json.loads(out)["up"]
        target = next(osd for osd in range(4) if osd not in up)
        rc, _, err = cluster.ceph("osd", "pg-upmap-items", "1.0", str(up[0]), str(target))
        assert rc == 0, err
        yield cluster


@pytest.fixture(scope="module")
def manager(cluster: CephCluster) -> Iterator[Manager]:
    conf = Path(cluster.conf_path)
    flags = ["--source", "ceph", "--ceph-conf", conf, "--ceph-name", "client.admin"]
    with Manager("mapprobe", "placement", "probe_cpp", flags=flags) as manager:
        until("the manager to be connected", lambda: connected(manager))
        until("one epoch in both", lambda: same_epoch(manager, cluster))
        yield manager


def connected(manager: Manager) -> bool:
    source = json.loads(manager.check("status", "--format", "json"))["source"]
    there: bool = source["connected"]
    return there


def same_epoch(manager: Manager, cluster: CephCluster) -> bool:
    theirs = cluster.ceph("mapprobe", "read")
    ours = manager.outpost("mapprobe", "read")
    return theirs.returncode == 0 == ours.rc and theirs.out.strip() == ours.out.strip()


def both(manager: Manager, cluster: CephCluster, code: str) -> tuple[Any, Any]:
    """What ceph-mgr and we say."""
    code = textwrap.dedent(code).strip()
    theirs = cluster.ceph("mapprobe", "eval", code)
    assert theirs.returncode == 0, theirs.err
    ours = manager.outpost("mapprobe", "eval", code)
    assert ours.rc == 0, ours.err
    return json.loads(theirs.out), json.loads(ours.out)


EXACT = {
    "numbers": "result = [osdmap.get_epoch(), osdmap.get_crush_version()]",
    "release": "result = osdmap.get_require_osd_release()",
    "pools": "result = [sorted(osdmap.get_pools()), sorted(osdmap.get_pools_by_name())]",
    "pools_by_take": "result = {t: osdmap.get_pools_by_take(t) for t in range(-20, 0)}",
    "profile": "result = [osdmap.get_ec_profile(n) for n in ('wide', 'default', 'none')]",
    "rates": "result = {p: osdmap.pool_raw_used_rate(p) for p in osdmap.get_pools()}",
    "crush": "result = crush.dump()",
    "names": "result = {i: crush.get_item_name(i) for i in range(-20, 9)}",
    "weights": "result = {i: crush.get_item_weight(i) for i in range(-20, 9)}",
    "roots": "result = [crush.find_roots(), crush.find_takes()]",
    "shares": "result = {t: crush.get_take_weight_osd_map(t) for t in crush.find_takes()}",
    "rules": "result = [crush.get_rule('on-fast'), crush.get_rule_by_id(0), crush.get_rule('x')]",
    "rule_root": "result = [crush.get_rule_root('on-fast'), crush.get_rule_root('x')]",
    "osds": "result = [crush.get_osds_under(t) for t in crush.find_takes()]",
    "classes": "result = {str(k): v for k, v in crush.device_class_counts().items()}",
    "up": "result = {p: osdmap.map_pool_pgs_up(p) for p in osdmap.get_pools()}",
    "acting": """
        result = [osdmap.pg_to_up_acting_osds(p, ps) for p in osdmap.get_pools() for ps in range(3)]
    """,
    "reweighted": """
        inc = osdmap.new_incremental()
        inc.set_osd_reweights({0: 0.3, 2: 0.0})
        after = osdmap.apply_incremental(inc)
        result = [inc.get_epoch(), inc.dump()["new_weight"], after.get_epoch()]
        result += [after.get_crush_version()]
        result += [{p: after.map_pool_pgs_up(p) for p in after.get_pools()}]
        result += [[osd["weight"] for osd in after.dump()["osds"]]]
    """,
    "compat_weights": """
        inc = osdmap.new_incremental()
        inc.set_crush_compat_weight_set_weights({0: 0.5, 3: 3.25})
        after = osdmap.apply_incremental(inc)
        result = [after.get_crush().dump()["choose_args"]]
        result += [{p: after.map_pool_pgs_up(p) for p in after.get_pools()}]
    """,
    "an_upmap_that_is_there": "result = osdmap.dump()['pg_upmap_items']",
}


@pytest.mark.parametrize("what", EXACT)
def test_it_says_what_ceph_mgr_says(manager: Manager, cluster: CephCluster, what: str) -> None:
    theirs, ours = both(manager, cluster, EXACT[what])
    assert rounded(ours) == rounded(theirs)


def rounded(value: Any) -> Any:
    """Without what a float of 32 bits loses."""
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, list):
        return [rounded(each) for each in value]
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return value


def test_upmaps_even_out_as_well(manager: Manager, cluster: CephCluster) -> None:
    # Ceph's search begins at random: what counts is how even it becomes.
    theirs, ours = both(
        manager,
        cluster,
        """
        inc = osdmap.new_incremental()
        found = osdmap.calc_pg_upmaps(inc, 1, 20, ["data"])
        change = inc.dump()
        after = osdmap.apply_incremental(inc).map_pool_pgs_up(1)
        counts = {osd: sum(osd in osds for osds in after.values()) for osd in range(4)}
        shares = crush.get_take_weight_osd_map(crush.get_rule_root("replicated_rule"))
        weights = {o["osd"]: o["weight"] * shares[o["osd"]] for o in osdmap.dump()["osds"]}
        total = sum(weights.values())
        off = max(abs(counts[o] - 64 * weights[o] / total) for o in weights)
        result = [found, len(change["new_pg_upmap_items"]), off]
        """,
    )
    assert ours[0] > 0
    assert ours[2] <= max(2.0, theirs[2] + 1), (ours, theirs)


def test_a_module_in_c_plus_plus_is_told_the_same(manager: Manager, cluster: CephCluster) -> None:
    theirs, _ = both(manager, cluster, EXACT["up"])
    for pool, groups in theirs.items():
        assert manager.call("probe_cpp", "map_pool", int(pool), {}) == groups
    theirs, _ = both(
        manager,
        cluster,
        """
        inc = osdmap.new_incremental()
        inc.set_osd_reweights({0: 0.3, 2: 0.0})
        after = osdmap.apply_incremental(inc)
        result = [after.map_pool_pgs_up(1), osdmap.pg_to_up_acting_osds(1, 3)]
        """,
    )
    assert manager.call("probe_cpp", "map_pool", 1, {"0": 0.3, "2": 0}) == theirs[0]
    assert manager.call("probe_cpp", "map_group", 1, 3) == theirs[1]
    assert "there is no pool with the number 99" in manager.call("probe_cpp", "map_pool", 99, {})
    arguments = ("placement", "map_pool_pgs_up", 1, {"weights": {}})
    assert "a change has no weights" in manager.call("probe_cpp", "relay", *arguments)["text"]


def test_a_module_in_c_plus_plus_evens_out(manager: Manager) -> None:
    before = manager.call("probe_cpp", "map_pool", 1, {})
    found, after = manager.call("probe_cpp", "even_out", 1, "data")
    assert found > 0
    assert before.keys() == after.keys() and before != after
    # OSDs of the same weight have about the same
    counts = [sum(osd in osds for osds in after.values()) for osd in (0, 2)]
    assert abs(counts[0] - counts[1]) <= 4


def test_without_the_module_placement_that_is_said(manager: Manager) -> None:
    manager.check("module", "disable", "placement")
    try:
        said = manager.call("probe_cpp", "map_pool", 1, {})
        assert "placement" in said and "not enabled" in said
    finally:
        manager.check("module", "enable", "placement")
        manager.settled("placement")


def test_a_change_is_dumped_as_ceph_mgr_dumps_it(manager: Manager, cluster: CephCluster) -> None:
    theirs, ours = both(
        manager,
        cluster,
        """
        inc = osdmap.new_incremental()
        inc.set_osd_reweights({0: 0.5})
        result = inc.dump()
        """,
    )
    del theirs["new_purged_snaps"], ours["new_purged_snaps"]  # ceph-mgr's is not well nested
    assert ours == theirs


def test_placement_is_the_clusters(manager: Manager, cluster: CephCluster) -> None:
    _, ours = both(manager, cluster, EXACT["up"])
    placed = {group: osds for pool in ours.values() for group, osds in pool.items()}

    def brief() -> dict[str, list[int]]:
        rc, out, err = cluster.ceph("pg", "dump", "pgs_brief", "--format", "json")
        assert rc == 0, err
        return {pg["pgid"]: pg["up"] for pg in json.loads(out)["pg_stats"]}

    until("the cluster to have placed all", lambda: brief() == placed)


def test_rados_reaches_the_cluster(manager: Manager, cluster: CephCluster) -> None:
    code = "result = [mgr.rados.get_fsid(), sorted(mgr.rados.list_pools())]"
    theirs, ours = both(manager, cluster, code)
    assert ours == theirs
    assert ours[0] == cluster.fsid
    _, ours = both(
        manager,
        cluster,
        """
        with mgr.rados.open_ioctx("data") as pool:
            pool.write_full("object", b"content")
            result = [pool.read("object").decode(), mgr.rados is mgr.rados]
        """,
    )
    assert ours == ["content", True]
    path = manager.outpost("mapprobe", "eval", "result = mgr.get_ceph_conf_path()")
    assert json.loads(path.out) == cluster.conf_path


def test_options_of_the_cluster_are_typed(manager: Manager, cluster: CephCluster) -> None:
    names = (
        *("target_max_misplaced_ratio", "mon_max_pg_per_osd", "mon_allow_pool_delete"),
        *("mgr_stats_period", "osd_pool_default_size", "osd_memory_target"),
        *("mgr_tick_period", "debug_mgr", "public_network", "osd_objectstore"),
    )
    theirs, ours = both(manager, cluster, f"result = [mgr.get_ceph_option(n) for n in {names}]")
    assert [type(value) for value in ours] == [type(value) for value in theirs]


if __name__ == "__main__":
    run_tests(__file__)
