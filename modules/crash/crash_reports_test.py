"""Tests of what crash reports must have, and of those made of events, without a manager."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from crash_reports import (
    MalformedReportError,
    parse_report,
    parse_time,
    report_of_event,
    signature,
    stored_report,
)
from outpost import ModuleEvent

_TIME = "2026-11-22T06:28:37.123456Z"
_PYTHON = """\
Traceback (most recent call last):
  File "/usr/lib/outpost/python/outpost/_runner.py", line 80, in _serve
    self._module.serve()
  File "module.py", line 12, in serve
    raise wormholes.LostError("no way home")
wormholes.LostError: no way home
"""


def event(**changes: Any) -> ModuleEvent:
    """A module's end."""
    fields: dict[str, Any] = {
        "sequence": 7,
        "time": parse_time(_TIME).timestamp(),
        "module": "gravity",
        "kind": "exited",
        "state": "running",
        "message": "signal 11 (Segmentation fault)",
        "by": "",
        "pid": 42,
        "crashed": True,
        "exit_status": 0,
        "exit_signal": 11,
        "output": (),
        "traceback": "",
        "version": "1.2",
        "host": "host1",
        "missed": 0,
    }
    return ModuleEvent(**{**fields, **changes})


def test_times_are_utc() -> None:
    expected = datetime(2026, 11, 22, 6, 28, 37, 123456, UTC)
    for text in (
        _TIME,
        _TIME.replace("T", " "),
        _TIME.rstrip("Z"),
        "2026-11-22T08:28:37.123456+02:00",
    ):
        assert parse_time(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100000, "not JSON"),
        ('{"crash_id": NaN}', "NaN"),
        ("[]", "no JSON object, but a list"),
        ('"x"', "no JSON object, but text"),
        ("{}", 'no "crash_id"'),
        ('{"crash_id": "x"}', 'no "timestamp"'),
        ('{"crash_id": 1, "timestamp": "x"}', '"crash_id" must be text, and not a number'),
        ('{"crash_id": "", "timestamp": "x"}', '"crash_id" must be text, and not empty'),
        ('{"crash_id": "a\\nb", "timestamp": "x"}', "control"),
        ('{"crash_id": "%s", "timestamp": "x"}' % ("a" * 257), "256"),
        ('{"crash_id": "x", "timestamp": "yesterday"}', "'yesterday'"),
        ('{"crash_id": "x", "timestamp": "0001-01-01T00:00:00+01:00"}', "must be as"),
        (f'{{"crash_id": "x", "timestamp": "{_TIME}", "backtrace": "f()"}}', "list of text"),
        (f'{{"crash_id": "x", "timestamp": "{_TIME}", "backtrace": [1]}}', "list of text"),
        (f'{{"crash_id": "x", "timestamp": "{_TIME}", "entity_name": []}}', '"entity_name"'),
        (f'{{"crash_id": "x", "timestamp": "{_TIME}", "assert_msg": null}}', "null"),
    ],
)
def test_what_is_no_report_is_refused(text: str, why: str) -> None:
    with pytest.raises(MalformedReportError) as refused:
        parse_report(text)
    assert why in str(refused.value)


def test_a_report_keeps_what_it_has() -> None:
    posted = {"crash_id": "x", "timestamp": _TIME, "utsname_machine": "x86_64", "else": [1, {}]}
    assert parse_report(json.dumps(posted)) == posted


def test_what_was_stored_is_read_as_it_is_and_where_it_belongs() -> None:
    report = report_of_event(event(traceback=_PYTHON), "x")
    text = json.dumps(report)
    assert stored_report(report["crash_id"], text) == report
    for crash_id, other in (("y", text), ("x", "{}"), ("x", "no JSON")):
        with pytest.raises(MalformedReportError):
            stored_report(crash_id, other)


def test_crashes_of_one_kind_have_one_signature() -> None:
    frames = [
        "(main()+0x69) [0x5581]",
        "/lib/libc.so.6(__libc_start_main+0xf3) [0x7f01]",
        "_start()",
    ]
    moved = [
        "(main()+0x70) [0x6681]",
        "/lib/libc.so.6(__libc_start_main+0xf9) [0x7f99]",
        "_start()",
    ]
    other = ["(other()+0x69) [0x5581]", *frames[1:]]
    assert signature(frames) == signature(moved) != signature(other)
    message = "a.cc: In function 'f()' thread {} time {}\na.cc: 12: FAILED ceph_assert(x)\n"
    first, then = message.format("7f01", "2026-01-01"), message.format("7f99", "2026-02-02")
    assert signature(frames, first) == signature(frames, then) != signature(frames)
    python = [
        '  File "/a/m.py", line 1, in serve\n    x()',
        '  File "/b/m.py", line 9, in serve\n    x()',
    ]
    assert signature([python[0]]) == signature([python[1]])


def test_a_signal_is_reported() -> None:
    report = report_of_event(event(), "x")
    assert report["crash_id"].startswith(_TIME + "_")
    assert report["timestamp"] == _TIME
    assert (report["entity_name"], report["mgr_module"]) == ("mgr.x", "gravity")
    assert (report["exit_signal"], report["reason"]) == (11, "signal 11 (Segmentation fault)")
    assert report["utsname_hostname"] == "host1"
    assert report["mgr_module_version"] == "1.2"
    assert report == report_of_event(event(), "x")
    assert report["crash_id"] != report_of_event(event(sequence=8), "x")["crash_id"]
    assert parse_report(json.dumps(report))["crash_id"] == report["crash_id"]


def test_an_exception_is_reported_with_its_traceback() -> None:
    told = report_of_event(event(traceback=_PYTHON, exit_signal=15), "x")
    assert told["mgr_python_exception"] == "LostError"
    assert told["mgr_module_caller"] == "serve"
    assert told["backtrace"] == _PYTHON.splitlines()
    written = report_of_event(
        event(output=("starting", *_PYTHON.splitlines(), "bye"), exit_signal=0, exit_status=1), "x"
    )
    assert written["backtrace"] == told["backtrace"]
    assert written["exit_status"] == 1
    assert written["mgr_module_caller"] == "process"


def test_a_fatal_signal_of_pythons_is_reported_with_its_stack() -> None:
    output = (
        "Fatal Python error: Segmentation fault",
        "",
        "Current thread 0x7f (most recent call first):",
    )
    report = report_of_event(
        event(output=("noise", *output, '  File "m.py", line 3 in serve')), "x"
    )
    assert report["mgr_python_exception"] == "Segmentation fault"
    assert report["backtrace"][-1] == '  File "m.py", line 3 in serve'


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q", "-p", "no:cacheprovider"]))
