"""Breaks in the way that it is told to."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

from mgr_module import CLICommand, CLIReadCommand, HandleCommandResult, MgrModule

_FLOOD = 20_000
_PIDFD_GETFD = 438  # the number of the system call


class Module(MgrModule):
    """See above."""

    MAX_CONCURRENCY = 2

    def __init__(self, module_name: str, *args: object) -> None:
        super().__init__(module_name, *args)
        self._stop = threading.Event()
        self._freeze = threading.Event()
        self._babble = threading.Event()

    def serve(self) -> None:
        """Get on, and say so, until it is told not to."""
        while not self._stop.wait(0.05):
            if self._babble.is_set():
                self._write_much()
            self.watchdog(0.5)
            if self._freeze.is_set():
                self._stop.wait()

    def shutdown(self) -> None:
        """End serve()."""
        self._stop.set()

    @CLIReadCommand("breaks")
    def answer(self) -> HandleCommandResult:
        """Answer"""
        return HandleCommandResult(stdout="whole")

    @CLICommand("breaks segfault")
    def segfault(self) -> HandleCommandResult:
        """Read where nothing is"""
        ctypes.string_at(0)
        return HandleCommandResult()

    @CLICommand("breaks abort")
    def abort(self) -> HandleCommandResult:
        """Abort"""
        os.abort()

    @CLICommand("breaks exit")
    def exit(self, status: int) -> HandleCommandResult:
        """End at once"""
        os._exit(status)

    @CLICommand("breaks raise")
    def throw(self) -> HandleCommandResult:
        """Raise"""
        raise ValueError("there is no bottom to this")

    @CLICommand("breaks eat")
    def eat(self, mebibytes: int) -> HandleCommandResult:
        """Take memory"""
        eaten = bytearray()
        for _ in range(mebibytes):
            eaten += b"x" * (1 << 20)
        return HandleCommandResult(stdout=f"{len(eaten) >> 20} MiB")

    @CLICommand("breaks fork")
    def fork(self) -> HandleCommandResult:
        """Be a fork bomb"""
        leader = os.fork()
        if leader == 0:
            os.setsid()  # away from the process group that the manager knows
            while True:
                try:
                    os.fork()
                except OSError:
                    time.sleep(0.01)
        return HandleCommandResult(stdout="lit")

    @CLICommand("breaks leak")
    def leak(self) -> HandleCommandResult:
        """Open files until that fails"""
        files = []
        try:
            while True:
                files.append(os.open("/dev/null", os.O_RDONLY))
        except OSError as error:
            count = len(files)
            for file in files:
                os.close(file)
            return HandleCommandResult(retval=-(error.errno or 1), stdout=str(count))

    @CLICommand("breaks spin")
    def spin(self) -> HandleCommandResult:
        """Spin with every processor, in processes of its own"""
        for _ in range(os.cpu_count() or 1):
            if os.fork() == 0:
                while True:
                    pass
        return HandleCommandResult()

    @CLICommand("breaks burn")
    def burn(self) -> HandleCommandResult:
        """Spin in a thread of its own"""
        threading.Thread(target=self._burn, daemon=True).start()
        return HandleCommandResult()

    def _burn(self) -> None:
        while not self._stop.is_set():
            pass

    @CLICommand("breaks freeze")
    def freeze(self) -> HandleCommandResult:
        """Let serve() break its promise"""
        self._freeze.set()
        return HandleCommandResult()

    @CLICommand("breaks babble")
    def babble(self) -> HandleCommandResult:
        """Write much, when the manager is gone"""
        self._babble.set()
        return HandleCommandResult()

    def _write_much(self) -> None:
        self._babble.clear()
        self.watchdog(None)
        time.sleep(0.5)
        for i in range(20_000):
            print(f"line {i} of many")
        sys.stdout.flush()
        # For the one who waits for it: all is written.
        with open("babbled", "w") as file:
            file.write("all")

    @CLICommand("breaks lock")
    def lock(self) -> HandleCommandResult:
        """Sit on the interpreter's lock, in C"""
        ctypes.PyDLL(None).pause()
        return HandleCommandResult()

    @CLICommand("breaks stop")
    def stop(self) -> HandleCommandResult:
        """Stop the process"""
        os.kill(os.getpid(), signal.SIGSTOP)
        self._stop.wait()  # it is another thread that is stopped first, and stops this one
        return HandleCommandResult()

    @CLICommand("breaks flood")
    def flood(self, what: str) -> HandleCommandResult:
        """Send the manager more than it has asked for: calls, logs or keys"""
        for i in range(_FLOOD if what == "logs" else _FLOOD // 20):
            if what == "logs":
                self.log.warning("line %d of many", i)
            elif what == "keys":
                self.set_store(f"key{i % 10}", "v" * 1000)
            else:
                self.list_structures()
        return HandleCommandResult(stdout="done")

    @CLICommand("breaks write")
    def write(self, path: str) -> HandleCommandResult:
        """Write a file"""
        try:
            with open(path, "w") as file:
                file.write("written")
        except OSError as error:
            return HandleCommandResult(retval=-(error.errno or 1), stderr=str(error))
        return HandleCommandResult()

    @CLICommand("breaks truncate")
    def truncate(self, path: str) -> HandleCommandResult:
        """Make a file empty, without opening it"""
        try:
            os.truncate(path, 0)
        except OSError as error:
            return HandleCommandResult(retval=-(error.errno or 1), stderr=str(error))
        return HandleCommandResult()

    @CLICommand("breaks steal")
    def steal(self, pid: int) -> HandleCommandResult:
        """Take the standard output of another process"""
        pidfd = os.pidfd_open(pid)
        libc = ctypes.CDLL(None, use_errno=True)
        stolen = libc.syscall(_PIDFD_GETFD, pidfd, 1, 0)
        result = HandleCommandResult(retval=-ctypes.get_errno() if stolen < 0 else 0)
        os.close(pidfd)
        return result

    @CLICommand("breaks mount")
    def mount(self) -> HandleCommandResult:
        """Mount something, as no module needs to"""
        libc = ctypes.CDLL(None, use_errno=True)
        rc = libc.mount(b"none", b"/mnt", b"tmpfs", 0, None)
        return HandleCommandResult(retval=-ctypes.get_errno() if rc != 0 else 0)
