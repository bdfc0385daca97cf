#!/usr/bin/python3
"""A real Ceph cluster on loopback for tests: a mon or several, a mgr, a few memstore OSDs.

All state lives in one directory, except for unix sockets, whose paths must be short: they
live in a new directory below /tmp. As a class, for tests:

    with CephCluster(workdir) as cluster:
        rc, out, err = cluster.ceph("osd", "stat")

The daemons are children of the process and die with it, also when it is killed. As a
command, for a person:

    cluster.py up DIR     # starts one that outlives the command, prints its conf file
    cluster.py down DIR   # stops it

The mgr loads stand-ins for its always-on modules (they only exist), because importing the
real ones takes most of a start. Use `mgr_modules` where a test needs real ones.

**Threads.** One CephCluster belongs to one thread, the main one: the kernel ends the
daemons when the thread that started them ends.
"""

from __future__ import annotations

import argparse
import base64
import ctypes
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import types
import uuid
from collections.abc import Callable, Sequence
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_MODULES_DIR = pathlib.Path("/usr/share/ceph/mgr")
# What a mgr of this release loads in any case, and complains of when it is missing.
_ALWAYS_ON_MODULES = (
    "balancer",
    "crash",
    "devicehealth",
    "orchestrator",
    "pg_autoscaler",
    "progress",
    "rbd_support",
    "status",
    "telemetry",
    "volumes",
)
_STAND_IN_MODULE = """\
from mgr_module import MgrModule


class Module(MgrModule):
    NOTIFY_TYPES = []
"""
_CONF = """\
[global]
fsid = {fsid}
mon_host = {mon_host}
ms_bind_ipv4 = true
ms_bind_ipv6 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = {dir}/$name.keyring
admin_socket = {sockets}/$name.asok
pid_file =
run_dir = {dir}/run
crash_dir = {dir}/crash
log_file = {dir}/log/$name.log
log_to_stderr = false
osd_pool_default_size = 2
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 1000
mon_warn_on_pool_no_redundancy = false
[mon]
mon_data = {dir}/mon.$id
mon_cluster_log_file = {dir}/log/cluster.log
mon_allow_pool_delete = true
mon_data_avail_warn = 2
mon_data_avail_crit = 1
# the defaults gather changes for up to a second
paxos_propose_interval = 0.01
paxos_min_wait = 0.001
mgr_initial_modules = {initial_modules}
[mgr]
mgr_data = {dir}/mgr.$id
mgr_module_path = {dir}/mgr-modules
mgr_stats_period = 1
[osd]
osd_data = {dir}/osd.$id
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_fast_shutdown = true
# they are in the first CRUSH map already
osd_crush_update_on_start = false
"""


class CephClusterError(Exception):
    """The cluster did not do what was asked; the text says what, and shows the log's end."""


