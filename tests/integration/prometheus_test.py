"""The exporter, as Prometheus and as its users see it."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fixture import DEADLINE, Manager, hammer, run_tests, until
from memory import resident
from outpost.v1 import notifications_pb2, notifications_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

FRESH = '"mgr/prometheus/cache" = "false"\n'
ADDRESS = '"mgr/prometheus/server_addr" = "127.0.0.1"\n'
ANY_PORT = '"mgr/prometheus/server_port" = "0"\n'


class Exporter(Manager):
    """A manager that has the exporter, and what is scraped of it."""

    def __init__(self, *modules: str, options: str = FRESH + ANY_PORT, **more: Any) -> None:
        flags = list(more.pop("flags", ()))
        super().__init__("prometheus", *modules, flags=flags, **more)
        settings = self.directory / "outpostd.toml"
        settings.write_text(f"[options]\n{ADDRESS}{options}")
        self.flags += ["--config", settings]

    def uri(self) -> str:
        services = json.loads(self.check("mgr", "services"))
        return str(services.get("prometheus", ""))

    def port(self) -> int:
        return int(until("the exporter to serve", self.uri).rstrip("/").rsplit(":", 1)[1])

    def get(self, path: str = "/metrics", port: int = 0) -> Page:
        return get(port or self.port(), path)

    def scrape(self, port: int = 0) -> Samples:
        page = self.get(port=port)
        assert page.status == 200, page
        return Samples(page.text)


class Page(NamedTuple):
    status: int
    content_type: str
    text: str


def get(port: int, path: str = "/metrics", method: str = "GET") -> Page:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    with contextlib.closing(connection):
        connection.request(method, path)
        response = connection.getresponse()
        return Page(response.status, response.headers["Content-Type"], response.read().decode())


class Samples:
    """What prometheus_client's own parser makes of a scrape."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.all: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in self.families.values():
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.all, f"{key} is there twice"
                self.all[key] = sample.value

    def __call__(self, name: str, **labels: str) -> float:
        return self.all[name, frozenset(labels.items())]

    def by(self, name: str, label: str) -> dict[str, float]:
        """Values by one label, of all samples of a name."""
        return {
            dict(labels)[label]: value
            for (of, labels), value in self.all.items()
            if of == name and label in dict(labels)
        }

    def labels(self, name: str, **some: str) -> dict[str, str]:
        """All labels of the one sample that has some."""
        found = [
            dict(labels)
            for (of, labels) in self.all
            if of == name and some.items() <= dict(labels).items()
        ]
        assert len(found) == 1, (name, some, found)
        return found[0]


@pytest.fixture(scope="module")
def manager() -> Iterator[Exporter]:
    # what is simulated stands still, so that a scrape and `outpost get` see the same
    flags = ["--sim-osds", "12", "--sim-speed", "0"]
    with Exporter("hello", "faulty", flags=flags) as manager:
        manager.port()
        yield manager


def of(manager: Manager, *words: str) -> Any:
    return json.loads(manager.check("get", *words, "-f", "json"))


# --- the pages ---


def test_pages(manager: Exporter) -> None:
    assert manager.uri() == f"http://127.0.0.1:{manager.port()}/"
    index = manager.get("/")
    assert index.status == 200
    assert index.content_type.startswith("text/html")
    assert '<a href="/metrics">' in index.text
    metrics = manager.get("/metrics?x=y")
    assert metrics.status == 200
    assert metrics.content_type == "text/plain; version=0.0.4; charset=utf-8"
    nothing = manager.get("/metric")
    assert (nothing.status, nothing.text) == (
        404,
        "there is no /metric; there are / and /metrics\n",
    )
    head = get(manager.port(), method="HEAD")
    assert (head.status, head.text) == (200, "")
    assert get(manager.port(), method="DELETE").status == 501


# --- the cluster ---


