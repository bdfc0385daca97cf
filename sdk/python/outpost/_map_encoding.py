"""Ceph's binary forms of the OSD map and the CRUSH map, from what their JSON has.

That is for Ceph's own tools, which do the placement, and has what placement depends on: no
addresses, no snapshots, no statistics. The structures are of the oldest version that has all of
that, as each later release reads older ones. The formats are Ceph's src/osd/OSDMap.cc,
src/osd/osd_types.cc and src/crush/CrushWrapper.cc.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

WEIGHT_ONE = 0x10000
"""A weight of 1, in Ceph's fixed-point numbers."""

_Item = TypeVar("_Item")

_CRUSH_MAGIC = 0x00010000
_ALGORITHMS = {"uniform": 1, "list": 2, "tree": 3, "straw2": 5}
_STEPS = {
    "noop": 0,
    "take": 1,
    "choose_firstn": 2,
    "choose_indep": 3,
    "emit": 4,
    "chooseleaf_firstn": 6,
    "chooseleaf_indep": 7,
    "set_choose_tries": 8,
    "set_chooseleaf_tries": 9,
    "set_choose_local_tries": 10,
    "set_choose_local_fallback_tries": 11,
    "set_chooseleaf_vary_r": 12,
    "set_chooseleaf_stable": 13,
}
_OSD_EXISTS, _OSD_UP = 1, 2
_RELEASES = (
    *("unknown", "argonaut", "bobtail", "cuttlefish", "dumpling", "emperor", "firefly", "giant"),
    *("hammer", "infernalis", "jewel", "kraken", "luminous", "mimic", "nautilus", "octopus"),
    *("pacific", "quincy", "reef", "squid", "tentacle"),
)
_NO_ADDRESSES = b"\x02" + struct.pack("<I", 0)
_NO_TIME = bytes(8)


class EncodingError(ValueError):
    """A map has something that can't be written: the message says what."""


def fixed_point(weight: float) -> int:
    """Return a weight as Ceph keeps it."""
    return round(weight * WEIGHT_ONE)


def encode_osd_map(dump: Mapping[str, Any], crush: bytes) -> bytes:
    """Encode an OSD map, as get("osd_map") has it, with a CRUSH map. Raises EncodingError."""
    try:
        return _versioned(7, 7, _client_data(dump, crush) + _osd_data(dump))
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise EncodingError(f"the OSD map can't be written for Ceph's tools: {error!r}") from error


def encode_crush_map(dump: Mapping[str, Any]) -> bytes:
    """Encode a CRUSH map, as get("osd_map_crush") has it. Raises EncodingError."""
    try:
        return b"".join(_crush_parts(dump))
    except EncodingError:
        raise
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise EncodingError(
            f"the CRUSH map can't be written for Ceph's tools: {error!r}"
        ) from error


# the OSD map


