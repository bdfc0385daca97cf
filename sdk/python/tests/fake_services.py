"""The manager's unary services, over what a FakeManager holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage

from outpost.v1 import (
    cluster_pb2,
    cluster_pb2_grpc,
    config_pb2,
    config_pb2_grpc,
    error_details_pb2,
    health_pb2,
    health_pb2_grpc,
    key_value_pb2,
    key_value_pb2_grpc,
    manager_pb2,
    manager_pb2_grpc,
    progress_pb2,
    progress_pb2_grpc,
    remote_pb2,
    remote_pb2_grpc,
    types_pb2,
)

if TYPE_CHECKING:
    from fake_manager import FakeManager


@dataclass(frozen=True)
class Refusal:
    """How the manager ends a call that it does not want."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)

    def abort(self, context: grpc.ServicerContext) -> None:
        info = error_details_pb2.ErrorInfo(
            reason=self.reason, domain="outpost", metadata=self.metadata
        )
        detail = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo")
        detail.value = info.SerializeToString()
        status = error_details_pb2.RpcStatus(
            code=self.code.value[0], message=self.message, details=[detail]
        )
        if self.reason:
            context.set_trailing_metadata(
                (("grpc-status-details-bin", status.SerializeToString()),)
            )
        context.abort(self.code, self.message)


