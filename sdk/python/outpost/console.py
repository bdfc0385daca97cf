"""Python typed by an operator, run within a module: what `outpost repl` talks to.

    class Module(MgrModule):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self._console = Console(self)

        @CLICommand("mgr my-module eval")
        def eval(self, s: str | None = None, inbuf: str | None = None) -> HandleCommandResult:
            '''Run a statement of Python within the module'''
            return self._console.run(s if s is not None else inbuf)

and then `outpost repl --prefix "mgr my-module eval"`.

**Threads.** A Console may be used from several threads at once: each sees what its own statement
prints, and all share one namespace.
"""

from __future__ import annotations

import code
import ctypes
import errno
import io
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from outpost._commands import HandleCommandResult
from outpost._work import NO_WORK, current_work

RAISED = 1
"""The retval of a statement that raised an exception; its traceback is the result's stderr."""
GOES_ON = 2
"""The retval of a statement that is not finished: what follows is in the next line."""


class Console:
    """An interactive interpreter in which `mgr` is the module.

    Args:
        module: what the operator finds as `mgr`.
        names: more names that they find.

    """

    def __init__(self, module: object, **names: Any) -> None:
        self._names = {"__name__": "__console__", "__doc__": None, "mgr": module, **names}

    def run(self, source: str | None) -> HandleCommandResult:
        """Run one statement, which may have several lines; its value is printed.

        The retval is 0, RAISED or GOES_ON; -EINVAL if there is no source. Where a command runs it
        whose caller goes away (^C), KeyboardInterrupt is raised in it: what waits in C, such as
        time.sleep(), hears of it when that returns.
        """
        if source is None:
            return HandleCommandResult(-errno.EINVAL, stderr="source is not specified")
        with _captured() as (out, err), _interrupted_when_cancelled():
            interpreter = _Interpreter(self._names)
            goes_on = interpreter.runsource(source, "<input>")
        if goes_on:
            return HandleCommandResult(GOES_ON)
        return HandleCommandResult(
            RAISED if interpreter.raised else 0, stdout=out.getvalue(), stderr=err.getvalue()
        )


class _Interpreter(code.InteractiveInterpreter):
    """Remembers whether the statement failed."""

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__(names)
        self.raised = False

    def runcode(self, code: types.CodeType) -> None:
        try:
            super().runcode(code)
        except SystemExit as error:  # would end the module
            self.raised = True
            self.write(f"SystemExit: {error}: the module runs on; ^D leaves the prompt\n")

    def showtraceback(self) -> None:
        self.raised = True
        super().showtraceback()

    def showsyntaxerror(self, filename: str | None = None) -> None:
        self.raised = True
        super().showsyntaxerror(filename)


@contextmanager
def _interrupted_when_cancelled() -> Iterator[None]:
    """Raise KeyboardInterrupt in this thread when its command is cancelled."""
    work = current_work.get()
    if work is NO_WORK:
        yield
        return
    thread = ctypes.c_ulong(threading.get_ident())
    lock = threading.Lock()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if work.cancelled.wait(0.2):
                with lock:
                    if not over.is_set():
                        _raise_in(thread, ctypes.py_object(KeyboardInterrupt))
                return

    threading.Thread(target=watch, name="interrupt", daemon=True).start()
    try:
        yield
    finally:
        while True:  # it may come in here, too, and must not come later
            try:
                with lock:
                    over.set()
                    _raise_in(thread, None)
                break
            except KeyboardInterrupt:
                pass


_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
"""Raises an exception in a thread, when it is in Python next; None takes that back."""


class _PerThread(io.TextIOBase):
    """In place of sys.stdout or sys.stderr: what a capturing thread writes goes to its buffer."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.local = threading.local()

    @property
    def _target(self) -> TextIO:
        buffer: TextIO | None = getattr(self.local, "buffer", None)
        return self.stream if buffer is None else buffer

    def write(self, text: str) -> int:
        return self._target.write(text)

    def flush(self) -> None:
        self._target.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding

    @property
    def buffer(self) -> Any:
        """Bytes can't be captured: they go where they would without a console."""
        return self.stream.buffer


_install = threading.Lock()


@contextmanager
def _captured() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Catch what this thread prints; other threads print as ever."""
    with _install:
        if not isinstance(sys.stdout, _PerThread):
            sys.stdout = _PerThread(sys.stdout)
        if not isinstance(sys.stderr, _PerThread):
            sys.stderr = _PerThread(sys.stderr)
        streams = (sys.stdout, sys.stderr)
    before = [getattr(stream.local, "buffer", None) for stream in streams]
    buffers = (io.StringIO(), io.StringIO())
    for stream, buffer in zip(streams, buffers, strict=True):
        stream.local.buffer = buffer
    try:
        yield buffers
    finally:
        for stream, buffer_before in zip(streams, before, strict=True):
            stream.local.buffer = buffer_before