def test_the_clusters_values_are_those_of_its_structures(manager: Exporter) -> None:
    osd_map, df = of(manager, "osd_map"), of(manager, "df")
    health = json.loads(of(manager, "health")["json"])
    samples = manager.scrape()
    status = {"HEALTH_OK": 0, "HEALTH_WARN": 1, "HEALTH_ERR": 2}[health["status"]]
    assert samples("ceph_health_status") == status
    assert len(osd_map["osds"]) == 12
    for state in ("up", "in", "weight"):
        assert samples.by(f"ceph_osd_{state}", "ceph_daemon") == {
            f"osd.{osd['osd']}": osd[state] for osd in osd_map["osds"]
        }
    assert samples("ceph_cluster_total_bytes") == df["stats"]["total_bytes"]
    for stat in ("stored", "max_avail", "objects", "wr"):
        assert samples.by(f"ceph_pool_{stat}", "pool_id") == {
            str(pool["id"]): pool["stats"][stat] for pool in df["pools"]
        }
    pool = osd_map["pools"][0]
    labels = samples.labels("ceph_pool_metadata", pool_id=str(pool["pool"]))
    assert (labels["name"], labels["type"]) == (pool["pool_name"], "replicated")
    by_pool = of(manager, "pg_summary", "/by_pool")
    assert samples.by("ceph_pg_total", "pool_id") == {
        pool: sum(states.values()) for pool, states in by_pool.items()
    }
    assert sum(samples.by("ceph_pg_active", "pool_id").values()) > 0
    mons = json.loads(of(manager, "mon_status")["json"])
    assert samples.by("ceph_mon_quorum_status", "ceph_daemon") == {
        f"mon.{mon['name']}": int(mon["rank"] in mons["quorum"]) for mon in mons["monmap"]["mons"]
    }
    about = of(manager, "osd_metadata", "/3")
    labels = samples.labels("ceph_osd_metadata", ceph_daemon="osd.3")
    assert labels["hostname"] == about["hostname"]
    assert labels["objectstore"] == about["osd_objectstore"]
    assert labels["ceph_version"]
    assert samples("ceph_osd_flag_noout") == 0
    manager.check("osd", "set", "noout")
    until("the flag", lambda: manager.scrape()("ceph_osd_flag_noout") == 1)
    check = {"name": "OSDMAP_FLAGS", "severity": "HEALTH_WARN"}
    until(
        "the check",
        lambda: ("ceph_health_detail", frozenset(check.items())) in manager.scrape().all,
    )
    manager.check("osd", "unset", "noout")


def newest(manager: Manager, daemon: str, counter: str) -> list[float]:
    """The newest value, as the command line tells it: sum and count of an average."""
    (series,) = json.loads(manager.check("counter", daemon, counter, "-f", "json"))
    return list(series["samples"][-1][1:]) if series["samples"] else [0]


def test_counters_of_daemons() -> None:
    with Exporter(flags=["--sim-osds", "5", "--sim-speed", "50"]) as manager:
        manager.port()
        until("some work", lambda: newest(manager, "osd.3", "osd.op_w")[0] > 0)
        before = newest(manager, "osd.3", "osd.op_w")
        latency_before = newest(manager, "osd.3", "osd.op_w_latency")
        samples = manager.scrape()
        after = newest(manager, "osd.3", "osd.op_w")
        latency_after = newest(manager, "osd.3", "osd.op_w_latency")
        osd = {"ceph_daemon": "osd.3"}
        assert before[0] <= samples("ceph_osd_op_w", **osd) <= after[0]
        total = samples("ceph_osd_op_w_latency_sum", **osd)
        count = samples("ceph_osd_op_w_latency_count", **osd)
        assert latency_before[0] <= total <= latency_after[0]
        assert latency_before[1] <= count <= latency_after[1]
        assert set(samples.by("ceph_osd_op_w", "ceph_daemon")) == {f"osd.{n}" for n in range(5)}
        assert samples.families["ceph_osd_op_w"].documentation


# --- the manager and its modules ---


