"""A manager for tests: the real outpostd, with real modules, on a unix socket of its own.

    with Manager("hello", "status") as manager:
        assert manager.outpost("hello") == (0, "Hello, world!\n", "")

A manager that a test has not killed must end with status 0, and when it is asked to. So a leak or
a race that a sanitizer finds when the program ends fails the test, as does one that crashes.

Programs are found in Bazel's runfiles, which are the working directory of a test; to run a test
file by hand, set OUTPOST_RUNFILES to a directory that is laid out like them.

**Threads.** A Manager may be asked (outpost, run, call, modules, …) from any thread; it is started
and ended by one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, TypeVar

import grpc
import pytest
from outpost.v1 import (
    commands_pb2,
    commands_pb2_grpc,
    error_details_pb2,
    manager_pb2,
    manager_pb2_grpc,
    module_host_pb2,
    module_host_pb2_grpc,
    remote_pb2,
    remote_pb2_grpc,
)

RUNFILES = Path(os.environ.get("OUTPOST_RUNFILES", ".")).resolve()
OUTPOSTD = RUNFILES / "server/outpostd"
OUTPOST = RUNFILES / "cli/outpost"
PYTHON_PATH = RUNFILES / "sdk/python"
SHIPPED_MODULES = RUNFILES / "modules"
TEST_MODULES = RUNFILES / "tests/integration/modules"

DEADLINE = 20.0  # seconds; far more than anything here takes
_PYTHON = "/usr/bin/python3"
_POLL = 0.01  # seconds

Stub = TypeVar("Stub")
Value = TypeVar("Value")


class Outcome(NamedTuple):
    """How a program ended, and what it said."""

    rc: int
    out: str
    err: str


def until(what: str, reached: Callable[[], Value], deadline: float = DEADLINE) -> Value:
    """Wait for what no event tells: returns what reached() does once that is true."""
    end = time.monotonic() + deadline
    while not (value := reached()):
        assert time.monotonic() < end, f"waited {deadline:g} s in vain for {what}"
        time.sleep(_POLL)
    return value


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    """The ErrorInfo of an error of the manager's."""
    assert isinstance(error, grpc.Call)
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    assert isinstance(details, bytes), f"{error.code()} without details: {error.details()}"
    status = error_details_pb2.RpcStatus.FromString(details)
    assert [any.type_url for any in status.details] == [
        "type.googleapis.com/google.rpc.ErrorInfo"
    ], status
    assert status.message == error.details()
    return error_details_pb2.ErrorInfo.FromString(status.details[0].value)


class Background:
    """A program that runs beside the test: its lines of output as they come."""

    def __init__(self, argv: Sequence[str | Path], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._errors: list[str] = []
        self._threads = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._lines.put)),
            threading.Thread(target=self._read, args=(self.process.stderr, self._errors.append)),
        ]
        for thread in self._threads:
            thread.start()

    @staticmethod
    def _read(stream: Any, put: Callable[[str], None]) -> None:
        for line in stream:
            put(line)

    def line(self) -> str:
        """The next line of its standard output, without the newline."""
        try:
            return self._lines.get(timeout=DEADLINE).rstrip("\n")
        except queue.Empty:
            raise AssertionError(f"no line came; on stderr: {''.join(self._errors)}") from None

    def end(self, number: signal.Signals | None = None) -> Outcome:
        """Send it a signal, if one is given; the output is what line() has not taken."""
        if number is not None:
            self.process.send_signal(number)
        rc = self.process.wait(timeout=DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)
        return Outcome(rc, "".join(self._lines.queue), "".join(self._errors))

    def kill(self) -> None:
        self.process.kill()
        self.end()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


