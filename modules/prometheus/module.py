"""Exports metrics of the cluster, of the manager and of its modules, for Prometheus to scrape.

Names, labels and options of the cluster's metrics are those of ceph-mgr's exporter, so that what
reads that one can read this one.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import socket
import threading
from typing import Any

try:
    import prometheus_client

    from .collection import Collection
    from .http_server import HttpServer
    from .snapshots import Snapshots
except ImportError as error:
    if error.name != "prometheus_client":
        raise
    prometheus_client = None

from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule, Option
from outpost import CallError

DEFAULT_PORT = 9283  # as ceph-mgr's exporter
_RETRY = 5.0  # seconds until a port that was taken is tried again
_PATIENCE = 8.0  # seconds that a scrape waits for a collection: Prometheus gives up after 10
_RETURN, _FAIL = "return", "fail"  # what stale_cache_strategy can be, as there


def _default_address() -> str:
    """All addresses of this host: where it has IPv6, "::" takes IPv4, too."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return "0.0.0.0"
    return "::"


class Module(MgrModule):
    """Serves /metrics."""

    MODULE_OPTIONS = (
        Option(
            name="server_addr",
            default="",
            desc="the address to listen on",
            long_desc="Empty: on all addresses of the host.",
            runtime=True,
        ),
        Option(
            name="server_port",
            type="int",
            default=DEFAULT_PORT,
            min=0,
            max=65535,
            desc="the port to listen on",
            long_desc="0: one that is free; `outpost mgr services` tells which.",
            runtime=True,
        ),
        Option(
            name="scrape_interval",
            type="float",
            default=15.0,
            min=0,
            desc="for how many seconds what was collected is served",
            long_desc="Prometheus' own interval is best. A scrape that comes later has all be"
            " collected anew; those that come meanwhile wait for the same collection.",
            runtime=True,
        ),
        Option(
            name="stale_cache_strategy",
            default=_FAIL,
            enum_allowed=[_RETURN, _FAIL],
            desc=f"what a scrape gets when a collection takes longer than {_PATIENCE:g} s",
            long_desc="return: what was collected before. fail: status 503.",
            runtime=True,
        ),
        Option(
            name="cache",
            type="bool",
            default=True,
            desc="whether what was collected is served again",
            runtime=True,
        ),
    )
    NOTIFY_TYPES = ("perf_schema_update",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._changed = threading.Event()
        self._ending = False
        self._collection = Collection()
        self._snapshots = Snapshots(functools.partial(self._collection.collect, self))

    @staticmethod
    def can_run() -> tuple[bool, str]:
        """Say whether what writes Prometheus' format is installed."""
        if prometheus_client is None:
            return False, "prometheus_client is missing: apt-get install python3-prometheus-client"
        return True, ""

    # what is served

    def metrics(self) -> bytes:
        """Return what a scrape gets. Raises NoDataError."""
        interval = float(self.get_localized_module_option("scrape_interval"))
        return self._snapshots.get(
            max_age=interval if self.get_localized_module_option("cache") else 0,
            patience=_PATIENCE,
            serve_stale=self.get_localized_module_option("stale_cache_strategy") == _RETURN,
        )

    def notify(self, notify_type: str, notify_id: str) -> None:
        """Daemons have other counters than before."""
        self._collection.counters.forget()

    def _address(self) -> tuple[str, int]:
        address = self.get_localized_module_option("server_addr") or _default_address()
        return str(address), int(self.get_localized_module_option("server_port"))

    def _reachable_host(self, address: str) -> str:
        """Return where others find this exporter, as it stands before a port."""
        try:
            everywhere = ipaddress.ip_address(address).is_unspecified
        except ValueError:  # a name
            return address
        host = self.get_mgr_ip() if everywhere else address
        return f"[{host}]" if ":" in host else host

    # where it is served

    def serve(self) -> None:
        """Listen where the options say, and move when they change."""
        server: HttpServer | None = None
        place: tuple[str, int] | None = None  # where it listens, or could not
        report = ""  # why it could not
        told = False
        while not self._ending:
            wanted = self._address()
            if wanted != place or report:
                if server is not None:
                    server.close()
                before, (server, report) = (place, report), self._listen(*wanted)
                told = told and before == (wanted, report)
                place = wanted
            if not told:
                told = self._tell(*wanted, server, report)
            self._changed.wait(None if told and not report else _RETRY)
            self._changed.clear()
        if server is not None:
            server.close()

    def _listen(self, address: str, port: int) -> tuple[HttpServer | None, str]:
        """Return who listens, or why nobody can."""
        try:
            return HttpServer(address, port, self.metrics), ""
        except OSError as error:
            return None, error.strerror or str(error)

    def _tell(self, address: str, port: int, server: HttpServer | None, report: str) -> bool:
        """Tell the manager where this serves, or why it does not; returns whether it heard it."""
        where = f"port {port} of {address}"
        try:
            if server is None:
                self.log.warning("can't listen on %s: %s", where, report)
                self.set_uri("")
                self.set_health_checks(
                    {
                        "PROMETHEUS_NOT_SERVING": {
                            "severity": "warning",
                            "summary": f"prometheus can't listen on {where}: {report}",
                            "detail": [
                                f"{where}: {report}; choose another one: outpost config set"
                                " mgr/prometheus/server_port PORT, or another address:"
                                " mgr/prometheus/server_addr. It is tried again every"
                                f" {_RETRY:g} s."
                            ],
                        }
                    }
                )
            else:
                self.log.info("listening on port %d of %s", server.port, address)
                self.set_uri(f"http://{self._reachable_host(address)}:{server.port}/")
                self.set_health_checks({})
        except CallError as error:
            self.log.warning("%s could not be told: %s", where, error)
            return False
        return True

    def config_notify(self) -> None:
        """Look at the options again."""
        self._changed.set()

    def shutdown(self) -> None:
        """Wake serve(), and end it."""
        self._ending = True
        self._changed.set()
        super().shutdown()

    # commands

    @CLIReadCommand("prometheus file_sd_config")
    def file_sd_config(self) -> HandleCommandResult:
        """Return file_sd compatible prometheus config for mgr cluster"""
        address, port = self._address()
        targets = [f"{self._reachable_host(address)}:{port}"]
        return HandleCommandResult(stdout=json.dumps([{"targets": targets, "labels": {}}]))

    def self_test(self) -> None:
        """Collect everything once."""
        self.metrics()
        self.file_sd_config()