def test_the_manager_tells_what_it_uses_and_does(manager: Exporter) -> None:
    assert manager.process is not None
    before = manager.scrape()
    assert before("outpost_manager_info", manager="x", version="outpost 0.1.0", source="sim") == 1
    assert before("outpost_manager_resident_memory_bytes") == pytest.approx(
        resident(manager.process.pid), rel=0.2
    )
    threads = len(list(Path(f"/proc/{manager.process.pid}/task").iterdir()))
    assert before("outpost_manager_threads") == pytest.approx(threads, abs=3)
    assert before("outpost_manager_open_fds") > 5
    assert before("outpost_manager_cpu_seconds_total") > 0
    assert before("outpost_manager_sessions") == 3
    assert 0 < time.time() - before("outpost_manager_start_time_seconds") < 600

    for number in range(10):
        manager.check("config-key", "set", f"mgr/hello/key{number}", "value")
    assert manager.run("no", "such", "command").result.retval == -errno.EINVAL
    after = manager.scrape()

    def grew(name: str, **labels: str) -> float:
        return after(name, **labels) - before(name, **labels)

    assert grew("outpost_commands_total", provider="manager", result="succeeded") >= 10
    assert grew("outpost_command_seconds_count", provider="manager") >= 10
    assert grew("outpost_command_seconds_sum", provider="manager") > 0
    assert grew("outpost_invalid_commands_total") == 1
    assert grew("outpost_manager_rpcs_total", result="ok") >= 11
    assert grew("outpost_store_writes_total") >= 10
    assert 1 <= grew("outpost_store_commit_seconds_count") <= grew("outpost_store_writes_total")
    assert grew("outpost_store_keys") == 10
    sizes = {
        line["name"]: line["bytes"]
        for line in json.loads(manager.check("structures", "-f", "json"))
    }
    assert after.by("outpost_structure_bytes", "structure") == sizes


def test_commands_of_a_module_are_counted_by_how_they_ended(manager: Exporter) -> None:
    def counted(samples: Samples, result: str) -> float:
        labels = {"module": "hello", "kind": "command", "result": result}
        return samples("outpost_module_requests_total", **labels)

    before = manager.scrape()
    for _ in range(5):
        manager.check("hello")
    after = manager.scrape()
    assert counted(after, "succeeded") - counted(before, "succeeded") == 5
    assert counted(after, "failed") == counted(before, "failed")
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in after.all.items()
        if name == "outpost_module_request_seconds_bucket"
        and {"module": "hello", "kind": "command"}.items() <= dict(labels).items()
    }
    assert buckets["+Inf"] == counted(after, "succeeded") + counted(after, "failed")
    assert list(buckets.values()) == sorted(buckets.values())
    modules = {
        module["name"]: module
        for module in json.loads(manager.check("module", "ls", "--verbose", "-f", "json"))
    }
    assert modules["hello"]["commands"]["succeeded"] == counted(after, "succeeded")
    assert modules["hello"]["usage"]["threads"] > 0


def test_what_a_module_uses(manager: Exporter) -> None:
    samples = manager.scrape()
    pid = manager.modules()["hello"].pid
    hello = {"module": "hello"}
    assert samples("outpost_module_resident_memory_bytes", **hello) == pytest.approx(
        resident(pid), rel=0.2
    )
    assert samples("outpost_module_threads", **hello) == pytest.approx(
        len(list(Path(f"/proc/{pid}/task").iterdir())), abs=2
    )
    assert samples("outpost_module_cpu_seconds_total", **hello) > 0
    assert samples("outpost_module_open_fds", **hello) > 3
    assert samples("outpost_module_state", module="hello", state="running") == 1
    assert samples("outpost_module_uptime_seconds", **hello) > 0


def test_a_killed_module_has_restarted_once_more(manager: Exporter) -> None:
    before = manager.scrape()("outpost_module_restarts_total", module="faulty")
    pid = manager.modules()["faulty"].pid
    os.kill(pid, signal.SIGKILL)
    until("another process", lambda: manager.modules()["faulty"].pid not in (0, pid))
    manager.wait_for_state("faulty", "RUNNING")
    assert manager.scrape()("outpost_module_restarts_total", module="faulty") == before + 1