class Manager:
    """outpostd, with the modules that are named installed and enabled.

    Args:
        modules: names of modules that ship, or of test modules.
        installed: more of them, installed but not enabled.
        flags: more flags of outpostd.
        wrapper: what to start outpostd with, e.g. ["unshare", "--mount"].
    """

    def __init__(
        self,
        *modules: str,
        installed: Sequence[str] = (),
        flags: Sequence[str | Path] = (),
        wrapper: Sequence[str] = (),
    ) -> None:
        self.enabled = modules
        self.flags = list(flags)
        self.wrapper = list(wrapper)
        # A socket's path has at most 107 characters.
        self.directory = Path(tempfile.mkdtemp(prefix="outpost-", dir="/tmp"))
        self.data = self.directory / "data"
        self.run_directory = self.directory / "run"
        self.module_path = self.directory / "modules"
        self.module_path.mkdir()
        self.log_path = self.directory / "outpostd.err"
        self.address = f"unix:{self.run_directory}/outpost.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self._was_ended = False  # by the test, which knows how
        self._channel: grpc.Channel | None = None
        self._background: list[Background] = []
        for name in (*modules, *installed):
            self.install(name)

    # --- installing ---

    def install(self, name: str) -> Path:
        """Install a module that ships, or a test module."""
        place = self.module_path / name
        for parent in (SHIPPED_MODULES, TEST_MODULES):
            if (parent / name).is_dir():
                place.symlink_to(parent / name)
                return place
        raise AssertionError(f"there is no module {name} in {SHIPPED_MODULES} or {TEST_MODULES}")

    def install_program(self, name: str, *argv: str | Path) -> Path:
        """Install a program as a module: its manifest has these words."""
        place = self.module_path / name
        place.mkdir()
        words = json.dumps([str(word) for word in argv])
        (place / "module.toml").write_text(
            f"argv = {words}\n[environment]\nPYTHONPATH = {json.dumps(str(PYTHON_PATH))}\n"
        )
        return place

    # --- the process ---

    def __enter__(self) -> Manager:
        try:
            self.start()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        fault = self._clean_up()
        assert not fault or error is not None, fault

    def argv(self) -> list[str]:
        argv = [
            *self.wrapper,
            OUTPOSTD,
            *("--data-dir", self.data),
            *("--run-dir", self.run_directory),
            *("--module-path", self.module_path),
            *("--python", _PYTHON),
            *("--python-path", PYTHON_PATH),
            *self.flags,
        ]
        if self.enabled:
            argv += ["--initial-modules", ",".join(self.enabled)]
        return [str(word) for word in argv]

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start outpostd, and do not wait until it answers."""
        self._was_ended = False
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self.process

    def start(self) -> None:
        """Start outpostd; returns when it answers and what is enabled has settled."""
        first = not (self.data / "state.db").exists()
        process = self.spawn()
        events: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: events.put(f"ended ({process.wait()})")).start()
        self._channel = grpc.insecure_channel(
            self.address,
            options=[
                ("grpc.initial_reconnect_backoff_ms", 20),
                ("grpc.min_reconnect_backoff_ms", 20),
                ("grpc.max_reconnect_backoff_ms", 100),
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_receive_message_length", -1),
            ],
        )

        def changed(state: grpc.ChannelConnectivity) -> None:
            if state is grpc.ChannelConnectivity.READY:
                events.put("ready")

        self._channel.subscribe(changed, try_to_connect=True)
        event = events.get(timeout=DEADLINE)
        self._channel.unsubscribe(changed)
        assert event == "ready", f"outpostd {event}\n{self.log()}"
        # It answers before it has looked at what is to be enabled.
        for name in self.enabled if first else ():
            self.settled(name)
        for module in self.modules().values():
            if module.enabled:
                self.settled(module.name)

    def refused(self) -> Outcome:
        """Start outpostd where it is expected to end at once."""
        done = subprocess.run(
            self.argv(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def stop(self) -> None:
        """End outpostd in an orderly way, as it must be able to."""
        self._disconnect()
        fault = self._terminate()
        assert not fault, fault

    def kill9(self) -> None:
        """Kill outpostd, as a crash would; its modules live on."""
        self._disconnect()
        assert self.process is not None
        self._was_ended = True
        self.process.kill()
        self.process.wait(timeout=DEADLINE)

    def restart(self) -> None:
        """Start again, with what is on the disk; it must have ended."""
        assert self.process is not None and self.process.poll() is not None
        self.start()

    def close(self) -> None:
        """End everything that was started, print the log, and remove the files."""
        fault = self._clean_up()
        assert not fault, fault

    def _terminate(self) -> str:
        """End outpostd, if it runs; returns what was wrong with how it has ended, if anything."""
        if self.process is None or self._was_ended:
            return ""
        self._was_ended = True
        if (status := self.process.poll()) is not None:
            return f"outpostd has ended by itself, with status {status}"
        self.process.terminate()
        try:
            status = self.process.wait(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"outpostd has not ended within {DEADLINE:g} s of SIGTERM"
        return f"outpostd has ended with status {status} after SIGTERM" if status != 0 else ""

    def _clean_up(self) -> str:
        """What close() does; returns what was wrong with how outpostd has ended, if anything."""
        for background in self._background:
            background.kill()
        self._disconnect()
        fault = self._terminate()
        for pid in self.module_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # pytest shows it for a failed test
        print(f"--- the manager's log:\n{self.log()}--- {fault}")
        shutil.rmtree(self.directory, ignore_errors=True)
        return fault

    def _disconnect(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def module_processes(self) -> set[int]:
        """The processes that this manager has started, by their environment."""
        wanted = f"OUTPOST_ADDRESS={self.address}".encode()
        found = set()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
        return found - {background.process.pid for background in self._background}

    def log(self) -> str:
        """What outpostd has written to stderr so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_for_log(self, pattern: str, path: Path | None = None) -> re.Match[str]:
        """Wait until the log (or another file) has something that matches."""

        def found() -> re.Match[str] | None:
            return re.search(pattern, (path or self.log_path).read_text(errors="replace"))

        match = until(f"{pattern!r} in the log", found)
        assert match is not None
        return match

    # --- the command line ---

    def environment(self) -> dict[str, str]:
        return {**os.environ, "OUTPOST_ADDRESS": self.address}

    def outpost(self, *words: str | Path, stdin: str | bytes | None = None) -> Outcome:
        """Run the real command line."""
        done = subprocess.run(
            [OUTPOST, *words],
            input=stdin.encode() if isinstance(stdin, str) else stdin or b"",
            capture_output=True,
            timeout=DEADLINE * 2,
            env=self.environment(),
        )
        return Outcome(
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )

    def check(self, *words: str | Path, stdin: str | bytes | None = None) -> str:
        """Run the real command line, which must succeed; returns what it printed."""
        rc, out, err = self.outpost(*words, stdin=stdin)
        assert rc == 0, f"outpost {' '.join(map(str, words))}: {rc}: {out}{err}"
        return out

    def outpost_background(self, *words: str) -> Background:
        """Run the real command line beside the test."""
        background = Background([OUTPOST, *words], self.environment())
        self._background.append(background)
        return background

    def start_module(self, directory: Path, *arguments: str) -> Background:
        """Run a Python module as a person would by hand."""
        environment = {**self.environment(), "PYTHONPATH": str(PYTHON_PATH)}
        background = Background([_PYTHON, "-m", "outpost.run", directory, *arguments], environment)
        self._background.append(background)
        return background

    # --- gRPC ---

    @property
    def channel(self) -> grpc.Channel:
        assert self._channel is not None, "the manager does not run"
        return self._channel

    def stub(self, kind: Callable[[grpc.Channel], Stub]) -> Stub:
        """A stub of a service: manager.stub(commands_pb2_grpc.CommandsStub)."""
        return kind(self.channel)

    def run(
        self, *words: str, inbuf: bytes | None = None, timeout: float = DEADLINE
    ) -> commands_pb2.CommandsRunResponse:
        """Run a command, past the command line."""
        request = commands_pb2.CommandsRunRequest(words=words)
        if inbuf is not None:
            request.inbuf = inbuf
            request.has_inbuf = True
        return self.stub(commands_pb2_grpc.CommandsStub).Run(request, timeout=timeout)

    def call(self, module: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of a module, which must succeed; returns what it returned."""
        response = self.stub(remote_pb2_grpc.RemoteStub).Call(
            remote_pb2.RemoteCallRequest(
                module=module,
                method=method,
                args_json=json.dumps(args),
                kwargs_json=json.dumps(kwargs),
            ),
            timeout=DEADLINE,
        )
        assert response.WhichOneof("outcome") == "result_json", response.error
        return json.loads(response.result_json)

    def modules(self) -> dict[str, manager_pb2.ModuleInfo]:
        """What the manager tells of its modules, by name."""
        response = self.stub(manager_pb2_grpc.ManagerStub).ListModules(
            manager_pb2.ListModulesRequest(), timeout=DEADLINE
        )
        return {module.name: module for module in response.modules}

    def state(self, name: str) -> str:
        """The state of a module: "RUNNING"."""
        state: str = manager_pb2.ModuleState.Name(self.modules()[name].state)
        return state.removeprefix("MODULE_STATE_")

    def settled(self, name: str) -> manager_pb2.ModuleInfo:
        """Enable a module, and wait until it runs or has failed to."""
        request = manager_pb2.EnableModuleRequest(name=name)
        request.wait.seconds = int(DEADLINE)
        stub = self.stub(manager_pb2_grpc.ManagerStub)
        return stub.EnableModule(request, timeout=DEADLINE).module

    def wait_for_state(self, name: str, state: str) -> manager_pb2.ModuleInfo:
        """Wait until a module is in a state: "BACKOFF"."""
        until(f"module {name} to be {state}", lambda: self.state(name) == state)
        return self.modules()[name]

    def session(self, **register: Any) -> RawSession:
        """A session that the test itself plays: what a module without an SDK would do."""
        return RawSession(self.channel, **register)


class RawSession:
    """A stream of ModuleHost.Attach; what the manager sends is asked for by receive()."""

    def __init__(self, channel: grpc.Channel, **register: Any) -> None:
        self._requests: queue.SimpleQueue[module_host_pb2.AttachRequest | None] = (
            queue.SimpleQueue()
        )
        stub = module_host_pb2_grpc.ModuleHostStub(channel)
        self._stream = stub.Attach(iter(self._requests.get, None), timeout=DEADLINE)
        self.key = ""
        if register:
            settings = {"protocol_versions": [1], "can_run": True, **register}
            self.send(register=module_host_pb2.Register(**settings))

    def send(self, **message: Any) -> None:
        """Send one message: send(drained=Drained())."""
        self._requests.put(module_host_pb2.AttachRequest(**message))

    def receive(self) -> module_host_pb2.AttachResponse:
        """The next message of the manager; raises grpc.RpcError when it has ended the session."""
        response: module_host_pb2.AttachResponse = next(self._stream)
        return response

    def serve(self) -> RawSession:
        """Get through Configure and Serve: afterwards, it is running."""
        self.key = self.receive().configure.session_key
        self.send(configured=module_host_pb2.Configured())
        assert self.receive().HasField("serve")
        running = module_host_pb2.ServeStatus.STATE_RUNNING
        self.send(serve_status=module_host_pb2.ServeStatus(state=running))
        return self

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """For calls on behalf of this module."""
        return (("outpost-session", self.key),)

    def refusal(self) -> grpc.RpcError:
        """The error with which the manager ends the session."""
        try:
            while True:
                self.receive()
        except StopIteration:
            raise AssertionError("the manager has ended the session without an error") from None
        except grpc.RpcError as error:
            return error

    def close(self) -> None:
        """End the session as a module does: half-close, and wait."""
        self._requests.put(None)
        with contextlib.suppress(StopIteration):
            while True:
                self.receive()


class Interval(NamedTuple):
    """What a Hammer saw: how many answers, the longest time without one, and what failed."""

    answers: int
    longest_gap: float  # seconds
    failures: list[str]


@contextlib.contextmanager
def hammer(manager: Manager, *words: str) -> Iterator[Callable[[], Interval]]:
    """Run a command over and over beside what is in the `with`; the result is asked for after it.

    The longest gap is that between two answers, or between the begin or end and an answer.
    """
    stop = threading.Event()
    interval = Interval(0, 0.0, [])

    def run() -> None:
        nonlocal interval
        answers, longest, failures = 0, 0.0, []
        last = time.monotonic()
        while not stop.is_set():
            try:
                result = manager.run(*words).result
                if result.retval != 0:
                    failures.append(f"{result.retval}: {result.stderr}")
            except grpc.RpcError as error:
                failures.append(str(error))
            now = time.monotonic()
            longest, last, answers = max(longest, now - last), now, answers + 1
        interval = Interval(answers, longest, failures)

    manager.run(*words)  # so that nothing happens for the first time
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: interval
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def others_go_on(manager: Manager) -> Iterator[None]:
    """The module hello_cpp's commands are answered all the while, and none fails."""
    with hammer(manager, "hello-cpp") as interval:
        yield
    print(f"the other module's commands: {interval()}")
    assert interval().failures == []
    assert interval().answers > 0


def run_tests(path: str) -> NoReturn:
    """Run pytest on one file, as a Bazel test does it."""
    report = os.environ.get("XML_OUTPUT_FILE", os.devnull)
    arguments = ["-q", "-p", "no:cacheprovider", "--durations=5", f"--junitxml={report}"]
    sys.exit(pytest.main([*arguments, *sys.argv[1:], path]))
