"""A daemon that reports itself: it pretends to save files, until SIGTERM or SIGINT."""

from __future__ import annotations

import os
import signal
import sys
import threading

from outpost.report import HealthMetric, Reporter

stop = threading.Event()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: stop.set())

daemon_id = sys.argv[1] if len(sys.argv) > 1 else "site1"
address = os.environ.get("OUTPOST_ADDRESS", "unix:/run/outpost/outpost.sock")
reporter = Reporter("backup-agent", daemon_id, address=address, version="1.4")
files = reporter.counter("backup.files", priority=8, description="Files saved")
queue = reporter.gauge("backup.queue", description="Files that wait")
took = reporter.time_average("backup.took", description="Time for one file")

reporter.set_metadata({"disk": "sda"})
reporter.set_status({"state": "running"})
reporter.set_health_metrics([HealthMetric("SLOW_OPS", 2, 40)])
reporter.set_structure("backup_sites", {"sites": ["berlin", "oslo"]})
with reporter:
    if not reporter.flush(timeout=30):
        sys.exit("no manager took the report within 30 s")
    print("reporting", flush=True)
    waiting = 1000
    while not stop.is_set():
        with took.measure():
            stop.wait(0.01)  # a file takes 10 ms
        files.inc()
        waiting -= 1
        queue.set(max(waiting, 0))