def test_a_subscriber_that_owes_something_is_seen(manager: Exporter) -> None:
    stub = manager.stub(notifications_pb2_grpc.NotificationsStub)
    stream = stub.Subscribe(
        notifications_pb2.SubscribeRequest(types=["osd_map"], explicit_acks=True), timeout=DEADLINE
    )
    number = str(next(stream).subscribed.subscription_id)
    labels = {"owner": "user/admin", "subscription": number}
    assert manager.scrape()("outpost_notifications_lag_seconds", **labels) == 0
    manager.check("osd", "set", "nodown")
    assert next(stream).notification.type == "osd_map"
    manager.check("osd", "unset", "nodown")

    def owes() -> bool:
        samples = manager.scrape()
        return (
            samples("outpost_notifications_unacknowledged", **labels) == 1
            and samples("outpost_notifications_waiting", **labels) == 1
            and samples("outpost_notifications_lag_seconds", **labels) > 0
        )

    until("the subscriber to lag", owes)
    stream.cancel()


# --- who scrapes ---


def test_scrapes_at_once_share_a_collection() -> None:
    flags = ["--sim-osds", "300", "--sim-speed", "0"]
    options = ANY_PORT + '"mgr/prometheus/scrape_interval" = "600"\n'
    with Exporter(options=options, flags=flags) as manager:
        port = manager.port()
        pages: list[Page] = []
        threads = [
            threading.Thread(target=lambda: pages.append(manager.get(port=port))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [page.status for page in pages] == [200] * 8
        assert len({page.text for page in pages}) == 1, "one collection for all"
        count = "ceph_prometheus_collect_duration_seconds_count"
        assert Samples(pages[0].text)(count, method="osds") == 1
        assert manager.scrape(port)(count, method="osds") == 1, "it is not too old yet"
        manager.check("config", "set", "mgr/prometheus/cache", "false")
        until("another one", lambda: manager.scrape(port)(count, method="osds") > 1)


def test_scrapes_hold_up_no_commands() -> None:
    flags = ["--sim-osds", "1000"]
    with Exporter("hello", flags=flags) as manager:
        port = manager.port()
        began = time.monotonic()
        text = manager.get(port=port).text
        first = time.monotonic() - began
        assert len(Samples(text).by("ceph_osd_up", "ceph_daemon")) == 1000
        times = []
        with hammer(manager, "hello") as result:
            for _ in range(3):
                began = time.monotonic()
                assert manager.get(port=port).status == 200
                times.append(time.monotonic() - began)
        print(
            f"1,000 OSDs: {len(text)} bytes; first scrape {first:.2f} s, then"
            f" {', '.join(f'{seconds:.2f} s' for seconds in times)}; commands meanwhile:"
            f" {result().answers}, the longest gap {result().longest_gap:.3f} s"
        )
        assert not result().failures
        assert result().answers > 10
        assert max(first, *times) < 10, "Prometheus would have given up"


def test_peers_that_say_nothing_and_peers_that_talk_nonsense(manager: Exporter) -> None:
    port = manager.port()
    with contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(20)
        ]
        assert manager.get(port=port).status == 200, "beside twenty that say nothing"
        half = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        half.sendall(b"GET /metrics HTTP/1.1\r\nHost: x")
        bad = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        bad.settimeout(DEADLINE)
        bad.sendall(b"\x16\x03\x01\x00\xff\r\n\r\n")
        assert b"400" in bad.recv(4096)
        gone = socket.create_connection(("127.0.0.1", port))
        gone.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        gone.close()  # does not wait for its answer
        assert manager.get(port=port).status == 200
        for connection in [*silent, half]:
            connection.settimeout(DEADLINE)
            assert connection.recv(1) == b"", "who says nothing is cut off"
    assert manager.state("prometheus") == "RUNNING"
    assert manager.modules()["prometheus"].restarts == 0


def test_no_more_connections_than_there_are_places(manager: Exporter) -> None:
    port = manager.port()
    with contextlib.ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))

        def is_refused() -> bool:
            with contextlib.suppress(OSError, http.client.HTTPException):
                get(port, "/")
                return False
            return True

        until("all places to be taken", is_refused)
    until("a place", lambda: not is_refused())