class CommandResult(NamedTuple):
    """What the `ceph` command gave."""

    returncode: int
    out: str
    err: str


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def _new_key() -> str:
    """A cephx secret, as in a keyring: type 1 (AES), creation time, length, bytes."""
    now = time.time_ns()
    header = struct.pack("<HIIH", 1, now // 10**9, now % 10**9, 16)
    return base64.b64encode(header + secrets.token_bytes(16)).decode()


def _keyring_entry(name: str, **caps: str) -> str:
    lines = [f"[{name}]", f"\tkey = {_new_key()}"]
    lines += [f'\tcaps {daemon} = "{cap}"' for daemon, cap in caps.items()]
    return "\n".join(lines) + "\n"


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class CephCluster:
    """See the module's documentation.

    Args:
        workdir: where everything is kept; made if absent, emptied by start().
        osds: how many OSDs.
        port: the first mon's v2 port; its v1 port is the next one, and so on. 0: any free ones.
        mons: how many mons: a, b, c…
        mgr_modules: real modules of the mgr to load and enable: installed names, or directories.
        detached: the daemons outlive this process (see stop_detached()).
    """

    def __init__(
        self,
        workdir: str | os.PathLike[str],
        osds: int = 3,
        port: int = 0,
        *,
        mons: int = 1,
        mgr_modules: Sequence[str | os.PathLike[str]] = (),
        detached: bool = False,
    ) -> None:
        self.dir = pathlib.Path(workdir).resolve()
        self.osds = osds
        self.fsid = str(uuid.uuid4())
        self.mons = "abcdefg"[:mons]
        ports = list(range(port, port + 2 * mons)) if port else free_ports(2 * mons)
        self._mon_ports = dict(zip(self.mons, zip(ports[::2], ports[1::2])))
        self._mgr_modules = {
            pathlib.Path(m).name: (_MODULES_DIR / m).resolve() for m in mgr_modules
        }
        self._detached = detached
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._tools: list[subprocess.Popen[bytes]] = []
        self._sockets: pathlib.Path | None = None

    @property
    def port(self) -> int:
        """The first mon's v2 port."""
        return self._mon_ports["a"][0]

    @property
    def conf_path(self) -> str:
        """The ceph.conf; it names the keyring too."""
        return str(self.dir / "ceph.conf")

    @property
    def keyring_path(self) -> str:
        """The keyring of client.admin."""
        return str(self.dir / "client.admin.keyring")

    def __enter__(self) -> CephCluster:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, deadline_s: float = 60) -> None:
        """Starts a new cluster; returns when all OSDs are up and the mgr answers commands."""
        until = time.monotonic() + deadline_s
        shutil.rmtree(self.dir, ignore_errors=True)
        for name in ["log", "run", "crash/posted", "mgr.x", "mgr-modules"]:
            (self.dir / name).mkdir(parents=True)
        self._sockets = pathlib.Path(tempfile.mkdtemp(prefix="ceph-", dir="/tmp"))
        (self.dir / "run" / "sockets").symlink_to(self._sockets)
        self._write_conf()
        self._write_keyrings()
        self._write_mgr_modules()
        made = [self._spawn_mkfs_osd(i) for i in range(self.osds)]
        self._make_mons(until)
        for mon in self.mons:
            self.start_mon(mon)
        self._spawn("mgr.x", ["ceph-mgr", "-f", "-i", "x"])
        for process in made:
            self._finish(process, until)
        for i in range(self.osds):
            self.start_osd(i)
        self.wait_for_osds(self.osds, until - time.monotonic())
        self._wait("the mgr to answer `pg stat`", self._mgr_answers, until)

    def stop(self) -> None:
        """Ends all daemons at once; nothing is written back. May be called twice."""
        for name in list(self._daemons):
            self._kill(name, signal.SIGKILL)
        for tool in self._tools:
            tool.kill()
            tool.communicate()
        self._tools.clear()
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None

    def stop_mon(self, mon: str = "a") -> None:
        """Ends a mon in an orderly way."""
        self._kill(f"mon.{mon}", signal.SIGTERM)

    def start_mon(self, mon: str = "a") -> None:
        """Starts a mon; does not wait for its quorum."""
        self._spawn(f"mon.{mon}", ["ceph-mon", "-f", "-i", mon])

    def pause(self, daemon: str) -> None:
        """Freezes a daemon ("osd.0"): connections to it stay open and nothing answers."""
        process = self._daemons[daemon]
        process.send_signal(signal.SIGSTOP)
        # All of its threads: a busy machine lets one of them answer something else first.
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)

    def resume(self, daemon: str) -> None:
        """Ends pause()."""
        self._daemons[daemon].send_signal(signal.SIGCONT)

    def start_mgr(self) -> None:
        """Starts the mgr; does not wait until it is active."""
        self._spawn("mgr.x", ["ceph-mgr", "-f", "-i", "x"])

    def kill_mgr(self) -> None:
        """Kills the mgr, as a crash would."""
        self._kill("mgr.x", signal.SIGKILL)

    def start_osd(self, i: int) -> None:
        """Starts osd.<i>; does not wait until it is up."""
        self._spawn(f"osd.{i}", ["ceph-osd", "-f", "-i", str(i)])

    def kill_osd(self, i: int) -> None:
        """Kills osd.<i>, as a crash would; what its memory held is lost."""
        self._kill(f"osd.{i}", signal.SIGKILL)

    def ceph(self, *args: str, deadline_s: float = 30, stdin: str = "") -> CommandResult:
        """Runs the real `ceph` command as client.admin.

        Raises:
            CephClusterError: it did not end within deadline_s seconds.
        """
        try:
            done = subprocess.run(
                ["/usr/bin/ceph", "--conf", self.conf_path, *args],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=deadline_s,
                env=self._environment(),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CephClusterError(
                f"`ceph {' '.join(args)}` has not ended in {deadline_s:.0f} s"
            ) from None
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def wait_for_osds(self, up: int, deadline_s: float = 30) -> None:
        """Waits until exactly `up` OSDs are up."""

        def reached() -> bool:
            rc, out, _ = self.ceph("osd", "stat", "-f", "json")
            return rc == 0 and json.loads(out)["num_up_osds"] == up

        self._wait(f"{up} OSDs to be up", reached, time.monotonic() + deadline_s)

    def stop_detached(self) -> None:
        """Ends the daemons that another process started in workdir with detached=True."""
        for path in sorted((self.dir / "run").glob("*.pid")):
            pid = int(path.read_text())
            try:
                command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if self.conf_path.encode() in command.split(b"\0"):
                os.kill(pid, signal.SIGKILL)
                while pathlib.Path(f"/proc/{pid}/cwd").exists():
                    time.sleep(0.02)
            path.unlink()
        link = self.dir / "run" / "sockets"
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)
            link.unlink()

    def _write_conf(self) -> None:
        text = _CONF.format(
            fsid=self.fsid,
            mon_host=",".join(self._mon_addresses(mon, "/0") for mon in self.mons),
            dir=self.dir,
            sockets=self._sockets,
            initial_modules=" ".join(self._mgr_modules),
        )
        pathlib.Path(self.conf_path).write_text(text)

    def _write_keyrings(self) -> None:
        admin = _keyring_entry(
            "client.admin", mon="allow *", osd="allow *", mds="allow *", mgr="allow *"
        )
        entries = {
            "client.admin": admin,
            "mgr.x": _keyring_entry("mgr.x", mon="allow profile mgr", osd="allow *", mds="allow *"),
        }
        for i in range(self.osds):
            entries[f"osd.{i}"] = _keyring_entry(
                f"osd.{i}", mon="allow profile osd", mgr="allow profile osd", osd="allow *"
            )
        for name, entry in entries.items():
            (self.dir / f"{name}.keyring").write_text(entry)
        mon = _keyring_entry("mon.", mon="allow *") + "".join(entries.values())
        for name in self.mons:
            (self.dir / f"mon.{name}.keyring").write_text(mon)

    def _mon_addresses(self, mon: str, nonce: str = "") -> str:
        port, v1_port = self._mon_ports[mon]
        return f"[v2:127.0.0.1:{port}{nonce},v1:127.0.0.1:{v1_port}{nonce}]"

    def _write_mgr_modules(self) -> None:
        modules = self.dir / "mgr-modules"
        for library in _MODULES_DIR.glob("*.py"):
            (modules / library.name).symlink_to(library)
        for name, path in self._mgr_modules.items():
            (modules / name).symlink_to(path)
        for name in _ALWAYS_ON_MODULES:
            if name not in self._mgr_modules:
                (modules / name).mkdir()
                (modules / name / "__init__.py").write_text("from .module import Module\n")
                (modules / name / "module.py").write_text(_STAND_IN_MODULE)

    def _make_mons(self, until: float) -> None:
        monmap, osdmap = str(self.dir / "monmap"), str(self.dir / "osdmap")
        members = [w for mon in self.mons for w in ("--addv", mon, self._mon_addresses(mon))]
        making = [
            self._run_tool(
                ["monmaptool", "--create", "--fsid", self.fsid, *members]
                + ["--enable-all-features", "--set-min-mon-release", "16", monmap]
            ),
            # OSDs that are in the first map need no `osd new`
            self._run_tool(
                ["osdmaptool", "--conf", self.conf_path]
                + ["--createsimple", str(self.osds), osdmap]
            ),
        ]
        for process in making:
            self._finish(process, until)
        making = []
        for mon in self.mons:
            (self.dir / f"mon.{mon}").mkdir()
            making.append(
                self._run_tool(
                    ["ceph-mon", "--conf", self.conf_path, "--mkfs", "-i", mon]
                    + ["--monmap", monmap, "--osdmap", osdmap]
                    + ["--keyring", str(self.dir / f"mon.{mon}.keyring")]
                )
            )
        for process in making:
            self._finish(process, until)

    def _spawn_mkfs_osd(self, i: int) -> subprocess.Popen[bytes]:
        (self.dir / f"osd.{i}").mkdir()
        return self._run_tool(
            ["ceph-osd", "--conf", self.conf_path, "--mkfs", "-i", str(i)]
            + ["--osd-uuid", str(uuid.uuid4())]
        )

    def _mgr_answers(self) -> bool:
        try:
            return self.ceph("pg", "stat", deadline_s=5).returncode == 0
        except CephClusterError:
            return False

    @staticmethod
    def _environment() -> dict[str, str]:
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": "/nonexistent",
        }

    def _run_tool(self, command: list[str]) -> subprocess.Popen[bytes]:
        tool = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment(),
            preexec_fn=_die_with_parent,
        )
        self._tools.append(tool)
        return tool

    def _finish(self, process: subprocess.Popen[bytes], until: float) -> None:
        assert isinstance(process.args, list)
        command = " ".join(map(str, process.args))
        try:
            out, _ = process.communicate(timeout=max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise CephClusterError(f"`{command}` has not ended in time") from None
        self._tools.remove(process)
        if process.returncode != 0:
            text = out.decode(errors="replace")
            raise CephClusterError(f"`{command}` ended with {process.returncode}: {text}")

    def _spawn(self, name: str, command: list[str]) -> None:
        if name in self._daemons:
            raise CephClusterError(f"{name} is already started")
        with open(self.dir / "log" / f"{name}.stderr", "ab") as stderr:
            process = subprocess.Popen(
                [command[0], "--conf", self.conf_path, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                cwd=self.dir,
                env=self._environment(),
                start_new_session=self._detached,
                preexec_fn=None if self._detached else _die_with_parent,
            )
        self._daemons[name] = process
        (self.dir / "run" / f"{name}.pid").write_text(f"{process.pid}\n")

    def _kill(self, name: str, how: signal.Signals) -> None:
        process = self._daemons.pop(name)
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        (self.dir / "run" / f"{name}.pid").unlink(missing_ok=True)

    def _wait(self, what: str, reached: Callable[[], bool], until: float) -> None:
        while not reached():
            for name, process in self._daemons.items():
                if process.poll() is not None:
                    raise CephClusterError(
                        f"{name} ended with {process.returncode} while waiting for {what}:\n"
                        + self._log_end(name)
                    )
            if time.monotonic() > until:
                ends = "".join(self._log_end(name) for name in self._daemons)
                raise CephClusterError(f"gave up waiting for {what}\n{ends}")
            time.sleep(0.05)

    def _log_end(self, name: str) -> str:
        text = f"== {name}\n"
        for suffix in ["stderr", "log"]:
            path = self.dir / "log" / f"{name}.{suffix}"
            if path.exists():
                text += "\n".join(path.read_text(errors="replace").splitlines()[-10:]) + "\n"
        return text


def main() -> int:
    parser = argparse.ArgumentParser(description="A small real Ceph cluster on loopback.")
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("dir", help="where its state is kept")
    parser.add_argument("--osds", type=int, default=3)
    parser.add_argument("--mons", type=int, default=1)
    parser.add_argument("--port", type=int, default=0, help="of the first mon; 0: any free ones")
    parser.add_argument("--mgr-module", action="append", default=[], help="a real module to load")
    args = parser.parse_args()
    cluster = CephCluster(
        args.dir,
        args.osds,
        args.port,
        mons=args.mons,
        mgr_modules=args.mgr_module,
        detached=True,
    )
    if args.action == "down":
        cluster.stop_detached()
        return 0
    try:
        cluster.start()
    except CephClusterError as error:
        cluster.stop()
        print(f"cluster.py: {error}", file=sys.stderr)
        return 1
    print(cluster.conf_path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
