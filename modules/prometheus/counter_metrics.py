"""The performance counters of daemons, as ceph-mgr's exporter names and labels them.

What a counter is called and how its value is to be read is worked out once, and again when a
daemon has other counters: with thousands of daemons, the values alone are much already.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from outpost import LatestValue, MgrModule
from prometheus_client.core import Metric, Sample

from .families import ceph_name


class Counters(Protocol):
    """What is asked of MgrModule."""

    def get_perf_schema(self, svc_type: str, svc_name: str) -> dict[str, dict[str, dict[str, Any]]]:
        """Describe the counters of daemons."""

    def get_latest_counters(
        self, svc_type: str = "", svc_name: str = "", *, prio_limit: int = 0
    ) -> Iterable[LatestValue]:
        """Return the newest value of each counter."""

    def _perfpath_to_path_labels(
        self, daemon: str, path: str
    ) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """Return a metric's name, and the names and values of its labels."""


@dataclass(frozen=True)
class _Exported:
    """What becomes of a counter of a daemon."""

    name: str
    labels: dict[str, str]
    average: bool


class CounterMetrics:
    """Thread safety: every method may be called on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, _Exported | None]] | None = None
        self._forgotten = 0  # times
        self._help: dict[str, str] = {}

    def forget(self) -> None:
        """Daemons have other counters than before."""
        with self._lock:
            self._known = None
            self._forgotten += 1

    def collect(self, source: Counters) -> Iterator[Metric]:
        """Return a family for each counter, of all daemons that have it."""
        with self._lock:
            known, help_texts = self._known, self._help
        if known is None:
            known, help_texts = self._learn(source)
        samples: defaultdict[str, list[Sample]] = defaultdict(list)
        for counter in source.get_latest_counters(prio_limit=MgrModule.PRIO_USEFUL):
            exported = known.get(counter.daemon, {}).get(counter.path)
            if exported is None:
                continue
            name = exported.name
            if exported.average:
                sums, counts = f"{name}_sum", f"{name}_count"
                samples[sums].append(Sample(sums, exported.labels, counter.value))
                samples[counts].append(Sample(counts, exported.labels, counter.summed))
            else:
                samples[name].append(Sample(name, exported.labels, counter.value))
        for name, of in sorted(samples.items()):
            family = Metric(name, help_texts[name], "untyped")
            family.samples = of
            yield family

    def _learn(
        self, source: Counters
    ) -> tuple[dict[str, dict[str, _Exported | None]], dict[str, str]]:
        known: dict[str, dict[str, _Exported | None]] = {}
        help_texts: dict[str, str] = {}
        with self._lock:
            forgotten = self._forgotten
        for daemon, counters in source.get_perf_schema("", "").items():
            known[daemon] = {}
            labels_of: dict[tuple[str, ...], dict[str, str]] = {}  # one for all that are equal
            taken: set[tuple[str, tuple[str, ...]]] = set()
            for path, schema in counters.items():
                kind = schema["type"]
                short, names, values = source._perfpath_to_path_labels(daemon, path)
                name = ceph_name(short)
                # histograms have a long-running average beside them; two paths that differ only
                # in characters that names can't have would be one metric twice
                if kind & MgrModule.PERFCOUNTER_HISTOGRAM or (name, values) in taken:
                    continue
                taken.add((name, values))
                average = bool(kind & MgrModule.PERFCOUNTER_LONGRUNAVG)
                known[daemon][path] = _Exported(
                    name,
                    labels_of.setdefault(values, dict(zip(names, values, strict=True))),
                    average,
                )
                text = schema["description"]
                if average:
                    help_texts.setdefault(f"{name}_sum", f"{text} Total")
                    help_texts.setdefault(f"{name}_count", f"{text} Count")
                else:
                    help_texts.setdefault(name, text)
        with self._lock:
            if forgotten == self._forgotten:  # else it is of before a change
                self._known, self._help = known, help_texts
        return known, help_texts
