"""OSDMap and OSDMapIncremental: which OSDs and pools there are, and where data is."""

from __future__ import annotations

import datetime
import uuid as uuids
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from outpost import _placement
from outpost._crush_map import CRUSHMap, takes_of, with_compat_weights
from outpost._map_encoding import (
    WEIGHT_ONE,
    encode_crush_map,
    encode_osd_map,
    group_of,
)

_REPLICATED, _ERASURE = 1, 3

_LISTS = """
new_blocklist new_last_clean_interval new_lost new_pg_temp new_pg_upmap new_pg_upmap_items
new_pool_names new_pools new_purged_snaps new_range_blocklist new_removed_snaps new_up_osds
new_up_thru new_uuid new_weight new_xinfo old_blocklist old_erasure_code_profiles old_pg_upmap
old_pg_upmap_items old_pools old_range_blocklist osd_state_xor primary_temp
"""
_NO_CHANGE: dict[str, Any] = {
    **{name: [] for name in _LISTS.split()},
    **dict.fromkeys(("new_flags", "new_max_osd", "new_pool_max"), -1),
    **{f"new_{name}_ratio": -1.0 for name in ("backfillfull", "full", "nearfull")},
    **dict.fromkeys(("modified", "new_last_in_change", "new_last_up_change"), "0.000000"),
    **dict.fromkeys(("new_require_min_compat_client", "new_require_osd_release"), 255),
    "erasure_code_profiles": {},
}