def _client_data(dump: Mapping[str, Any], crush: bytes) -> bytes:
    osds = {int(osd["osd"]): osd for osd in dump["osds"]}
    count = max([int(dump["max_osd"]), *(osd + 1 for osd in osds)])
    states = [0] * count
    weights = [0] * count
    affinities = [WEIGHT_ONE] * count
    for number, osd in osds.items():
        states[number] = _OSD_EXISTS | (_OSD_UP if osd["up"] else 0)
        weights[number] = fixed_point(osd["weight"])
        affinities[number] = fixed_point(osd.get("primary_affinity", 1.0))
    if all(affinity == WEIGHT_ONE for affinity in affinities):
        affinities = []
    fsid = str(dump.get("fsid") or uuid.UUID(int=0))
    pools = sorted(dump["pools"], key=lambda pool: int(pool["pool"]))
    parts = [
        uuid.UUID(fsid).bytes,
        struct.pack("<I", int(dump["epoch"])),
        _NO_TIME,  # created
        _NO_TIME,  # modified
        _map(pools, lambda pool: struct.pack("<q", int(pool["pool"])) + _pool(pool)),
        _map(pools, lambda pool: struct.pack("<q", int(pool["pool"])) + _text(pool["pool_name"])),
        struct.pack("<i", int(dump.get("pool_max", max([0, *(int(p["pool"]) for p in pools)])))),
        struct.pack("<I", int(dump.get("flags_num", 0))),
        struct.pack("<i", count),
        _numbers("I", states),
        _numbers("I", weights),
        _list([_NO_ADDRESSES] * count),
        _map(
            _by_group(dump.get("pg_temp", ())),
            lambda entry: _group(entry["pgid"]) + _numbers("i", entry["osds"]),
        ),
        _map(
            _by_group(_pairs_of_primary_temp(dump.get("primary_temp", ()))),
            lambda entry: _group(entry["pgid"]) + struct.pack("<i", int(entry["osd"])),
        ),
        _numbers("I", affinities),
        struct.pack("<I", len(crush)) + crush,
        _profiles(dump.get("erasure_code_profiles", {})),
        _map(
            _by_group(dump.get("pg_upmap", ())),
            lambda entry: _group(entry["pgid"]) + _numbers("i", entry["osds"]),
        ),
        _map(
            _by_group(dump.get("pg_upmap_items", ())),
            lambda entry: (
                _group(entry["pgid"])
                + _list(
                    [struct.pack("<ii", int(m["from"]), int(m["to"])) for m in entry["mappings"]]
                )
            ),
        ),
        struct.pack("<I", int(dump.get("crush_version", 1))),
    ]
    return _versioned(6, 1, b"".join(parts))


def _osd_data(dump: Mapping[str, Any]) -> bytes:
    count = max([int(dump["max_osd"]), *(int(osd["osd"]) + 1 for osd in dump["osds"])])
    no_addresses = _list([_NO_ADDRESSES] * count)
    parts = [
        no_addresses,  # heartbeats, behind
        _list([b"\x01" + bytes(24)] * count),  # osd_info_t
        struct.pack("<I", 0),  # blocklist
        no_addresses,  # cluster
        struct.pack("<I", 0),  # epoch of the cluster's snapshot
        _text(""),  # its name
        _list([bytes(16)] * count),  # UUIDs
        _list([_versioned(2, 1, bytes(24))] * count),  # osd_xinfo_t
        no_addresses,  # heartbeats, in front
        struct.pack(
            "<fff",
            dump.get("nearfull_ratio", 0),
            dump.get("full_ratio", 0),
            dump.get("backfillfull_ratio", 0),
        ),
        bytes(
            [
                _release(dump.get("require_min_compat_client", "unknown")),
                _release(dump.get("require_osd_release", "unknown")),
            ]
        ),
    ]
    return _versioned(5, 1, b"".join(parts))


def _pool(pool: Mapping[str, Any]) -> bytes:
    pg_num = int(pool["pg_num"])
    return _versioned(
        7,
        5,
        struct.pack(
            "<BBBB4I",
            int(pool["type"]),
            int(pool["size"]),
            int(pool["crush_rule"]),
            int(pool.get("object_hash", 2)),
            pg_num,
            int(pool.get("pg_placement_num", pg_num)),
            0,  # numbers of what there is no more: groups that are local to an OSD
            0,
        )
        + struct.pack("<IQIIIQQI", 0, 0, 0, 0, 0, 0, int(pool.get("flags", 1)), 0)
        + struct.pack("<B", int(pool["min_size"])),
    )


def _profiles(profiles: Mapping[str, Mapping[str, Any]]) -> bytes:
    return _map(
        sorted(profiles.items()),
        lambda profile: (
            _text(profile[0])
            + _map(sorted(profile[1].items()), lambda entry: _text(entry[0]) + _text(str(entry[1])))
        ),
    )


def group_of(name: str) -> tuple[int, int]:
    """Return the pool of a placement group, and its number there: "2.1f" is (2, 31)."""
    pool, _, seed = name.partition(".")
    return int(pool), int(seed, 16)


def _group(name: str) -> bytes:
    return struct.pack("<BqIi", 1, *group_of(name), -1)


