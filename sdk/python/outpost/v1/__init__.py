"""The wire contract: code generated from proto/outpost/v1.

Its modules can be imported by name; and they are attributes of this package, imported when they
are first asked for. The SDK does the latter with those that not every module needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outpost.v1 import auth_pb2 as auth_pb2
    from outpost.v1 import config_pb2 as config_pb2
    from outpost.v1 import error_details_pb2 as error_details_pb2
    from outpost.v1 import health_pb2 as health_pb2
    from outpost.v1 import ingest_pb2 as ingest_pb2
    from outpost.v1 import key_value_pb2 as key_value_pb2
    from outpost.v1 import manager_pb2 as manager_pb2
    from outpost.v1 import progress_pb2 as progress_pb2
    from outpost.v1 import remote_pb2 as remote_pb2
else:

    def __getattr__(name: str) -> object:
        if not name.endswith(("_pb2", "_pb2_grpc")):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return importlib.import_module(f"{__name__}.{name}")
