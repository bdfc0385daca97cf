"""Ceph's own placement: where its osdmaptool says that placement groups are, or should be.

The tool is a program of Debian's package ceph-base. It gets the map in a file in a private
directory that is gone afterwards, no shell is involved, and it is killed when its time is over.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from outpost._errors import OutpostError
from outpost._work import time_left

_TOOL = "osdmaptool"
_TIME = 120.0  # seconds; a map of 10,000 OSDs takes some

_MAPPED = re.compile(
    r"(?P<group>\d+\.[0-9a-f]+)\s+raw \(\[(?P<raw>[-\d,]*)\], p(?P<raw_first>-?\d+)\)"
    r" up \(\[(?P<up>[-\d,]*)\], p(?P<up_first>-?\d+)\)"
    r" acting \(\[(?P<acting>[-\d,]*)\], p(?P<acting_first>-?\d+)\)"
)
_MOVE = re.compile(r"ceph osd pg-upmap-items (?P<group>\d+\.[0-9a-f]+)(?P<osds>(?: \d+ \d+)+)")
_UNDO = re.compile(r"ceph osd rm-pg-upmap-items (?P<group>\d+\.[0-9a-f]+)")


class PlacementError(OutpostError, RuntimeError):
    """Ceph's tool is not there, took too long, or did not like the map: the message says which."""


@dataclass(frozen=True)
class Placement:
    """Where a placement group is."""

    up: list[int]
    """The OSDs that are to have it."""
    up_primary: int
    """The first of them; -1: none."""
    acting: list[int]
    """The OSDs that have it at present."""
    acting_primary: int
    """The one of them that serves; -1: none."""


@dataclass
class Upmaps:
    """What would even out placement: exceptions to add, by group, and to take away."""

    new_items: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """From which OSD to which one, for each group."""
    old_items: list[str] = field(default_factory=list)


def map_pool(osd_map: bytes, pool: int) -> dict[str, Placement]:
    """Return where each placement group of a pool is, by its name. Raises PlacementError."""
    output = _run(osd_map, ["--test-map-pgs-dump-all", "--pool", str(pool)])
    return {found["group"]: _placement(found) for found in _MAPPED.finditer(output)}


def map_group(osd_map: bytes, group: str) -> Placement:
    """Return where one placement group is. Raises PlacementError."""
    output = _run(osd_map, ["--test-map-pg", group])
    found = _MAPPED.search(output)
    if found is None:
        raise PlacementError(f"{_TOOL} does not say where {group} is: {output.strip()}")
    return _placement(found)


def even_out(
    osd_map: bytes, *, max_deviation: int, max_changes: int, pools: Sequence[str]
) -> Upmaps:
    """Return at most `max_changes` exceptions that even out placement groups over OSDs.

    `max_deviation` is by how many groups an OSD may differ from its share; `pools` are names, none
    of them: all. Raises PlacementError.
    """
    result = Upmaps()
    if max_changes <= 0:
        return result
    limits = ["--upmap-deviation", str(max_deviation), "--upmap-max", str(max_changes)]
    names = [word for pool in pools for word in ("--upmap-pool", pool)]
    output = _run(osd_map, ["--upmap", "-", *limits, *names])
    for found in _MOVE.finditer(output):
        osds = [int(word) for word in found["osds"].split()]
        result.new_items[found["group"]] = list(zip(osds[::2], osds[1::2], strict=True))
    result.old_items.extend(found["group"] for found in _UNDO.finditer(output))
    return result


def _run(osd_map: bytes, arguments: Sequence[str]) -> str:
    limit = time_left(_TIME)
    with tempfile.TemporaryDirectory(prefix="outpost-osdmap-") as directory:
        path = Path(directory, "osdmap")
        path.write_bytes(osd_map)
        try:
            done = subprocess.run(
                [_TOOL, str(path), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd=directory,
                timeout=limit,
                env=_environment(directory),
            )
        except FileNotFoundError:
            raise PlacementError(
                f"placement is computed by Ceph's {_TOOL}, which is not installed here: install"
                " the package ceph-base (Debian's has it)"
            ) from None
        except OSError as error:
            raise PlacementError(f"Ceph's {_TOOL} can't be started: {error}") from error
        except subprocess.TimeoutExpired:
            raise PlacementError(
                f"Ceph's {_TOOL} was not done after {limit:.0f} s, and was ended"
            ) from None
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise PlacementError(
            f"Ceph's {_TOOL} failed, with status {done.returncode}: {words[0] if words else '-'}"
        )
    return done.stdout.decode("utf-8", "replace")


def _environment(directory: str) -> Mapping[str, str]:
    # no configuration of a cluster: the map alone says what there is
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": path, "HOME": directory, "CEPH_CONF": os.devnull}


def _placement(found: re.Match[str]) -> Placement:
    return Placement(
        up=_numbers(found["up"]),
        up_primary=int(found["up_first"]),
        acting=_numbers(found["acting"]),
        acting_primary=int(found["acting_first"]),
    )


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")] if text else []
