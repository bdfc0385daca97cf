"""The reference for the structures of each source: what record_structures.py has recorded, and
what is otherwise than in ceph-mgr, with the reasons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.ceph.shapes import Shape

if TYPE_CHECKING:
    from fixture import Manager

_SHAPES = Path(__file__).with_name("testdata") / "shapes.json"

# Structures of ceph-mgr that the manager does not have.
ABSENT = {
    "config_options": "the descriptions of some 1900 options: no command of Ceph gives them at"
    " once, and nothing but a page of settings needs them; `config help OPTION` describes one",
}

# Structures of the manager that ceph-mgr does not have.
OUR_OWN = {
    "mgr_metadata": "what get_metadata() of managers is read from",
    "mon_metadata": "what get_metadata() of monitors is read from",
    "osd_crush_map_text": "ceph-mgr's guide names it, and ceph-mgr does not know it",
    "osdmap_crush_map_text": "in ceph-mgr a binary map, cut off at its first byte, which is zero",
}


def recorded() -> dict[str, Shape]:
    """The shape of each structure; "device" is that of any "device <id>"."""
    shapes: dict[str, Shape] = json.loads(_SHAPES.read_text())
    return shapes


def structures(manager: Manager) -> set[str]:
    """The names of all structures that a manager has now."""
    return {entry["name"] for entry in json.loads(manager.check("structures", "-f", "json"))}
