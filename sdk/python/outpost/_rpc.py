"""The calls that the SDK makes, with their types, and the channel that they go through."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

from outpost import v1
from outpost.v1 import cluster_pb2, commands_pb2, module_host_pb2, notifications_pb2

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


class Method(Generic[Request, Response]):
    """One method of the wire contract."""

    def __init__(
        self,
        service: str,
        name: str,
        types: Callable[[], tuple[type[Request], type[Response]]],
        *,
        repeatable: bool = True,
        tells: bool = False,
    ) -> None:
        """Name a method; `types` are those of its request and of its response.

        Their code may be imported only when they are asked for. `repeatable`: doing it twice does
        no harm, so that it may be tried again after a lost session. `tells`: its answer may come
        of a change of the cluster that the session has yet to tell.
        """
        self.service = service
        self.name = name
        self.path = f"/outpost.v1.{service}/{name}"
        self.types = types
        self.repeatable = repeatable
        self.tells = tells

    def __str__(self) -> str:
        return f"{self.service}.{self.name}"

    def unary(self, channel: grpc.Channel) -> grpc.UnaryUnaryMultiCallable[Request, Response]:
        """Bind to a channel, for one request and one response."""
        request, response = self.types()
        return channel.unary_unary(self.path, request.SerializeToString, response.FromString)

    def server_stream(
        self, channel: grpc.Channel
    ) -> grpc.UnaryStreamMultiCallable[Request, Response]:
        """Bind to a channel, for one request and many responses."""
        request, response = self.types()
        return channel.unary_stream(self.path, request.SerializeToString, response.FromString)

    def stream(self, channel: grpc.Channel) -> grpc.StreamStreamMultiCallable[Request, Response]:
        """Bind to a channel, for many requests and responses."""
        request, response = self.types()
        return channel.stream_stream(self.path, request.SerializeToString, response.FromString)


ATTACH = Method(
    "ModuleHost",
    "Attach",
    lambda: (module_host_pb2.AttachRequest, module_host_pb2.AttachResponse),
)
SUBSCRIBE = Method(
    "Notifications",
    "Subscribe",
    lambda: (notifications_pb2.SubscribeRequest, notifications_pb2.SubscribeResponse),
)

REPORT = Method(
    "Ingest",
    "Report",
    lambda: (v1.ingest_pb2.ReportRequest, v1.ingest_pb2.ReportResponse),
)

CLUSTER_GET = Method(
    "Cluster",
    "Get",
    lambda: (cluster_pb2.ClusterGetRequest, cluster_pb2.ClusterGetResponse),
)
CLUSTER_LIST = Method(
    "Cluster",
    "List",
    lambda: (cluster_pb2.ClusterListRequest, cluster_pb2.ClusterListResponse),
)
GET_SERVER = Method(
    "Cluster",
    "GetServer",
    lambda: (cluster_pb2.GetServerRequest, cluster_pb2.GetServerResponse),
)
LIST_SERVERS = Method(
    "Cluster",
    "ListServers",
    lambda: (cluster_pb2.ListServersRequest, cluster_pb2.ListServersResponse),
)
GET_METADATA = Method(
    "Cluster",
    "GetMetadata",
    lambda: (cluster_pb2.GetMetadataRequest, cluster_pb2.GetMetadataResponse),
)
GET_DAEMON_STATUS = Method(
    "Cluster",
    "GetDaemonStatus",
    lambda: (cluster_pb2.GetDaemonStatusRequest, cluster_pb2.GetDaemonStatusResponse),
)
GET_PERF_SCHEMA = Method(
    "Cluster",
    "GetPerfSchema",
    lambda: (cluster_pb2.GetPerfSchemaRequest, cluster_pb2.GetPerfSchemaResponse),
)
GET_COUNTERS = Method(
    "Cluster",
    "GetCounters",
    lambda: (cluster_pb2.GetCountersRequest, cluster_pb2.GetCountersResponse),
)
GET_DAEMON_HEALTH_METRICS = Method(
    "Cluster",
    "GetDaemonHealthMetrics",
    lambda: (cluster_pb2.GetDaemonHealthMetricsRequest, cluster_pb2.GetDaemonHealthMetricsResponse),
)
SEND_CLUSTER_COMMAND = Method(
    "Commands",
    "SendClusterCommand",
    lambda: (commands_pb2.SendClusterCommandRequest, commands_pb2.SendClusterCommandResponse),
    repeatable=False,
    tells=True,
)
CONFIG_GET = Method(
    "Config",
    "Get",
    lambda: (v1.config_pb2.ConfigGetRequest, v1.config_pb2.ConfigGetResponse),
)
CONFIG_SET = Method(
    "Config",
    "Set",
    lambda: (v1.config_pb2.ConfigSetRequest, v1.config_pb2.ConfigSetResponse),
)
CONFIG_REMOVE = Method(
    "Config",
    "Remove",
    lambda: (v1.config_pb2.ConfigRemoveRequest, v1.config_pb2.ConfigRemoveResponse),
)
CONFIG_LIST = Method(
    "Config",
    "List",
    lambda: (v1.config_pb2.ConfigListRequest, v1.config_pb2.ConfigListResponse),
)
CONFIG_WATCH = Method(
    "Config",
    "Watch",
    lambda: (v1.config_pb2.ConfigWatchRequest, v1.config_pb2.ConfigWatchResponse),
)
GET_CLUSTER_OPTION = Method(
    "Config",
    "GetClusterOption",
    lambda: (v1.config_pb2.GetClusterOptionRequest, v1.config_pb2.GetClusterOptionResponse),
)
KEY_VALUE_GET = Method(
    "KeyValue",
    "Get",
    lambda: (v1.key_value_pb2.KeyValueGetRequest, v1.key_value_pb2.KeyValueGetResponse),
)
KEY_VALUE_PUT = Method(
    "KeyValue",
    "Put",
    lambda: (v1.key_value_pb2.KeyValuePutRequest, v1.key_value_pb2.KeyValuePutResponse),
)
KEY_VALUE_DELETE = Method(
    "KeyValue",
    "Delete",
    lambda: (v1.key_value_pb2.KeyValueDeleteRequest, v1.key_value_pb2.KeyValueDeleteResponse),
)
KEY_VALUE_LIST = Method(
    "KeyValue",
    "List",
    lambda: (v1.key_value_pb2.KeyValueListRequest, v1.key_value_pb2.KeyValueListResponse),
)
KEY_VALUE_BATCH = Method(
    "KeyValue",
    "Batch",
    lambda: (v1.key_value_pb2.KeyValueBatchRequest, v1.key_value_pb2.KeyValueBatchResponse),
    repeatable=False,
)
KEY_VALUE_WATCH = Method(
    "KeyValue",
    "Watch",
    lambda: (v1.key_value_pb2.KeyValueWatchRequest, v1.key_value_pb2.KeyValueWatchResponse),
)
REMOTE_CALL = Method(
    "Remote",
    "Call",
    lambda: (v1.remote_pb2.RemoteCallRequest, v1.remote_pb2.RemoteCallResponse),
    repeatable=False,
    tells=True,
)
HEALTH_SET = Method(
    "Health",
    "Set",
    lambda: (v1.health_pb2.HealthSetRequest, v1.health_pb2.HealthSetResponse),
)
PROGRESS_UPDATE = Method(
    "Progress",
    "Update",
    lambda: (v1.progress_pb2.ProgressUpdateRequest, v1.progress_pb2.ProgressUpdateResponse),
)
PROGRESS_COMPLETE = Method(
    "Progress",
    "Complete",
    lambda: (v1.progress_pb2.ProgressCompleteRequest, v1.progress_pb2.ProgressCompleteResponse),
)
PROGRESS_CLEAR = Method(
    "Progress",
    "Clear",
    lambda: (v1.progress_pb2.ProgressClearRequest, v1.progress_pb2.ProgressClearResponse),
)
DESCRIBE_MODULE = Method(
    "Manager",
    "DescribeModule",
    lambda: (v1.manager_pb2.DescribeModuleRequest, v1.manager_pb2.DescribeModuleResponse),
)
TAIL_EVENTS = Method(
    "Manager",
    "TailEvents",
    lambda: (v1.manager_pb2.TailEventsRequest, v1.manager_pb2.TailEventsResponse),
)
GET_STATUS = Method(
    "Manager",
    "GetStatus",
    lambda: (v1.manager_pb2.GetStatusRequest, v1.manager_pb2.GetStatusResponse),
)
LIST_MODULES = Method(
    "Manager",
    "ListModules",
    lambda: (v1.manager_pb2.ListModulesRequest, v1.manager_pb2.ListModulesResponse),
)
LIST_SUBSCRIPTIONS = Method(
    "Notifications",
    "ListSubscriptions",
    lambda: (
        notifications_pb2.ListSubscriptionsRequest,
        notifications_pb2.ListSubscriptionsResponse,
    ),
)
IS_AUTHORIZED = Method(
    "Auth",
    "IsAuthorized",
    lambda: (v1.auth_pb2.IsAuthorizedRequest, v1.auth_pb2.IsAuthorizedResponse),
)
SET_URI = Method(
    "Manager",
    "SetUri",
    lambda: (v1.manager_pb2.SetUriRequest, v1.manager_pb2.SetUriResponse),
)


def open_channel(address: str) -> grpc.Channel:
    """Open a channel to the manager; it connects with the first call.

    `address` is a gRPC target ("unix:/path", "host:port"), or "tls:host:port": by mutual TLS, with
    the files tls.crt, tls.key and ca.crt of the directory OUTPOST_TLS_DIR (else
    ~/.config/outpost/tls). Raises OSError: one of them can't be read.
    """
    target = address.removeprefix("tls:")
    if target == address:
        return grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
    own = os.path.expanduser("~/.config/outpost/tls")
    directory = os.environ.get("OUTPOST_TLS_DIR") or own
    authority, key, certificate = (
        _read(os.path.join(directory, name)) for name in ("ca.crt", "tls.key", "tls.crt")
    )
    credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    return grpc.secure_channel(target, credentials, options=CHANNEL_OPTIONS)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
