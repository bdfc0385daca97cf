"""Keeps crash reports: of the cluster's daemons, which are posted, and of modules."""

from __future__ import annotations

import contextlib
import errno
import json
import queue
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from mgr_module import CLIReadCommand, CLIWriteCommand, HandleCommandResult, MgrModule, Option
from outpost import CallError, DetachedError, ModuleEvent
from outpost.argument_types import Range

from .crash_reports import (
    MalformedReportError,
    Report,
    parse_report,
    parse_time,
    report_of_event,
    stored_report,
    time_text,
)

_PREFIX = "crash/"
_HEARD = "heard"  # the sequence of the last event that was dealt with
_DAY = 24 * 60 * 60
_MOST_DETAILS = 30  # lines of a health check
_LONGEST_WAIT = 600.0
_RETRY = 1.0
_FOREVER = 1e9  # seconds; what is longer may be before the year 1
_AGES = (1, 3, 7)  # days, in `crash stat`


def _entity(report: Report) -> str:
    return str(report.get("entity_name", "unidentified daemon"))


def _crash_text(report: Report) -> str:
    """Return how the health tells of a crash."""
    who = _entity(report)
    where = f"on host {report.get('utsname_hostname', '(unknown)')} at {report['timestamp']}"
    if "mgr_module" in report:
        return f"mgr module {report['mgr_module']} crashed in daemon {who} {where}"
    return f"{who} crashed {where}"


def _days(name: str, days: int, desc: str) -> Option:
    return Option(name=name, type="secs", default=days * _DAY, min=0, desc=desc, runtime=True)