def _by_group(entries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(entries, key=lambda entry: group_of(entry["pgid"]))


def _pairs_of_primary_temp(entries: Iterable[Any]) -> list[Mapping[str, Any]]:
    # Ceph writes a list of pgid, osd, pgid, osd, … where its formatter keeps no objects apart
    found = list(entries)
    if all(isinstance(entry, Mapping) for entry in found):
        return found
    return [{"pgid": group, "osd": osd} for group, osd in zip(found[::2], found[1::2], strict=True)]


def _release(name: str) -> int:
    return _RELEASES.index(name) if name in _RELEASES else 0


# the CRUSH map


def _crush_parts(dump: Mapping[str, Any]) -> Iterable[bytes]:
    buckets = {int(bucket["id"]): bucket for bucket in dump["buckets"]}
    rules = {int(rule["rule_id"]): rule for rule in dump["rules"]}
    types = {int(kind["type_id"]): str(kind["name"]) for kind in dump["types"]}
    devices = {int(device["id"]): device for device in dump["devices"]}
    classes = sorted({device["class"] for device in devices.values() if device.get("class")})
    class_ids = {name: number for number, name in enumerate(classes)}
    items = (int(item["id"]) for bucket in buckets.values() for item in bucket["items"])
    last_device = max([-1, *devices, *items])
    slots = max([0, *(-bucket for bucket in buckets)])
    yield struct.pack(
        "<IIIi", _CRUSH_MAGIC, slots, max([0, *(n + 1 for n in rules)]), last_device + 1
    )
    for slot in range(slots):
        bucket = buckets.get(-1 - slot)
        yield struct.pack("<I", 0) if bucket is None else _bucket(bucket)
    type_ids = {name: number for number, name in types.items()}
    for number in range(max([0, *(n + 1 for n in rules)])):
        yield struct.pack("<I", 0) if number not in rules else _rule(rules[number], type_ids)
    yield _names(types)
    names = {number: str(device["name"]) for number, device in devices.items()}
    names.update((number, str(bucket["name"])) for number, bucket in buckets.items())
    yield _names(names)
    yield _names({number: str(rule["rule_name"]) for number, rule in rules.items()})
    yield _tunables(dump.get("tunables", {}))
    yield _map(
        sorted((n, class_ids[d["class"]]) for n, d in devices.items() if d.get("class")),
        lambda pair: struct.pack("<ii", *pair),
    )
    yield _names({number: name for name, number in class_ids.items()})
    yield _shadows(buckets, class_ids)
    yield _choose_args(dump.get("choose_args", {}))


def _bucket(bucket: Mapping[str, Any]) -> bytes:
    try:
        algorithm = _ALGORITHMS[bucket["alg"]]
    except KeyError:
        raise EncodingError(
            f"CRUSH bucket {bucket.get('name', bucket['id'])} is of the algorithm"
            f" {bucket['alg']!r}, whose numbers its JSON does not have:"
            " `ceph osd crush set-all-straw-buckets-to-straw2` changes such"
        ) from None
    items = bucket["items"]
    weights = [int(item["weight"]) for item in items]
    head = struct.pack(
        "<IiHBBII",
        algorithm,
        int(bucket["id"]),
        int(bucket["type_id"]),
        algorithm,
        0,  # the hash: there is but rjenkins1
        int(bucket["weight"]),
        len(items),
    ) + _packed("i", [int(item["id"]) for item in items])
    match bucket["alg"]:
        case "uniform":
            return head + struct.pack("<I", weights[0] if weights else 0)
        case "list":
            sums = [sum(weights[: place + 1]) for place in range(len(weights))]
            return head + b"".join(
                struct.pack("<II", weight, total)
                for weight, total in zip(weights, sums, strict=True)
            )
        case "tree":
            nodes = _tree_nodes(weights)
            return head + struct.pack("<B", len(nodes)) + _packed("I", nodes)
    return head + _packed("I", weights)


def _tree_nodes(weights: Sequence[int]) -> list[int]:
    """Return the weights of the nodes of a tree bucket: a binary tree, in order."""
    if not weights:
        return []
    depth = 1 + (len(weights) - 1).bit_length()
    nodes = [0] * (1 << depth)
    for place, weight in enumerate(weights):
        node = ((place + 1) << 1) - 1
        nodes[node] = weight
        for height in range(depth - 1):
            on_the_right = node & (1 << (height + 1))
            node += -(1 << height) if on_the_right else 1 << height
            nodes[node] += weight
    return nodes


def _rule(rule: Mapping[str, Any], type_ids: Mapping[str, int]) -> bytes:
    steps = [_step(step, type_ids) for step in rule["steps"]]
    number = int(rule["rule_id"])
    limits = (
        number,
        int(rule["type"]),
        int(rule.get("min_size", 1)),
        int(rule.get("max_size", 100)),
    )
    return struct.pack("<II4B", 1, len(steps), *limits) + b"".join(steps)


def _step(step: Mapping[str, Any], type_ids: Mapping[str, int]) -> bytes:
    if "opcode" in step:
        numbers = (int(step["opcode"]), int(step["arg1"]), int(step["arg2"]))
    elif step["op"] == "take":
        numbers = (_STEPS["take"], int(step["item"]), 0)
    else:
        kind = step.get("type")
        numbers = (_STEPS[step["op"]], int(step.get("num", 0)), type_ids[kind] if kind else 0)
    return struct.pack("<Iii", *numbers)


def _tunables(tunables: Mapping[str, Any]) -> bytes:
    return struct.pack(
        "<IIIIBBIB",
        int(tunables.get("choose_local_tries", 0)),
        int(tunables.get("choose_local_fallback_tries", 0)),
        int(tunables.get("choose_total_tries", 50)),
        int(tunables.get("chooseleaf_descend_once", 1)),
        int(tunables.get("chooseleaf_vary_r", 1)),
        int(tunables.get("straw_calc_version", 1)),
        int(tunables.get("allowed_bucket_algs", 54)),
        int(tunables.get("chooseleaf_stable", 1)),
    )


def _shadows(buckets: Mapping[int, Mapping[str, Any]], class_ids: Mapping[str, int]) -> bytes:
    """Encode which bucket has which one beside it for each class of devices."""
    by_name = {str(bucket["name"]): number for number, bucket in buckets.items()}
    shadows: dict[int, dict[int, int]] = {}
    for name, number in by_name.items():
        base, tilde, device_class = name.partition("~")
        if tilde and base in by_name and device_class in class_ids:
            shadows.setdefault(by_name[base], {})[class_ids[device_class]] = number
    return _map(
        sorted(shadows.items()),
        lambda entry: (
            struct.pack("<i", entry[0])
            + _map(sorted(entry[1].items()), lambda pair: struct.pack("<ii", *pair))
        ),
    )


def _choose_args(choose_args: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    def encode(entry: tuple[int, Sequence[Mapping[str, Any]]]) -> bytes:
        ordered = sorted(entry[1], key=lambda arg: -int(arg["bucket_id"]))
        return struct.pack("<q", entry[0]) + _map(ordered, _choose_arg)

    return _map(sorted((int(key), args) for key, args in choose_args.items()), encode)


def _choose_arg(arg: Mapping[str, Any]) -> bytes:
    positions = arg.get("weight_set", [])
    return (
        struct.pack("<I", -1 - int(arg["bucket_id"]))
        + _list([_numbers("I", [fixed_point(weight) for weight in w]) for w in positions])
        + _numbers("i", arg.get("ids", []))
    )


# Ceph's building blocks


def _versioned(version: int, compatible: int, content: bytes) -> bytes:
    return struct.pack("<BBI", version, compatible, len(content)) + content


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return struct.pack("<I", len(data)) + data


def _packed(kind: str, numbers: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}{kind}", *numbers)


def _numbers(kind: str, numbers: Sequence[int]) -> bytes:
    return struct.pack("<I", len(numbers)) + _packed(kind, numbers)


def _list(encoded: Sequence[bytes]) -> bytes:
    return struct.pack("<I", len(encoded)) + b"".join(encoded)


def _map(entries: Sequence[_Item], encode: Callable[[_Item], bytes]) -> bytes:
    return _list([encode(entry) for entry in entries])


def _names(names: Mapping[int, str]) -> bytes:
    return _map(sorted(names.items()), lambda entry: struct.pack("<i", entry[0]) + _text(entry[1]))
