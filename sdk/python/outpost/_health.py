"""Health checks, as a module writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outpost.v1 import types_pb2

HealthCheck = Mapping[str, Any]
"""{"severity": "warning" | "error", "summary": str, "count": int, "detail": [str]}"""

HealthChecks = Mapping[str, HealthCheck]
"""A check by its code."""

_SEVERITIES = {"warning": types_pb2.SEVERITY_WARNING, "error": types_pb2.SEVERITY_ERROR}
_KEYS = ("severity", "summary", "count", "detail")


def describe_checks(checks: HealthChecks) -> list[types_pb2.HealthCheck]:
    """Turn a module's checks into what the manager takes.

    Raises ValueError, which names the check and the key.
    """
    if not isinstance(checks, Mapping):
        raise ValueError(f"health checks must be a dict by code, not {type(checks).__name__}")
    return [_describe(code, check) for code, check in checks.items()]


def _describe(code: str, check: Mapping[str, Any]) -> types_pb2.HealthCheck:
    def wrong(what: str) -> ValueError:
        return ValueError(f"health check {code}: {what}")

    if not isinstance(code, str) or not code:
        raise wrong("its code must be text, e.g. OSD_DOWN")
    if not isinstance(check, Mapping):
        raise wrong(f"it must be a dict, not {type(check).__name__}")
    for key in check:
        if key not in _KEYS:
            raise wrong(f"unknown key {key!r} (known: {', '.join(_KEYS)})")
    severity, summary = check.get("severity"), check.get("summary")
    count, detail = check.get("count", 0), check.get("detail", [])
    if severity not in _SEVERITIES:
        raise wrong(f'severity {severity!r} is neither "warning" nor "error"')
    if not isinstance(summary, str):
        raise wrong(f"summary must be text, not {type(summary).__name__}")
    if not isinstance(count, int) or isinstance(count, bool):
        raise wrong(f"count must be an int, not {type(count).__name__}")
    if isinstance(detail, str) or not all(isinstance(line, str) for line in detail):
        raise wrong("detail must be a list of text")
    return types_pb2.HealthCheck(
        code=code, severity=_SEVERITIES[severity], summary=summary, count=count, detail=detail
    )
