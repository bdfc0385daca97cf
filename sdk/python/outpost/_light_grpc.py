"""gRPC without asyncio, until somebody asks for that.

`import grpc` imports asyncio, and ssl and much else with it, for grpc.aio: that takes longer than
all the rest of gRPC. A module that uses neither should not wait for them when it starts. So while
gRPC is imported for the first time, stand-ins take the places of `asyncio` and `grpc.aio`. What
wants one of them later finds the real one: by an import, as the stand-ins are gone from
sys.modules by then; and through a stand-in, where gRPC keeps it.

To be imported before anything else that may import gRPC.
"""

from __future__ import annotations

import importlib
import sys
import types


class _StandIn(types.ModuleType):
    """Imports the module whose name it has when one of its attributes is asked for."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # the import system looks, and does not mean the real one
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self._step_aside()
        return getattr(importlib.import_module(self.__name__), name)

    def _step_aside(self) -> None:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


def _import_grpc() -> None:
    if any(name in sys.modules for name in ("grpc", "grpc.aio")):
        return
    stand_ins = [_StandIn(name) for name in ("asyncio", "grpc.aio") if name not in sys.modules]
    sys.modules.update((stand_in.__name__, stand_in) for stand_in in stand_ins)
    try:
        importlib.import_module("grpc")
    finally:
        for stand_in in stand_ins:
            stand_in._step_aside()


_import_grpc()
