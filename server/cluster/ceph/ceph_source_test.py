"""CephSource against a real cluster: see ceph_source_probe.cc for how it is driven."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import queue
import subprocess
import threading
import time
import unittest
from collections.abc import Callable
from typing import Any

from tests.integration.ceph.cluster import CephCluster

_PROBE = pathlib.Path("server/cluster/ceph/ceph_source_probe").resolve()
_DEADLINE_S = 30.0

Line = dict[str, Any]


class Probe:
    """A running ceph_source_probe."""

    def __init__(self, conf: str) -> None:
        self._process = subprocess.Popen(
            [str(_PROBE), conf], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lines: queue.Queue[Line] = queue.Queue()
        self._tags = 0
        self.events: list[Line] = []
        self.answers: dict[int, Line] = {}
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))

    def wait(self, what: str, reached: Callable[[], Any]) -> Any:
        """Waits until reached() is true, and returns that."""
        until = time.monotonic() + _DEADLINE_S
        while not (value := reached()):
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"waited in vain for {what}; {self.events[-5:]}") from None
            if "tag" in line:
                self.answers[line["tag"]] = line
            else:
                self.events.append(line)
        return value

    def event(self, **wanted: Any) -> Line:
        """Waits for an event, which is then taken."""

        def find() -> Line | None:
            for i, event in enumerate(self.events):
                if all(event.get(key) == value for key, value in wanted.items()):
                    del self.events[: i + 1]
                    return event
            return None

        event: Line = self.wait(f"the event {wanted}", find)
        return event

    def send(self, **request: Any) -> int:
        """Sends a request; returns its tag."""
        self._tags += 1
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"tag": self._tags, **request}) + "\n")
        self._process.stdin.flush()
        return self._tags

    def answer(self, tag: int) -> Line:
        answer: Line = self.wait(f"the answer {tag}", lambda: self.answers.pop(tag, None))
        return answer

    def ask(self, **request: Any) -> Line:
        return self.answer(self.send(**request))

    def structure(self, name: str) -> Any:
        answer = self.ask(get=name)
        return json.loads(answer["json"]) if "json" in answer else None

    def wait_for(self, name: str, good: Callable[[Any], bool]) -> Any:
        """Waits until a structure is as wanted."""
        while not ((value := self.structure(name)) is not None and good(value)):
            self.event(event="structure", name=name)
        return value

    def wait_for_reason(self, words: str) -> None:
        """Waits until the connection's reason has these words (which is no event)."""
        until = time.monotonic() + _DEADLINE_S
        while words not in (reason := self.ask(connection=True)["reason"]):
            assert time.monotonic() < until, reason
            time.sleep(0.05)

    def stop(self) -> float:
        """Stops it; returns how long that took, in seconds."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        seconds: float = self.event(event="stopped")["seconds"]
        assert self._process.wait(timeout=_DEADLINE_S) == 0
        self._reader.join()
        return seconds

    def kill(self) -> None:
        """Ends it if it still runs."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class CephSourceTest(unittest.TestCase):
    cluster: CephCluster

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = CephCluster(pathlib.Path(os.environ["TEST_TMPDIR"]) / "ceph")
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()
        rc, _, err = cls.cluster.ceph("osd", "pool", "create", "rbd", "4")
        assert rc == 0, err

    def setUp(self) -> None:
        self.probe = Probe(self.cluster.conf_path)
        self.addCleanup(self.probe.kill)
        connected = self.probe.event(event="connection", connected=True)
        self.assertEqual(connected["fsid"], self.cluster.fsid)

    def test_publishes_the_cluster(self) -> None:
        osd_map = self.probe.wait_for(
            "osd_map", lambda m: sum(o["up"] for o in m["osds"]) == 3 and m["pools"]
        )
        self.assertEqual(osd_map["pools"][0]["pool_name"], "rbd")
        self.assertEqual(osd_map["fsid"], self.cluster.fsid)
        pgs = self.probe.wait_for("pg_summary", lambda s: s["all"] == {"active+clean": 4})
        self.assertEqual(sum(n["active+clean"] for n in pgs["by_osd"].values()), 8)
        self.probe.wait_for("osd_metadata", lambda m: sorted(m) == ["0", "1", "2"])
        self.probe.wait_for("df", lambda d: d["stats"]["num_osds"] == 3)
        self.probe.wait_for("mon_map", lambda m: m["mons"][0]["name"] == "a")
        self.probe.wait_for("mgr_map", lambda m: m["available"] and m["active_name"] == "x")
        self.probe.wait_for("mon_status", lambda s: json.loads(s["json"])["state"] == "leader")
        self.probe.wait_for("health", lambda h: "checks" in json.loads(h["json"]))
        for name in ["osd_map_tree", "osd_map_crush", "fs_map", "service_map", "osd_stats"]:
            self.assertIsNotNone(self.probe.structure(name), name)
        self.assertLess(self.probe.stop(), 5)

    def test_a_command_changes_the_map_and_the_map_is_published(self) -> None:
        before = self.probe.wait_for("osd_map", lambda m: "noout" not in m["flags_set"])
        self.addCleanup(self.cluster.ceph, "osd", "unset", "noout")
        answer = self.probe.ask(run={"prefix": "osd set", "key": "noout"})
        self.assertEqual((answer["retval"], answer["err"]), (0, "noout is set"))
        after = self.probe.wait_for("osd_map", lambda m: "noout" in m["flags_set"])
        self.assertGreater(after["epoch"], before["epoch"])
        self.probe.wait_for("health", lambda h: "OSDMAP_FLAGS" in h["json"])
        # the notification carries the new epoch
        self.probe.ask(run={"prefix": "osd unset", "key": "noout"})
        while True:  # an event of an older epoch may still be on its way
            event = self.probe.event(event="structure", name="osd_map")
            if int(event["id"]) > after["epoch"]:
                break

    def test_a_dead_osd_is_seen(self) -> None:
        self.probe.wait_for("osd_map", lambda m: sum(o["up"] for o in m["osds"]) == 3)
        metadata = self.probe.structure("osd_metadata")
        self.cluster.kill_osd(2)
        self.cluster.ceph("osd", "down", "2")
        self.probe.wait_for("osd_map", lambda m: not m["osds"][2]["up"])
        self.probe.wait_for(
            "osd_map_tree", lambda t: "down" in [n.get("status") for n in t["nodes"]]
        )
        self.cluster.start_osd(2)
        self.probe.wait_for("osd_map", lambda m: m["osds"][2]["up"])
        self.probe.wait_for("osd_metadata", lambda m: m["2"] != metadata["2"])

    def test_commands_for_daemons(self) -> None:
        osd = self.probe.ask(type="osd", id="0", run={"prefix": "version"})
        self.assertEqual(osd["retval"], 0, osd)
        self.assertIn("version", json.loads(osd["out"]))
        self.assertEqual(
            self.probe.ask(type="osd", id="99", run={"prefix": "version"})["retval"], -errno.ENOENT
        )
        mon = self.probe.ask(type="mon", id="a", run={"prefix": "mon_status"})
        self.assertEqual(json.loads(mon["out"])["name"], "a")
        mgr = self.probe.ask(type="mgr", run={"prefix": "pg stat", "format": "json"})
        self.assertIn("pg_summary", json.loads(mgr["out"]))
        pg = self.probe.ask(type="pg", id="1.0", run={"prefix": "query", "pgid": "1.0"})
        self.assertEqual(pg["retval"], 0, pg)
        bad = self.probe.ask(run={"prefix": "nosuch"})
        self.assertEqual((bad["retval"], bad["err"]), (-errno.EINVAL, "command not known"))
        stored = self.probe.ask(
            run={"prefix": "config-key set", "key": "outpost/test"}, inbuf="a value"
        )
        self.assertEqual(stored["retval"], 0, stored)
        read = self.probe.ask(run={"prefix": "config-key get", "key": "outpost/test"})
        self.assertEqual(read["out"], "a value")

    def test_declares_the_commands_of_the_monitors(self) -> None:
        signatures = self.probe.ask(commands=True)["signatures"]
        self.assertIn(
            "osd pool stats name=pool_name,type=CephPoolname,req=false",
            signatures,
        )
        self.assertIn("osd lspools", signatures)
        self.assertTrue(any(s.startswith("pg dump name=dumpcontents") for s in signatures))
        self.assertNotIn("mon_status", signatures)
        self.assertGreater(len(signatures), 250)

    def test_an_outage_of_the_monitors(self) -> None:
        osd_map = self.probe.wait_for("osd_map", lambda m: m["osds"])
        self.cluster.stop_mon()
        gone = self.probe.event(event="connection", connected=False)
        self.assertRegex(
            gone["reason"],
            rf"the monitors at .*127.0.0.1:{self.cluster.port}.* have not answered since 20\S+Z",
        )
        self.assertEqual(self.probe.structure("osd_map")["epoch"], osd_map["epoch"])
        refused = self.probe.ask(run={"prefix": "osd stat"})
        self.assertEqual(refused["retval"], -errno.ENOTCONN)
        self.cluster.start_mon()
        self.probe.event(event="connection", connected=True)
        self.assertEqual(self.probe.ask(run={"prefix": "osd stat"})["retval"], 0)

    def test_a_long_outage_makes_the_client_anew(self) -> None:
        self.cluster.stop_mon()
        self.probe.event(event="connection", connected=False)
        self.probe.wait_for_reason("can't be reached (no answer within 2 s)")
        self.assertIsNotNone(self.probe.structure("osd_map"))
        # The conf file is read again; it may be away for a while, too.
        conf = pathlib.Path(self.cluster.conf_path)
        away = conf.rename(conf.with_suffix(".away"))
        self.probe.wait_for_reason(f'"{conf}" can\'t be read')
        away.rename(conf)
        self.cluster.start_mon()
        self.probe.event(event="connection", connected=True)
        self.assertEqual(self.probe.ask(run={"prefix": "osd stat"})["retval"], 0)

    def test_a_new_mgr(self) -> None:
        before = self.probe.wait_for("mgr_map", lambda m: m["available"])
        self.cluster.kill_mgr()
        self.cluster.start_mgr()
        self.probe.wait_for(
            "mgr_map", lambda m: m["available"] and m["active_gid"] != before["active_gid"]
        )
        self.probe.ask(run={"prefix": "osd pool create", "pool": "second", "pg_num": 2})
        self.addCleanup(
            self.probe.ask,
            run={
                "prefix": "osd pool delete",
                "pool": "second",
                "pool2": "second",
                "yes_i_really_really_mean_it": True,
            },
        )
        self.probe.wait_for("pg_summary", lambda s: len(s["by_pool"]) == 2)

    def test_a_refused_key(self) -> None:
        directory = pathlib.Path(os.environ["TEST_TMPDIR"])
        keyring = directory / "refused.keyring"
        keyring.write_text("[client.admin]\n\tkey = AQCYDAJrD+ViJBAAf2+axxx9goFH+2yw9Me3Tg==\n")
        conf = directory / "refused.conf"
        text = pathlib.Path(self.cluster.conf_path).read_text()
        conf.write_text(text.replace("keyring = ", f"keyring = {keyring}\n# "))
        refused = Probe(str(conf))
        self.addCleanup(refused.kill)
        refused.wait_for_reason("refuse client.admin (Permission denied): check that")
        self.assertLess(refused.stop(), 5)

    def test_a_hung_monitor(self) -> None:
        self.cluster.pause("mon.a")
        self.addCleanup(self.cluster.resume, "mon.a")
        begin = time.monotonic()
        hung = self.probe.ask(run={"prefix": "osd stat"}, timeout_s=0.5)
        self.assertEqual(hung["retval"], -errno.ETIMEDOUT)
        self.assertLess(time.monotonic() - begin, 1.5)
        self.probe.event(event="connection", connected=False)
        self.cluster.resume("mon.a")
        self.probe.event(event="connection", connected=True)

    def test_stop_with_a_hung_monitor(self) -> None:
        self.cluster.pause("mon.a")
        self.addCleanup(self.cluster.resume, "mon.a")
        tag = self.probe.send(run={"prefix": "osd stat"})
        self.assertLess(self.probe.stop(), 6)
        self.assertEqual(self.probe.answer(tag)["retval"], -errno.ESHUTDOWN)

    def test_hung_daemons_delay_nobody_else(self) -> None:
        for daemon in ("osd.1", "mgr.x"):
            self.cluster.pause(daemon)
            self.addCleanup(self.cluster.resume, daemon)
        hung = [
            self.probe.send(run={"prefix": "version"}, type="osd", id="1", timeout_s=3)
            for _ in range(8)
        ] + [self.probe.send(run={"prefix": "pg stat"}, timeout_s=3) for _ in range(8)]
        begin = time.monotonic()
        self.assertEqual(self.probe.ask(run={"prefix": "osd stat"})["retval"], 0)
        self.probe.ask(run={"prefix": "osd set", "key": "norebalance"})
        self.probe.wait_for("osd_map", lambda m: "norebalance" in m["flags_set"])
        self.assertLess(time.monotonic() - begin, 2.5)
        self.probe.ask(run={"prefix": "osd unset", "key": "norebalance"})
        for tag in hung:
            self.assertEqual(self.probe.answer(tag)["retval"], -errno.ETIMEDOUT)


if __name__ == "__main__":
    unittest.main()
