"""Tests of how far the cluster is, without a cluster."""

import sys
from typing import Any

import pytest
from recovery import (
    Mark,
    PlacementGroup,
    Rebalancing,
    clean_share,
    is_clean,
    marks,
    moved_by,
    read_placement_groups,
)


def pg(*up: int, **changes: Any) -> PlacementGroup:
    """A placement group of 100 bytes."""
    fields: dict[str, Any] = {"clean": True, "epoch": 5, "size": 100, "recovered": 0}
    return PlacementGroup(up=up, **{**fields, **changes})


def test_reads_what_ceph_tells() -> None:
    stats = {
        "pgid": "1.a",
        "up": [2, 0],
        "state": "active+undersized+degraded",
        "reported_epoch": 7,
        "stat_sum": {"num_bytes": 10, "num_bytes_recovered": 3},
    }
    assert read_placement_groups({"pg_stats": [stats]}) == {
        "1.a": PlacementGroup((2, 0), False, 7, 10, 3)
    }


def test_what_is_clean() -> None:
    assert is_clean("active+clean") and is_clean("active+clean+scrubbing+deep")
    assert not is_clean("active+remapped") and not is_clean("clean")
    assert clean_share({"active+clean": 3, "active+degraded": 1}) == 0.75
    assert clean_share({}) == 1.0


def test_marks_are_of_osds_that_were_there_and_are() -> None:
    before = {0: True, 1: True, 2: False, 3: True}
    after = {0: True, 1: False, 2: True, 4: True}
    assert marks(before, after) == [Mark(1, "out"), Mark(2, "in")]


def test_what_a_mark_has_moved() -> None:
    out, other = Mark(1, "out"), Mark(3, "in")
    before = {"a": pg(0, 1), "b": pg(0, 2), "c": pg(2, 0), "d": pg(1, 2), "e": pg(0, 2)}
    after = {"a": pg(0, 2), "b": pg(0, 2), "c": pg(2, 3), "d": pg(1, 2), "e": pg(0, 4), "f": pg(1)}
    assert moved_by(out, [other], before, after) == {"a", "e"}
    assert moved_by(other, [out], before, after) == {"c", "e"}
    assert moved_by(out, [], before, after) == {"a", "c", "e"}


def test_it_is_done_when_all_are_clean_again() -> None:
    event = Rebalancing(Mark(1, "out"), epoch=6)
    assert event.message == "Rebalancing after osd.1 marked out"
    now = {"a": pg(0, epoch=5), "b": pg(0, clean=False, epoch=6, recovered=1000)}
    event.add(["a", "b"], now)
    assert event.update(now) == 0  # what was reported before says nothing
    now = {"a": pg(0, epoch=6), "b": pg(0, clean=False, epoch=6, recovered=1050)}
    assert event.update(now) == 0.75
    now["b"] = pg(0, clean=False, epoch=6, recovered=9999)
    assert 0.99 < event.update(now) < 1
    now["b"] = pg(0, epoch=7)
    assert event.update(now) == 1 and not event.moving
    event.add(["a"], now)
    assert not event.moving  # done is done


def test_what_is_gone_is_done_and_what_is_empty_is_all_or_nothing() -> None:
    event = Rebalancing(Mark(1, "in"), epoch=6)
    now = {"gone": pg(0), "empty": pg(0, clean=False, epoch=6, size=0)}
    event.add(now, now)
    assert event.update({"empty": now["empty"]}) == 0.5
    assert Rebalancing(Mark(1, "in"), epoch=6).update({}) == 0


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q", "-p", "no:cacheprovider"]))
