"""A module that spins, blocks or hangs is its own trouble: nobody else's, and not for ever."""

from __future__ import annotations

import errno
import json
import time

import grpc
import pytest
from fixture import Manager, hammer, run_tests, until
from outpost.v1 import manager_pb2, remote_pb2, remote_pb2_grpc

_LATE = 3.0  # seconds after a deadline by which its error must be there, on a busy machine


def _others_answer(manager: Manager) -> None:
    """Modules in both languages, the manager itself, and what they are told of the cluster."""
    with hammer(manager, "hello") as python, hammer(manager, "hello-cpp") as cpp:
        manager.call("probe", "forget")
        manager.check("osd", "set", "noup")
        assert manager.call("probe", "await_notification", "osd_map")
        manager.check("osd", "unset", "noup")
    for interval in (python(), cpp()):
        assert interval.answers > 0
        assert interval.failures == []
    assert manager.outpost("status").rc == 0


@pytest.mark.parametrize("name", ["faulty", "faulty_cpp"])
def test_all_faults_at_once(name: str) -> None:
    prefix = name.replace("_", "-")
    with Manager(name, "hello", "hello_cpp", "probe", flags=["--shutdown-grace", "0.5"]) as manager:
        for fault in ("spin", "deaf"):
            manager.check(prefix, fault)
        manager.check("osd", "set", "noout")  # for notify() to block on
        hung = manager.outpost_background(prefix, "hang")
        until("it to hang", lambda: manager.modules()[name].in_flight == 1)

        _others_answer(manager)

        # Who calls it hears of it at the deadline, however the call is made.
        begin = time.monotonic()
        rc, out, err = manager.outpost(prefix, "hang", "--timeout", "0.5")
        assert (rc, out) == (errno.ETIMEDOUT, ""), err
        assert 0.5 <= time.monotonic() - begin < 0.5 + _LATE
        begin = time.monotonic()
        with pytest.raises(grpc.RpcError) as caught:
            manager.run(prefix, "hang", timeout=0.5)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert 0.45 <= time.monotonic() - begin < 0.5 + _LATE
        begin = time.monotonic()
        with pytest.raises(grpc.RpcError) as caught:
            manager.stub(remote_pb2_grpc.RemoteStub).Call(
                remote_pb2.RemoteCallRequest(
                    module="probe", method="relay", args_json=json.dumps([name, "never"])
                ),
                timeout=0.5,
            )
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert 0.45 <= time.monotonic() - begin < 0.5 + _LATE

        # What it does not need its stuck threads for, it does; and it is well again.
        assert manager.run(prefix).result.stdout == "here"
        assert manager.state(name) == "RUNNING"
        manager.check(prefix, "well")
        assert hung.end().rc == 0
        manager.wait_for_log(f"{name}: heard of OSD map")
        until("nothing to be in hand", lambda: manager.modules()[name].in_flight == 0)


@pytest.mark.parametrize("name", ["faulty", "faulty_cpp"])
@pytest.mark.parametrize("fault", ["spin", "deaf"])
def test_a_stuck_module_can_be_disabled(name: str, fault: str) -> None:
    prefix = name.replace("_", "-")
    with Manager(name, "hello", flags=["--shutdown-grace", "0.5"]) as manager:
        manager.check(prefix, fault)
        manager.check("osd", "set", "noout")
        begin = time.monotonic()
        manager.check("module", "disable", name)
        assert time.monotonic() - begin < 5
        assert manager.modules()[name].state == manager_pb2.MODULE_STATE_DISABLED
        assert manager.outpost("hello").rc == 0


if __name__ == "__main__":
    run_tests(__file__)
