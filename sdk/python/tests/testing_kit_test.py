"""The test kit that module authors get, by modules that are tested with it."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import outpost.testing
from mgr_module import CLIReadCommand, CommandResult, MgrModule, NotifyType, Option
from outpost import ModuleLoadError
from outpost.testing import Counter, FakeManager, Refusal, RunningModule, wait_until

if "TEST_SRCDIR" in os.environ:
    ROOT = Path(os.environ["TEST_SRCDIR"], os.environ["TEST_WORKSPACE"])
else:
    ROOT = Path(__file__).resolve().parents[3]


class Watcher(MgrModule):
    """Watches OSDs, and does this and that."""

    NOTIFY_TYPES = (NotifyType.osd_map, NotifyType.command)
    MODULE_OPTIONS = (
        Option("limit", type="int", default=1, min=0, max=9),
        Option("size", type="size", default="4K"),
        Option("pause", type="secs", default="2h30"),
        Option("colour", default="red", enum_allowed=["red", "green"]),
        Option("note"),
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.stop = threading.Event()
        self.told: list[Any] = []

    def serve(self) -> None:
        self.stop.wait()

    def shutdown(self) -> None:
        self.stop.set()

    def config_notify(self) -> None:
        self.told.append(self.get_module_option("limit"))

    def notify(self, notify_type: NotifyType, notify_id: str) -> None:
        self.told.append((notify_type, notify_id))
        if notify_type is NotifyType.osd_map:
            down = [osd["osd"] for osd in self.get("osd_map")["osds"] if not osd["up"]]
            if len(down) > int(str(self.get_module_option("limit"))):
                check = {"severity": "warning", "summary": f"{len(down)} down", "count": len(down)}
                self.set_health_checks({"MANY_DOWN": check})
            else:
                self.set_health_checks({})

    @CLIReadCommand("watcher echo")
    def echo(self, word: str, inbuf: bytes | None = None) -> tuple[int, Any, str]:
        self.log.warning("echo %s", word)
        return 3, inbuf if inbuf is not None else word, "said"

    def double(self, number: int) -> int:
        return 2 * number

    def fail(self) -> None:
        raise KeyError("nothing")

    def relay(self, *args: Any) -> Any:
        return self.remote(*args)

    def attempt(self, method: str, *args: Any) -> str:
        try:
            getattr(self, method)(*args)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def send(self, tag: str) -> list[Any]:
        result = CommandResult()
        self.send_command(result, "osd", "3", '{"prefix": "bench"}', tag, "in")
        return list(result.wait())


def osds(*up: bool) -> dict[str, Any]:
    return {"osds": [{"osd": number, "up": is_up} for number, is_up in enumerate(up)]}


@pytest.fixture
def manager() -> Iterator[FakeManager]:
    with FakeManager() as manager:
        yield manager


@pytest.fixture
def watcher(manager: FakeManager) -> RunningModule:
    return manager.start_module(Watcher, options={"note": "from the start"})


def test_the_public_names() -> None:
    names = "ClusterCommand Counter DEADLINE FakeManager FakeSession LogLine Refusal RunningModule"
    assert sorted(outpost.testing.__all__) == [*names.split(), "wait_until"]


def test_commands(watcher: RunningModule) -> None:
    assert watcher.name == "watcher"
    assert watcher.run("watcher echo", word="x") == (3, "x", "said")
    assert watcher.run("watcher echo", b"\xff", word="x").stdout == b"\xff"
    assert watcher.run("watcher echo").retval == -22
    line = watcher.wait_for_log("echo x")
    assert (line.level, line.logger, line.channel) == ("warning", "", "")


def test_data_and_health(manager: FakeManager, watcher: RunningModule) -> None:
    manager.set_structure("osd_map", osds(True, False, False))
    watcher.notify(NotifyType.osd_map, "7")
    assert watcher.health == {
        "MANY_DOWN": {"severity": "warning", "summary": "2 down", "count": 2, "detail": []}
    }
    manager.set_structure("osd_map", osds(True, True, False))
    watcher.notify("osd_map", "8")
    assert watcher.health == {}
    assert (NotifyType.osd_map, "8") in watcher.instance.told
    with pytest.raises(AssertionError, match="watcher has not subscribed to health"):
        watcher.notify("health")


def test_options(manager: FakeManager, watcher: RunningModule) -> None:
    module = watcher.instance
    assert module.get_module_option("note") == "from the start"
    assert module.get_module_option("size") == 4096
    assert module.get_module_option("pause") == 9000 - 1770
    watcher.set_option("limit", 5)
    assert module.told == [5], "config_notify() has run"
    watcher.set_option("limit", None)
    assert module.told == [5, 1]
    for name, value in (("limit", 10), ("limit", "x"), ("colour", "blue"), ("size", -1)):
        with pytest.raises(ValueError, match=name):
            watcher.set_option(name, value)
        told = watcher.call("attempt", "set_module_option", name, value)
        assert told.startswith("InvalidArgumentError: Config.Set: option " + name)
    with pytest.raises(KeyError, match="nosuch"):
        watcher.set_option("nosuch", 1)
    with pytest.raises(TypeError, match="option note"):
        watcher.set_option("note", [1])  # type: ignore[arg-type]
    module.set_module_option("colour", "green")
    module.set_localized_module_option("limit", 3)
    assert manager.options["mgr/watcher/colour"] == "green"
    assert manager.options["mgr/watcher/x/limit"] == "3"


def test_keys(watcher: RunningModule) -> None:
    watcher.keys["given"] = b"1"
    assert watcher.instance.get_store("given") == "1"
    watcher.instance.set_store("made", "2")
    assert watcher.keys["made"] == b"2"
    told = watcher.call("attempt", "set_store", "k" * 1025, "x")
    assert told.endswith("the key has 1025 bytes; at most 1024")
    told = watcher.call("attempt", "set_store", "k", "x" * (8 * 1024 * 1024 + 1))
    assert told.endswith('the value of key "k" has 8388609 bytes; at most 8388608')
    assert sorted(watcher.keys) == ["given", "made"]


def test_methods(manager: FakeManager, watcher: RunningModule) -> None:
    assert watcher.call("double", number=4) == 8
    with pytest.raises(RuntimeError, match="nothing"):
        watcher.call("fail")
    with pytest.raises(NameError, match="nosuch"):
        watcher.call("nosuch")
    manager.methods["other", "join"] = lambda *words: "-".join(words)
    assert watcher.call("relay", "other", "join", "a", "b") == "a-b"
    told = watcher.call("attempt", "remote", "other", "join", 1)
    assert told.startswith("RuntimeError: Remote method threw exception: TypeError:")
    assert watcher.call("attempt", "remote", "other", "nosuch").startswith("NameError")
    assert watcher.call("attempt", "remote", "absent", "f").startswith("ImportError")


def test_two_modules(manager: FakeManager, watcher: RunningModule) -> None:
    second = manager.start_module(Watcher, name="second")
    assert second.call("relay", "watcher", "double", 4) == 8
    assert second.call("attempt", "remote", "watcher", "fail").startswith("RuntimeError")
    second.instance.set_store("k", "of second")
    assert watcher.instance.get_store("k") is None
    second.stop()
    assert watcher.call("attempt", "remote", "second", "double", 4).startswith("ImportError")
    assert watcher.run("watcher echo", word="x").stdout == "x"


def test_cluster_commands(manager: FakeManager, watcher: RunningModule) -> None:
    assert watcher.call("send", "")[0] == -22
    seen = []

    def answer(*request: Any) -> tuple[int, str, str]:
        seen.append(request)
        return -5, "out", "no"

    manager.cluster_command = answer
    assert watcher.call("send", "tag") == [-5, "out", "no"]
    assert seen == [("osd", "3", {"prefix": "bench"}, b"in")]
    watcher.session.wait_for("notification_ack")
    assert watcher.instance.told == [(NotifyType.command, "tag")]


def test_daemons(manager: FakeManager, watcher: RunningModule) -> None:
    module = watcher.instance
    manager.servers["h"] = ("16", [("osd", "0")])
    manager.metadata["osd.0"] = {"arch": "x86_64"}
    manager.daemon_status["osd.0"] = {"state": "up"}
    manager.health_metrics["osd.0"] = [("SLOW_OPS", 2, 30)]
    manager.counters["osd.0"]["op"] = Counter([(1.0, 5)])
    services = [{"type": "osd", "id": "0"}]
    assert module.list_servers() == [{"hostname": "h", "ceph_version": "16", "services": services}]
    assert module.get_metadata("osd", "0") == {"arch": "x86_64"}
    assert module.get_metadata("osd", "1") is None
    assert module.get_daemon_status("osd", "0") == {"state": "up"}
    assert module.get_daemon_status("osd", "1") == {}
    assert module.get_daemon_health_metrics()["osd.0"][0]["type"] == "SLOW_OPS"
    assert module.get_counter("osd", "0", "op") == {"op": [(1.0, 5.0)]}
    assert module.have_mon_connection()
    manager.connected = False
    assert not module.have_mon_connection()


def test_progress_and_where_it_serves(watcher: RunningModule) -> None:
    watcher.instance.update_progress_event("e", "Moving", 0.5, True)
    assert watcher.progress["e"].progress == 0.5
    watcher.instance.complete_progress_event("e")
    assert watcher.progress == {}
    assert watcher.uri == ""
    watcher.instance.set_uri("http://h/")
    assert watcher.uri == "http://h/"


def test_the_clusters_log(watcher: RunningModule) -> None:
    watcher.instance.cluster_log("audit", MgrModule.ClusterLogPrio.ERROR, "who")
    assert watcher.wait_for_log("who") == ("error", "", "who", "audit")


def test_serve(manager: FakeManager, watcher: RunningModule) -> None:
    class Fails(MgrModule):
        def serve(self) -> None:
            raise OSError("disk gone")

    class Returns(MgrModule):
        def serve(self) -> None:
            pass

    assert watcher.serve_state == "running"
    failing = manager.start_module(Fails)
    failing.wait_for_log("disk gone")
    outpost.testing.wait_until(lambda: failing.serve_state == "failed", "serve()")
    returning = manager.start_module(Returns)
    outpost.testing.wait_until(lambda: returning.serve_state == "returned", "serve()")


def test_a_module_that_does_not_end(manager: FakeManager) -> None:
    gate = threading.Event()

    class Stuck(MgrModule):
        def serve(self) -> None:
            gate.wait()

    stuck = manager.start_module(Stuck)
    with pytest.raises(AssertionError, match=r"serve\(\) of stuck did not return within 0.1 s"):
        stuck.stop(timeout=0.1)
    gate.set()
    stuck.stop()


def test_a_module_that_can_not_run(manager: FakeManager) -> None:
    class Incapable(MgrModule):
        @staticmethod
        def can_run() -> tuple[bool, str]:
            return False, "no influxdb"

    incapable = manager.start_module(Incapable)
    assert not incapable.register.can_run
    with pytest.raises(AssertionError, match="incapable can't run: no influxdb"):
        _ = incapable.instance


def test_a_module_that_can_not_be_loaded(manager: FakeManager, tmp_path: Path) -> None:
    class Early(MgrModule):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.get_store("k")

    with pytest.raises(ModuleLoadError, match="call it in serve"):
        manager.start_module(Early)
    with pytest.raises(ModuleLoadError, match=r"has no module\.py"):
        manager.start_module(tmp_path)


def test_a_module_that_the_manager_refuses(
    manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_until, "__defaults__", (0.2,))
    handlers = list(logging.getLogger().handlers)
    manager.refusals["ModuleHost.Attach"] = Refusal(
        grpc.StatusCode.ALREADY_EXISTS, "there is one", "NAME_TAKEN"
    )
    with pytest.raises(AssertionError, match="watcher to attach"):
        manager.start_module(Watcher)
    assert logging.getLogger().handlers == handlers


def test_a_directory_can_be_started_again(manager: FakeManager) -> None:
    for place in ("Mars", "Venus"):
        hello = manager.start_module(ROOT / "modules/hello", options={"place": place})
        assert hello.run("hello").stdout == f"Hello, {place}!"
        hello.stop()


def test_the_example_of_the_document_is_the_test_of_hello() -> None:
    document = (ROOT / "docs/testing-a-module.md").read_text()
    (box,) = re.findall(r"```python modules/hello/hello_test\.py\n(.*?)```", document, re.DOTALL)
    assert box == (ROOT / "modules/hello/hello_test.py").read_text()


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