class OSDMap:
    """An OSD map as it was when it was read, with its CRUSH map.

    Where placement groups are is computed by Ceph's own osdmaptool, which Debian's package
    ceph-base has, on the machine of the module; such methods raise PlacementError if it is not
    there, fails, or takes too long. All the others need nothing. What methods return is shared with
    other readers: copy it before changing it.

    Thread safety: every method may be called on any thread.
    """

    def __init__(self, dump: Mapping[str, Any], crush: Mapping[str, Any]) -> None:
        """Take the maps as get("osd_map") and get("osd_map_crush") have them."""
        self._map = dump
        self._crush = crush
        self._encoded: bytes | None = None

    @classmethod
    def build_simple(cls, epoch: int = 1, uuid: str | None = None, num_osd: int = -1) -> OSDMap:
        """Make a map, for tests: with room for OSDs, of which none exists, and no pools."""
        count = max(0, num_osd)
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f%z")
        return cls(
            {
                "epoch": epoch,
                "fsid": str(uuids.UUID(uuid) if uuid else uuids.UUID(int=0)),
                "created": now,
                "modified": now,
                "flags": "",
                "flags_num": 0,
                "flags_set": [],
                "crush_version": 1,
                "full_ratio": 0.0,
                "backfillfull_ratio": 0.0,
                "nearfull_ratio": 0.0,
                "pool_max": 0,
                "max_osd": count,
                "require_min_compat_client": "unknown",
                "min_compat_client": "jewel",
                "require_osd_release": "unknown",
                "pools": [],
                "osds": [],
                "pg_upmap": [],
                "pg_upmap_items": [],
                "pg_temp": [],
                "primary_temp": [],
                "erasure_code_profiles": {},
            },
            _simple_crush(count),
        )

    # what is in it

    def get_epoch(self) -> int:
        """Return the number of this map: it grows with every change."""
        return int(self._map["epoch"])

    def get_crush_version(self) -> int:
        """Return the number of the CRUSH map."""
        return int(self._map["crush_version"])

    def dump(self) -> dict[str, Any]:
        """Return the map, as get("osd_map") has it."""
        return self._map  # type: ignore[return-value]  # ceph-mgr's signature

    def get_pools(self) -> dict[int, dict[str, Any]]:
        """Return the pools, by number."""
        return {pool["pool"]: pool for pool in self._map["pools"]}

    def get_pools_by_name(self) -> dict[str, dict[str, Any]]:
        """Return the pools, by name."""
        return {pool["pool_name"]: pool for pool in self._map["pools"]}

    def get_pools_by_take(self, take: int) -> list[int]:
        """Return the numbers of the pools whose CRUSH rule begins at a bucket."""
        rules = {rule["rule_id"] for rule in self._crush["rules"] if take in takes_of(rule)}
        return sorted(pool["pool"] for pool in self._map["pools"] if pool["crush_rule"] in rules)

    def pool_raw_used_rate(self, pool_id: int) -> float:
        """Return how many bytes are stored for each of a pool's; 0 if that is not known.

        Raises KeyError: there is no such pool.
        """
        pool = self._pool(pool_id)
        if pool["type"] != _ERASURE:
            return float(pool["size"])
        profile = self.get_ec_profile(pool["erasure_code_profile"]) or {}
        try:
            k, m = int(profile["k"]), int(profile["m"])
        except (KeyError, ValueError):
            return 0.0
        return (k + m) / k if k else 0.0

    def get_ec_profile(self, name: str) -> dict[str, str] | None:
        """Return an erasure code profile; None if there is none."""
        found: dict[str, str] | None = self._map["erasure_code_profiles"].get(name)
        return found

    def get_require_osd_release(self) -> str:
        """Return the release that every OSD must have: "pacific"."""
        return str(self._map["require_osd_release"])

    def get_crush(self) -> CRUSHMap:
        """Return the CRUSH map."""
        return CRUSHMap(self._crush)

    # where placement groups are, by Ceph's osdmaptool

    def map_pool_pgs_up(self, poolid: int) -> dict[str, list[int]] | None:
        """Return on which OSDs a pool's placement groups are to be: {"2.1f": [3, 0]}.

        None: there is no such pool. Raises PlacementError.
        """
        if poolid not in self.get_pools():
            return None
        mapped = _placement.map_pool(self._encode(), poolid)
        return {group: place.up for group, place in mapped.items()}

    def pg_to_up_acting_osds(self, pool_id: int, ps: int) -> dict[str, Any]:
        """Return where one placement group is: up, up_primary, acting, acting_primary.

        `ps` is its number in the pool. Raises KeyError: there is no such pool; PlacementError.
        """
        self._pool(pool_id)
        place = _placement.map_group(self._encode(), f"{pool_id}.{ps:x}")
        return {
            "up": place.up,
            "acting": place.acting,
            "up_primary": place.up_primary,
            "acting_primary": place.acting_primary,
        }

    def calc_pg_upmaps(
        self,
        inc: OSDMapIncremental,
        max_deviation: int,
        max_iterations: int = 10,
        pools: Sequence[str] | None = None,
    ) -> int:
        """Find exceptions that even out placement groups over OSDs, and add them to `inc`.

        `max_deviation` is by how many groups an OSD may differ from its share, `max_iterations` how
        many exceptions may be added, `pools` the names of those to look at; None: all. Returns how
        many were added. Raises KeyError: there is no such pool; PlacementError.
        """
        known = self.get_pools_by_name()
        for pool in pools or ():
            if pool not in known:
                raise KeyError(f"there is no pool {pool!r}")
        found = _placement.even_out(
            self._encode(),
            max_deviation=max_deviation,
            max_changes=max_iterations,
            pools=pools or (),
        )
        inc.add_upmaps(found.new_items, found.old_items)
        return len(found.new_items) + len(found.old_items)

    # changes

    def new_incremental(self) -> OSDMapIncremental:
        """Return a change to this map, which is empty yet."""
        return OSDMapIncremental(
            self.get_epoch() + 1, str(self._map.get("fsid") or uuids.UUID(int=0)), self._crush
        )

    def apply_incremental(self, inc: OSDMapIncremental) -> OSDMap:
        """Return another map: this one with a change. The cluster's own stays as it is.

        Raises ValueError: the change is to another map.
        """
        if inc.get_epoch() != self.get_epoch() + 1:
            raise ValueError(
                f"the change makes epoch {inc.get_epoch()}, and this map is {self.get_epoch()}"
            )
        changed, crush = inc.applied_to(self._map)
        return OSDMap(changed, crush)

    def _pool(self, pool_id: int) -> Mapping[str, Any]:
        try:
            return self.get_pools()[pool_id]
        except KeyError:
            raise KeyError(f"there is no pool with the number {pool_id}") from None

    def _encode(self) -> bytes:
        if self._encoded is None:
            self._encoded = encode_osd_map(self._map, encode_crush_map(self._crush))
        return self._encoded


