"""A module on another host, and what is between it and the manager fails.

The hosts are network namespaces, joined by a pair of virtual interfaces. A cut is one of these
taken down: nothing comes any more, and nobody is told, as it is with a switch that fails.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from fixture import (
    PYTHON_PATH,
    SHIPPED_MODULES,
    Background,
    Manager,
    hammer,
    run_tests,
    until,
)

_ADDRESSES = {"manager": "10.231.0.1", "module": "10.231.0.2"}
_MODULES = {"hello": "hello", "hello_cpp": "hello-cpp"}
_NOTICED = 30.0  # seconds: the SDKs trust a manager that is silent for ten


class Hosts:
    """Two hosts that can be parted; for what is to run on one, see wrapper()."""

    def __init__(self) -> None:
        self._names = {host: f"outpost-{os.getpid()}-{host}" for host in _ADDRESSES}

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    def __enter__(self) -> Hosts:
        for name in self._names.values():
            self._ip("netns", "add", name)
        one, other = self._names.values()
        self._ip("link", "add", "eth", "netns", one, "type", "veth", "peer", "eth", "netns", other)
        for host, name in self._names.items():
            self._ip("-n", name, "addr", "add", f"{_ADDRESSES[host]}/24", "dev", "eth")
            for link in ("lo", "eth"):
                self._ip("-n", name, "link", "set", link, "up")
        return self

    def __exit__(self, *unused: object) -> None:
        for name in self._names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False)

    def wrapper(self, host: str) -> list[str]:
        """What runs a program on that host."""
        return ["nsenter", f"--net=/run/netns/{self._names[host]}"]

    def part(self) -> None:
        """Let nothing come through from now on."""
        self._ip("-n", self._names["module"], "link", "set", "eth", "down")

    def join(self) -> None:
        """Mend that."""
        self._ip("-n", self._names["module"], "link", "set", "eth", "up")


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    try:
        with Hosts() as both:
            yield both
    except subprocess.CalledProcessError as error:
        pytest.skip(f"there can be no network namespaces here: {error.stderr}")


def manager_on(hosts: Hosts, *flags: str) -> Manager:
    """A manager with a module beside it, whom modules of the other host reach by TCP."""
    return Manager(
        "status",
        flags=[
            *("--listen-plaintext-tcp", f"{_ADDRESSES['manager']}:7001"),
            *(flags or ("--heartbeat-interval", "0.5", "--dead-peer-timeout", "4")),
        ],
        wrapper=hosts.wrapper("manager"),
    )


def start_remote(hosts: Hosts, manager: Manager, name: str) -> Background:
    """Start a module by hand on the other host."""
    program: list[str] = (
        [str(SHIPPED_MODULES / "hello_cpp/hello_cpp")]
        if name == "hello_cpp"
        else ["/usr/bin/python3", "-m", "outpost.run", str(SHIPPED_MODULES / name)]
    )
    environment = {
        **os.environ,
        "OUTPOST_ADDRESS": f"{_ADDRESSES['manager']}:7001",
        "PYTHONPATH": str(PYTHON_PATH),
    }
    module = Background([*hosts.wrapper("module"), *program], environment)
    until(f"{name} to attach", lambda: runs(manager, name))
    return module


def runs(manager: Manager, name: str) -> bool:
    return name in manager.modules() and manager.state(name) == "RUNNING"


def descriptors(manager: Manager) -> int:
    assert manager.process is not None
    return len(os.listdir(f"/proc/{manager.process.pid}/fd"))


@pytest.mark.parametrize("name", _MODULES)
def test_a_partition(hosts: Hosts, name: str) -> None:
    with manager_on(hosts) as manager:
        module = start_remote(hosts, manager, name)
        try:
            assert manager.outpost(_MODULES[name]) == (0, "Hello, world!\n", "")
            open_files = descriptors(manager)
            with hammer(manager, "osd", "status") as others:
                hosts.part()
                begin = time.monotonic()
                # A command that is on its way ends, and says what is not known.
                rc, _, err = manager.outpost(_MODULES[name], "--timeout", "10")
                took = time.monotonic() - begin
                assert rc == errno.EIO, err
                assert "whether it did its work is not known" in err
                assert took < 5
                until("the manager to notice", lambda: name not in manager.modules())
                # By its heartbeats, or by TCP's own word for it.
                print(f"noticed after {time.monotonic() - begin:.1f} s")
                manager.wait_for_log(rf"{name} (did not answer 3 heartbeats|has ended its session)")
                rc, _, err = manager.outpost(_MODULES[name])
                assert rc == errno.EINVAL, err
                # Its connection is closed, though it can't be told.
                until("its descriptor", lambda: descriptors(manager) < open_files)
                hosts.join()
                joined = time.monotonic()
                until("it to come back", lambda: runs(manager, name), deadline=_NOTICED)
                print(f"came back after {time.monotonic() - joined:.1f} s")
                assert manager.outpost(_MODULES[name]) == (0, "Hello, world!\n", "")
            assert others().failures == []
            assert others().answers > 0
            assert module.process.poll() is None
        finally:
            module.kill()


@pytest.mark.parametrize("name", _MODULES)
def test_a_short_partition_is_nothing(hosts: Hosts, name: str) -> None:
    with manager_on(hosts, "--heartbeat-interval", "5", "--dead-peer-timeout", "40") as manager:
        module = start_remote(hosts, manager, name)
        try:
            hosts.part()
            command = manager.outpost_background(_MODULES[name])
            time.sleep(1.0)
            hosts.join()
            assert command.end() == (0, "Hello, world!\n", "")
            assert manager.log().count(f"{name} is running") == 1
        finally:
            module.kill()


def test_half_open_as_the_module_is_gone(hosts: Hosts) -> None:
    """Its host lost its power: nobody says that the connection is over."""
    with manager_on(hosts) as manager:
        open_files = descriptors(manager)
        module = start_remote(hosts, manager, "hello_cpp")
        with hammer(manager, "osd", "status") as others:
            hosts.part()
            module.kill()
            until("the manager to notice", lambda: "hello_cpp" not in manager.modules())
            until("its descriptor", lambda: descriptors(manager) <= open_files)
        assert others().failures == []
        # It is started on another host.
        hosts.join()
        again = start_remote(hosts, manager, "hello_cpp")
        try:
            assert manager.outpost("hello-cpp") == (0, "Hello, world!\n", "")
        finally:
            again.kill()


@pytest.mark.parametrize("name", _MODULES)
def test_half_open_as_the_manager_is_gone(hosts: Hosts, name: str) -> None:
    """The module hears nothing, not even that; it finds the next manager by itself."""
    with manager_on(hosts) as manager:
        module = start_remote(hosts, manager, name)
        try:
            hosts.part()
            manager.kill9()
            manager.restart()
            hosts.join()
            until("it to come back", lambda: runs(manager, name), deadline=_NOTICED)
            assert manager.outpost(_MODULES[name]) == (0, "Hello, world!\n", "")
            assert module.end(signal.SIGTERM).rc == 0
        finally:
            module.kill()


if __name__ == "__main__":
    run_tests(__file__)
