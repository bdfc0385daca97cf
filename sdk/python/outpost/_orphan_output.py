"""What a module writes to its standard output while no manager reads it."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import stat
import termios
import threading

_LOOK_TIME = 0.05  # seconds between looks at how full the pipe is


class OrphanOutput:
    """Throws away the oldest output while there is no manager, so that writing never blocks.

    The supervisor's pipe is a FIFO, which the module holds open for both ends; else a print()
    would wait, when 64 KiB are in it, for the next manager. The newest half stays for that one.
    Output that is anything else (a terminal, a file, a pipe) is left alone.

    Thread safety: orphaned() and adopted() are for one thread.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._reader: int | None = None
        self._adopted = threading.Event()
        self._dropped = 0

    def orphaned(self) -> None:
        """No manager reads from now on. Nothing happens where that is known."""
        if self._reader is not None:
            return
        self._reader = self._open()
        if self._reader is None:
            return
        self._adopted = threading.Event()
        threading.Thread(
            target=self._run, args=(self._reader, self._adopted), name="output", daemon=True
        ).start()

    def adopted(self) -> int:
        """A manager reads again. Return how many bytes were thrown away meanwhile."""
        self._adopted.set()
        self._reader = None  # the thread closes it
        dropped, self._dropped = self._dropped, 0
        return dropped

    def _open(self) -> int | None:
        """Return a descriptor that reads the FIFO without ever waiting; None: there is none."""
        with contextlib.suppress(OSError):
            both = fcntl.fcntl(self._descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
            if both and stat.S_ISFIFO(os.fstat(self._descriptor).st_mode):
                path = f"/proc/self/fd/{self._descriptor}"
                return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        return None

    def _run(self, reader: int, adopted: threading.Event) -> None:
        half = fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ) // 2
        filled = array.array("i", [0])
        try:
            while not adopted.wait(_LOOK_TIME):
                fcntl.ioctl(reader, termios.FIONREAD, filled)
                if filled[0] > half:
                    with contextlib.suppress(BlockingIOError):
                        self._dropped += len(os.read(reader, filled[0] - half))
        finally:
            os.close(reader)
