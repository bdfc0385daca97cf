"""Report a daemon to the Outpost manager: what it counts, how it does, what ails it.

Any program may report itself; it need not be a module, nor be Ceph's. Modules then read it as they
read the cluster's own daemons.

    from outpost.report import Reporter, Unit

    with Reporter("backup-agent", "site1", version="1.4") as reporter:
        saved = reporter.counter("backup.saved", unit=Unit.BYTES, description="Bytes saved")
        took = reporter.time_average("backup.took", description="Time for one file")
        reporter.set_status({"state": "running"})
        for file in files:
            with took.measure():
                saved.inc(save(file))

A thread of its own sends what has changed, at the interval that the manager asks for. When the
manager is away it tries again, with growing pauses, and tells everything anew to the next one;
counting goes on meanwhile, and never waits.
"""

from outpost._report_counters import Average, Counter, Gauge, TimeAverage, Unit
from outpost._report_stream import Rejection
from outpost._reporter import HealthMetric, Reporter, ReportRefusedError

__all__ = [
    "Average",
    "Counter",
    "Gauge",
    "HealthMetric",
    "Rejection",
    "ReportRefusedError",
    "Reporter",
    "TimeAverage",
    "Unit",
]
