"""The fixture itself: a manager that does not end as it should is seen."""

from __future__ import annotations

import os
import signal

import pytest
from fixture import Manager, run_tests

# As a sanitizer does when it has found something at the end.
_SCRIPT = """trap 'kill $!; wait $!; exit 23' TERM; "$@" & wait"""
_OTHER_STATUS = ["/bin/sh", "-c", _SCRIPT, "sh"]
_FAULT = "outpostd has ended with status 23 after SIGTERM"


def kill(manager: Manager) -> None:
    """Not by the fixture: as if it had crashed."""
    assert manager.process is not None
    manager.process.send_signal(signal.SIGKILL)
    manager.process.wait()


def test_one_that_ended_with_another_status() -> None:
    with pytest.raises(AssertionError, match=_FAULT), Manager(wrapper=_OTHER_STATUS):
        pass
    with Manager(wrapper=_OTHER_STATUS) as manager, pytest.raises(AssertionError, match=_FAULT):
        manager.stop()


def test_one_that_ended_by_itself() -> None:
    manager = Manager("hello")
    with pytest.raises(AssertionError, match="has ended by itself, with status -9"), manager:
        kill(manager)
    # All the same, nothing is left.
    assert not manager.module_processes()
    assert not os.path.exists(manager.directory)


def test_what_failed_before_is_told() -> None:
    with pytest.raises(KeyError), Manager() as manager:
        kill(manager)
        raise KeyError


def test_what_the_test_has_ended_is_as_it_should_be() -> None:
    with Manager() as manager:
        manager.kill9()
        manager.restart()
        manager.stop()
        manager.restart()
        manager.kill9()


if __name__ == "__main__":
    run_tests(__file__)
