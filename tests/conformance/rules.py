"""Says which sentence of which .proto file a test checks.

    @rule("module_host.proto", "Comes back in Heartbeat.")
    def test_a_ping_is_answered(subject: Subject) -> None: ...

A sentence that is not (or no longer) in the comments of that file fails the test's import.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_PROTOS = Path(__file__).resolve().parents[2] / "proto/outpost/v1"

Test = TypeVar("Test", bound=Callable[..., None])


@functools.cache
def _comments(file: str) -> str:
    lines = (_PROTOS / file).read_text().splitlines()
    text = [line.strip().removeprefix("//") for line in lines if line.strip().startswith("//")]
    return re.sub(r"\s+", " ", " ".join(text))


def rule(file: str, sentence: str) -> Callable[[Test], Test]:
    """Mark a test with a rule, which is shown where the test fails."""
    if sentence not in _comments(file):
        raise ValueError(f"{file} does not say: {sentence}")

    def mark(test: Test) -> Test:
        rules = [(file, sentence), *getattr(test, "rules", [])]
        test.rules = rules  # type: ignore[attr-defined]
        return test

    return mark
