"""Has handlers with parameters of every kind, and some that go wrong."""

from __future__ import annotations

import enum
import threading
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from mgr_module import (
    CLICheckNonemptyFileInput,
    CLICommand,
    CLIReadCommand,
    CLIWriteCommand,
    HandleCommandResult,
    MgrModule,
)
from object_format import Responder
from outpost.argument_types import CephOsdName, CephPgid, CephSize, GoodChars, Range


class Colour(enum.Enum):
    """A choice."""

    red = "red"
    green = "green"


class Module(MgrModule):
    """See above."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._runs = 0
        self._lock = threading.Lock()

    @CLIReadCommand("take scalars")
    @Responder()
    def scalars(
        self,
        i: int,
        f: float,
        s: str,
        colour: Colour,
        word: Literal["a", "b"] = "a",
        percent: Annotated[int, Range(0, 100)] | None = None,
        *,
        label: Annotated[str, GoodChars("[a-z-]")] = "",
        force: bool = False,
    ) -> dict[str, str]:
        """Take one of each."""
        return {name: repr(value) for name, value in locals().items() if name != "self"}

    @CLIReadCommand("take several")
    @Responder()
    def several(
        self,
        pair: tuple[int, int],
        colours: Sequence[Colour],
        _end_positional_: int = 0,
        words: tuple[str, ...] = (),
    ) -> dict[str, str]:
        """Take several of each."""
        return {"pair": repr(pair), "colours": repr(colours), "words": repr(words)}

    @CLIReadCommand("take ceph")
    @Responder()
    def ceph(self, size: CephSize, osd: CephOsdName, pgid: CephPgid) -> list[Any]:
        """Take what Ceph has types for."""
        return [size, osd, pgid]

    @CLIReadCommand("read text")
    def text(self, inbuf: str | None = None) -> tuple[int, str, str]:
        """Read text."""
        return 0, repr(inbuf), ""

    @CLIReadCommand("read bytes")
    def raw(self, inbuf: bytes) -> tuple[int, bytes, str]:
        """Give back what is read."""
        return 0, inbuf, ""

    @CLIReadCommand("read poem")
    @CLICheckNonemptyFileInput(desc="a poem")
    def poem(self, inbuf: str) -> HandleCommandResult:
        """Read a poem."""
        return HandleCommandResult(stdout=inbuf)

    @CLICommand("give")
    def give(self, what: str) -> Any:
        """Give what must not be given."""
        return {
            "none": None,
            "str": "text",
            "two": (0, "text"),
            "bytes-stderr": (0, "", b"bytes"),
            "none-stdout": (0, None, ""),
            "int-stdout": (0, 5, ""),
            "str-retval": ("0", "", ""),
            "positive": (5, "out", "err"),
            "bytes": (0, b"\x00\xff", ""),
        }[what]

    @CLIWriteCommand("count", poll=True)
    def count(self) -> tuple[int, str, str]:
        """Count."""
        with self._lock:
            self._runs += 1
            return 0, str(self._runs), ""
