"""Crash reports: what they must have, what they have in common, and those made of events."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from outpost import ModuleEvent

Report = dict[str, Any]
"""With ceph's keys: crash_id, timestamp, entity_name, process_name, backtrace, utsname_*, …"""

_LONGEST_ID = 256
_TEXTS = ("entity_name", "process_name", "utsname_hostname", "assert_msg")
# What ends with the address of a frame: "(main()+0x69) [0x55a0]".
_FRAME = re.compile(r"\((?P<function>.*?)(?:\+0x[0-9a-f]+)?\)(?: \[0x[0-9a-f]+\])?$", re.DOTALL)
_PYTHON_FRAME = re.compile(r'^ *File "(?P<file>[^"]*)", line \d+,? in (?P<function>.+)$')
_PYTHON_BEGINS = ("Traceback (most recent call last):", "Fatal Python error:")
_NAMESPACE = uuid.UUID("0f0f4b0e-9c3b-5b0e-8a62-6f7574706f73")


class MalformedReportError(ValueError):
    """What was posted is no crash report; the text says why."""


def parse_time(text: str) -> datetime:
    """Read a time of a report, which is UTC: 2026-11-22T06:28:37.123456Z, or with a blank for T.

    Raises ValueError.
    """
    time = datetime.fromisoformat(text.rstrip("Z"))
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError as error:  # a moment before the year 1, or after 9999
        raise ValueError(str(error)) from None


def time_text(time: datetime) -> str:
    """Write a time as reports have it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_report(text: str) -> Report:
    """Read a report that was posted. Raises MalformedReportError."""
    try:
        report = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise MalformedReportError(f"it is not JSON: {error}") from None
    if not isinstance(report, dict):
        raise MalformedReportError(f"it is no JSON object, but {_kind(report)}")
    for key in ("crash_id", "timestamp"):
        if key not in report:
            raise MalformedReportError(f'it has no "{key}"')
        if not isinstance(report[key], str) or not report[key]:
            raise MalformedReportError(f'"{key}" must be text, and not {_kind(report[key])}')
    crash_id = report["crash_id"]
    if len(crash_id) > _LONGEST_ID or not crash_id.isprintable():
        raise MalformedReportError(
            f'"crash_id" must have at most {_LONGEST_ID} characters, none of them a control one'
        )
    try:
        parse_time(report["timestamp"])
    except ValueError:
        raise MalformedReportError(
            f'"timestamp" must be as 2026-11-22T06:28:37.123456Z, not {report["timestamp"]!r}'
        ) from None
    for key in _TEXTS:
        if not isinstance(report.get(key, ""), str):
            raise MalformedReportError(f'"{key}" must be text, and not {_kind(report[key])}')
    backtrace = report.get("backtrace", [])
    if not isinstance(backtrace, list) or not all(isinstance(line, str) for line in backtrace):
        raise MalformedReportError('"backtrace" must be a list of text')
    if "backtrace" in report:
        report["stack_sig"] = signature(backtrace, report.get("assert_msg", ""))
    return report


def stored_report(crash_id: str, text: str) -> Report:
    """Read a report that was kept as `crash_id`: as it is. Raises MalformedReportError."""
    parse_report(text)
    report: Report = json.loads(text)
    if report["crash_id"] != crash_id:
        raise MalformedReportError(f'its "crash_id" is {report["crash_id"]!r}')
    return report


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON's")


def _kind(value: object) -> str:
    if value == "":
        return "empty"
    names = {dict: "an object", list: "a list", str: "text", bool: "a bool", type(None): "null"}
    return names.get(type(value), "a number")


def signature(backtrace: Sequence[str], assert_message: str = "") -> str:
    """Return what crashes have in common that came about in the same way.

    That is a hash of the functions, without addresses, files and lines, and of the assertion,
    without its thread and time.
    """
    digest = hashlib.sha256()
    for frame in backtrace:
        digest.update(_function(frame).encode())
        digest.update(b"\n")
    # ceph: "<file>: In function '…' thread 7f… time 2026-…\n<file>: 123: FAILED ceph_assert(…)\n"
    digest.update(re.sub(r" thread \S+ time \S+", "", assert_message).encode())
    return digest.hexdigest()


def _function(frame: str) -> str:
    python = _PYTHON_FRAME.match(frame.split("\n", 1)[0])
    if python:
        return python["function"]
    native = _FRAME.search(frame)
    return native["function"] if native else re.sub(r"0x[0-9a-f]+", "", frame)


def report_of_event(event: ModuleEvent, manager: str) -> Report:
    """Make a report of a module's end that nobody had asked for.

    `manager` is the manager's name. The same event makes the same crash_id.
    """
    time = time_text(datetime.fromtimestamp(event.time, UTC))
    name = f"{manager}/{event.module}/{event.sequence}/{time}"
    backtrace, exception = _python_backtrace(event.traceback.splitlines() or event.output)
    report: Report = {
        "crash_id": f"{time}_{uuid.uuid5(_NAMESPACE, name)}",
        "timestamp": time,
        "entity_name": f"mgr.{manager}",
        "process_name": f"outpost-module-{event.module}",
        "mgr_module": event.module,
        "mgr_module_caller": "serve" if event.traceback else "process",
        "mgr_module_version": event.version,
        "utsname_hostname": event.host or "unknown",
        "pid": event.pid,
        "reason": event.message,
        "backtrace": backtrace,
        "output": list(event.output),
        "stack_sig": signature([event.module, *backtrace], "" if backtrace else event.message),
    }
    if exception:
        report["mgr_python_exception"] = exception
    if event.exit_status is not None:
        report["exit_status"] = event.exit_status
    if event.exit_signal:
        report["exit_signal"] = event.exit_signal
    return report


def _python_backtrace(lines: Sequence[str]) -> tuple[list[str], str]:
    """Find the last backtrace of Python's in a text, and the exception's name."""
    begin = None
    for number, line in enumerate(lines):
        if line.startswith(_PYTHON_BEGINS):
            begin = number
    if begin is None:
        return [], ""
    found = list(lines[begin:])
    if lines[begin].startswith("Fatal"):
        return found, lines[begin].removeprefix("Fatal Python error:").strip()
    # the exception is on the first line behind the frames, which are indented
    end = next((n for n, line in enumerate(found[1:], 1) if not line.startswith(" ")), None)
    exception = "" if end is None else found[end].split(":", 1)[0].rsplit(".", 1)[-1]
    return found if end is None else found[: end + 1], exception
