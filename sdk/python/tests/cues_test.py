"""Log lines to the manager, and notifications from it."""

from __future__ import annotations

import time

from conftest import Runner

from outpost.testing import FakeManager, wait_until
from outpost.v1 import module_host_pb2, types_pb2

ServeStatus = module_host_pb2.ServeStatus


def test_logs_are_shipped(manager: FakeManager, run: Runner) -> None:
    run(
        """
        logging.getLogger("early").warning("while importing")
        print("noise on stdout")

        class Sample(MgrModule):
            def serve(self):
                self.log.debug("not seen")
                self.getLogger("part").error("two\\nlines")
                try:
                    raise OSError("disk gone")
                except OSError:
                    self.log.exception("caught")
                self.cluster_log("audit", self.ClusterLogPrio.SEC, "somebody came")

            def config_notify(self):
                self.log.debug("level is %s", self.get_module_option("log_level"))
        """
    )
    session = manager.session()
    wait_until(lambda: len(session.log_lines()) == 4, "the lines")
    early, part, caught, cluster = (r for batch in session.all("log") for r in batch.records)
    assert (early.logger, early.message, early.level) == (
        "early",
        "while importing",
        types_pb2.LOG_LEVEL_WARNING,
    )
    assert abs(early.time.ToNanoseconds() / 1e9 - time.time()) < 60
    assert (part.logger, part.message, part.level) == (
        "part",
        "two\nlines",
        types_pb2.LOG_LEVEL_ERROR,
    )
    assert caught.logger == ""
    assert caught.message.startswith("caught\nTraceback")
    assert caught.message.endswith("OSError: disk gone")
    assert (cluster.channel, cluster.message) == ("audit", "somebody came")
    manager.set_option(session, "log_level", "debug")
    wait_until(lambda: "level is debug" in session.log_lines(), "a line at the new level")


def test_a_flood_of_log_lines_is_bounded_and_counted(manager: FakeManager, run: Runner) -> None:
    run(
        """
        class Sample(MgrModule):
            @CLIReadCommand("flood")
            def flood(self, n: int):
                for i in range(n):
                    self.log.info("%d %s", i, "x" * 200)
                return 0, "", ""
        """
    )
    session = manager.session()
    total = 40_000
    session.run("flood", n=total)

    def told() -> int:
        return sum(batch.dropped + len(batch.records) for batch in session.all("log"))

    wait_until(lambda: told() == total, "every line sent or counted", 30)
    assert session.log_lines()[-1].startswith(f"{total - 1} ")


def test_notify_and_acknowledge(manager: FakeManager, run: Runner) -> None:
    run(
        """
        class Sample(MgrModule):
            NOTIFY_TYPES = [NotifyType.osd_map, NotifyType.command, "service_map"]

            def notify(self, notify_type, notify_id):
                self.log.info("%r %s", notify_type, notify_id)
                if notify_id == "12":
                    raise ValueError("bad day")
        """
    )
    session = manager.session()
    wait_until(lambda: manager.subscribed(session), "the subscription")
    (request,) = manager.requests("Notifications.Subscribe")
    assert request.explicit_acks
    assert list(request.types) == ["osd_map", "command", "service_map"]
    for kind, number in [("osd_map", "11"), ("osd_map", "12"), ("service_map", "13")]:
        manager.notify(kind, number)
    wait_until(lambda: len(session.all("notification_ack")) == 3, "the acknowledgements")
    assert [(a.subscription_id, a.sequence) for a in session.all("notification_ack")] == [
        (1, 1),
        (1, 2),
        (1, 3),
    ]
    told = session.log_lines()
    assert told[:2] == ["<NotifyType.osd_map: 'osd_map'> 11", "<NotifyType.osd_map: 'osd_map'> 12"]
    assert "ValueError: bad day" in told[2]
    assert told[3] == "'service_map' 13"


def test_a_line_of_the_clusters_log_is_given_whole(manager: FakeManager, run: Runner) -> None:
    run(
        """
        class Sample(MgrModule):
            NOTIFY_TYPES = [NotifyType.clog]

            def notify(self, notify_type, notify_id):
                self.log.info("%s: %s", notify_id["channel"], notify_id["message"])
        """
    )
    session = manager.session()
    wait_until(lambda: manager.subscribed(session), "the subscription")
    line = {"name": "osd.3", "channel": "cluster", "priority": "[WRN]", "message": "slow"}
    manager.notify("clog", "cluster", payload=line)
    wait_until(lambda: "cluster: slow" in session.log_lines(), "the notification")


def test_subscribes_again_when_the_subscription_breaks(manager: FakeManager, run: Runner) -> None:
    run(
        """
        class Sample(MgrModule):
            NOTIFY_TYPES = [NotifyType.health]

            def notify(self, notify_type, notify_id):
                self.log.info("heard of %s", notify_type.value)
        """
    )
    session = manager.session()
    wait_until(lambda: manager.subscribed(session), "the subscription")
    manager.break_subscriptions()
    wait_until(lambda: not manager.subscribed(session), "the end of the subscription")
    wait_until(lambda: manager.subscribed(session), "the second subscription")
    manager.notify("health")
    wait_until(lambda: "heard of health" in session.log_lines(), "the notification")


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
