"""Every module that Debian's ceph-mgr-modules-core has, unmodified, with this SDK.

Each is run as a process of its own, by `python3 -m outpost.run --as-ceph-mgr`, until its instance
is made and it has told the manager so; serve() is not asked for. Their libraries are Debian's. None
of them is in this repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sample_maps
from conftest import Runner
from module_process import ModuleProcess

from outpost.testing import FakeManager

CEPH_MODULES = Path("/usr/share/ceph/mgr")

# can_run() says no where a library is not there, which Debian has no package of
CANNOT_RUN = {"influx": "influxdb python module not found"}

# __init__() connects to the cluster, and there is none here
NEED_RADOS = {"mirroring", "rbd_support", "volumes"}


def modules() -> list[str]:
    return sorted(path.parent.name for path in CEPH_MODULES.glob("*/module.py"))


def test_there_are_modules() -> None:
    assert {"balancer", "crash", "progress", "pg_autoscaler", "nfs"} < set(modules())


@pytest.fixture
def cluster(manager: FakeManager) -> FakeManager:
    manager.serve = False
    manager.set_structure("osd_map", sample_maps.osd_map())
    manager.set_structure("osd_map_crush", sample_maps.crush_map())
    manager.set_structure("mgr_map", {"active_name": "x", "services": {}, "modules": []})
    manager.set_structure("fs_map", {"filesystems": []})
    return manager


@pytest.fixture
def as_ceph_mgr(cluster: FakeManager) -> Iterator[Runner]:
    processes: list[ModuleProcess] = []

    def start(name: str) -> ModuleProcess:
        directory = CEPH_MODULES / name
        process = ModuleProcess(directory, cluster.address, flags=["--as-ceph-mgr"])
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()


@pytest.mark.parametrize("name", modules())
def test_it_is_made(cluster: FakeManager, as_ceph_mgr: Runner, name: str) -> None:
    process = as_ceph_mgr(name)
    session = cluster.session()
    register = session.register
    assert register.name == name
    assert register.can_run == (name not in CANNOT_RUN), register.can_run_error
    assert CANNOT_RUN.get(name, "") in register.can_run_error
    error = session.wait_for("configured").error
    if name in NEED_RADOS:
        assert error.startswith("Module() failed: NotImplementedError: rados: there is no Ceph")
        return
    assert error == ""
    assert process.process.poll() is None
    declared = {word for command in register.commands for word in command.signature.split()[:1]}
    if name not in ("localpool", "mirroring", "osd_support", "stats"):
        assert declared, "its commands"


def test_one_that_fails_says_why(manager: FakeManager, tmp_path: Path, as_ceph_mgr: Runner) -> None:
    directory = tmp_path / "sad"
    directory.mkdir()
    (directory / "module.py").write_text(
        "from mgr_module import MgrModule\n"
        "class Module(MgrModule):\n"
        "    MODULE_OPTIONS = [{'name': 'n', 'type': 'count', 'description': 'x'}]\n"
        "    def __init__(self, *args, **kwargs):\n"
        "        super().__init__(*args, **kwargs)\n"
        "        self.first = self.get_module_option('n')\n"
        "        self.second = self.get_store('no such key', 'd')\n"
        "        raise LookupError(f'{self.first} {self.second}')\n"
    )
    process = ModuleProcess(directory, manager.address, flags=["--as-ceph-mgr"])
    try:
        session = manager.session()
        assert [option.name for option in session.register.options] == ["n"]
        assert session.wait_for("configured").error == "Module() failed: LookupError: None d"
    finally:
        process.kill()


def test_one_that_is_attached_again(manager: FakeManager, tmp_path: Path) -> None:
    directory = tmp_path / "calls"
    directory.mkdir()
    (directory / "module.py").write_text(
        "from mgr_module import CLICommand, MgrModule\n"
        "class Module(MgrModule):\n"
        "    made = 0\n"
        "    def __init__(self, *args, **kwargs):\n"
        "        super().__init__(*args, **kwargs)\n"
        "        type(self).made += 1\n"
        "        self.id = self.get_mgr_id()\n"
        "    @CLICommand('calls')\n"
        "    def calls(self):\n"
        "        return 0, f'{self.made} {self.id}', ''\n"
    )
    process = ModuleProcess(directory, manager.address, flags=["--as-ceph-mgr"])
    try:
        first = manager.session()
        first.wait_for("configured")
        before = first.run("calls").stdout
        assert before.startswith("1 ")
        manager.stop()
        manager.start()
        again = manager.session()
        again.wait_for("configured")
        assert again.run("calls").stdout == before
    finally:
        process.kill()


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
