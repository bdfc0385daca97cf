"""What a module remembers of commands that are not to be run twice."""

from __future__ import annotations

import errno

import pytest

from outpost import _keyed_results
from outpost._keyed_results import KeyedResults
from outpost.v1 import types_pb2


class Asked:
    """A clock, and who asks."""

    def __init__(self) -> None:
        self.now = 0.0
        self.results = KeyedResults(lambda: self.now)
        self.told: list[types_pb2.CommandResult] = []

    def begin(self, key: str) -> bool:
        return self.results.begin(key, self.told.append)

    def end(self, key: str, stdout: str, retval: int = 0) -> None:
        self.results.end(key, types_pb2.CommandResult(stdout=stdout, retval=retval))

    def outputs(self) -> list[str]:
        return [result.stdout for result in self.told]


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_who_asks_again_is_told_when_it_ends_and_later_at_once(asked: Asked) -> None:
    assert asked.begin("a")
    assert not asked.begin("a")
    assert asked.outputs() == []
    asked.end("a", "one")
    assert asked.outputs() == ["one", "one"]
    asked.now = 599.0
    assert not asked.begin("a")
    assert asked.outputs() == ["one", "one", "one"]


def test_what_is_old_is_forgotten(asked: Asked) -> None:
    assert asked.begin("runs")
    assert asked.begin("a")
    asked.end("a", "one")
    asked.now = 600.0
    assert asked.begin("a")
    assert not asked.begin("runs"), "it has not ended"


def test_what_is_to_be_tried_again_is_not_remembered(asked: Asked) -> None:
    assert asked.begin("a")
    assert not asked.begin("a")
    asked.end("a", "later", -errno.EAGAIN)
    assert asked.outputs() == ["later", "later"]
    assert asked.begin("a")
    asked.end("a", "one")
    assert not asked.begin("a")
    assert asked.outputs() == ["later", "later", "one", "one"]


def test_of_a_great_result_only_that_is_remembered(asked: Asked) -> None:
    great = "x" * (_keyed_results._MAX_BYTES + 1)
    assert asked.begin("a")
    asked.end("a", great)
    assert not asked.begin("a")
    first, again = asked.told
    assert (first.retval, first.stdout) == (0, great)
    assert (again.retval, again.stdout) == (-errno.EMSGSIZE, "")
    assert "was run and returned 0, but its output of" in again.stderr


def test_all_results_together_are_bounded_too(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_keyed_results, "_MAX_BYTES_OF_ALL", 1000)
    for key in ("a", "b", "next"):
        assert asked.begin(key)
    asked.end("a", "x" * 600)
    asked.end("b", "x" * 600)
    asked.told.clear()
    assert not asked.begin("a")
    assert not asked.begin("b")
    assert [result.retval for result in asked.told] == [0, -errno.EMSGSIZE]
    # those of before are forgotten when the next ends
    asked.now = 600.0
    asked.end("next", "x" * 600)
    asked.told.clear()
    assert not asked.begin("next")
    assert asked.told[0].retval == 0


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
