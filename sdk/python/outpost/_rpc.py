"""The calls that the SDK makes, with their types, and the channel that they go through."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

from outpost.v1 import (
    auth_pb2,
    cluster_pb2,
    commands_pb2,
    config_pb2,
    health_pb2,
    ingest_pb2,
    key_value_pb2,
    manager_pb2,
    module_host_pb2,
    notifications_pb2,
    progress_pb2,
    remote_pb2,
)

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # a channel is made for each attempt to attach, and must not inherit the last one's backoff
    ("grpc.use_local_subchannel_pool", 1),
    # the manager's Pings keep the connection busy: this is for those who send none
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)


@dataclass(frozen=True)
class Method(Generic[Request, Response]):
    """One method of the wire contract."""

    service: str
    name: str
    request: type[Request]
    response: type[Response]
    repeatable: bool = True
    """Whether doing it twice does no harm, so that it may be tried again after a lost session."""
    tells: bool = False
    """Whether its answer may come of a change of the cluster that the session has yet to tell."""

    @property
    def path(self) -> str:
        """The method's path, as gRPC has it."""
        return f"/outpost.v1.{self.service}/{self.name}"

    def __str__(self) -> str:
        return f"{self.service}.{self.name}"

    def unary(self, channel: grpc.Channel) -> grpc.UnaryUnaryMultiCallable[Request, Response]:
        """Bind to a channel, for one request and one response."""
        return channel.unary_unary(
            self.path, self.request.SerializeToString, self.response.FromString
        )

    def server_stream(
        self, channel: grpc.Channel
    ) -> grpc.UnaryStreamMultiCallable[Request, Response]:
        """Bind to a channel, for one request and many responses."""
        return channel.unary_stream(
            self.path, self.request.SerializeToString, self.response.FromString
        )

    def stream(self, channel: grpc.Channel) -> grpc.StreamStreamMultiCallable[Request, Response]:
        """Bind to a channel, for many requests and responses."""
        return channel.stream_stream(
            self.path, self.request.SerializeToString, self.response.FromString
        )


ATTACH = Method(
    "ModuleHost", "Attach", module_host_pb2.AttachRequest, module_host_pb2.AttachResponse
)
SUBSCRIBE = Method(
    "Notifications",
    "Subscribe",
    notifications_pb2.SubscribeRequest,
    notifications_pb2.SubscribeResponse,
)

REPORT = Method("Ingest", "Report", ingest_pb2.ReportRequest, ingest_pb2.ReportResponse)

