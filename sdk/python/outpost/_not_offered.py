"""What ceph-mgr gives its modules and this manager does not."""

from __future__ import annotations

from typing import Any, NoReturn


class NotOffered:
    """The part of MgrModule that only a module inside of ceph-mgr's process can have.

    Each raises NotImplementedError, which says why and what to do instead.
    """

    def get_context(self) -> Any:
        """Ceph's context of the manager's process: a module has none."""
        _refuse("get_context()", "make a context of your own where a library asks for one")

    def set_device_wear_level(self, devid: str, wear_level: float) -> None:
        """Tell how worn a device is."""
        _refuse("set_device_wear_level()", "keep it with set_store()")

    def add_osd_perf_query(self, query: dict[str, Any]) -> int | None:
        """Ask OSDs to count by client, pool, …."""
        _refuse("add_osd_perf_query()", _PERF)

    def remove_osd_perf_query(self, query_id: int) -> None:
        """End add_osd_perf_query()."""
        _refuse("remove_osd_perf_query()", _PERF)

    def get_osd_perf_counters(self, query_id: int) -> dict[str, Any] | None:
        """Return what add_osd_perf_query() has counted."""
        _refuse("get_osd_perf_counters()", _PERF)

    def add_mds_perf_query(self, query: dict[str, Any]) -> int | None:
        """Ask MDSs to count by client, rank, …."""
        _refuse("add_mds_perf_query()", _PERF)

    def remove_mds_perf_query(self, query_id: int) -> None:
        """End add_mds_perf_query()."""
        _refuse("remove_mds_perf_query()", _PERF)

    def reregister_mds_perf_queries(self) -> None:
        """Ask again for all of add_mds_perf_query()."""
        _refuse("reregister_mds_perf_queries()", _PERF)

    def get_mds_perf_counters(self, query_id: int) -> dict[str, Any] | None:
        """Return what add_mds_perf_query() has counted."""
        _refuse("get_mds_perf_counters()", _PERF)


_PERF = "read get_perf_schema() and get_counter()"


def _refuse(what: str, instead: str) -> NoReturn:
    raise NotImplementedError(
        f"{what} needs the inside of ceph-mgr's process, where this module does not run: {instead}"
    )
