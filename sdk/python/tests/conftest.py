from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from module_process import ModuleProcess, write_module
from probe_module import PROBE, Probe

from outpost.testing import Counter, FakeManager

Runner = Callable[..., ModuleProcess]


@pytest.fixture
def manager() -> Iterator[FakeManager]:
    directory = Path(tempfile.mkdtemp(prefix="outpost-"))  # short: a socket's path is
    fake = FakeManager(directory)
    fake.start()
    yield fake
    fake.stop()
    shutil.rmtree(directory)


@pytest.fixture
def run(manager: FakeManager, tmp_path: Path) -> Iterator[Runner]:
    """Run a module, given its source or its directory."""
    processes: list[ModuleProcess] = []
    numbers = itertools.count()

    def start(module: str | Path, name: str = "", token: str = "") -> ModuleProcess:
        if isinstance(module, str):
            directory = tmp_path / str(next(numbers))
            directory.mkdir()
            module = write_module(directory / (name or "sample"), module)
        process = ModuleProcess(module, manager.address, token)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()


@pytest.fixture(scope="module")
def _probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    directory = tmp_path_factory.mktemp("p")
    manager = FakeManager(Path(directory))
    manager.cluster_command = _cluster_command
    manager.servers["host1"] = ("16.2", [("osd", "0")])
    manager.counters["osd.0"] = {
        "op_w": Counter([(99.0, 6), (100.0, 7)], priority=8),
        "lat": Counter([(100.0, 1.5)], count=3, type=5, priority=8),
        "dull": Counter([(100.0, 1)], priority=2),
    }
    manager.start()
    process = ModuleProcess(write_module(directory / "sample", PROBE), manager.address)
    yield Probe(manager, manager.session())
    process.kill()
    manager.stop()


@pytest.fixture
def probe(_probe: Probe) -> Iterator[Probe]:
    """A module that does what the test says, one for all tests of a file."""
    yield _probe
    _probe.manager.refusals.clear()
    _probe.manager.keys.clear()
    _probe.manager.progress.clear()
    _probe.manager.options.clear()
    _probe.manager.methods.clear()


def _cluster_command(
    svc_type: str, svc_id: str, command: dict[str, Any], inbuf: bytes
) -> tuple[int, str, str]:
    if command["prefix"] == "fail":
        return -2, "", "no such thing"
    return 0, f"did {command['prefix']}", ""
