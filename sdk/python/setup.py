"""Builds the wheel: generates outpost.v1 from the protos.

The oldest protoc of those that Python's protobuf still takes code from is the one to use: its code
runs with every runtime since (here: 4.21, Debian 12's, to the newest), while newer code asks for
its own version or a newer one. So the wheel is one for all, and pyproject.toml pins grpcio-tools.
"""

from __future__ import annotations

from pathlib import Path

import grpc_tools
from grpc_tools import protoc
from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.errors import SetupError

_PROTO_ROOT = Path(__file__).resolve().parents[2] / "proto"
_OWN_PROTOS = Path(grpc_tools.__file__).parent / "_proto"  # google/protobuf/*.proto


class BuildPy(build_py):
    """build_py, and the code for the wire."""

    def run(self) -> None:
        """Copy the modules, then generate."""
        super().run()
        protos = sorted(str(path) for path in _PROTO_ROOT.glob("outpost/v1/*.proto"))
        if not protos:
            raise SetupError(f"{_PROTO_ROOT} has no protos: build from a checkout of Outpost")
        outputs = (f"--{kind}_out={self.build_lib}" for kind in ("python", "pyi", "grpc_python"))
        if protoc.main(["protoc", f"-I{_PROTO_ROOT}", f"-I{_OWN_PROTOS}", *outputs, *protos]) != 0:
            raise SetupError("protoc has failed: see above")


setup(cmdclass={"build_py": BuildPy})
