"""Cluster data on the command line: structures and their parts, counters, who is notified."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator

import pytest
from fixture import DEADLINE, Manager, run_tests, until
from outpost.v1 import (
    config_pb2,
    config_pb2_grpc,
    notifications_pb2,
    notifications_pb2_grpc,
)


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    flags = ["--sim-osds", "40", "--sim-speed", "20"]
    with Manager("probe", "probe_cpp", flags=flags) as manager:
        yield manager


# --- structures ---


def test_parts_of_structures(manager: Manager) -> None:
    whole = json.loads(manager.check("get", "osd_map", "-f", "json"))
    assert json.loads(manager.check("get", "osd_map", "/osds/7", "-f", "json"))["osd"] == 7
    assert json.loads(manager.check("get", "osd_map", "/osds/7", "osd", "up")) == {
        "osd": 7,
        "up": whole["osds"][7]["up"],
    }
    some = manager.check("get", "osd_map", "/osds", "osd", "-f", "json")
    assert [osd["osd"] for osd in json.loads(some)] == list(range(40))
    assert manager.check("get", "osd_map", "/osds/7/osd", "-f", "yaml").strip() == "7"


def test_parts_that_there_are_not(manager: Manager) -> None:
    rc, _, err = manager.outpost("get", "osd_mpa")
    assert rc == errno.ENOENT
    assert "the nearest are osd_map" in err
    rc, _, err = manager.outpost("get", "osd_map", "/osds/99/up")
    assert rc == errno.ENOENT
    assert 'path "/osds/99/up": there is "/osds", and nothing such in it' in err
    rc, _, err = manager.outpost("get", "osd_map", "osds")
    assert rc == errno.EINVAL
    assert "not a JSON Pointer" in err


# --- counters ---


def test_counters_and_how_they_went(manager: Manager) -> None:
    def course() -> str:
        line = manager.check("counter", "osd.3", "osd.op_w").splitlines()[-1]
        return line.split("/s")[-1].strip() if "/s" in line else ""

    bars = until("some samples", lambda: (found := course()) and len(found) > 2 and found)
    assert set(bars) <= set("▁▂▃▄▅▆▇█ ")
    (series,) = json.loads(manager.check("counter", "osd.3", "osd.op_w", "-f", "json"))
    assert (series["daemon"], series["counter"]) == ("osd.3", "osd.op_w")
    times = [sample[0] for sample in series["samples"]]
    assert times == sorted(times)
    everything = manager.check("counter", "osd", "osd.op_w").splitlines()
    assert len(everything) == 1 + 40


def test_counters_that_there_are_not(manager: Manager) -> None:
    until("the counters", lambda: "osd.39" in manager.check("perf"))
    rc, _, err = manager.outpost("counter", "ods.3")
    assert rc == errno.ENOENT
    assert 'daemon "ods.3": there is none with counters; the nearest are osd.3' in err
    rc, _, err = manager.outpost("counter", "osd.3", "osd.op_x")
    assert rc == errno.ENOENT
    assert "the nearest are osd.op" in err


def test_what_counters_there_are(manager: Manager) -> None:
    daemons = {d["daemon"]: d["counters"] for d in json.loads(manager.check("perf", "-f", "json"))}
    counters = json.loads(manager.check("perf", "osd.0", "-f", "json"))
    assert len(counters) == daemons["osd.0"] > 0
    assert {"daemon", "counter", "type", "unit", "priority", "nick", "description"} == set(
        counters[0]
    )
    assert "osd.op_w" in manager.check("perf", "osd.0")


# --- who is notified ---


def subscriptions(manager: Manager, **request: str) -> list[notifications_pb2.SubscriptionInfo]:
    stub = manager.stub(notifications_pb2_grpc.NotificationsStub)
    request_ = notifications_pb2.ListSubscriptionsRequest(**request)
    return list(stub.ListSubscriptions(request_, timeout=DEADLINE).subscriptions)


def test_who_is_subscribed_and_how_far(manager: Manager) -> None:
    (one,) = subscriptions(manager, module="probe")
    assert (one.owner, one.explicit_acks) == ("module/probe", True)
    assert "osd_map" in one.types
    manager.check("osd", "set", "noout")
    manager.check("osd", "unset", "noout")

    def caught_up() -> bool:
        (info,) = subscriptions(manager, module="probe")
        return info.sent > one.sent and not info.HasField("lag") and not info.unacknowledged

    until("the module to have acknowledged", caught_up)
    table = manager.check("module", "ls", "--verbose")
    assert "SUBSCRIBER" in table and "module/probe_cpp" in table
    modules = json.loads(manager.check("module", "ls", "--verbose", "-f", "json"))
    (probe,) = (m for m in modules if m["name"] == "probe")
    assert probe["subscriptions"][0]["sent"] > 0
    assert "SUBSCRIBER" not in manager.check("module", "ls")


def test_a_subscriber_that_never_reads_is_seen_and_holds_nobody_up(manager: Manager) -> None:
    stub = manager.stub(notifications_pb2_grpc.NotificationsStub)
    stuck = stub.Subscribe(
        notifications_pb2.SubscribeRequest(types=["osd_map", "config"], explicit_acks=True)
    )
    number = next(stuck).subscribed.subscription_id
    for _ in range(5):
        manager.check("osd", "set", "nodown")
        assert manager.call("probe", "await_osd_flag", "nodown", True)
        manager.check("osd", "unset", "nodown")
        assert manager.call("probe_cpp", "await_osd_flag", "nodown", False)

    def told() -> list[notifications_pb2.SubscriptionInfo]:
        # The modules that were asked may have heard of the last change before this subscriber.
        return [
            s for s in subscriptions(manager) if s.subscription_id == number and s.coalesced >= 8
        ]

    (info,) = until("each change to have been told", told)
    assert (info.sent, info.unacknowledged, info.waiting) == (1, 1, 1)
    assert info.lag.ToNanoseconds() > 0
    assert info.missed == 0
    stuck.cancel()
    until("its end", lambda: all(s.subscription_id != number for s in subscriptions(manager)))


def test_one_that_subscribes_again_hears_the_next_change(manager: Manager) -> None:
    stub = manager.stub(notifications_pb2_grpc.NotificationsStub)
    request = notifications_pb2.SubscribeRequest(types=["osd_map"], explicit_acks=True)
    first = stub.Subscribe(request, timeout=DEADLINE)
    number = next(first).subscribed.subscription_id
    manager.check("osd", "set", "noin")
    assert next(first).notification.type == "osd_map"
    first.cancel()
    again = stub.Subscribe(request, timeout=DEADLINE)
    assert next(again).subscribed.subscription_id != number
    manager.check("osd", "unset", "noin")
    assert next(again).notification.sequence == 1, "what the first one owed is forgotten"
    again.cancel()


def test_lost_events_are_counted(manager: Manager) -> None:
    stub = manager.stub(notifications_pb2_grpc.NotificationsStub)
    stuck = stub.Subscribe(
        notifications_pb2.SubscribeRequest(types=["config"], explicit_acks=True), timeout=DEADLINE
    )
    number = next(stuck).subscribed.subscription_id
    config = manager.stub(config_pb2_grpc.ConfigStub)
    events = 64 + 1024 + 10  # on their way, in the ring, and more
    for n in range(events):
        config.Set(
            config_pb2.ConfigSetRequest(key="mgr/probe/number", value=str(n % 10)),
            timeout=DEADLINE,
        )

    def told() -> list[notifications_pb2.SubscriptionInfo]:
        # A Set is answered when it is stored, which is before all subscribers have been told.
        return [
            s
            for s in subscriptions(manager)
            if s.subscription_id == number and s.unacknowledged + s.waiting + s.missed >= events
        ]

    (info,) = until("each event to have been told", told)
    assert (info.unacknowledged, info.waiting, info.missed) == (64, 1024, 10)
    for _ in range(64):
        assert next(stuck).notification.missed == 0
    stub.Acknowledge(
        notifications_pb2.AcknowledgeRequest(ack={"subscription_id": number, "sequence": 64})
    )
    assert next(stuck).notification.missed == 10
    stuck.cancel()


if __name__ == "__main__":
    run_tests(__file__)