class Module(MgrModule):
    """See above.

    Reports are keys "crash/<id>"; what is in memory is what is stored.
    """

    MODULE_OPTIONS = [
        _days(
            "warn_recent_interval", 14, "for how long the health tells of a crash not archived yet"
        ),
        _days("retain_interval", 365, "for how long crash reports are kept"),
        Option(
            name="max_reports_per_module",
            type="uint",
            default=100,
            min=1,
            desc="how many reports of one module are kept; the oldest goes first",
            runtime=True,
        ),
    ]

    def __init__(self, module_name: str, *args: object) -> None:
        super().__init__(module_name, *args)
        self._lock = threading.Lock()
        self._reports: dict[str, Report] | None = None  # read when first needed
        self._wake: queue.SimpleQueue[ModuleEvent | None] = queue.SimpleQueue()
        self._stopping = threading.Event()

    def serve(self) -> None:
        """Report crashes of modules, and forget what is old."""
        event: ModuleEvent | None = None
        with self.watch_module_events(self._wake.put, after=int(self.get_store(_HEARD) or 0)):
            while not self._stopping.is_set():
                try:
                    if event is not None:
                        self._hear(event)
                        event = None
                    wait = self._look_after()
                except DetachedError:
                    return
                except CallError as error:  # the manager is away, or its disk is full
                    self.log.error("trying again in %g s: %s", _RETRY, error)
                    self._stopping.wait(_RETRY)
                    continue
                with contextlib.suppress(queue.Empty):
                    event = self._wake.get(timeout=wait)

    def shutdown(self) -> None:
        """Let serve() return."""
        self._stopping.set()
        self._wake.put(None)

    def config_notify(self) -> None:
        """Apply new intervals."""
        self._wake.put(None)

    # crashes of modules

    def _hear(self, event: ModuleEvent) -> None:
        if not event.crashed:
            return
        report = report_of_event(event, self.get_mgr_id())
        with self._lock:
            reports = self._load()
            own = sorted(
                r["crash_id"] for r in reports.values() if r.get("mgr_module") == event.module
            )
            most = int(self._option("max_reports_per_module"))
            gone = own[: max(0, len(own) + 1 - most)]
            changes: dict[str, str | bytes | None] = {_PREFIX + crash: None for crash in gone}
            changes[_PREFIX + report["crash_id"]] = json.dumps(report)
            changes[_HEARD] = str(event.sequence)
            self.update_store(changes)
            for crash in gone:
                del reports[crash]
            reports[report["crash_id"]] = report
        self.log.warning("module %s crashed: %s", event.module, event.message)

    # what is kept

    def _option(self, name: str) -> Any:
        return self.get_module_option(name)

    def _load(self) -> dict[str, Report]:
        if self._reports is None:
            found = {}
            for key, text in self.get_store_prefix(_PREFIX).items():
                crash_id = key.removeprefix(_PREFIX)
                try:
                    found[crash_id] = stored_report(crash_id, text)
                except MalformedReportError as error:
                    self.log.error("the key %s holds no crash report: %s", key, error)
            self._reports = found
        return self._reports

    def _remove(self, crash_ids: list[str]) -> None:
        if not crash_ids:
            return
        reports = self._load()
        self.update_store({_PREFIX + crash: None for crash in crash_ids})
        for crash in crash_ids:
            del reports[crash]

    def _prune(self, keep: float) -> None:
        last = datetime.now(UTC) - timedelta(seconds=min(keep, _FOREVER))
        self._remove(
            [c for c, report in self._load().items() if parse_time(report["timestamp"]) <= last]
        )

    def _archive(self, crash_ids: list[str]) -> None:
        reports = self._load()
        stamp = time_text(datetime.now(UTC))
        archived = {
            crash: {**reports[crash], "archived": stamp}
            for crash in crash_ids
            if "archived" not in reports[crash]
        }
        if archived:
            self.update_store({_PREFIX + c: json.dumps(r) for c, r in archived.items()})
            reports.update(archived)

    # health

    def _tell_health(self) -> None:
        interval = min(float(self._option("warn_recent_interval")), _FOREVER)
        since = datetime.now(UTC) - timedelta(seconds=interval)
        recent = [
            report
            for report in self._load().values()
            if "archived" not in report and parse_time(report["timestamp"]) > since
        ]
        recent.sort(key=lambda report: str(report["timestamp"]))
        checks = {}
        for code, what, crashes in (
            ("RECENT_CRASH", "daemons", [r for r in recent if "mgr_module" not in r]),
            ("RECENT_MGR_MODULE_CRASH", "mgr modules", [r for r in recent if "mgr_module" in r]),
        ):
            if not crashes:
                continue
            detail = [_crash_text(report) for report in crashes[:_MOST_DETAILS]]
            if len(crashes) > _MOST_DETAILS:
                detail.append(f"and {len(crashes) - _MOST_DETAILS} more")
            checks[code] = {
                "severity": "warning",
                "summary": f"{len(crashes)} {what} have recently crashed",
                "count": len(crashes),
                "detail": detail,
            }
        self.set_health_checks(checks)

    def _look_after(self) -> float:
        """Forget what is old, tell the health; returns how long that holds, in seconds."""
        with self._lock:
            self._prune(float(self._option("retain_interval")))
            self._tell_health()
            now = datetime.now(UTC)
            waits = [_LONGEST_WAIT]
            for name in ("warn_recent_interval", "retain_interval"):
                interval = float(self._option(name))
                for report in self._load().values():
                    left = interval - (now - parse_time(report["timestamp"])).total_seconds()
                    if left > 0:
                        waits.append(left + 0.01)
            return min(waits)

    # commands

    def _changed(self, change: Callable[[], None]) -> HandleCommandResult:
        with self._lock:
            change()
            self._tell_health()
        self._wake.put(None)  # there is another time to wait for
        return HandleCommandResult()

    def _not_found(self, crash_id: str) -> HandleCommandResult:
        return HandleCommandResult(
            -errno.EINVAL,
            stderr=f"crash {crash_id} not found; `crash ls` lists those that there are",
        )

    def _list(self, reports: list[Report], format: str | None) -> HandleCommandResult:  # noqa: A002
        reports.sort(key=lambda report: str(report["crash_id"]))
        if format in ("json", "json-pretty"):
            indent = 4 if format == "json-pretty" else None
            return HandleCommandResult(stdout=json.dumps(reports, indent=indent, sort_keys=True))
        if format not in (None, "", "plain"):
            return HandleCommandResult(
                -errno.EINVAL, stderr=f"format {format} is none of plain, json, json-pretty"
            )
        rows = [("ID", "ENTITY", "NEW")]
        for report in reports:
            entity = _entity(report)
            if "mgr_module" in report:
                entity += f" module {report['mgr_module']}"
            rows.append((report["crash_id"], entity, "" if "archived" in report else "*"))
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        lines = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c}".rstrip() for a, b, c in rows]
        return HandleCommandResult(stdout="\n".join(lines))

    @CLIReadCommand("crash ls")
    def ls(self, *, format: str | None = None) -> HandleCommandResult:  # noqa: A002
        """Show new and archived crash reports"""
        with self._lock:
            return self._list(list(self._load().values()), format)

    @CLIReadCommand("crash ls-new")
    def ls_new(self, *, format: str | None = None) -> HandleCommandResult:  # noqa: A002
        """Show new crash reports"""
        with self._lock:
            return self._list([r for r in self._load().values() if "archived" not in r], format)

    @CLIReadCommand("crash info")
    def info(self, id: str) -> HandleCommandResult:  # noqa: A002
        """Show a crash report"""
        with self._lock:
            report = self._load().get(id)
        if report is None:
            return self._not_found(id)
        return HandleCommandResult(stdout=json.dumps(report, indent=4, sort_keys=True))

    @CLIWriteCommand("crash post")
    def post(self, inbuf: str | None = None) -> HandleCommandResult:
        """Add a crash report (-i FILE, in ceph's JSON format)"""
        if not inbuf:
            return HandleCommandResult(
                -errno.EINVAL, stderr="crash post: of what? -i FILE is the report"
            )
        try:
            report = parse_report(inbuf)
        except MalformedReportError as error:
            return HandleCommandResult(-errno.EINVAL, stderr=f"malformed crash metadata: {error}")
        report.pop("archived", None)

        def add() -> None:
            reports = self._load()
            if report["crash_id"] not in reports:
                self.set_store(_PREFIX + report["crash_id"], json.dumps(report))
                reports[report["crash_id"]] = report

        return self._changed(add)

    @CLIWriteCommand("crash rm")
    def rm(self, id: str) -> HandleCommandResult:  # noqa: A002
        """Remove a crash report"""
        return self._changed(lambda: self._remove([id] if id in self._load() else []))

    @CLIWriteCommand("crash prune")
    def prune(self, keep: Annotated[int, Range(0)]) -> HandleCommandResult:
        """Remove crash reports older than <keep> days"""
        return self._changed(lambda: self._prune(keep * _DAY))

    @CLIWriteCommand("crash archive")
    def archive(self, id: str) -> HandleCommandResult:  # noqa: A002
        """Acknowledge a crash, so that the health does not tell of it any more"""
        with self._lock:
            known = id in self._load()
        return self._changed(lambda: self._archive([id])) if known else self._not_found(id)

    @CLIWriteCommand("crash archive-all")
    def archive_all(self) -> HandleCommandResult:
        """Acknowledge all crashes, so that the health does not tell of them any more"""
        return self._changed(lambda: self._archive(list(self._load())))

    @CLIReadCommand("crash stat")
    def stat(self) -> HandleCommandResult:
        """Summarize the crash reports by age"""
        now = datetime.now(UTC)
        with self._lock:
            ages = {
                crash: now - parse_time(report["timestamp"])
                for crash, report in sorted(self._load().items())
            }
        lines = [f"{len(ages)} crashes recorded"]
        for days in _AGES:
            older = [crash for crash, age in ages.items() if age >= timedelta(days=days)]
            if older:
                lines += [f"{len(older)} older than {days} days old:", *older]
        return HandleCommandResult(stdout="\n".join(lines))

    @CLIReadCommand("crash json_report")
    def json_report(self, hours: Annotated[int, Range(0)]) -> HandleCommandResult:
        """Count the crashes of the last <hours> hours by process, as JSON"""
        since = datetime.now(UTC) - timedelta(hours=min(hours, 10**6))
        with self._lock:
            counts = Counter(
                str(report.get("process_name") or "unknown")
                for report in self._load().values()
                if parse_time(report["timestamp"]) > since
            )
        return HandleCommandResult(stdout=json.dumps(counts, sort_keys=True))

    def self_test(self) -> None:
        """Check that times are read as they are written."""
        for text in ("2018-06-22T20:35:38.058818Z", "2018-06-22 20:35:38.058818Z"):
            if time_text(parse_time(text)) != "2018-06-22T20:35:38.058818Z":
                raise RuntimeError(f"{text} is not read as it is written")
