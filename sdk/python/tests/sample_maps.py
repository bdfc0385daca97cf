"""Maps for tests: six OSDs on three hosts, of two device classes, with three pools."""

from __future__ import annotations

from typing import Any

ONE = 0x10000


def crush_map() -> dict[str, Any]:
    def bucket(number: int, name: str, kind: str, items: list[tuple[int, int]]) -> dict[str, Any]:
        return {
            "id": number,
            "name": name,
            "type_id": {"host": 1, "root": 11}[kind],
            "type_name": kind,
            "weight": sum(weight for _, weight in items),
            "alg": "straw2",
            "hash": "rjenkins1",
            "items": [
                {"id": item, "weight": weight, "pos": place}
                for place, (item, weight) in enumerate(items)
            ],
        }

    hosts = [
        bucket(-2 - host, f"host{host}", "host", [(host, ONE), (host + 3, 2 * ONE)])
        for host in range(3)
    ]
    shadows = [
        bucket(-6 - host, f"host{host}~ssd", "host", [(host + 3, 2 * ONE)]) for host in range(3)
    ]
    return {
        "devices": [
            {"id": osd, "name": f"osd.{osd}", "class": "hdd" if osd < 3 else "ssd"}
            for osd in range(6)
        ],
        "types": [
            {"type_id": 0, "name": "osd"},
            {"type_id": 1, "name": "host"},
            {"type_id": 11, "name": "root"},
        ],
        "buckets": [
            bucket(-1, "default", "root", [(-2 - host, 3 * ONE) for host in range(3)]),
            *hosts,
            bucket(-5, "default~ssd", "root", [(-6 - host, 2 * ONE) for host in range(3)]),
            *shadows,
        ],
        "rules": [
            rule(0, "replicated_rule", -1, "default", "chooseleaf_firstn", "host"),
            rule(1, "fast", -5, "default~ssd", "chooseleaf_firstn", "host"),
            rule(2, "wide", -1, "default", "choose_indep", "osd", kind=3),
            {**rule(4, "headless", 0, "", "", ""), "steps": [{"op": "emit"}]},
        ],
        "tunables": {
            "choose_local_tries": 0,
            "choose_local_fallback_tries": 0,
            "choose_total_tries": 50,
            "chooseleaf_descend_once": 1,
            "chooseleaf_vary_r": 1,
            "chooseleaf_stable": 1,
            "straw_calc_version": 1,
            "allowed_bucket_algs": 54,
        },
        "choose_args": {},
    }


def rule(
    number: int, name: str, take: int, take_name: str, choose: str, of: str, kind: int = 1
) -> dict[str, Any]:
    return {
        "rule_id": number,
        "rule_name": name,
        "ruleset": number,
        "type": kind,
        "min_size": 1,
        "max_size": 10,
        "steps": [
            {"op": "take", "item": take, "item_name": take_name},
            {"op": choose, "num": 0, "type": of},
            {"op": "emit"},
        ],
    }


def osd_map() -> dict[str, Any]:
    def pool(number: int, name: str, **more: Any) -> dict[str, Any]:
        return {
            "pool": number,
            "pool_name": name,
            "flags": 1,
            "type": 1,
            "size": 3,
            "min_size": 2,
            "crush_rule": 0,
            "object_hash": 2,
            "pg_num": 32,
            "pg_placement_num": 32,
            "erasure_code_profile": "",
            **more,
        }

    return {
        "epoch": 41,
        "fsid": "5a0d8bd5-6b5b-4fae-a1f5-2b8e8e2a8a32",
        "flags_num": 0x588000,
        "crush_version": 7,
        "full_ratio": 0.95,
        "backfillfull_ratio": 0.9,
        "nearfull_ratio": 0.85,
        "pool_max": 12,
        "max_osd": 6,
        "require_min_compat_client": "luminous",
        "require_osd_release": "pacific",
        "pools": [
            pool(1, "data"),
            pool(2, "quick", crush_rule=1, size=2, pg_num=8, pg_placement_num=4),
            pool(12, "cold", type=3, crush_rule=2, size=5, min_size=4, erasure_code_profile="ec"),
        ],
        "osds": [
            {"osd": osd, "up": 1, "in": 1, "weight": 1.0, "primary_affinity": 1.0}
            for osd in range(6)
        ],
        "pg_upmap": [],
        "pg_upmap_items": [],
        "pg_temp": [],
        "primary_temp": [],
        "erasure_code_profiles": {
            "ec": {"k": "3", "m": "2", "plugin": "jerasure"},
            "odd": {"plugin": "lrc"},
        },
    }