class Cluster(cluster_pb2_grpc.ClusterServicer):
    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Get(  # noqa: N802
        self, request: cluster_pb2.ClusterGetRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.ClusterGetResponse:
        self.manager.check("Cluster.Get", context)
        self.manager.gets.append(request)
        if request.name not in self.manager.structures:
            Refusal(grpc.StatusCode.NOT_FOUND, f"no structure {request.name}", "X").abort(context)
        version, text = self.manager.structures[request.name]
        if version <= request.if_newer_than:
            return cluster_pb2.ClusterGetResponse(
                name=request.name, version=version, unchanged=True
            )
        return cluster_pb2.ClusterGetResponse(name=request.name, version=version, json=text)

    def List(  # noqa: N802
        self, request: cluster_pb2.ClusterListRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.ClusterListResponse:
        self.manager.check("Cluster.List", context)
        return cluster_pb2.ClusterListResponse(connected=True)

    def GetServer(  # noqa: N802
        self, request: cluster_pb2.GetServerRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.GetServerResponse:
        self.manager.check("Cluster.GetServer", context)
        server = cluster_pb2.ServerInfo(
            hostname=request.hostname,
            version="16.2",
            services=[cluster_pb2.DaemonName(type="osd", id="0")],
        )
        return cluster_pb2.GetServerResponse(server=server)

    def GetPerfSchema(  # noqa: N802
        self, request: cluster_pb2.GetPerfSchemaRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.GetPerfSchemaResponse:
        self.manager.check("Cluster.GetPerfSchema", context)
        schema = cluster_pb2.DaemonPerfSchema(
            daemon=cluster_pb2.DaemonName(type=request.daemon.type, id="0"),
            counters=[
                cluster_pb2.CounterSchema(path="op_w", type=10, unit=1, priority=8),
                cluster_pb2.CounterSchema(path="lat", type=5, unit=1, priority=8),
                cluster_pb2.CounterSchema(path="dull", type=10, unit=1, priority=2),
            ],
        )
        return cluster_pb2.GetPerfSchemaResponse(daemons=[schema])

    def GetCounters(  # noqa: N802
        self, request: cluster_pb2.GetCountersRequest, context: grpc.ServicerContext
    ) -> cluster_pb2.GetCountersResponse:
        self.manager.check("Cluster.GetCounters", context)
        response = cluster_pb2.GetCountersResponse()
        for path, sample in (
            ("op_w", cluster_pb2.CounterSample(value=7)),
            ("lat", cluster_pb2.CounterSample(value=1.5, count=3)),
            ("dull", cluster_pb2.CounterSample(value=1)),
        ):
            if not request.paths or path in request.paths:
                sample.time.FromSeconds(100)
                response.series.add(
                    daemon=cluster_pb2.DaemonName(type=request.daemon.type, id="0"),
                    path=path,
                    samples=[sample],
                )
        return response


class Config(config_pb2_grpc.ConfigServicer):
    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Get(  # noqa: N802
        self, request: config_pb2.ConfigGetRequest, context: grpc.ServicerContext
    ) -> config_pb2.ConfigGetResponse:
        self.manager.check("Config.Get", context)
        if request.key not in self.manager.options:
            Refusal(grpc.StatusCode.NOT_FOUND, f"no option {request.key}").abort(context)
        value = types_pb2.OptionValue(
            name=request.key.rpartition("/")[2],
            value=self.manager.options[request.key],
            type=types_pb2.OPTION_TYPE_INT,
        )
        return config_pb2.ConfigGetResponse(option=value)

    def Set(  # noqa: N802
        self, request: config_pb2.ConfigSetRequest, context: grpc.ServicerContext
    ) -> config_pb2.ConfigSetResponse:
        self.manager.check("Config.Set", context)
        self.manager.options[request.key] = request.value
        register = self.manager.registers[-1]
        return config_pb2.ConfigSetResponse(
            option=self.manager.option(register, request.key.rpartition("/")[2])
        )

    def Remove(  # noqa: N802
        self, request: config_pb2.ConfigRemoveRequest, context: grpc.ServicerContext
    ) -> config_pb2.ConfigRemoveResponse:
        self.manager.check("Config.Remove", context)
        self.manager.options.pop(request.key, None)
        register = self.manager.registers[-1]
        return config_pb2.ConfigRemoveResponse(
            option=self.manager.option(register, request.key.rpartition("/")[2])
        )

    def GetClusterOption(  # noqa: N802
        self, request: config_pb2.GetClusterOptionRequest, context: grpc.ServicerContext
    ) -> config_pb2.GetClusterOptionResponse:
        self.manager.check("Config.GetClusterOption", context)
        key = f"{request.entity}/{request.name}" if request.entity else request.name
        if key not in self.manager.cluster_options:
            Refusal(grpc.StatusCode.NOT_FOUND, f"no option {key}").abort(context)
        return config_pb2.GetClusterOptionResponse(value=self.manager.cluster_options[key])


class KeyValue(key_value_pb2_grpc.KeyValueServicer):
    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Get(  # noqa: N802
        self, request: key_value_pb2.KeyValueGetRequest, context: grpc.ServicerContext
    ) -> key_value_pb2.KeyValueGetResponse:
        self.manager.check("KeyValue.Get", context)
        return key_value_pb2.KeyValueGetResponse(value=self.manager.keys.get(request.key))

    def Put(  # noqa: N802
        self, request: key_value_pb2.KeyValuePutRequest, context: grpc.ServicerContext
    ) -> key_value_pb2.KeyValuePutResponse:
        self.manager.check("KeyValue.Put", context)
        self.manager.keys[request.key] = request.value
        return key_value_pb2.KeyValuePutResponse()

    def Delete(  # noqa: N802
        self, request: key_value_pb2.KeyValueDeleteRequest, context: grpc.ServicerContext
    ) -> key_value_pb2.KeyValueDeleteResponse:
        self.manager.check("KeyValue.Delete", context)
        self.manager.keys.pop(request.key, None)
        return key_value_pb2.KeyValueDeleteResponse()

    def List(  # noqa: N802
        self, request: key_value_pb2.KeyValueListRequest, context: grpc.ServicerContext
    ) -> key_value_pb2.KeyValueListResponse:
        self.manager.check("KeyValue.List", context)
        return key_value_pb2.KeyValueListResponse(
            entries=[
                key_value_pb2.KeyValueEntry(key=key, value=value)
                for key, value in sorted(self.manager.keys.items())
                if key.startswith(request.prefix)
            ]
        )


class Remote(remote_pb2_grpc.RemoteServicer):
    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Call(  # noqa: N802
        self, request: remote_pb2.RemoteCallRequest, context: grpc.ServicerContext
    ) -> remote_pb2.RemoteCallResponse:
        self.manager.check("Remote.Call", context)
        return self.manager.remote(request)


class Health(health_pb2_grpc.HealthServicer):
    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Set(  # noqa: N802
        self, request: health_pb2.HealthSetRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthSetResponse:
        self.manager.check("Health.Set", context)
        self.manager.health.append(request)
        return health_pb2.HealthSetResponse()


class Manager(manager_pb2_grpc.ManagerServicer):
    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def SetUri(  # noqa: N802
        self, request: manager_pb2.SetUriRequest, context: grpc.ServicerContext
    ) -> manager_pb2.SetUriResponse:
        self.manager.check("Manager.SetUri", context)
        self.manager.uri = request.uri
        return manager_pb2.SetUriResponse()


class Progress(progress_pb2_grpc.ProgressServicer):
    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Update(  # noqa: N802
        self, request: progress_pb2.ProgressUpdateRequest, context: grpc.ServicerContext
    ) -> progress_pb2.ProgressUpdateResponse:
        self.manager.check("Progress.Update", context)
        self.manager.progress[request.event.id] = request.event
        return progress_pb2.ProgressUpdateResponse()

    def Complete(  # noqa: N802
        self, request: progress_pb2.ProgressCompleteRequest, context: grpc.ServicerContext
    ) -> progress_pb2.ProgressCompleteResponse:
        self.manager.check("Progress.Complete", context)
        self.manager.progress.pop(request.id, None)
        return progress_pb2.ProgressCompleteResponse()

    def Clear(  # noqa: N802
        self, request: progress_pb2.ProgressClearRequest, context: grpc.ServicerContext
    ) -> progress_pb2.ProgressClearResponse:
        self.manager.check("Progress.Clear", context)
        self.manager.progress.clear()
        return progress_pb2.ProgressClearResponse()
