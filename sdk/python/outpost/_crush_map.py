"""CRUSHMap: the tree of devices and the rules by which data is placed on them."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from outpost._map_encoding import WEIGHT_ONE

_log = logging.getLogger("outpost")


class CRUSHMap:
    """A CRUSH map as it was when it was read.

    What dump() returns is shared with other readers: copy it before changing it.

    Thread safety: every method may be called on any thread.
    """

    ITEM_NONE: Final = 0x7FFFFFFF
    """Stands in a mapping where there is no OSD."""
    DEFAULT_CHOOSE_ARGS: Final = "-1"
    """The name in dump()["choose_args"] of the weights of the compat weight-set."""

    def __init__(self, dump: Mapping[str, Any]) -> None:
        """Take a map as get("osd_map_crush") has it."""
        self._map = dump
        self._buckets: dict[int, Mapping[str, Any]] = {
            int(bucket["id"]): bucket for bucket in dump["buckets"]
        }

    def dump(self) -> dict[str, Any]:
        """Return the map: devices, types, buckets, rules, tunables, choose_args."""
        return self._map  # type: ignore[return-value]  # ceph-mgr's signature

    # items: an OSD has its number, a bucket a negative one

    def get_item_weight(self, item: int) -> float | None:
        """Return the weight of a bucket or a device; None if there is no such item."""
        if item in self._buckets:
            return int(self._buckets[item]["weight"]) / WEIGHT_ONE
        if self.get_item_name(item) is None:
            return None
        for bucket in self._in_order():
            for entry in bucket["items"]:
                if entry["id"] == item:
                    return int(entry["weight"]) / WEIGHT_ONE
        return 0.0

    def get_item_name(self, item: int) -> str | None:
        """Return the name of a bucket or a device; None if there is no such item."""
        if item in self._buckets:
            return str(self._buckets[item]["name"])
        for device in self._map["devices"]:
            if device["id"] == item:
                return str(device["name"])
        return None

    def find_takes(self) -> list[int]:
        """Return the buckets at which rules begin, in ascending order."""
        return sorted({take for rule in self._map["rules"] for take in takes_of(rule)})

    def find_roots(self) -> list[int]:
        """Return the buckets that are in no other bucket, in ascending order."""
        inner = {entry["id"] for bucket in self._buckets.values() for entry in bucket["items"]}
        return sorted(bucket for bucket in self._buckets if bucket not in inner)

    def get_take_weight_osd_map(self, root: int) -> dict[int, float]:
        """Return the share of each OSD below a bucket; all of them together are 1."""
        weights: dict[int, int] = {}
        for entry in self._below(root):
            if entry["id"] >= 0:
                weights[entry["id"]] = int(entry["weight"])
        total = sum(weights.values())
        return {osd: weight / total if total else 0.0 for osd, weight in sorted(weights.items())}

    def get_osds_under(self, root_id: int) -> list[int]:
        """Return the OSDs below a bucket, in the order of the tree. Raises KeyError: no bucket."""
        osds: list[int] = []

        def walk(bucket: Mapping[str, Any]) -> None:
            for entry in bucket["items"]:
                if entry["id"] >= 0:
                    osds.append(entry["id"])
                elif entry["id"] in self._buckets:
                    walk(self._buckets[entry["id"]])

        walk(self._buckets[root_id])
        return osds

    def device_class_counts(self) -> dict[str | None, int]:
        """Return how many devices there are of each class; None: of devices without one."""
        return dict(Counter(device.get("class") for device in self._map["devices"]))

    # rules

    def get_rule(self, rule_name: str) -> dict[str, Any] | None:
        """Return a rule by its name; None if there is none."""
        return self._rule("rule_name", rule_name)

    def get_rule_by_id(self, rule_id: int) -> dict[str, Any] | None:
        """Return a rule by its number; None if there is none."""
        return self._rule("rule_id", rule_id)

    def get_rule_root(self, rule_name: str) -> int | None:
        """Return the bucket at which a rule begins; None if there is no rule, or it has none."""
        rule = self.get_rule(rule_name)
        if rule is None:
            return None
        takes = takes_of(rule)
        if not takes:
            _log.warning("CRUSH rule '%s' has no 'take' step", rule_name)
            return None
        return takes[0]

    # the compat weight-set, in a dump

    @staticmethod
    def have_default_choose_args(dump: Mapping[str, Any]) -> bool:
        """Return whether a dump() has the compat weight-set."""
        return CRUSHMap.DEFAULT_CHOOSE_ARGS in dump.get("choose_args", {})

    @staticmethod
    def get_default_choose_args(dump: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the compat weight-set of a dump(): an entry a bucket; [] if it has none."""
        found: list[dict[str, Any]] = dump["choose_args"].get(CRUSHMap.DEFAULT_CHOOSE_ARGS, [])
        return found

    def _rule(self, key: str, value: object) -> dict[str, Any] | None:
        found: Iterable[dict[str, Any]] = self._map["rules"]
        return next((rule for rule in found if rule[key] == value), None)

    def _in_order(self) -> list[Mapping[str, Any]]:
        return [self._buckets[number] for number in sorted(self._buckets, reverse=True)]

    def _below(self, root: int) -> Iterable[Mapping[str, Any]]:
        """Return all entries below a bucket, the higher ones first. Raises KeyError: no bucket."""
        if root not in self._buckets:
            raise KeyError(f"the CRUSH map has no bucket {root}")
        waiting = deque([root])
        while waiting:
            bucket = self._buckets.get(waiting.popleft())
            if bucket is not None:
                for entry in bucket["items"]:
                    yield entry
                    if entry["id"] < 0:
                        waiting.append(entry["id"])


def takes_of(rule: Mapping[str, Any]) -> list[int]:
    """Return the buckets at which a rule begins, in the order of its steps."""
    return [int(step["item"]) for step in rule["steps"] if step.get("op") == "take"]


def with_compat_weights(dump: Mapping[str, Any], weights: Mapping[int, float]) -> dict[str, Any]:
    """Return a CRUSH map whose compat weight-set gives devices other weights.

    Where it has none yet, that starts with the weights of the map. The weight of each bucket there
    is the sum of what it holds.
    """
    key = CRUSHMap.DEFAULT_CHOOSE_ARGS
    choose_args = dict(dump.get("choose_args", {}))
    present = {int(arg["bucket_id"]): arg for arg in choose_args.get(key, [])}
    buckets = {int(bucket["id"]): bucket for bucket in dump["buckets"]}
    sets: dict[int, list[float]] = {}
    for number, bucket in buckets.items():
        arg = present.get(number)
        if arg is not None and arg.get("weight_set"):
            sets[number] = list(arg["weight_set"][0])
        else:
            sets[number] = [int(entry["weight"]) / WEIGHT_ONE for entry in bucket["items"]]
    places: dict[int, list[tuple[int, int]]] = {}
    for number, bucket in buckets.items():
        for place, entry in enumerate(bucket["items"]):
            places.setdefault(int(entry["id"]), []).append((number, place))
    waiting = deque(weights.items())
    while waiting:
        item, weight = waiting.popleft()
        for number, place in places.get(item, ()):
            sets[number][place] = weight
            waiting.append((number, sum(sets[number])))
    choose_args[key] = [
        {"bucket_id": number, "weight_set": [sets[number]]}
        | ({"ids": present[number]["ids"]} if present.get(number, {}).get("ids") else {})
        for number in sorted(sets, reverse=True)
    ]
    return {**dump, "choose_args": choose_args}
