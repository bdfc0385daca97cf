"""What a module can ask of hosts, daemons and their counters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from outpost import _rpc
from outpost._bound import BoundToManager
from outpost._errors import NotFoundError
from outpost.v1 import cluster_pb2

if TYPE_CHECKING:
    from outpost._osd_map import OSDMap

_MIRRORED_IMAGE = re.compile(
    r"rbd_mirror_image_(?P<pool>[^/]+)/((?P<namespace>[^/]+)/)?(?P<image>.*)"
    r"\.(?P<counter>replay(_bytes|_latency)?)$"
)

PerfCounter = dict[str, Any]
"""A counter: its schema, and its value."""

ServiceInfo = dict[str, str]
"""A daemon on a host: type and id."""

ServerInfo = dict[str, Any]
"""A host: hostname, ceph_version, and services, each with type and id."""


class LatestValue(NamedTuple):
    """The newest value of a counter of a daemon."""

    daemon: str
    """"osd.0"."""
    path: str
    """"osd.op_w"."""
    value: float
    """Of a long-running average the sum; of a time, in seconds."""
    summed: int
    """Of a long-running average: how many values were summed; else 0."""


class ClusterData(BoundToManager):
    """The part of MgrModule that reads hosts, daemons and counters.

    Every method may raise CallError, and NotImplementedError with the manager's words where the
    source of cluster data does not have this.
    """

    PRIO_CRITICAL = 10
    PRIO_INTERESTING = 8
    PRIO_USEFUL = 5
    PRIO_UNINTERESTING = 2
    PRIO_DEBUGONLY = 0

    PERFCOUNTER_TIME = 1
    PERFCOUNTER_U64 = 2
    PERFCOUNTER_LONGRUNAVG = 4
    PERFCOUNTER_COUNTER = 8
    PERFCOUNTER_HISTOGRAM = 0x10
    PERFCOUNTER_TYPE_MASK = ~3

    BYTES = 0
    NONE = 1

    def get_server(self, hostname: str) -> ServerInfo:
        """Describe a host; one that isn't known has no services."""
        request = cluster_pb2.GetServerRequest(hostname=hostname)
        try:
            response = self._reach("get_server").client.call(_rpc.GET_SERVER, request)
        except NotFoundError:
            return _server(cluster_pb2.ServerInfo(hostname=hostname))
        return _server(response.server)

    def list_servers(self) -> list[ServerInfo]:
        """Describe every host, ordered by name."""
        request = cluster_pb2.ListServersRequest()
        response = self._reach("list_servers").client.call(_rpc.LIST_SERVERS, request)
        return [_server(server) for server in response.servers]

    def get_metadata(
        self, svc_type: str, svc_id: str, default: dict[str, str] | None = None
    ) -> dict[str, str] | None:
        """Return what a daemon said of itself when it started; `default` if it isn't known."""
        request = cluster_pb2.GetMetadataRequest(daemon=_daemon(svc_type, svc_id))
        try:
            response = self._reach("get_metadata").client.call(_rpc.GET_METADATA, request)
        except NotFoundError:
            return default
        return dict(response.metadata)

    def get_daemon_status(self, svc_type: str, svc_id: str) -> dict[str, str]:
        """Return what a daemon says of its present state; {} if it isn't known."""
        request = cluster_pb2.GetDaemonStatusRequest(daemon=_daemon(svc_type, svc_id))
        try:
            response = self._reach("get_daemon_status").client.call(_rpc.GET_DAEMON_STATUS, request)
        except NotFoundError:
            return {}
        return dict(response.status)

    def get_perf_schema(self, svc_type: str, svc_name: str) -> dict[str, dict[str, dict[str, Any]]]:
        """Describe the counters of daemons: {"osd.0": {path: {type, units, priority, …}}}.

        An empty type or name means all.
        """
        request = cluster_pb2.GetPerfSchemaRequest(daemon=_daemon(svc_type, svc_name))
        response = self._reach("get_perf_schema").client.call(_rpc.GET_PERF_SCHEMA, request)
        return {
            _daemon_name(daemon.daemon): {
                counter.path: {
                    "description": counter.description,
                    "nick": counter.nick,
                    "type": counter.type,
                    "priority": counter.priority,
                    "units": counter.unit,
                }
                for counter in daemon.counters
            }
            for daemon in response.daemons
        }

    def get_counter(
        self, svc_type: str, svc_name: str, path: str
    ) -> dict[str, list[tuple[float, float]]]:
        """Return the series of a counter, {path: [(seconds since the epoch, value), …]}."""
        samples = self._samples("get_counter", svc_type, svc_name, path, latest=False)
        return {path: [(_seconds(sample), _number(sample.value)) for sample in samples]}

    def get_latest_counter(
        self, svc_type: str, svc_name: str, path: str
    ) -> dict[str, tuple[float, ...]]:
        """Return the newest value, {path: (time, value)}; averages have (time, sum, count)."""
        samples = self._samples("get_latest_counter", svc_type, svc_name, path, latest=True)
        if not samples:
            return {path: ()}
        newest = samples[-1]
        value = (_seconds(newest), _number(newest.value))
        return {path: (*value, newest.count) if newest.HasField("count") else value}

    def get_latest(self, daemon_type: str, daemon_name: str, counter: str) -> float:
        """Return the newest value of a counter; 0 if there is none."""
        data = self.get_latest_counter(daemon_type, daemon_name, counter)[counter]
        return data[1] if data else 0

    def get_latest_avg(
        self, daemon_type: str, daemon_name: str, counter: str
    ) -> tuple[float, float]:
        """Return sum and count of a long-running average; (0, 0) if there is none."""
        data = self.get_latest_counter(daemon_type, daemon_name, counter)[counter]
        return (data[1], data[2]) if len(data) > 2 else (0, 0)

    def get_latest_counters(
        self, svc_type: str = "", svc_name: str = "", *, prio_limit: int = PRIO_USEFUL
    ) -> Iterator[LatestValue]:
        """Return the newest value of each counter of at least a priority, daemon by daemon.

        An empty type or name means all. What the values mean is in get_perf_schema().
        """
        request = cluster_pb2.GetCountersRequest(
            daemon=_daemon(svc_type, svc_name), latest_only=True, min_priority=prio_limit
        )
        response = self._reach("get_latest_counters").client.call(_rpc.GET_COUNTERS, request)
        return (
            LatestValue(
                _daemon_name(series.daemon),
                series.path,
                series.samples[-1].value,
                series.samples[-1].count,
            )
            for series in response.series
            if series.samples
        )

    def get_all_perf_counters(
        self,
        prio_limit: int = PRIO_USEFUL,
        services: Sequence[str] = ("mds", "mon", "osd", "rbd-mirror", "rgw", "tcmu-runner"),
    ) -> dict[str, dict[str, dict[str, Any]]]:
        """Return schema and newest value of every counter of at least a priority.

        {"osd.0": {path: {type, units, …, value}}}; long-running averages have a count, too.
        """
        self._reach("get_all_perf_counters")
        result: dict[str, dict[str, dict[str, Any]]] = {}
        for service in services:
            schemas = self.get_perf_schema(service, "")
            for latest in self.get_latest_counters(service, prio_limit=prio_limit):
                schema = schemas.get(latest.daemon, {}).get(latest.path)
                if schema is None or schema["priority"] < prio_limit:
                    continue
                counter = result.setdefault(latest.daemon, {})[latest.path] = {
                    **schema,
                    "value": _number(latest.value),
                }
                if schema["type"] & self.PERFCOUNTER_LONGRUNAVG:
                    counter["count"] = latest.summed
        return result

    def get_daemon_health_metrics(self) -> dict[str, list[dict[str, Any]]]:
        """Return what daemons find worth a check: {"osd.0": [{"type": …, "value": …}]}."""
        request = cluster_pb2.GetDaemonHealthMetricsRequest()
        response = self._reach("get_daemon_health_metrics").client.call(
            _rpc.GET_DAEMON_HEALTH_METRICS, request
        )
        return {
            _daemon_name(daemon.daemon): [
                {"type": metric.type, "value": metric.n1, "n1": metric.n1, "n2": metric.n2}
                for metric in daemon.metrics
            ]
            for daemon in response.daemons
        }

    def get_osdmap(self) -> OSDMap:
        """Return the OSD map with its CRUSH map, as they are now; see OSDMap."""
        from outpost._osd_map import OSDMap

        host = self._reach("get_osdmap")
        # a module of ceph-mgr's own may change what dump() gives it
        read = host.structures.get_mutable if host.settings.as_ceph_mgr else host.structures.get
        return OSDMap(read("osd_map"), read("osd_map_crush"))

    # for exporters; the names are ceph-mgr's, whose own modules use them

    def _stattype_to_str(self, stattype: int) -> str:
        """Return what kind of number a counter's "type" says: gauge, counter, histogram."""
        kinds = {
            0: "gauge",
            self.PERFCOUNTER_LONGRUNAVG: "counter",  # its sum, without the count
            self.PERFCOUNTER_COUNTER: "counter",
            self.PERFCOUNTER_HISTOGRAM: "histogram",
        }
        return kinds.get(stattype & self.PERFCOUNTER_TYPE_MASK, "")

    def _perfvalue_to_value(self, stattype: int, value: float) -> float:
        """Return a counter's value; of a time the seconds, which the manager has already."""
        return value

    def _unit_to_str(self, unit: int) -> str:
        """Return the unit of a counter's rate. Raises ValueError: there is no such unit."""
        try:
            return {self.NONE: "/s", self.BYTES: "B/s"}[unit]
        except KeyError:
            raise ValueError(f'bad unit "{unit}"') from None

    def _perfpath_to_path_labels(
        self, daemon: str, path: str
    ) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """Return a metric's name, and the names and values of its labels.

        The image that a counter of an rbd-mirror names in its path becomes labels, too.
        """
        if daemon.startswith("rgw."):
            return path, ("instance_id",), (daemon.removeprefix("rgw."),)
        match = _MIRRORED_IMAGE.match(path) if daemon.startswith("rbd-mirror.") else None
        if match is None:
            return path, ("ceph_daemon",), (daemon,)
        return (
            f"rbd_mirror_image_{match['counter']}",
            ("ceph_daemon", "pool", "namespace", "image"),
            (daemon, match["pool"], match["namespace"] or "", match["image"]),
        )

    def _samples(
        self, method: str, svc_type: str, svc_name: str, path: str, *, latest: bool
    ) -> Sequence[cluster_pb2.CounterSample]:
        request = cluster_pb2.GetCountersRequest(
            daemon=_daemon(svc_type, svc_name), paths=[path], latest_only=latest
        )
        try:
            response = self._reach(method).client.call(_rpc.GET_COUNTERS, request)
        except NotFoundError:
            return []
        return response.series[0].samples if response.series else []


def _daemon(svc_type: str, svc_id: str) -> cluster_pb2.DaemonName:
    return cluster_pb2.DaemonName(type=svc_type, id=str(svc_id))


def _daemon_name(daemon: cluster_pb2.DaemonName) -> str:
    return f"{daemon.type}.{daemon.id}"


def _server(server: cluster_pb2.ServerInfo) -> ServerInfo:
    return {
        "hostname": server.hostname,
        "ceph_version": server.version,
        "services": [{"type": service.type, "id": service.id} for service in server.services],
    }


def _number(value: float) -> float:
    """Return a counter's value as Ceph has it, an int, unless a daemon of another kind has not."""
    return int(value) if value.is_integer() else value


def _seconds(sample: cluster_pb2.CounterSample) -> float:
    return sample.time.seconds + sample.time.nanos / 1e9