CLUSTER_GET = Method(
    "Cluster", "Get", cluster_pb2.ClusterGetRequest, cluster_pb2.ClusterGetResponse
)
CLUSTER_LIST = Method(
    "Cluster", "List", cluster_pb2.ClusterListRequest, cluster_pb2.ClusterListResponse
)
GET_SERVER = Method(
    "Cluster", "GetServer", cluster_pb2.GetServerRequest, cluster_pb2.GetServerResponse
)
LIST_SERVERS = Method(
    "Cluster", "ListServers", cluster_pb2.ListServersRequest, cluster_pb2.ListServersResponse
)
GET_METADATA = Method(
    "Cluster", "GetMetadata", cluster_pb2.GetMetadataRequest, cluster_pb2.GetMetadataResponse
)
GET_DAEMON_STATUS = Method(
    "Cluster",
    "GetDaemonStatus",
    cluster_pb2.GetDaemonStatusRequest,
    cluster_pb2.GetDaemonStatusResponse,
)
GET_PERF_SCHEMA = Method(
    "Cluster", "GetPerfSchema", cluster_pb2.GetPerfSchemaRequest, cluster_pb2.GetPerfSchemaResponse
)
GET_COUNTERS = Method(
    "Cluster", "GetCounters", cluster_pb2.GetCountersRequest, cluster_pb2.GetCountersResponse
)
GET_DAEMON_HEALTH_METRICS = Method(
    "Cluster",
    "GetDaemonHealthMetrics",
    cluster_pb2.GetDaemonHealthMetricsRequest,
    cluster_pb2.GetDaemonHealthMetricsResponse,
)
SEND_CLUSTER_COMMAND = Method(
    "Commands",
    "SendClusterCommand",
    commands_pb2.SendClusterCommandRequest,
    commands_pb2.SendClusterCommandResponse,
    repeatable=False,
    tells=True,
)
CONFIG_GET = Method("Config", "Get", config_pb2.ConfigGetRequest, config_pb2.ConfigGetResponse)
CONFIG_SET = Method("Config", "Set", config_pb2.ConfigSetRequest, config_pb2.ConfigSetResponse)
CONFIG_REMOVE = Method(
    "Config", "Remove", config_pb2.ConfigRemoveRequest, config_pb2.ConfigRemoveResponse
)
CONFIG_LIST = Method("Config", "List", config_pb2.ConfigListRequest, config_pb2.ConfigListResponse)
CONFIG_WATCH = Method(
    "Config", "Watch", config_pb2.ConfigWatchRequest, config_pb2.ConfigWatchResponse
)
GET_CLUSTER_OPTION = Method(
    "Config",
    "GetClusterOption",
    config_pb2.GetClusterOptionRequest,
    config_pb2.GetClusterOptionResponse,
)
KEY_VALUE_GET = Method(
    "KeyValue", "Get", key_value_pb2.KeyValueGetRequest, key_value_pb2.KeyValueGetResponse
)
KEY_VALUE_PUT = Method(
    "KeyValue", "Put", key_value_pb2.KeyValuePutRequest, key_value_pb2.KeyValuePutResponse
)
KEY_VALUE_DELETE = Method(
    "KeyValue", "Delete", key_value_pb2.KeyValueDeleteRequest, key_value_pb2.KeyValueDeleteResponse
)
KEY_VALUE_LIST = Method(
    "KeyValue", "List", key_value_pb2.KeyValueListRequest, key_value_pb2.KeyValueListResponse
)
KEY_VALUE_BATCH = Method(
    "KeyValue",
    "Batch",
    key_value_pb2.KeyValueBatchRequest,
    key_value_pb2.KeyValueBatchResponse,
    repeatable=False,
)
KEY_VALUE_WATCH = Method(
    "KeyValue", "Watch", key_value_pb2.KeyValueWatchRequest, key_value_pb2.KeyValueWatchResponse
)
REMOTE_CALL = Method(
    "Remote",
    "Call",
    remote_pb2.RemoteCallRequest,
    remote_pb2.RemoteCallResponse,
    repeatable=False,
    tells=True,
)
HEALTH_SET = Method("Health", "Set", health_pb2.HealthSetRequest, health_pb2.HealthSetResponse)
PROGRESS_UPDATE = Method(
    "Progress", "Update", progress_pb2.ProgressUpdateRequest, progress_pb2.ProgressUpdateResponse
)
PROGRESS_COMPLETE = Method(
    "Progress",
    "Complete",
    progress_pb2.ProgressCompleteRequest,
    progress_pb2.ProgressCompleteResponse,
)
PROGRESS_CLEAR = Method(
    "Progress", "Clear", progress_pb2.ProgressClearRequest, progress_pb2.ProgressClearResponse
)
DESCRIBE_MODULE = Method(
    "Manager",
    "DescribeModule",
    manager_pb2.DescribeModuleRequest,
    manager_pb2.DescribeModuleResponse,
)
TAIL_EVENTS = Method(
    "Manager", "TailEvents", manager_pb2.TailEventsRequest, manager_pb2.TailEventsResponse
)
GET_STATUS = Method(
    "Manager", "GetStatus", manager_pb2.GetStatusRequest, manager_pb2.GetStatusResponse
)
LIST_MODULES = Method(
    "Manager", "ListModules", manager_pb2.ListModulesRequest, manager_pb2.ListModulesResponse
)
LIST_SUBSCRIPTIONS = Method(
    "Notifications",
    "ListSubscriptions",
    notifications_pb2.ListSubscriptionsRequest,
    notifications_pb2.ListSubscriptionsResponse,
)
IS_AUTHORIZED = Method(
    "Auth", "IsAuthorized", auth_pb2.IsAuthorizedRequest, auth_pb2.IsAuthorizedResponse
)
SET_URI = Method("Manager", "SetUri", manager_pb2.SetUriRequest, manager_pb2.SetUriResponse)


def open_channel(address: str) -> grpc.Channel:
    """Open a channel to the manager; it connects with the first call.

    `address` is a gRPC target ("unix:/path", "host:port"), or "tls:host:port": by mutual TLS, with
    the files tls.crt, tls.key and ca.crt of the directory OUTPOST_TLS_DIR (else
    ~/.config/outpost/tls). Raises OSError: one of them can't be read.
    """
    target = address.removeprefix("tls:")
    if target == address:
        return grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
    directory = Path(os.environ.get("OUTPOST_TLS_DIR") or Path.home() / ".config/outpost/tls")
    authority, key, certificate = (
        (directory / name).read_bytes() for name in ("ca.crt", "tls.key", "tls.crt")
    )
    credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    return grpc.secure_channel(target, credentials, options=CHANNEL_OPTIONS)
