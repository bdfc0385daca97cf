"""Tests of hello without a server: see docs/testing-a-module.md."""

import errno
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from outpost.testing import FakeManager, RunningModule


@pytest.fixture
def hello() -> Iterator[RunningModule]:
    with FakeManager() as manager:
        yield manager.start_module(Path(__file__).parent)


def test_greets(hello: RunningModule) -> None:
    assert hello.run("hello") == (0, "Hello, world!", "")
    assert hello.run("hello", person_name="Ada").stdout == "Hello, Ada!"
    assert hello.run("hello", inbuf="Bob\nEve\n").stdout == "Hello, Bob!\nHello, Eve!"


def test_refuses_an_empty_file(hello: RunningModule) -> None:
    result = hello.run("hello", inbuf="")
    assert (result.retval, result.stderr) == (-errno.EINVAL, "hello: the input file is empty")


def test_follows_its_options(hello: RunningModule) -> None:
    hello.set_option("place", "Mars")
    hello.set_option("emphatic", False)
    assert hello.run("hello").stdout == "Hello, Mars."
    hello.wait_for_log("place is now Mars, emphatic is now false")
    with pytest.raises(ValueError, match="emphatic"):
        hello.set_option("emphatic", "maybe")


def test_ends_when_it_is_told_to(hello: RunningModule) -> None:
    assert hello.serve_state == "running"
    hello.stop()
    assert hello.wait_for_log("hello ends").level == "info"


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q", "-p", "no:cacheprovider"]))
