"""Tells modules where placement groups are, or would be if something were changed.

Its methods are for modules in languages that have no OSDMap of their own (the C++ SDK's
outpost/placement.h calls them): each takes the cluster's present map, changes it as `change` says,
and asks Ceph's own osdmaptool, which must be installed here (Debian's package ceph-base).

A change, all of whose members may be absent:

    {"osd_reweights": {"0": 0.9},            # the reweight of OSDs, from 0 to 1
     "crush_compat_weights": {"3": 1.5},     # the weight of OSDs in the CRUSH compat weight-set
     "new_pg_upmap_items": [{"pgid": "1.0", "mappings": [{"from": 0, "to": 3}]}],
     "old_pg_upmap_items": ["1.1"]}          # exceptions to add, and to take away
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mgr_module import MgrModule
from outpost import OSDMap

_PARTS = ("osd_reweights", "crush_compat_weights", "new_pg_upmap_items", "old_pg_upmap_items")


class Module(MgrModule):
    """See above."""

    def map_pool_pgs_up(
        self, pool: int, change: Mapping[str, Any] | None = None
    ) -> dict[str, list[int]]:
        """Tell on which OSDs a pool's placement groups are to be: {"2.1f": [3, 0]}."""
        up = _changed(self.get_osdmap(), change).map_pool_pgs_up(pool)
        if up is None:
            raise KeyError(f"there is no pool with the number {pool}")
        return up

    def pg_to_up_acting_osds(
        self, pool: int, ps: int, change: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Tell where one placement group is: up, up_primary, acting, acting_primary."""
        return _changed(self.get_osdmap(), change).pg_to_up_acting_osds(pool, ps)

    def calc_pg_upmaps(
        self,
        max_deviation: int,
        max_iterations: int = 10,
        pools: Sequence[str] = (),
        change: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Find exceptions that even out placement groups over OSDs, on top of a change.

        Returns those that were found: new_pg_upmap_items and old_pg_upmap_items.
        """
        present = _changed(self.get_osdmap(), change)
        found = present.new_incremental()
        present.calc_pg_upmaps(found, max_deviation, max_iterations, list(pools))
        dump = found.dump()
        return {part: dump[part] for part in ("new_pg_upmap_items", "old_pg_upmap_items")}

    def self_test(self) -> None:
        """Place every group of the first pool."""
        pools = sorted(self.get_osdmap().get_pools())
        if pools:
            self.map_pool_pgs_up(pools[0])


def _changed(present: OSDMap, change: Mapping[str, Any] | None) -> OSDMap:
    if not change:
        return present
    if unknown := set(change) - set(_PARTS):
        raise ValueError(f"a change has no {', '.join(sorted(unknown))}: {', '.join(_PARTS)}")
    incremental = present.new_incremental()
    incremental.set_osd_reweights(change.get("osd_reweights", {}))
    if weights := change.get("crush_compat_weights"):
        incremental.set_crush_compat_weight_set_weights(weights)
    incremental.add_upmaps(
        {
            entry["pgid"]: [(move["from"], move["to"]) for move in entry["mappings"]]
            for entry in change.get("new_pg_upmap_items", ())
        },
        change.get("old_pg_upmap_items", ()),
    )
    return present.apply_incremental(incremental)
