"""A program at a terminal: what a person at a keyboard would see.

    with Terminal(["bash", "-i"], environment) as terminal:
        terminal.type("outpost hel\t")
        terminal.wait_for("hello")

**Threads.** One thread uses a Terminal.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

_DEADLINE = 20.0  # seconds
# What moves the cursor, colours and rings.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>78]|\x1b\][^\x07]*\x07|\x07|\x08")


class Terminal:
    """A program whose standard streams are a terminal of 80 columns and 24 rows.

    Args:
        argv: the program and its arguments.
        environment: the whole of its environment, but TERM.
    """

    def __init__(self, argv: Sequence[str | Path], environment: dict[str, str]) -> None:
        self.name = os.path.basename(argv[0])
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**environment, "TERM": "xterm"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # ^C reaches the program
        )
        os.close(theirs)
        self._seen = ""
        self._waited = 0  # what wait_for() has gone past

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
        print(f"--- the terminal:\n{self._seen}---")  # pytest shows it for a failed test

    def type(self, keys: str) -> None:
        """Press keys: "\\t" is Tab, "\\r" Enter, "\\x03" ^C, "\\x04" ^D."""
        os.write(self._ours, keys.encode())

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until something matches in what came after the last match."""
        end = time.monotonic() + _DEADLINE
        while (match := re.compile(pattern).search(self._text(), self._waited)) is None:
            left = end - time.monotonic()
            assert left > 0 and self._read(left), f"{pattern!r} is not in {self.rest()!r}"
        self._waited = match.end()
        return match

    def rest(self) -> str:
        """What came after the last match of wait_for()."""
        return self._text()[self._waited :]

    def end(self) -> int:
        """Wait until the program ends by itself; its exit status."""
        while self._read(_DEADLINE):
            pass
        return self.process.wait(timeout=_DEADLINE)

    def _text(self) -> str:
        return _ESCAPES.sub("", self._seen).replace("\r", "")

    def _read(self, timeout: float) -> bool:
        """Read some; False when the program is gone or the time is over."""
        if not select.select([self._ours], [], [], timeout)[0]:
            return False
        with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
            if data := os.read(self._ours, 65536):
                self._seen += data.decode(errors="replace")
                return True
        return False
