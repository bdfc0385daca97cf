"""What a module hears of what happens to modules."""

from __future__ import annotations

import time

import grpc

from outpost import MgrModule, ModuleEvent, Watch
from outpost.testing import FakeManager, Refusal, wait_until
from outpost.v1 import manager_pb2


class Listener(MgrModule):
    """Keeps what it hears."""

    def __init__(self, module_name: str, *args: object) -> None:
        super().__init__(module_name, *args)
        self.heard: list[ModuleEvent] = []
        self.fails = False

    def listen(self, after: int = 0) -> Watch:
        def hear(event: ModuleEvent) -> None:
            self.heard.append(event)
            if self.fails:
                raise ValueError("no")

        return self.watch_module_events(hear, after=after)

    def numbers(self) -> list[int]:
        return [event.sequence for event in self.heard]


def start(manager: FakeManager) -> Listener:
    listener = manager.start_module(Listener, name="listener").instance
    assert isinstance(listener, Listener)
    return listener


def test_what_was_and_then_what_comes() -> None:
    with FakeManager() as manager:
        listener = start(manager)
        manager.add_module_event("a", "spawned", pid=7, by="client")
        with listener.listen():
            wait_until(lambda: listener.numbers() == [1], "the old one")
            manager.add_module_event(
                "a",
                "exited",
                message="signal 11",
                crashed=True,
                host="h",
                version="2",
                traceback="t",
                state=manager_pb2.MODULE_STATE_CANNOT_RUN,
                exit=manager_pb2.ProcessExit(signal=11, output=["x", "y"]),
            )
            wait_until(lambda: listener.numbers() == [1, 2], "the new one")
        first, then = listener.heard
        assert (first.kind, first.module, first.pid, first.by) == ("spawned", "a", 7, "client")
        assert (first.exit_status, first.exit_signal, first.output) == (None, 0, ())
        assert abs(first.time - time.time()) < 60
        assert (then.kind, then.state, then.crashed) == ("exited", "cannot run", True)
        assert (then.exit_status, then.exit_signal, then.output) == (0, 11, ("x", "y"))
        assert (then.host, then.version, then.traceback) == ("h", "2", "t")


def test_after_a_number_and_over_a_restart_of_the_manager_and_each_once() -> None:
    with FakeManager() as manager:
        listener = start(manager)
        listener.fails = True  # which is logged, and keeps no event back
        for _ in range(3):
            manager.add_module_event("a", "spawned")
        listener.listen(after=1)
        wait_until(lambda: listener.numbers() == [2, 3], "those after the first")
        manager.stop()
        manager.add_module_event("a", "exited")
        manager.start()
        wait_until(lambda: listener.numbers() == [2, 3, 4], "that in between")
        manager.add_module_event("a", "spawned")
        wait_until(lambda: listener.numbers() == [2, 3, 4, 5], "one more")


def test_kinds_and_states_of_a_newer_manager_have_a_number() -> None:
    with FakeManager() as manager:
        listener = start(manager)
        manager.add_module_event("a", "spawned")
        manager.module_events[0].kind = 99  # type: ignore[assignment]
        manager.module_events[0].state = 98  # type: ignore[assignment]
        manager.add_module_event("a", "exited")
        listener.listen()
        wait_until(lambda: listener.numbers() == [1, 2], "both")
        assert (listener.heard[0].kind, listener.heard[0].state) == ("kind_99", "state 98")


def test_a_manager_without_events() -> None:
    with FakeManager() as manager:
        manager.refusals["Manager.TailEvents"] = Refusal(
            grpc.StatusCode.UNIMPLEMENTED, "not yet in this manager"
        )
        watch = start(manager).listen()
        wait_until(lambda: watch.error is not None, "the refusal")
        assert "not yet" in str(watch.error)


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
