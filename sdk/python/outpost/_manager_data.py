"""What the manager tells of itself and its modules: what each uses, does, and how it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from outpost._enum_names import module_state
from outpost.v1 import manager_pb2, notifications_pb2


@dataclass(frozen=True)
class ProcessUsage:
    """What a process uses."""

    rss_bytes: int
    cpu_seconds: float
    """Of its own and the kernel's for it, since its start."""
    threads: int
    open_files: int


@dataclass(frozen=True)
class Latencies:
    """How long something took."""

    sum_seconds: float
    buckets: tuple[tuple[float, int], ...]
    """Upper bounds in seconds, ascending up to infinity, each with how many took at most as long
    (and longer than the bound before)."""

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(count for _, count in self.buckets)


@dataclass(frozen=True)
class RequestStats:
    """How requests of one kind ended, since the manager started."""

    succeeded: int
    failed: int
    """Answered with an error."""
    timed_out: int
    cancelled: int
    lost: int
    """Whoever was to answer went away."""
    refused: int
    """Too many waited."""
    latency: Latencies
    """Of those that were answered."""


@dataclass(frozen=True)
class ModuleStatus:
    """A module, and how it is."""

    name: str
    state: str
    """"running", "cannot run", …: as `outpost module ls` shows it."""
    reason: str
    enabled: bool
    pid: int
    """0: it has no process that the manager knows."""
    attached: float | None
    """Since when, in seconds since the epoch; None: it is not."""
    restarts: int
    last_exit: str
    uri: str
    in_flight: int
    """Commands and calls that it works on, or that wait."""
    waiting: int
    """Of these, those that wait."""
    usage: ProcessUsage | None
    """None: it has no process that the manager started."""
    commands: RequestStats
    calls: RequestStats


@dataclass(frozen=True)
class SubscriptionStatus:
    """A subscriber of notifications, and how far it is."""

    subscription_id: int
    owner: str
    """"module/<name>", or "client"."""
    types: tuple[str, ...]
    waiting: int
    unacknowledged: int
    sent: int
    missed: int
    """Events that were lost, as nobody took them in time."""
    coalesced: int
    """Changes that went into the notification of a later one."""
    lag: float
    """For how many seconds it has owed something; 0: it is up to date."""


@dataclass(frozen=True)
class StoreStats:
    """What the manager's store of options and keys does."""

    writes: int
    failed_writes: int
    commits: Latencies
    """Of its transactions."""
    queued_writes: int
    queued_bytes: int
    keys: int


@dataclass(frozen=True)
class ManagerStatus:
    """The manager, what it uses, and what it has done since it started."""

    manager_id: str
    instance: str
    """Another one with each start."""
    version: str
    started: float
    """In seconds since the epoch."""
    source: str
    """Where cluster data comes from: "sim", "ceph", "report"."""
    cluster_connected: bool
    modules: Mapping[str, int]
    """How many are in which state."""
    usage: ProcessUsage
    sessions: int
    """Modules that are attached."""
    rpcs_started: int
    rpcs_succeeded: int
    rpcs_failed: int
    commands: Mapping[str, RequestStats]
    """By whose they are: "manager", "module", "cluster"."""
    invalid_commands: int
    """Those that were not run: there is no such command, or an argument is wrong."""
    store: StoreStats


def manager_status(status: manager_pb2.GetStatusResponse) -> ManagerStatus:
    """Translate what the wire says of the manager."""
    stats = status.stats
    return ManagerStatus(
        manager_id=status.manager_id,
        instance=status.instance,
        version=status.version,
        started=status.started.ToNanoseconds() / 1e9,
        source=status.source,
        cluster_connected=status.cluster_connected,
        modules=dict(status.modules),
        usage=_usage(stats.usage),
        sessions=stats.sessions,
        rpcs_started=stats.rpcs_started,
        rpcs_succeeded=stats.rpcs_succeeded,
        rpcs_failed=stats.rpcs_failed,
        commands={whose: _requests(of) for whose, of in sorted(stats.commands.items())},
        invalid_commands=stats.invalid_commands,
        store=StoreStats(
            writes=stats.store.writes,
            failed_writes=stats.store.failed_writes,
            commits=_latencies(stats.store.commits),
            queued_writes=stats.store.queued_writes,
            queued_bytes=stats.store.queued_bytes,
            keys=stats.store.keys,
        ),
    )


def module_status(info: manager_pb2.ModuleInfo) -> ModuleStatus:
    """Translate what the wire says of a module."""
    return ModuleStatus(
        name=info.name,
        state=module_state(manager_pb2.ModuleState, info.state),
        reason=info.reason,
        enabled=info.enabled,
        pid=info.pid,
        attached=info.attached.ToNanoseconds() / 1e9 if info.HasField("attached") else None,
        restarts=info.restarts,
        last_exit=info.last_exit,
        uri=info.uri,
        in_flight=info.in_flight,
        waiting=info.waiting,
        usage=_usage(info.usage) if info.HasField("usage") else None,
        commands=_requests(info.commands),
        calls=_requests(info.calls),
    )


def subscription_status(info: notifications_pb2.SubscriptionInfo) -> SubscriptionStatus:
    """Translate what the wire says of a subscriber."""
    return SubscriptionStatus(
        subscription_id=info.subscription_id,
        owner=info.owner,
        types=tuple(info.types),
        waiting=info.waiting,
        unacknowledged=info.unacknowledged,
        sent=info.sent,
        missed=info.missed,
        coalesced=info.coalesced,
        lag=info.lag.ToNanoseconds() / 1e9,
    )


def _usage(usage: manager_pb2.ModuleUsage) -> ProcessUsage:
    return ProcessUsage(
        rss_bytes=usage.rss_bytes,
        cpu_seconds=usage.cpu_seconds,
        threads=usage.threads,
        open_files=usage.open_files,
    )


def _requests(stats: manager_pb2.RequestStats) -> RequestStats:
    return RequestStats(
        succeeded=stats.succeeded,
        failed=stats.failed,
        timed_out=stats.timed_out,
        cancelled=stats.cancelled,
        lost=stats.lost,
        refused=stats.refused,
        latency=_latencies(stats.latency),
    )


def _latencies(histogram: manager_pb2.LatencyHistogram) -> Latencies:
    bounds = (*histogram.bounds, float("inf"))
    return Latencies(histogram.sum_seconds, tuple(zip(bounds, histogram.counts, strict=False)))
