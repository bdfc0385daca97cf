"""How a fake manager refuses a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage

from outpost.v1 import error_details_pb2

Value = TypeVar("Value")


@dataclass(frozen=True)
class Refusal:
    """How the manager ends a call that it does not want: see proto/…/error_details.proto."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)

    def abort(self, context: grpc.ServicerContext) -> NoReturn:
        """End the call."""
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
        raise AssertionError("abort() raises")


def find(
    known: Mapping[str, Value], key: str, otherwise: str, context: grpc.ServicerContext
) -> Value:
    """Return what is known by a key, or else end the call: NOT_FOUND, in these words."""
    if key not in known:
        Refusal(grpc.StatusCode.NOT_FOUND, otherwise).abort(context)
    return known[key]
