"""What the manager says of the structures that it has."""

from __future__ import annotations

from dataclasses import dataclass

from outpost.v1 import cluster_pb2


@dataclass(frozen=True)
class StructureInfo:
    """A structure that get() can return."""

    name: str
    version: int
    """Grows with every change, while the same manager process runs."""
    size: int
    """Of its JSON text, in bytes."""
    changed: float
    """When its content last changed, in seconds since the epoch."""
    confirmed: float
    """When its source last said that it is current."""


def structure_info(info: cluster_pb2.StructureInfo) -> StructureInfo:
    """Translate what the wire says of a structure."""
    return StructureInfo(
        name=info.name,
        version=info.version,
        size=info.size,
        changed=info.changed.ToNanoseconds() / 1e9,
        confirmed=info.confirmed.ToNanoseconds() / 1e9,
    )
