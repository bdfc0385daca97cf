"""Collects everything that is exported, part by part, and writes it down for Prometheus."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from outpost import (
    CallTimeoutError,
    DetachedError,
    ManagerUnavailableError,
    MgrModule,
    NotSupportedError,
    ServerInfo,
)
from prometheus_client import generate_latest

from . import cluster_metrics, manager_metrics
from .counter_metrics import CounterMetrics
from .families import Families


class _Reading:
    """The cluster, as one collection reads it: hosts once, and no structure that there is not."""

    def __init__(self, module: MgrModule) -> None:
        self._module = module
        self._names = {structure.name for structure in module.list_structures()}
        self._servers = functools.cache(module.list_servers)
        self.release_name = module.release_name

    def get(self, data_name: str) -> Any:
        return self._module.get(data_name) if data_name in self._names else None

    def list_servers(self) -> list[ServerInfo]:
        return self._servers()

    def get_daemon_health_metrics(self) -> dict[str, list[dict[str, Any]]]:
        return self._module.get_daemon_health_metrics()


class Collection:
    """Thread safety: every method may be called on any thread, collect() on one at a time."""

    def __init__(self) -> None:
        self.counters = CounterMetrics()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._times: defaultdict[str, int] = defaultdict(int)
        self._failures: defaultdict[str, int] = defaultdict(int)

    def collect(self, module: MgrModule) -> bytes:
        """Return everything, in Prometheus' text format.

        A part that fails is logged and counted, and the others are there. Raises CallError or
        DetachedError: the manager can't be reached.
        """
        out = Families()
        # without these nothing else can be told
        connected = self._timed("manager", manager_metrics.manager, module, out).cluster_connected
        self._part(module, "modules", manager_metrics.modules, module, out)
        self._part(module, "subscriptions", manager_metrics.subscriptions, module, out)
        self._part(module, "structures", manager_metrics.structures, module, out)
        if connected:  # what the cluster was like before it was lost is not what it is like now
            reading = _Reading(module)
            for name, part in cluster_metrics.PARTS.items():
                self._part(module, name, part, reading, out)
            self._part(module, "counters", self._add_counters, module, out)
        self._add_own(out)
        return generate_latest(out)

    def _add_counters(self, module: MgrModule, out: Families) -> None:
        out.merge(self.counters.collect(module))

    def _timed(self, name: str, part: Callable[..., Any], *args: Any) -> Any:
        began = time.monotonic()
        try:
            return part(*args)
        finally:
            self._seconds[name] += time.monotonic() - began
            self._times[name] += 1

    def _part(self, module: MgrModule, name: str, part: Callable[..., Any], *args: Any) -> None:
        try:
            self._timed(name, part, *args)
        except NotSupportedError:  # by the source of the cluster's data
            pass
        except (CallTimeoutError, DetachedError, ManagerUnavailableError):
            raise  # for the others it would be the same
        except Exception:  # of one part; the others are no worse for it
            self._failures[name] += 1
            module.log.exception("collecting %s failed", name)

    def _add_own(self, out: Families) -> None:
        for name, seconds in self._seconds.items():
            labels = {"method": name}
            out.ceph(
                "ceph_prometheus_collect_duration_seconds_sum",
                "The sum of seconds that collecting a part of this took",
                seconds,
                labels,
            )
            out.ceph(
                "ceph_prometheus_collect_duration_seconds_count",
                "How often a part of this was collected",
                self._times[name],
                labels,
            )
            out.counter(
                "outpost_prometheus_failures",
                "How often collecting a part of this failed",
                self._failures[name],
                labels,
            )
