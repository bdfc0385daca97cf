"""The metrics of the manager itself, of each module, and of the structures that it keeps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields
from typing import Protocol

from outpost import (
    Latencies,
    ManagerStatus,
    ModuleStatus,
    ProcessUsage,
    RequestStats,
    StructureInfo,
    SubscriptionStatus,
)

from .families import Families

_RESULTS = [field.name for field in fields(RequestStats) if field.type != "Latencies"]


class Manager(Protocol):
    """What is asked of MgrModule."""

    def manager_status(self) -> ManagerStatus:
        """Tell how the manager is."""

    def list_modules(self) -> list[ModuleStatus]:
        """Tell of every module."""

    def list_subscriptions(self) -> list[SubscriptionStatus]:
        """Tell who is subscribed."""

    def list_structures(self) -> list[StructureInfo]:
        """Tell which structures there are."""


def manager(source: Manager, out: Families) -> ManagerStatus:
    """The manager's process, its calls and commands, and its store; returns what it is."""
    status = source.manager_status()
    out.gauge(
        "outpost_manager_info",
        "What the manager is; always 1",
        1,
        {"manager": status.manager_id, "version": status.version, "source": status.source},
    )
    out.gauge(
        "outpost_manager_start_time_seconds",
        "When the manager started, in seconds since the epoch",
        status.started,
    )
    out.gauge(
        "outpost_cluster_connected",
        "Whether the manager can reach the cluster (1) or knows its last state only (0)",
        int(status.cluster_connected),
    )
    _usage("outpost_manager", "the manager", status.usage, {}, out)
    out.gauge("outpost_manager_sessions", "Modules that are attached", status.sessions)
    for result, count in (("ok", status.rpcs_succeeded), ("error", status.rpcs_failed)):
        out.counter(
            "outpost_manager_rpcs", "Calls of the manager that ended", count, {"result": result}
        )
    out.gauge(
        "outpost_manager_rpcs_open",
        "Calls of the manager that go on, streams among them",
        max(0, status.rpcs_started - status.rpcs_succeeded - status.rpcs_failed),
    )
    for whose, requests in status.commands.items():
        labels = {"provider": whose}
        for result, count in (("succeeded", requests.succeeded), ("failed", requests.failed)):
            out.counter(
                "outpost_commands",
                "Commands that were answered, by whose they are",
                count,
                {**labels, "result": result},
            )
        out.histogram("outpost_command_seconds", "How long commands took", requests.latency, labels)
    out.counter(
        "outpost_invalid_commands",
        "Commands that were not run: unknown, or with a wrong argument",
        status.invalid_commands,
    )
    store = status.store
    out.counter("outpost_store_writes", "Batches that became durable", store.writes)
    out.counter("outpost_store_failed_writes", "Batches that did not", store.failed_writes)
    out.histogram("outpost_store_commit_seconds", "How long transactions took", store.commits)
    out.gauge("outpost_store_queued_writes", "Batches that wait for the disk", store.queued_writes)
    out.gauge("outpost_store_queued_bytes", "Of these, the bytes", store.queued_bytes)
    out.gauge("outpost_store_keys", "Keys that the store has", store.keys)
    return status


def modules(source: Manager, out: Families) -> None:
    """Every module: its state, its process, what it was asked, and how far it is with events."""
    now = time.time()
    for module in source.list_modules():
        labels = {"module": module.name}
        out.gauge(
            "outpost_module_state",
            "The state that a module is in; always 1",
            1,
            {**labels, "state": module.state},
        )
        out.gauge("outpost_module_enabled", "Whether a module is to run", module.enabled, labels)
        out.counter(
            "outpost_module_restarts",
            "How often a module's process was started again since it was enabled",
            module.restarts,
            labels,
        )
        if module.attached is not None:
            out.gauge(
                "outpost_module_uptime_seconds",
                "For how long a module has been attached",
                max(0.0, now - module.attached),
                labels,
            )
        if module.usage is not None:
            _usage("outpost_module", "a module", module.usage, labels, out)
        out.gauge(
            "outpost_module_requests_in_flight",
            "Commands and calls that a module works on, or that wait for it",
            module.in_flight,
            labels,
        )
        out.gauge(
            "outpost_module_requests_waiting", "Of these, those that wait", module.waiting, labels
        )
        for kind, requests in (("command", module.commands), ("call", module.calls)):
            _requests(requests, {**labels, "kind": kind}, out)


def subscriptions(source: Manager, out: Families) -> None:
    """Every subscriber of notifications."""
    for subscription in source.list_subscriptions():
        labels = {"owner": subscription.owner, "subscription": str(subscription.subscription_id)}
        out.gauge(
            "outpost_notifications_waiting",
            "Notifications that a subscriber has not been sent yet",
            subscription.waiting,
            labels,
        )
        out.gauge(
            "outpost_notifications_unacknowledged",
            "Notifications that a subscriber was sent, and has not acknowledged",
            subscription.unacknowledged,
            labels,
        )
        out.gauge(
            "outpost_notifications_lag_seconds",
            "For how long a subscriber has owed something",
            subscription.lag,
            labels,
        )
        for name, help_text, count in (
            ("sent", "Notifications that a subscriber was sent", subscription.sent),
            ("missed", "Events that a subscriber was too slow for", subscription.missed),
            (
                "coalesced",
                "Changes that went into the notification of a later one",
                subscription.coalesced,
            ),
        ):
            out.counter(f"outpost_notifications_{name}", help_text, count, labels)


def structures(source: Manager, out: Families) -> None:
    """Every structure that the manager keeps."""
    now = time.time()
    for structure in source.list_structures():
        labels = {"structure": structure.name}
        out.gauge(
            "outpost_structure_version",
            "Version of a structure; it grows with each change",
            structure.version,
            labels,
        )
        out.gauge("outpost_structure_bytes", "Size of a structure, as JSON", structure.size, labels)
        for name, help_text, since in (
            ("age", "Since when a structure is as it is", structure.changed),
            ("confirmed_age", "Since its source last said so", structure.confirmed),
        ):
            out.gauge(f"outpost_structure_{name}_seconds", help_text, max(0.0, now - since), labels)


def _usage(
    prefix: str, whose: str, usage: ProcessUsage, labels: Mapping[str, str], out: Families
) -> None:
    out.gauge(
        f"{prefix}_resident_memory_bytes",
        f"Resident memory of the process of {whose}",
        usage.rss_bytes,
        labels,
    )
    out.counter(
        f"{prefix}_cpu_seconds",
        f"Processor time that the process of {whose} has used",
        usage.cpu_seconds,
        labels,
    )
    out.gauge(f"{prefix}_threads", f"Threads of the process of {whose}", usage.threads, labels)
    out.gauge(
        f"{prefix}_open_fds", f"Open files of the process of {whose}", usage.open_files, labels
    )


def _requests(requests: RequestStats, labels: Mapping[str, str], out: Families) -> None:
    for result in _RESULTS:
        out.counter(
            "outpost_module_requests",
            "Commands and calls of a module that ended, by how they did",
            getattr(requests, result),
            {**labels, "result": result},
        )
    latency: Latencies = requests.latency
    out.histogram(
        "outpost_module_request_seconds",
        "How long a module's commands and calls took, of those that were answered",
        latency,
        labels,
    )
