"""Shows how far the cluster is with moving data, when OSDs are marked out or in and when not all
placement groups are whole."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from mgr_module import CLIWriteCommand, HandleCommandResult, MgrModule, Option
from outpost import CallError, DetachedError

from .recovery import (
    PlacementGroup,
    Rebalancing,
    clean_share,
    marks,
    moved_by,
    read_placement_groups,
)

_GLOBAL = "global recovery"
_SETTLE_ROUNDS = 3  # how many times placement groups are looked at until all have moved


class Module(MgrModule):
    """See above.

    The events go to the manager, whose commands `progress`, `progress json` and `progress clear`
    show those of all modules.
    """

    MODULE_OPTIONS = [
        Option(name="enabled", type="bool", default=True, desc="follow the cluster", runtime=True),
        Option(
            name="sleep_interval",
            type="secs",
            default=5,
            min=1,
            desc="how often the cluster is looked at",
            runtime=True,
        ),
        Option(
            name="allow_pg_recovery_event",
            type="bool",
            default=True,
            desc="show an event for each OSD that is marked out or in; it costs reading all"
            " placement groups meanwhile",
            runtime=True,
        ),
    ]

    def __init__(self, module_name: str, *args: object) -> None:
        super().__init__(module_name, *args)
        self._wake = threading.Event()
        self._stopping = False
        # for serve() only
        self._epoch = 0
        self._in: dict[int, bool] = {}
        self._before: dict[str, PlacementGroup] = {}  # where they were before what goes on
        self._settling = 0  # rounds
        self._rebalancings: list[Rebalancing] = []
        self._shows_global = False
        # for calls of other modules
        self._lock = threading.Lock()
        self._messages: dict[str, tuple[str, bool]] = {}

    def serve(self) -> None:
        """Follow the cluster."""
        self._forget()
        while not self._stopping:
            self._wake.clear()
            try:
                if self.get_module_option("enabled"):
                    self._look()
                elif self._epoch:
                    self._forget()
            except DetachedError:
                return
            except CallError as error:  # the manager is away
                self.log.warning("trying again later: %s", error)
            self._wake.wait(float(self.get_module_option("sleep_interval")))  # type: ignore[arg-type]

    def shutdown(self) -> None:
        """Let serve() return."""
        self._stopping = True
        self._wake.set()

    def config_notify(self) -> None:
        """Apply new options."""
        self._wake.set()

    # the cluster

    def _forget(self) -> None:
        self._epoch, self._in, self._before, self._settling = 0, {}, {}, 0
        self._rebalancings, self._shows_global = [], False
        self.clear_all_progress_events()

    def _look(self) -> None:
        osd_map = self.get("osd_map")
        if osd_map:
            self._follow_marks(osd_map)
        if summary := self.get("pg_summary"):
            self._follow_all(clean_share(summary["all"]))

    def _follow_marks(self, osd_map: dict[str, Any]) -> None:
        wanted = self.get_module_option("allow_pg_recovery_event")
        epoch = osd_map["epoch"]
        found = []
        if epoch != self._epoch:
            is_in = {osd["osd"]: bool(osd["in"]) for osd in osd_map["osds"]}
            if not self._epoch:
                self.log.info("follows the cluster from OSD map %d on", epoch)
            elif wanted:
                found = marks(self._in, is_in)
            self._epoch, self._in = epoch, is_in
            self._settling = _SETTLE_ROUNDS
        for mark in found:
            self.log.info("osd.%d was marked %s", mark.osd, mark.how)
            for event in [e for e in self._rebalancings if e.mark.osd == mark.osd]:
                self._end(event)  # it is to move back
            self._rebalancings.append(Rebalancing(mark, epoch))
        if not wanted:
            for event in list(self._rebalancings):
                self._end(event)
            return
        if self._settling or self._rebalancings:
            self._follow_placement_groups(read_placement_groups(self.get("pg_stats")))

    def _follow_placement_groups(self, now: dict[str, PlacementGroup]) -> None:
        all_marks = [event.mark for event in self._rebalancings]
        for event in list(self._rebalancings):
            if self._settling:
                others = [mark for mark in all_marks if mark != event.mark]
                event.add(moved_by(event.mark, others, self._before, now), now)
            progress = event.update(now)
            if event.moving:
                self.update_progress_event(event.id, event.message, progress, False)
            elif event.done or not self._settling:
                self._end(event)
        self._settling = max(0, self._settling - 1)
        if not self._rebalancings:
            self._before = now

    def _end(self, event: Rebalancing) -> None:
        self._rebalancings.remove(event)
        self.complete_progress_event(event.id)

    def _follow_all(self, share: float) -> None:
        if share < 1.0:
            self._shows_global = True
            self.update_progress_event(_GLOBAL, "Global Recovery Event", share, True)
        elif self._shows_global:
            self._shows_global = False
            self.complete_progress_event(_GLOBAL)

    # commands

    @CLIWriteCommand("progress on")
    def on(self) -> HandleCommandResult:
        """Follow the cluster's progress"""
        return self._switch(True)

    @CLIWriteCommand("progress off")
    def off(self) -> HandleCommandResult:
        """Do not follow the cluster's progress, and forget what is shown of it"""
        return self._switch(False)

    def _switch(self, enabled: bool) -> HandleCommandResult:
        word = "enabled" if enabled else "disabled"
        if self.get_module_option("enabled") == enabled:
            return HandleCommandResult(stderr=f"progress is already {word}")
        self.set_module_option("enabled", enabled)
        self._wake.set()
        return HandleCommandResult(stderr=f"progress {word}")

    # for other modules: ceph-mgr's call these, by remote()

    def update(
        self,
        ev_id: str,
        ev_msg: str,
        ev_progress: float,
        refs: Sequence[Any] | None = None,
        add_to_ceph_s: bool = False,
    ) -> None:
        """Show how far a caller's work is: 0 to 1."""
        if self.get_module_option("enabled"):
            with self._lock:
                self._messages[ev_id] = (ev_msg, add_to_ceph_s)
            self.update_progress_event(ev_id, ev_msg, ev_progress, add_to_ceph_s)

    def complete(self, ev_id: str) -> None:
        """End a caller's work."""
        with self._lock:
            self._messages.pop(ev_id, None)
        self.complete_progress_event(ev_id)

    def fail(self, ev_id: str, message: str) -> None:
        """End a caller's work, which failed; `message` says how."""
        with self._lock:
            told, in_status = self._messages.pop(ev_id, (ev_id, False))
        self.update_progress_event(ev_id, f"{told}: failed: {message}", 1.0, in_status)
        self.complete_progress_event(ev_id)

    def self_test(self) -> None:
        """Check that the cluster's structures can be read."""
        read_placement_groups(self.get("pg_stats"))
        clean_share(self.get("pg_summary")["all"])
