"""How far the cluster is with moving data, as its placement groups tell it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PlacementGroup:
    """What one placement group reports."""

    up: tuple[int, ...]
    """The OSDs that it is to be on."""
    clean: bool
    """It is there, whole, and answers."""
    epoch: int
    """Of the OSD map that it knew when it reported."""
    size: int
    """In bytes."""
    recovered: int
    """Bytes, since ever."""


PlacementGroups = Mapping[str, PlacementGroup]
"""By their ids ("1.2a")."""


def read_placement_groups(pg_stats: Mapping[str, Any]) -> dict[str, PlacementGroup]:
    """Read the structure pg_stats."""
    return {
        pg["pgid"]: PlacementGroup(
            up=tuple(pg["up"]),
            clean=is_clean(pg["state"]),
            epoch=pg["reported_epoch"],
            size=pg["stat_sum"]["num_bytes"],
            recovered=pg["stat_sum"]["num_bytes_recovered"],
        )
        for pg in pg_stats["pg_stats"]
    }


def is_clean(state: str) -> bool:
    """Whether "active+clean", and whatever else, is the state of a whole placement group."""
    return {"active", "clean"} <= set(state.split("+"))


def clean_share(states: Mapping[str, int]) -> float:
    """Return how many of the placement groups are clean: 0 to 1; there are `states` of each."""
    total = sum(states.values())
    clean = sum(count for state, count in states.items() if is_clean(state))
    return clean / total if total else 1.0


@dataclass(frozen=True)
class Mark:
    """An OSD was marked in or out."""

    osd: int
    how: str
    """"in" or "out"."""


def marks(before: Mapping[int, bool], after: Mapping[int, bool]) -> list[Mark]:
    """Compare who was in with who is; OSDs that are new or gone were not marked."""
    return [
        Mark(osd, "in" if is_in else "out")
        for osd, is_in in sorted(after.items())
        if osd in before and before[osd] != is_in
    ]


def moved_by(
    mark: Mark, others: Iterable[Mark], before: PlacementGroups, after: PlacementGroups
) -> set[str]:
    """Return the placement groups that are to be elsewhere because of a mark.

    Those are the ones with its OSD before or after; and, as an OSD that was down already had none,
    those that none of the marks explains.
    """
    osds = {mark.osd, *(other.osd for other in others)}
    moved = set()
    for name, pg in after.items():
        old = before.get(name)
        if old is None or old.up == pg.up:
            continue
        involved = {*old.up, *pg.up}
        if mark.osd in involved or not osds & involved:
            moved.add(name)
    return moved


@dataclass
class Rebalancing:
    """The work that a mark makes: it is done when all placement groups that it moved are clean."""

    mark: Mark
    epoch: int
    """The OSD map that has the mark: what is reported of older ones says nothing."""
    moving: dict[str, int] = field(default_factory=dict)
    """What is not done, and how much had been recovered of each before."""
    done: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        """Unlike that of any other."""
        return f"osd.{self.mark.osd} {self.mark.how} {self.epoch}"

    @property
    def message(self) -> str:
        """What is done, in a line."""
        return f"Rebalancing after osd.{self.mark.osd} marked {self.mark.how}"

    def add(self, names: Iterable[str], pgs: PlacementGroups) -> None:
        """Watch over these, too."""
        for name in names:
            if name not in self.done:
                self.moving.setdefault(name, pgs[name].recovered)

    def update(self, pgs: PlacementGroups) -> float:
        """Look how far it is: 0 to 1. A placement group that is gone is done."""
        share = 0.0
        for name, recovered_before in list(self.moving.items()):
            pg = pgs.get(name)
            if pg is None or (pg.clean and pg.epoch >= self.epoch):
                del self.moving[name]
                self.done.add(name)
            elif pg.size > 0 and pg.epoch >= self.epoch:
                # what clients write meanwhile can make it more than all
                share += min(max((pg.recovered - recovered_before) / pg.size, 0.0), 0.99)
        total = len(self.done) + len(self.moving)
        return (len(self.done) + share) / total if total else 0.0
