"""What can go wrong, as exceptions.

    OutpostError
     ├── ModuleLoadError                       the module's code is not usable
     ├── DetachedError (RuntimeError)          called before the manager accepted the module,
     │                                         or while it ends
     └── CallError (RuntimeError)              a call to the manager failed
          ├── InvalidArgumentError (ValueError)
          ├── NotFoundError (LookupError)
          ├── PermissionDeniedError (PermissionError)
          ├── NotSupportedError (NotImplementedError)
          ├── CallTimeoutError (TimeoutError)
          └── ManagerUnavailableError (ConnectionError)

A CallError carries the gRPC status code, the reason and the metadata of the manager's ErrorInfo
(see proto/outpost/v1/error_details.proto), and the manager's own words.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping

import grpc

from outpost import v1


class OutpostError(Exception):
    """Anything that the SDK itself raises."""


class ModuleLoadError(OutpostError):
    """The module's directory, code or class is not usable; the message says how."""


class DetachedError(OutpostError, RuntimeError):
    """There is no session to make this call in."""


class CallError(OutpostError, RuntimeError):
    """A call to the manager failed."""

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        """The gRPC status code."""
        self.reason = reason
        """A constant of the wire contract, e.g. "CALL_CYCLE"; empty where there is none."""
        self.metadata = dict(metadata or {})
        """What the manager says beside it, e.g. {"field": "key"}."""

    def __str__(self) -> str:
        return self.message

    @property
    def error_number(self) -> int:
        """The errno that a command would return for this, a positive number."""
        try:
            return int(self.metadata["errno"])
        except (KeyError, ValueError):
            return _ERRNO.get(self.code, errno.EIO)


class InvalidArgumentError(CallError, ValueError):
    """The manager does not accept a value."""


class NotFoundError(CallError, LookupError):
    """The manager does not know the thing that was asked for."""


class PermissionDeniedError(CallError, PermissionError):
    """The module may not do this."""


class NotSupportedError(CallError, NotImplementedError):
    """This manager, or its source of cluster data, can't do this."""


class CallTimeoutError(CallError, TimeoutError):
    """There was no answer in time."""


class ManagerUnavailableError(CallError, ConnectionError):
    """The manager can't be reached."""


_CLASS: dict[grpc.StatusCode, type[CallError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.UNAUTHENTICATED: PermissionDeniedError,
    grpc.StatusCode.UNIMPLEMENTED: NotSupportedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: CallTimeoutError,
    grpc.StatusCode.UNAVAILABLE: ManagerUnavailableError,
    grpc.StatusCode.CANCELLED: ManagerUnavailableError,
}

_ERRNO: dict[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: errno.EINVAL,
    grpc.StatusCode.OUT_OF_RANGE: errno.EINVAL,
    grpc.StatusCode.NOT_FOUND: errno.ENOENT,
    grpc.StatusCode.ALREADY_EXISTS: errno.EEXIST,
    grpc.StatusCode.PERMISSION_DENIED: errno.EACCES,
    grpc.StatusCode.UNAUTHENTICATED: errno.EACCES,
    grpc.StatusCode.UNIMPLEMENTED: errno.EOPNOTSUPP,
    grpc.StatusCode.FAILED_PRECONDITION: errno.EOPNOTSUPP,
    grpc.StatusCode.DEADLINE_EXCEEDED: errno.ETIMEDOUT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errno.ENOSPC,
    grpc.StatusCode.UNAVAILABLE: errno.EAGAIN,
}

_DETAILS_KEY = "grpc-status-details-bin"
_ERROR_INFO_NAME = "google.rpc.ErrorInfo"


def error_info(error: grpc.RpcError) -> v1.error_details_pb2.ErrorInfo:
    """Return the ErrorInfo that the manager attached to a failed call; an empty one if none."""
    info = v1.error_details_pb2.ErrorInfo()
    metadata: Iterable[tuple[str, str | bytes]] = ()
    if isinstance(error, grpc.Call):
        metadata = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == _DETAILS_KEY and isinstance(value, bytes):
            status = v1.error_details_pb2.RpcStatus()
            try:
                status.ParseFromString(value)
                for detail in status.details:
                    if detail.type_url.rpartition("/")[2] == _ERROR_INFO_NAME:
                        info.ParseFromString(detail.value)
            except Exception:  # the bytes are not what they should be: the status alone must do
                return v1.error_details_pb2.ErrorInfo()
    return info


def call_error(error: grpc.RpcError, what: str) -> CallError:
    """Turn a failed call into an exception; `what` was tried, e.g. "Cluster.Get"."""
    code, details = grpc.StatusCode.UNKNOWN, ""
    if isinstance(error, grpc.Call):
        code, details = error.code(), error.details() or ""
    info = error_info(error)
    return _CLASS.get(code, CallError)(
        f"{what}: {details or code.name}",
        code=code,
        reason=info.reason,
        metadata=info.metadata,
    )
