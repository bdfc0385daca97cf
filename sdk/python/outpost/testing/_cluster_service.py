"""Cluster data, as a fake manager has it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from outpost.testing._refusal import find
from outpost.v1 import cluster_pb2, cluster_pb2_grpc

if TYPE_CHECKING:
    from outpost.testing._manager import Counter, FakeManager


class Cluster(cluster_pb2_grpc.ClusterServicer):
    """Cluster data."""

    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Get(
        self, request: cluster_pb2.ClusterGetRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.ClusterGetResponse:
        """Return a structure."""
        session = self.manager.check("Cluster.Get", context, request)
        name = request.name
        find(self.manager.structures, name, f"no structure {name}", context)
        if request.watch:
            self.manager.watch(name, session)
        version, text = self.manager.structures[name]
        response = cluster_pb2.ClusterGetResponse(name=name, version=version, watched=request.watch)
        if version <= request.if_newer_than:
            response.unchanged = True
        elif request.path or request.fields:
            part = _part(json.loads(text), request.path, name, context)
            response.json = json.dumps(_select(part, request.fields))
        else:
            response.json = text
        return response

    def List(
        self, request: cluster_pb2.ClusterListRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.ClusterListResponse:
        """Tell which structures there are, and whether the cluster can be reached."""
        self.manager.check("Cluster.List", context, request)
        return cluster_pb2.ClusterListResponse(
            connected=self.manager.connected,
            structures=[
                cluster_pb2.StructureInfo(name=name, version=version, size=len(text.encode()))
                for name, (version, text) in sorted(self.manager.structures.items())
            ],
        )

    def GetServer(
        self, request: cluster_pb2.GetServerRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.GetServerResponse:
        """Describe a host."""
        self.manager.check("Cluster.GetServer", context, request)
        name = request.hostname
        find(self.manager.servers, name, f"no host {name}", context)
        return cluster_pb2.GetServerResponse(server=self._server(name))

    def ListServers(
        self, request: cluster_pb2.ListServersRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.ListServersResponse:
        """Describe all hosts."""
        self.manager.check("Cluster.ListServers", context, request)
        servers = [self._server(name) for name in sorted(self.manager.servers)]
        return cluster_pb2.ListServersResponse(servers=servers)

    def _server(self, hostname: str) -> cluster_pb2.ServerInfo:
        version, daemons = self.manager.servers[hostname]
        services = [cluster_pb2.DaemonName(type=kind, id=name) for kind, name in daemons]
        return cluster_pb2.ServerInfo(hostname=hostname, version=version, services=services)

    def GetMetadata(
        self, request: cluster_pb2.GetMetadataRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.GetMetadataResponse:
        """Return what a daemon said of itself."""
        self.manager.check("Cluster.GetMetadata", context, request)
        name = _name(request.daemon)
        metadata = find(self.manager.metadata, name, f"no metadata of {name}", context)
        return cluster_pb2.GetMetadataResponse(metadata=metadata)

    def GetDaemonStatus(
        self, request: cluster_pb2.GetDaemonStatusRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.GetDaemonStatusResponse:
        """Return a daemon's state."""
        self.manager.check("Cluster.GetDaemonStatus", context, request)
        name = _name(request.daemon)
        status = find(self.manager.daemon_status, name, f"no status of {name}", context)
        return cluster_pb2.GetDaemonStatusResponse(status=status)

    def GetPerfSchema(
        self, request: cluster_pb2.GetPerfSchemaRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.GetPerfSchemaResponse:
        """Describe counters."""
        self.manager.check("Cluster.GetPerfSchema", context, request)
        return cluster_pb2.GetPerfSchemaResponse(
            daemons=[
                cluster_pb2.DaemonPerfSchema(
                    daemon=daemon,
                    counters=[
                        cluster_pb2.CounterSchema(
                            path=path,
                            type=counter.type,
                            unit=counter.unit,
                            priority=counter.priority,
                            description=counter.description,
                            nick=counter.nick,
                        )
                        for path, counter in counters.items()
                    ],
                )
                for daemon, counters in self._counted(request.daemon)
            ]
        )

    def GetCounters(
        self, request: cluster_pb2.GetCountersRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.GetCountersResponse:
        """Return values of counters."""
        self.manager.check("Cluster.GetCounters", context, request)
        response = cluster_pb2.GetCountersResponse()
        for daemon, counters in self._counted(request.daemon):
            for path, counter in counters.items():
                if request.paths and path not in request.paths:
                    continue
                if counter.priority < request.min_priority:
                    continue
                first = -1 if request.latest_only else 0
                series = response.series.add(daemon=daemon, path=path)
                for seconds, value in counter.samples[first:]:
                    sample = series.samples.add(value=value, count=counter.count)
                    sample.time.FromNanoseconds(int(seconds * 1e9))
        return response

    def _counted(
        self, wanted: cluster_pb2.DaemonName
    ) -> Iterator[tuple[cluster_pb2.DaemonName, dict[str, Counter]]]:
        for name, counters in sorted(self.manager.counters.items()):
            kind, _, number = name.partition(".")
            if wanted.type in ("", kind) and wanted.id in ("", number):
                yield cluster_pb2.DaemonName(type=kind, id=number), counters

    def GetDaemonHealthMetrics(
        self, request: cluster_pb2.GetDaemonHealthMetricsRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.GetDaemonHealthMetricsResponse:
        """Return what daemons find worth a check."""
        self.manager.check("Cluster.GetDaemonHealthMetrics", context, request)
        response = cluster_pb2.GetDaemonHealthMetricsResponse()
        for name, metrics in sorted(self.manager.health_metrics.items()):
            kind, _, number = name.partition(".")
            response.daemons.add(
                daemon=cluster_pb2.DaemonName(type=kind, id=number),
                metrics=[cluster_pb2.HealthMetric(type=t, n1=n1, n2=n2) for t, n1, n2 in metrics],
            )
        return response


def _part(value: Any, path: str, name: str, context: grpc.ServicerContext) -> Any:
    for token in path.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        children = value if isinstance(value, dict) else {}
        if isinstance(value, list):
            children = {str(index): child for index, child in enumerate(value)}
        value = find(children, key, f"{name} has no {path}", context)
    return value


def _select(value: Any, fields: Sequence[str]) -> Any:
    if not fields:
        return value
    if isinstance(value, list):
        return [_select(element, fields) for element in value]
    return {field: value[field] for field in fields if field in value}


def _name(daemon: cluster_pb2.DaemonName) -> str:
    return f"{daemon.type}.{daemon.id}"
