"""What a module hears of options and keys that it watches."""

from __future__ import annotations

import itertools
import time

import grpc
import pytest
from conftest import Runner
from probe_module import PROBE, Probe

from outpost.testing import FakeManager, Refusal, wait_until

_numbers = itertools.count()


class Watching:
    """A watch of the probe's, and what its callback heard."""

    def __init__(self, probe: Probe, call: str) -> None:
        self.probe = probe
        self.name = f"self.watch_{next(_numbers)}"
        method, arguments = call.split("(")
        probe(
            f"{self.name}_heard = []; "
            f"{self.name} = self.{method}({arguments}, lambda *args: {self.name}_heard.append("
            "[x.decode() if isinstance(x, bytes) else x for x in args])); None"
        )

    def present(self) -> Watching:
        self.probe(f"{self.name}.wait_present(15)")
        return self

    def heard(self) -> list[list[object]]:
        heard: list[list[object]] = self.probe(f"{self.name}_heard")
        return heard

    def wait_for(self, *told: list[object]) -> None:
        wait_until(lambda: self.heard() == list(told), f"{told}; there is {self.heard()}")

    def stop(self) -> None:
        self.probe(f"{self.name}.stop()")


@pytest.fixture
def fresh(manager: FakeManager, run: Runner) -> Probe:
    """A probe whose manager may come and go."""
    run(PROBE)
    return Probe(manager, manager.session())


def test_keys_that_are_there_and_then_their_changes(probe: Probe) -> None:
    probe.manager.set_key("sample", "job/1", b"a")
    probe.manager.set_key("sample", "other", b"x")
    watch = Watching(probe, "watch_store('job/'").present()
    assert watch.heard() == [["job/1", "a"]]
    probe("self.set_store('job/2', 'b'); self.set_store('other', 'y')")
    watch.wait_for(["job/1", "a"], ["job/2", "b"])  # of two that come fast one may be told
    probe("self.set_store('job/2', 'b')")  # no news
    probe("self.update_store({'job/1': 'c'})")
    watch.wait_for(["job/1", "a"], ["job/2", "b"], ["job/1", "c"])
    probe("self.set_store('job/2', None)")
    watch.wait_for(["job/1", "a"], ["job/2", "b"], ["job/1", "c"], ["job/2", None])
    watch.stop()
    probe("self.set_store('job/1', 'd')")
    later = Watching(probe, "watch_store('job/'").present()
    assert later.heard() == [["job/1", "d"]]
    assert len(watch.heard()) == 4
    later.stop()


def test_options_of_the_module_and_of_others(probe: Probe) -> None:
    probe.manager.options["mgr/other/color"] = "red"
    watch = Watching(probe, "watch_module_options(''").present()
    heard = watch.heard()
    assert ["other", "color", "red"] in heard
    assert ["sample", "int", -3] in heard
    probe("self.set_module_option('int', 4)")
    wait_until(lambda: ["sample", "int", 4] in watch.heard(), "the change")
    watch.stop()
    one = Watching(probe, "watch_module_options('other'").present()
    assert one.heard() == [["other", "color", "red"]]
    one.stop()
    probe("self.set_module_option('int', None)")


def test_after_the_manager_was_away_the_differences_are_heard(fresh: Probe) -> None:
    for key in ("a", "b", "c"):
        fresh.manager.set_key("sample", key, b"1")
    watch = Watching(fresh, "watch_store(''").present()
    first = watch.heard()
    assert sorted(first) == [["a", "1"], ["b", "1"], ["c", "1"]]
    fresh.manager.stop()
    fresh.manager.set_key("sample", "a", b"2")
    fresh.manager.set_key("sample", "b", None)
    fresh.manager.start()
    fresh.session = fresh.manager.session()
    wait_until(lambda: len(watch.heard()) == 5, "the differences")
    assert sorted(watch.heard()[3:], key=str) == [["a", "2"], ["b", None]]
    fresh.manager.set_key("sample", "c", b"2")
    wait_until(lambda: watch.heard()[-1] == ["c", "2"], "a change after that")


def test_a_refusal_that_lasts_ends_it(probe: Probe) -> None:
    probe.manager.refusals["KeyValue.Watch"] = Refusal(
        grpc.StatusCode.PERMISSION_DENIED, "not yours", "", {}
    )
    watch = Watching(probe, "watch_store(''")
    kinds, message = probe.raised(f"{watch.name}.wait_present(15)")
    assert kinds[0] == "PermissionDeniedError"
    assert "not yours" in message
    assert "not yours" in probe(f"str({watch.name}.error)")
    wait_until(
        lambda: any(
            "the watch of keys '' is refused" in line for line in probe.session.log_lines()
        ),
        "its line in the log",
    )


def test_what_breaks_is_tried_again(probe: Probe) -> None:
    probe.manager.set_key("sample", "a", b"1")
    probe.manager.refusals["KeyValue.List"] = Refusal(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "not now", "", {}
    )
    watch = Watching(probe, "watch_store(''")
    begin = time.monotonic()
    kinds, _ = probe.raised(f"{watch.name}.wait_present(0.05)")
    assert kinds[0] == "CallTimeoutError"
    assert time.monotonic() - begin < 10
    del probe.manager.refusals["KeyValue.List"]
    assert watch.present().heard() == [["a", "1"]]
    watch.stop()


def test_a_callback_that_raises_hears_the_next_change(probe: Probe) -> None:
    probe(
        "self.seen = []; "
        "self.bad = self.watch_store('', lambda k, v: (self.seen.append(k), 1 / int(v))); None"
    )
    probe("self.set_store('a', '0')")
    probe("self.set_store('b', '1')")
    wait_until(lambda: probe("self.seen") == ["a", "b"], "both")
    wait_until(
        lambda: any("callback of a watch" in line for line in probe.session.log_lines()), "a line"
    )
    probe("self.bad.stop()")


def test_too_early(probe: Probe) -> None:
    kinds, message = probe.raised("type(self)('x').watch_store('', print)")
    assert kinds[0] == "RuntimeError"
    assert message.startswith("watch_store() was called before the manager accepted the module")


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
