"""What annotations of a command's parameters can say, beyond a Python type.

    from typing import Annotated
    from outpost.argument_types import CephPoolname, CephSize, GoodChars, Range

    @CLIWriteCommand("cache resize")
    def resize(
        self,
        pool: CephPoolname,
        size: CephSize,                                    # "4K" is 4096
        copies: Annotated[int, Range(1, 5)] = 3,
        label: Annotated[str, GoodChars("[a-z0-9-]")] = "",
    ) -> HandleCommandResult: ...

The manager checks arguments by them before the module sees the command. To a type checker, and to
the handler, CephSize and CephOsdName are ints, the others text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

__all__ = [
    "ArgumentType",
    "CephEntityAddr",
    "CephFilepath",
    "CephFragment",
    "CephIPAddr",
    "CephName",
    "CephObjectname",
    "CephOsdName",
    "CephPgid",
    "CephPoolname",
    "CephSize",
    "CephSocketpath",
    "CephUUID",
    "GoodChars",
    "Range",
]


@dataclass(frozen=True)
class ArgumentType:
    """Which of the types of Ceph's grammar an argument has: ArgumentType("CephPgid")."""

    name: str


@dataclass(frozen=True)
class Range:
    """The least, and if you like the greatest, value of an int or a float."""

    min: float
    max: float | None = None

    def __str__(self) -> str:
        """As in a signature: "0|10"."""
        return f"{self.min}" if self.max is None else f"{self.min}|{self.max}"


@dataclass(frozen=True)
class GoodChars:
    """The characters that a text may have, as a class of regular expressions: "[A-Za-z0-9-.]"."""

    characters: str


CephEntityAddr = Annotated[str, ArgumentType("CephEntityAddr")]
"""A daemon's address: "v2:10.0.0.1:3300/0"."""
CephFilepath = Annotated[str, ArgumentType("CephFilepath")]
"""The path of a file, on the caller's machine."""
CephFragment = Annotated[str, ArgumentType("CephFragment")]
"""A fragment of a directory: "0x3/2"."""
CephIPAddr = Annotated[str, ArgumentType("CephIPAddr")]
"""An address, and if need be a port: "10.0.0.1:80", "[::1]:80"."""
CephName = Annotated[str, ArgumentType("CephName")]
"""A daemon or client: "osd.0", "client.admin"."""
CephObjectname = Annotated[str, ArgumentType("CephObjectname")]
"""The name of an object."""
CephOsdName = Annotated[int, ArgumentType("CephOsdName")]
"""An OSD's number; the caller may write "osd.0"."""
CephPgid = Annotated[str, ArgumentType("CephPgid")]
"""A placement group: "1.2f"."""
CephPoolname = Annotated[str, ArgumentType("CephPoolname")]
"""The name of a pool."""
CephSize = Annotated[int, ArgumentType("CephSize")]
"""A number of bytes; the caller may write "4K", "1Gi"."""
CephSocketpath = Annotated[str, ArgumentType("CephSocketpath")]
"""The path of a Unix socket."""
CephUUID = Annotated[str, ArgumentType("CephUUID")]
"""A UUID."""
