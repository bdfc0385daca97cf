#!/usr/bin/python3
"""Counts the tests of one `bazel test`: prints how many passed and how many did not.

usage: count_tests.py EVENTS STATUS, where EVENTS is what --build_event_json_file wrote and STATUS
is Bazel's exit status. A test that could not be built, or was never run, did not pass.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

_NO_TESTS = 4  # Bazel's exit status when there was nothing to test


def count(events: Path, status: int) -> tuple[int, int]:
    """Return how many tests passed, and how many did not."""
    results = {}
    for line in events.read_text().splitlines():
        event = json.loads(line)
        # A target that is a test is announced with its size before it is built.
        if "targetConfigured" in event["id"] and event.get("configured", {}).get("testSize"):
            results.setdefault(event["id"]["targetConfigured"]["label"], "NO_STATUS")
        elif "testSummary" in event["id"]:
            label = event["id"]["testSummary"]["label"]
            results[label] = event["testSummary"]["overallStatus"]
    passed = sum(result in ("PASSED", "FLAKY") for result in results.values())
    failed = len(results) - passed
    if status not in (0, _NO_TESTS) and failed == 0:
        failed = 1  # something that is no test could not be built
    return passed, failed


if __name__ == "__main__":
    print(*count(Path(sys.argv[1]), int(sys.argv[2])))
