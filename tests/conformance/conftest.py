from __future__ import annotations

import json
import os
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixture import DEADLINE, PYTHON_PATH, Background, Manager
from outpost.v1 import commands_pb2
from tap import Tap

NAME = "conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--module", metavar="DIRECTORY", required=True, help="the module: it has a module.toml"
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed and isinstance(item, pytest.Function):
        for file, sentence in getattr(item.function, "rules", []):
            report.sections.append(("the rule", f"proto/outpost/v1/{file}: {sentence}"))


class Program:
    """The module as a program: what its module.toml says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        manifest = tomllib.loads((self.directory / "module.toml").read_text())
        program, *arguments = manifest["argv"]
        if "/" in program:
            program = str(self.directory / program)
        self.argv = [program, *arguments]
        self.environment = {"PYTHONPATH": str(PYTHON_PATH), **manifest.get("environment", {})}

    def argv_for(self, address: str) -> list[str]:
        """Start it with this address, whatever the environment says."""
        return [
            "/usr/bin/env",
            f"--chdir={self.directory}",
            f"OUTPOST_ADDRESS={address}",
            *(f"{name}={value}" for name, value in self.environment.items()),
            *self.argv,
        ]


class Subject:
    """The module under test, below a manager of its own, with a tap between them."""

    def __init__(self, program: Program, *modules: str) -> None:
        self.program = program
        self.manager = Manager(*modules, flags=["--relayed-tokens"])
        self.tap = Tap(self.manager.directory, self.manager.address)
        self._by_hand: list[Background] = []
        place = self.manager.module_path / NAME
        place.mkdir()
        words = json.dumps(program.argv_for(self.tap.address))
        (place / "module.toml").write_text(f"argv = {words}\n")

    def close(self) -> None:
        for background in self._by_hand:
            background.kill()
        pid = self.pid() if self.manager.process and self.manager.process.poll() is None else 0
        try:
            self.manager.close()
        finally:
            self.tap.close()
            if pid and Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)

    def enable(self) -> None:
        """Start the module, and wait until it runs."""
        info = self.manager.settled(NAME)
        assert self.manager.state(NAME) == "RUNNING", info

    def pid(self) -> int:
        """Of its process; 0: there is none."""
        info = self.manager.modules().get(NAME)
        return int(info.pid) if info else 0

    def run(
        self, *words: str, inbuf: bytes | None = None, timeout: float = DEADLINE
    ) -> commands_pb2.CommandResult:
        """Run a command of the module."""
        return self.manager.run(NAME, *words, inbuf=inbuf, timeout=timeout).result

    def output(self, *words: str) -> str:
        """Run a command of the module, which must succeed; returns its output."""
        result = self.run(*words)
        assert result.retval == 0, f"{words}: {result}"
        return str(result.stdout)

    def json(self, *words: str) -> Any:
        """The same, for JSON."""
        return json.loads(self.output(*words))

    def by_hand(self, name: str = NAME, *, token: str | None = None) -> Background:
        """Start the module as a person would; with a token, as a supervisor does."""
        environment = {**os.environ, "OUTPOST_MODULE": name}
        argv = self.program.argv_for(self.tap.address)
        if token is not None:
            # The shell opens the file descriptor, as the supervisor does.
            file = self.manager.directory / f"token-{len(self._by_hand)}"
            file.write_text(token)
            environment["OUTPOST_TOKEN_FD"] = "9"
            argv = ["/bin/sh", "-c", 'exec 9<"$0"; exec "$@"', str(file), *argv]
        background = Background(argv, environment)
        self._by_hand.append(background)
        return background


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Program:
    """What is under test."""
    return Program(Path(request.config.getoption("--module")))


@pytest.fixture(scope="session")
def shared(program: Program) -> Iterator[Subject]:
    """The module, running, for every test that leaves it as it was."""
    subject = Subject(program, "probe")
    try:
        subject.manager.start()
        subject.enable()
        yield subject
    finally:
        subject.close()


@pytest.fixture
def subject(shared: Subject) -> Subject:
    """The module, running; the test leaves it as it was."""
    return shared


@pytest.fixture
def fresh(program: Program) -> Iterator[Subject]:
    """A manager of the test's own, with the module installed and not enabled."""
    subject = Subject(program)
    try:
        subject.manager.start()
        yield subject
    finally:
        subject.close()
