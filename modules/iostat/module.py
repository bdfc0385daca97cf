"""Shows how fast the cluster's clients read and write."""

from __future__ import annotations

import errno
import json
from dataclasses import asdict, dataclass
from typing import Any

from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule

_TITLES = ("Read", "Write", "Total", "Read IOPS", "Write IOPS", "Total IOPS")
_NARROWEST = 6 * 3  # a column needs two separators and a character


@dataclass(frozen=True)
class Rates:
    """What clients do, a second."""

    read_bytes: int
    write_bytes: int
    total_bytes: int
    read_ops: int
    write_ops: int
    total_ops: int


def rates(io_rate: dict[str, Any]) -> Rates:
    """Work out the rates from the change of the placement groups' statistics."""
    delta = io_rate["pg_stats_delta"]
    seconds = float(delta["stamp_delta"])
    total = delta["stat_sum"]

    def a_second(key: str) -> int:
        return int(total[key] / seconds) if seconds > 0 else 0

    read, write = a_second("num_read_kb") * 1024, a_second("num_write_kb") * 1024
    read_ops, write_ops = a_second("num_read"), a_second("num_write")
    return Rates(read, write, read + write, read_ops, write_ops, read_ops + write_ops)


class Module(MgrModule):
    """Shows I/O rates."""

    @CLIReadCommand("iostat", poll=True)
    def iostat(
        self,
        width: int = 80,
        print_header: bool = False,
        *,
        format: str | None = None,  # noqa: A002
    ) -> HandleCommandResult:
        """Get IO rates"""
        io_rate = self.get("io_rate")
        if not io_rate:
            return HandleCommandResult(
                -errno.EAGAIN, stderr="iostat: the cluster has not reported any I/O rates yet"
            )
        now = rates(io_rate)
        if format in ("json", "json-pretty"):
            return HandleCommandResult(
                stdout=json.dumps(asdict(now), indent=4 if format == "json-pretty" else None)
            )
        if format not in (None, "", "plain"):
            return HandleCommandResult(
                -errno.EINVAL, stderr=f"iostat: format {format} is none of plain, json, json-pretty"
            )
        if width < _NARROWEST:
            return HandleCommandResult(
                -errno.EINVAL, stderr=f"iostat: width {width} is less than {_NARROWEST}"
            )
        row = [
            *(
                f"{self.to_pretty_iec(n)}B/s"
                for n in (now.read_bytes, now.write_bytes, now.total_bytes)
            ),
            *(str(n) for n in (now.read_ops, now.write_ops, now.total_ops)),
        ]
        header = self.get_pretty_header(_TITLES, width) if print_header else ""
        return HandleCommandResult(stdout=header + self.get_pretty_row(row, width))

    def self_test(self) -> None:
        """Check that the rates can be worked out."""
        rates(self.get("io_rate"))
