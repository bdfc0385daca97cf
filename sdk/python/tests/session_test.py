"""The session: serve(), work, and the end, with a real module process."""

from __future__ import annotations

import errno
import itertools
import signal
import time

import pytest
from conftest import Runner
from sample_modules import SILENT, WAITING

from outpost import ExitCode
from outpost.testing import FakeManager, wait_until
from outpost.v1 import module_host_pb2

ServeStatus = module_host_pb2.ServeStatus


def test_shutdown_wakes_serve_and_the_process_ends_with_0(
    manager: FakeManager, run: Runner
) -> None:
    process = run(WAITING)
    session = manager.session()
    assert session.wait_for("serve_status").state == ServeStatus.STATE_RUNNING
    wait_until(lambda: session.log_lines() == ["serve starts"], "serve()")
    session.shutdown(reason="disabled")
    assert process.end() == (0, "")
    assert session.half_closed.wait(5)
    assert session.log_lines() == ["serve starts", "ending: disabled", "serve ends"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_as_shutdown_does(
    manager: FakeManager, run: Runner, number: signal.Signals
) -> None:
    process = run(WAITING)
    session = manager.session()
    wait_until(lambda: session.log_lines() == ["serve starts"], "serve()")
    process.signal(number)
    assert process.end() == (0, "")
    assert session.log_lines() == ["serve starts", f"ending: {number.name}", "serve ends"]


def test_a_signal_while_there_is_no_manager(manager: FakeManager, run: Runner) -> None:
    manager.stop()
    process = run(WAITING)
    stderr = process.process.stderr
    assert stderr is not None
    assert f"waiting for a manager at {manager.address}" in stderr.readline()
    process.signal(signal.SIGTERM)
    assert process.end() == (0, "")


def test_serve_that_does_not_return_is_left_behind(manager: FakeManager, run: Runner) -> None:
    process = run(
        """
        class Sample(MgrModule):
            def serve(self):
                threading.Event().wait()
        """
    )
    session = manager.session()
    session.wait_for("serve_status")
    began = time.monotonic()
    session.shutdown(grace=0.5)
    status, stderr = process.end()
    assert status == 1
    assert stderr == (
        "outpost: module sample: the time to end is over, and serve() did not return:"
        " ending the process\n"
    )
    assert 0.5 <= time.monotonic() - began < 5


def test_a_second_signal_does_not_wait(manager: FakeManager, run: Runner) -> None:
    process = run(
        """
        class Sample(MgrModule):
            def shutdown(self):
                threading.Event().wait()
        """
    )
    session = manager.session()
    process.signal(signal.SIGTERM)
    wait_until(lambda: "ending: SIGTERM" in session.log_lines(), "the first signal")
    process.signal(signal.SIGTERM)
    status, stderr = process.end()
    assert status == 1
    assert "SIGTERM came again, and shutdown() did not return" in stderr


def test_threads_of_the_module_do_not_keep_the_process(manager: FakeManager, run: Runner) -> None:
    process = run(
        """
        class Sample(MgrModule):
            def serve(self):
                threading.Thread(target=threading.Event().wait).start()
        """
    )
    session = manager.session()
    session.wait_for("serve_status", lambda status: status.state == ServeStatus.STATE_RETURNED)
    session.shutdown()
    assert process.end() == (0, "")


def test_without_serve_it_runs_at_once(manager: FakeManager, run: Runner) -> None:
    run(SILENT)
    session = manager.session()
    assert not session.register.has_serve
    assert session.wait_for("serve_status").state == ServeStatus.STATE_RUNNING
    assert session.run("echo", word="x").stdout == "x"


def test_serve_that_returns_or_fails_is_told(manager: FakeManager, run: Runner) -> None:
    run(
        """
        class Sample(MgrModule):
            def serve(self):
                raise KeyError("nothing there")

            @CLIReadCommand("ok")
            def ok(self):
                return 0, "ok", ""
        """
    )
    session = manager.session()
    status = session.wait_for(
        "serve_status", lambda status: status.state != ServeStatus.STATE_RUNNING
    )
    assert status.state == ServeStatus.STATE_FAILED
    assert status.error == "KeyError: 'nothing there'"
    assert "in serve" in status.traceback
    assert session.run("ok").stdout == "ok"
    manager.stop()
    manager.start()
    again = manager.session().wait_for("serve_status")
    assert (again.state, again.error) == (status.state, status.error)


def test_ping_is_answered(manager: FakeManager, run: Runner) -> None:
    run(SILENT)
    session = manager.session()
    session.send(ping=module_host_pb2.Ping(sequence=41))
    assert session.wait_for("heartbeat").sequence == 41


def test_unknown_messages_are_ignored(manager: FakeManager, run: Runner) -> None:
    run(SILENT)
    session = manager.session()
    session.send()
    assert session.run("echo", word="x").stdout == "x"


def test_drained_comes_after_the_work_in_hand(manager: FakeManager, run: Runner) -> None:
    run(
        """
        class Sample(MgrModule):
            gate = threading.Event()

            @CLIReadCommand("wait")
            def wait(self):
                self.gate.wait()
                return 0, "", ""

            def open(self):
                self.gate.set()
        """
    )
    session = manager.session()
    number = session.start("wait")
    session.send(drain=module_host_pb2.Drain())
    session.send(ping=module_host_pb2.Ping(sequence=1))
    session.wait_for("heartbeat")
    assert not session.all("drained")
    session.call("open")
    session.result(number)
    session.wait_for("drained")
    kinds = [request.WhichOneof("message") for request in session.received]
    assert kinds.index("command_result") < kinds.index("drained")


def test_drained_comes_at_once_when_idle(manager: FakeManager, run: Runner) -> None:
    run(SILENT)
    session = manager.session()
    session.send(drain=module_host_pb2.Drain())
    session.wait_for("drained")


def test_cancelled_work_is_answered_all_the_same(manager: FakeManager, run: Runner) -> None:
    """As the manager counts it among what the module has in hand until then."""
    run(
        """
        from outpost import caller_is_gone

        class Sample(MgrModule):
            MAX_CONCURRENCY = 1

            @CLIReadCommand("wait")
            def wait(self):
                self.log.info("waits")
                while not caller_is_gone():
                    time.sleep(0.01)
                return -1, "", ""

            @CLIReadCommand("quick")
            def quick(self):
                return 0, str(caller_is_gone()), ""
        """
    )
    session = manager.session()
    running, queued = session.start("wait"), session.start("wait")
    wait_until(lambda: session.log_lines() == ["waits"], "the command's start")
    for number in (queued, running, 12345):
        session.send(cancel=module_host_pb2.Cancel(id=number))
    assert session.result(running).retval == -1
    assert session.result(queued).retval == -errno.ECANCELED
    assert session.run("quick").stdout == "False"
    assert session.log_lines() == ["waits"], "the one in the queue was never begun"


def test_a_command_sees_that_its_time_is_over(manager: FakeManager, run: Runner) -> None:
    run(
        """
        from outpost import caller_is_gone

        class Sample(MgrModule):
            @CLIReadCommand("wait")
            def wait(self):
                while not caller_is_gone():
                    time.sleep(0.01)
                return -1, "", ""
        """
    )
    session = manager.session()
    assert session.result(session.start("wait", timeout=0.05)).retval == -1


def test_commands_run_beside_each_other(manager: FakeManager, run: Runner) -> None:
    run(
        """
        class Sample(MgrModule):
            MAX_CONCURRENCY = 3
            barrier = threading.Barrier(3, timeout=10)

            @CLIReadCommand("meet")
            def meet(self):
                self.barrier.wait()
                return 0, "", ""
        """
    )
    session = manager.session()
    numbers = [session.start("meet") for _ in range(3)]
    assert [session.result(number).retval for number in numbers] == [0, 0, 0]


def test_a_promise_of_serve_that_is_not_kept_is_told_with_the_heartbeat(
    manager: FakeManager, run: Runner
) -> None:
    process = run(
        """
        class Sample(MgrModule):
            def serve(self):
                self.next = threading.Event()
                self.watchdog(60)
                self.log.info("promised")
                self.next.wait()
                self.next.clear()
                self.watchdog(0.01)
                self.next.wait()
                self.watchdog(None)
                self.log.info("promises nothing")
                threading.Event().wait(timeout=20)

            @CLICommand("next")
            def go_on(self):
                self.next.set()

            def shutdown(self):
                pass
        """
    )
    session = manager.session()

    def stuck(sequence: int) -> str:
        session.send(ping=module_host_pb2.Ping(sequence=sequence))
        told: str = session.wait_for("heartbeat", lambda h: h.sequence == sequence).stuck
        return told

    wait_until(lambda: session.log_lines() == ["promised"], "serve()")
    assert stuck(1) == ""
    session.run("next")
    sequence = itertools.count(2)
    wait_until(lambda: stuck(next(sequence)) != "", "the end of the promise")
    told = stuck(1000)
    assert told.startswith("serve() promised to say within 0.01 s that it gets on, and has not for")
    assert "; it is in serve() (" in told
    assert " > wait() (" in told
    session.run("next")
    wait_until(lambda: session.log_lines()[-1] == "promises nothing", "the end of the promises")
    assert stuck(1001) == ""
    process.process.kill()


@pytest.mark.parametrize("where", ["serve", "import"])
@pytest.mark.parametrize("code", [ExitCode.NOT_CONFIGURED, ExitCode.DO_NOT_RESTART])
def test_a_module_may_end_itself_with_a_status_that_means_something(
    run: Runner, where: str, code: ExitCode
) -> None:
    process = run(
        """
        class Sample(MgrModule):
            def serve(self):
                raise SystemExit(CODE)
        """.replace("CODE", str(int(code)))
        if where == "serve"
        else f"raise SystemExit({int(code)})"
    )
    rc, _ = process.end()
    assert rc == code


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
