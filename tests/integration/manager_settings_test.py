"""How a manager is told what to do, and what it says of settings that are no good."""

from __future__ import annotations

import errno
import re
import signal
import socket
from pathlib import Path

import pytest
from fixture import Manager, run_tests, until


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('data_dir = "x"\n', 'line 1: there is no setting "data_dir"; did you mean data-dir?'),
        (
            'id = "y"\nshutdown-grase = 3\n',
            'line 2: there is no setting "shutdown-grase"; did you mean shutdown-grace?',
        ),
        ('sim-osds = "many"\n', "line 1: Could not convert: --sim-osds = many"),
        ("sim-osds = \n", "line 1: "),
        ('[options]\n"mgr/hello/place" = []\n', 'line 2: options."mgr/hello/place" must be a'),
    ],
)
def test_a_config_file_that_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "outpostd.toml"
    file.write_text(content)
    manager = Manager("hello", flags=["--config", file])
    try:
        rc, out, err = manager.refused()
        assert (rc, out) == (2, "")
        assert err.startswith(f"outpostd: {file} {message}"), err
    finally:
        manager.close()


def test_a_config_file_that_is_right(tmp_path: Path) -> None:
    file = tmp_path / "outpostd.toml"
    file.write_text('id = "east"\nsim-osds = 5\n[options]\n"mgr/hello/place" = "Mars"\n')
    with Manager("hello", flags=["--config", file, "--sim-osds", "4"]) as manager:
        assert manager.outpost("hello") == (0, "Hello, Mars!\n", "")
        status = manager.check("status")
        assert "id:     east (" in status and "4 osds: 4 up" in status


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sim-osd", "3"], 'there is no flag "--sim-osd"; did you mean --sim-osds?'),
        (["--sim-osds", "0"], "--sim-osds 0 is not between 1 and 10000"),
        (["--source", "zeph"], '--source "zeph" is not one of sim, ceph, report'),
        (["--id", "a/b"], '--id "a/b": a manager\'s name is not empty and has no slash'),
        (["--config", "/nosuch.toml"], "/nosuch.toml: File could not be opened for reading"),
        (["--shutdown-grace", "-1"], "--shutdown-grace -1 is not a number of seconds greater"),
        (
            ["--listen-plaintext-tcp", "127.0.0.1:65537"],
            '--listen-plaintext-tcp "127.0.0.1:65537" is not HOST:PORT with a port from 0 to 65535',
        ),
        (["start"], '"start" belongs to no flag'),
    ],
)
def test_flags_that_are_wrong(flags: list[str], message: str) -> None:
    manager = Manager("hello", flags=flags)
    try:
        rc, out, err = manager.refused()
        assert (rc, out) == (2, "")
        assert err.startswith(f"outpostd: {message}"), err
    finally:
        manager.close()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--log-level", "loud"], 'log level "loud" is not one of trace, debug, info, warning'),
        (["--log-level", "mod=info"], 'log component "mod" is not one of main, module, rpc'),
        (["--log-file", "/dev/null/x"], "log file /dev/null/x: "),
        (["--ceph-conf", "/nosuch", "--source", "ceph"], 'ceph conf file "/nosuch" can\'t be read'),
        (["--initial-modules", "hallo"], "initial module 'hallo' is not installed in"),
        (["--listen-plaintext-tcp", "192.0.2.1:1"], "can't listen on 192.0.2.1:1: is it HOST:PORT"),
    ],
)
def test_settings_that_can_not_be_had(flags: list[str], message: str) -> None:
    manager = Manager(flags=flags)
    try:
        rc, _, err = manager.refused()
        assert rc == 1
        assert any(line.startswith(f"outpostd: {message}") for line in err.splitlines()), err
    finally:
        manager.close()


def test_paths_may_be_relative(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Manager("hello", "hello_cpp")
    monkeypatch.chdir(manager.directory)
    manager.data = Path("data")
    manager.run_directory = Path("run")
    manager.module_path = Path("modules")
    with manager:
        assert manager.outpost("hello") == (0, "Hello, world!\n", "")
        assert manager.outpost("hello-cpp") == (0, "Hello, world!\n", "")


def test_log_file(tmp_path: Path) -> None:
    file = tmp_path / "outpostd.log"
    with Manager("hello", flags=["--log-file", file]) as manager:
        manager.wait_for_log(r"info \[main\] outpost \S+ \"x\" serves on unix:", file)
        assert manager.log() == ""
        old = file.rename(tmp_path / "outpostd.log.1")
        manager.check("config", "set", "mgr/hello/place", "Mars")
        manager.wait_for_log("place is now Mars", old)
        assert not file.exists()

        assert manager.process is not None
        manager.process.send_signal(signal.SIGHUP)
        until("the log file to be made", file.exists)
        manager.wait_for_log("the log file was opened again", file)
        size = old.stat().st_size
        manager.check("config", "set", "mgr/hello/place", "Venus")
        manager.wait_for_log("place is now Venus", file)
        assert old.stat().st_size == size
        assert manager.outpost("hello") == (0, "Hello, Venus!\n", "")


# --- a cluster that is not there ---


def test_monitors_that_are_not_there(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        monitor = f"127.0.0.1:{nobody.getsockname()[1]}"
        conf = tmp_path / "ceph.conf"
        conf.write_text(f"[global]\nmon_host = {monitor}\nauth_client_required = none\n")
        flags = ["--source", "ceph", "--ceph-conf", conf]
        with Manager("hello", "status", flags=flags) as manager:
            pattern = rf"source: ceph, NOT CONNECTED: .*\b{re.escape(monitor)}\b"
            assert re.search(pattern, manager.check("status"))
            rc, _, err = manager.outpost("osd", "status")
            assert rc == errno.ENOENT
            assert re.match(
                'Error ENOENT: structure "osd_map": .*nothing is known of the cluster yet'
                rf" \(.*\b{re.escape(monitor)}\b",
                err,
            ), err
            assert manager.outpost("hello") == (0, "Hello, world!\n", "")
            until(
                "the reason to be that nobody answers",
                lambda: re.search(r"can't be reached \(no answer", manager.check("status")),
            )
            assert re.match(
                rf"HEALTH_WARN the cluster can't be reached: .*\b{re.escape(monitor)}\b",
                manager.check("health"),
            )


if __name__ == "__main__":
    run_tests(__file__)
