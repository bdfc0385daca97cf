"""The exporter beside ceph-mgr's own, which runs unmodified, over the same simulated cluster."""

from __future__ import annotations

import contextlib
import urllib.request
from pathlib import Path

from fixture import Manager, run_tests, until
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.ceph.cluster import free_ports

CEPHS = Path("/usr/share/ceph/mgr/prometheus")
FLAGS = ["--sim-osds", "9", "--sim-speed", "0", "--sim-seed", "7"]

Sample = tuple[str, frozenset[tuple[str, str]]]


def samples(text: str) -> dict[Sample, float]:
    """What both are to have alike.

    How long collecting took is each one's own. Versions Ceph's looks for in another place: here
    list_servers() has them of hosts, as its documentation says.
    """
    return {
        (
            # the parser adds to what is said to be a counter
            sample.name.removesuffix("_total" if family.type == "counter" else ""),
            frozenset(
                (label, value) for label, value in sample.labels.items() if label != "ceph_version"
            ),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("ceph_") and not sample.name.startswith("ceph_prometheus_")
    }


def scraped(manager: Manager, port: int) -> dict[Sample, float]:
    manager.check("config", "set", "mgr/prometheus/server_addr", "127.0.0.1")
    manager.check("config", "set", "mgr/prometheus/server_port", str(port))
    manager.check("module", "restart", "prometheus")
    manager.settled("prometheus")

    def page() -> str:
        with contextlib.suppress(OSError):
            url = f"http://127.0.0.1:{port}/metrics"
            with urllib.request.urlopen(url, timeout=10) as response:
                text: str = response.read().decode()
                return text
        return ""

    return samples(until("a scrape", page))


def test_all_that_cephs_exporter_has_is_there() -> None:
    ours_port, cephs_port = free_ports(2)
    with Manager("prometheus", flags=FLAGS) as manager:
        manager.settled("prometheus")
        ours = scraped(manager, ours_port)
    with Manager(flags=FLAGS) as manager:
        argv = ["/usr/bin/python3", "-m", "outpost.run", "--as-ceph-mgr"]
        manager.install_program("prometheus", *argv, CEPHS)
        manager.settled("prometheus")
        cephs = scraped(manager, cephs_port)
    assert len(cephs) > 300
    missing = sorted(str(sample) for sample in cephs.keys() - ours.keys())
    assert not missing, missing
    more = {name for name, _ in ours.keys() - cephs.keys()}
    assert not more, more
    others = {
        str(sample): (ours[sample], value)
        for sample, value in cephs.items()
        if ours[sample] != value
    }
    assert not others, others


if __name__ == "__main__":
    run_tests(__file__)
