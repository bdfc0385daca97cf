"""Metric families, as prometheus_client has them, put together sample by sample."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from outpost import Latencies
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    Sample,
)

_TO_UNDERSCORE = re.compile(r"::|[./\s]")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_:]")


def ceph_name(path: str) -> str:
    """Return the name that ceph-mgr's exporter has for a counter: osd.op_w is ceph_osd_op_w."""
    name = _TO_UNDERSCORE.sub("_", path).replace("+", "_plus")
    if name.endswith("-"):
        name = f"{name[:-1]}_minus"
    return _NOT_IN_NAMES.sub("_", f"ceph_{name}".replace("-", "_"))


class Families:
    """What is exported, in the order in which it was first named."""

    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}

    def collect(self) -> Iterator[Metric]:
        """Return all of them: so this is something that prometheus_client can write down."""
        return iter(self._families.values())

    def merge(self, others: Iterable[Metric]) -> None:
        """Take other families, too, but those of a name that is there already."""
        for family in others:
            self._families.setdefault(family.name, family)

    def ceph(
        self, name: str, help_text: str, value: float, labels: Mapping[str, object] | None = None
    ) -> None:
        """Add a sample of a family that users of ceph-mgr's exporter know, named as there.

        The type of all of these is "untyped": counters among them have names without "_total",
        which no type but this one may have in every format that Prometheus understands.
        """
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = Metric(name, help_text, "untyped")
        family.samples.append(_sample(name, labels or {}, value))

    def gauge(
        self, name: str, help_text: str, value: float, labels: Mapping[str, object] | None = None
    ) -> None:
        """Add a sample of a gauge."""
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = GaugeMetricFamily(name, help_text)
        family.samples.append(_sample(name, labels or {}, value))

    def counter(
        self, name: str, help_text: str, value: float, labels: Mapping[str, object] | None = None
    ) -> None:
        """Add a sample of a counter, whose `name` has no "_total"; its sample gets that."""
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = CounterMetricFamily(name, help_text)
        family.samples.append(_sample(f"{name}_total", labels or {}, value))

    def histogram(
        self,
        name: str,
        help_text: str,
        latencies: Latencies,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Add a histogram of seconds."""
        labels = labels or {}
        family = self._families.get(name)
        if family is None:
            family = HistogramMetricFamily(name, help_text, labels=tuple(labels))
            self._families[name] = family
        assert isinstance(family, HistogramMetricFamily)
        family.add_metric(
            tuple(labels.values()), _cumulative(latencies.buckets), latencies.sum_seconds
        )


def _sample(name: str, labels: Mapping[str, object], value: float) -> Sample:
    return Sample(name, {label: str(text) for label, text in labels.items()}, value)


def _cumulative(buckets: Sequence[tuple[float, int]]) -> list[tuple[str, int]]:
    result = []
    so_far = 0
    for bound, count in buckets:
        so_far += count
        result.append(("+Inf" if bound == float("inf") else str(bound), so_far))
    return result or [("+Inf", 0)]