# --- where it serves ---


def test_a_taken_port_is_a_health_check_that_names_it_and_heals() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        options = f'{FRESH}"mgr/prometheus/server_port" = "{taken}"\n'
        with Exporter(options=options) as manager:

            def detail() -> str:
                return manager.check("health", "detail")

            report = until("the check", lambda: "PROMETHEUS_NOT_SERVING" in detail() and detail())
            assert f"can't listen on port {taken} of 127.0.0.1: Address already in use" in report
            assert "outpost config set mgr/prometheus/server_port" in report
            assert manager.uri() == ""
            assert manager.state("prometheus") == "RUNNING"
            manager.check("config", "set", "mgr/prometheus/server_port", "0")
            assert manager.get(port=manager.port()).status == 200
            until("the check to clear", lambda: "PROMETHEUS_NOT_SERVING" not in detail())
            # back, while it is taken still; and then it is free
            manager.check("config", "set", "mgr/prometheus/server_port", str(taken))
            until("the check", lambda: "PROMETHEUS_NOT_SERVING" in detail())
            stranger.close()
            until("the port to be taken over", lambda: str(taken) in manager.uri())
            assert manager.get(port=taken).status == 200
            until("the check to clear", lambda: "PROMETHEUS_NOT_SERVING" not in detail())


def test_another_port_at_run_time() -> None:
    with Exporter() as manager:
        old = manager.port()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            new = probe.getsockname()[1]
        manager.check("config", "set", "mgr/prometheus/server_port", str(new))
        until("the new port", lambda: manager.port() == new)
        assert manager.get(port=new).status == 200
        with pytest.raises(ConnectionRefusedError):
            get(old)
        targets = json.loads(manager.check("prometheus", "file_sd_config"))
        assert targets == [{"targets": [f"127.0.0.1:{new}"], "labels": {}}]
        manager.check("config", "set", "mgr/prometheus/server_addr", "2001:db8::1")
        targets = json.loads(manager.check("prometheus", "file_sd_config"))
        assert targets == [{"targets": [f"[2001:db8::1]:{new}"], "labels": {}}]
        rc, _, err = manager.outpost("config", "set", "mgr/prometheus/server_port", "65536")
        assert rc == errno.EINVAL
        assert "server_port" in err


# --- the manager ends, and comes back ---


def test_a_manager_that_was_killed() -> None:
    with Exporter() as manager:
        port = manager.port()
        first = manager.scrape(port)
        pid = manager.modules()["prometheus"].pid
        manager.kill9()
        page = get(port)
        assert page.status == 503
        assert page.text.startswith("no metrics: the collection has not ended after 8 s")
        manager.restart()
        until("metrics", lambda: get(port).status == 200)
        assert manager.modules()["prometheus"].pid == pid, "the same process"
        again = manager.scrape(port)
        name = "outpost_manager_start_time_seconds"
        assert again(name) > first(name)
        assert again("outpost_module_state", module="prometheus", state="running") == 1
        until("where it serves, told again", lambda: manager.uri().endswith(f":{port}/"))


def test_a_cluster_that_nobody_has_seen() -> None:
    with Exporter(flags=["--source", "report"]) as manager:
        samples = manager.scrape()
        assert samples("outpost_module_state", module="prometheus", state="running") == 1
        assert "ceph_health_status" not in samples.families or samples("ceph_health_status") == 0
        assert not samples.by("ceph_osd_up", "ceph_daemon")
        failures = samples.by("outpost_prometheus_failures_total", "method")
        assert failures
        assert not any(failures.values()), failures
        assert "there is not" not in manager.log(), "nothing is asked for that there is not"


if __name__ == "__main__":
    run_tests(__file__)