class OSDMapIncremental:
    """A change to an OSD map: made by OSDMap.new_incremental(), for apply_incremental()."""

    def __init__(self, epoch: int, fsid: str, crush: Mapping[str, Any]) -> None:
        """Take what OSDMap.new_incremental() gives."""
        self._epoch = epoch
        self._fsid = fsid
        self._crush = crush
        self._weights: dict[int, int] = {}  # fixed-point, cut as Ceph does
        self._upmaps = _placement.Upmaps()

    def get_epoch(self) -> int:
        """Return the epoch of the map that the change makes."""
        return self._epoch

    def dump(self) -> dict[str, Any]:
        """Return the change, in the shape of Ceph's; what it can't change is as in no change."""
        return {
            **_NO_CHANGE,
            "epoch": self._epoch,
            "fsid": self._fsid,
            "new_weight": [
                {"osd": osd, "weight": weight} for osd, weight in sorted(self._weights.items())
            ],
            "new_pg_upmap_items": [
                {
                    "pgid": group,
                    "mappings": [{"from": source, "to": target} for source, target in moves],
                }
                for group, moves in _in_order(self._upmaps.new_items.items())
            ],
            "old_pg_upmap_items": sorted(self._upmaps.old_items, key=group_of),
            "crush": self._crush,
        }

    def set_osd_reweights(self, weightmap: Mapping[int, float]) -> None:
        """Give OSDs other reweights, from 0 to 1: {0: 0.9, 1: 1.0}. Raises ValueError."""
        weights = _weights(weightmap, highest=1.0)
        self._weights.update((osd, int(weight * WEIGHT_ONE)) for osd, weight in weights.items())

    def set_crush_compat_weight_set_weights(self, weightmap: Mapping[int, float]) -> None:
        """Give devices other weights in the CRUSH compat weight-set: {0: 3.4, 1: 3.3}.

        Raises ValueError.
        """
        self._crush = with_compat_weights(self._crush, _weights(weightmap))

    def add_upmaps(
        self, new_items: Mapping[str, Iterable[tuple[int, int]]], old_items: Iterable[str]
    ) -> None:
        """Add exceptions to placement, as OSDMap.calc_pg_upmaps() does, and take others away.

        New ones are from which OSD to which one, for each group: {"2.1f": [(0, 3)]}; old ones are
        the names of groups.
        """
        for group, moves in new_items.items():
            self._upmaps.new_items[group] = list(moves)
            self._upmaps.old_items = [old for old in self._upmaps.old_items if old != group]
        for group in old_items:
            self._upmaps.new_items.pop(group, None)
            if group not in self._upmaps.old_items:
                self._upmaps.old_items.append(group)

    def applied_to(self, dump: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any]]:
        """Return the OSD map that a dump becomes by this change, and its CRUSH map."""
        items = {entry["pgid"]: entry for entry in dump.get("pg_upmap_items", ())}
        for group in self._upmaps.old_items:
            items.pop(group, None)
        items.update((entry["pgid"], entry) for entry in self.dump()["new_pg_upmap_items"])
        osds = [
            osd | _weighted(self._weights[osd["osd"]]) if osd["osd"] in self._weights else osd
            for osd in dump["osds"]
        ]
        changed = {
            **dump,
            "epoch": self._epoch,
            "crush_version": int(dump["crush_version"]) + 1,  # each change here carries a CRUSH map
            "osds": osds,
            "pg_upmap_items": [entry for _, entry in _in_order(items.items())],
        }
        return changed, self._crush


def _in_order(groups: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return sorted(groups, key=lambda entry: group_of(entry[0]))


def _weighted(weight: int) -> dict[str, float]:
    return {"weight": weight / WEIGHT_ONE, "in": int(weight > 0)}


def _weights(weightmap: Mapping[int, float], highest: float | None = None) -> dict[int, float]:
    weights = {int(osd): float(weight) for osd, weight in weightmap.items()}
    for osd, weight in weights.items():
        if not (0 <= weight < float("inf")) or (highest is not None and weight > highest):
            limit = "" if highest is None else f" to {highest:g}"
            raise ValueError(f"osd.{osd}: {weight!r} is no weight: a number from 0{limit}")
    return weights


def _simple_crush(count: int) -> dict[str, Any]:
    names = ("osd", "host", "chassis", "rack", "row", "pdu", "pod", "room", "datacenter", "zone")
    types = (*names, "region", "root")
    weight = count * WEIGHT_ONE

    def bucket(number: int, name: str, kind: int, items: list[int], each: int) -> dict[str, Any]:
        return {
            "id": number,
            "name": name,
            "type_id": kind,
            "type_name": types[kind],
            "weight": weight,
            "alg": "straw2",
            "hash": "rjenkins1",
            "items": [
                {"id": item, "weight": each, "pos": place} for place, item in enumerate(items)
            ],
        }

    return {
        "devices": [{"id": osd, "name": f"osd.{osd}"} for osd in range(count)],
        "types": [{"type_id": number, "name": name} for number, name in enumerate(types)],
        "buckets": [
            bucket(-1, "default", 11, [-3], weight),
            bucket(-2, "localhost", 1, list(range(count)), WEIGHT_ONE),
            bucket(-3, "localrack", 3, [-2], weight),
        ],
        "rules": [
            {
                "rule_id": 0,
                "rule_name": "replicated_rule",
                "ruleset": 0,
                "type": _REPLICATED,
                "min_size": 1,
                "max_size": 10,
                "steps": [
                    {"op": "take", "item": -1, "item_name": "default"},
                    {"op": "chooseleaf_firstn", "num": 0, "type": "host"},
                    {"op": "emit"},
                ],
            }
        ],
        "tunables": {},
        "choose_args": {},
    }
