"""Tries out what a manager offers to modules, from within one; and runs what is typed.

The commands, their texts and the options are those of ceph-mgr's module of this name, so that
what tests a manager with that one can test this manager too.
"""

from __future__ import annotations

import errno
import json
import platform
import threading
from typing import Any

from mgr_module import (
    CLICommand,
    CLIReadCommand,
    CommandResult,
    HandleCommandResult,
    MgrModule,
    Option,
)
from outpost.console import Console

from .checks import Checks

COMMAND_SPAM = "command_spam"
THROW_EXCEPTION = "throw_exception"
_WORKLOADS = (COMMAND_SPAM, THROW_EXCEPTION)


class Module(MgrModule):
    """Checks, a prompt, and workloads in the background."""

    MODULE_OPTIONS = (
        Option(name="testkey"),
        Option(name="testlkey"),
        Option(name="testnewline"),
        Option(name="roption1"),
        Option(name="roption2", type="str", default="xyz"),
        Option(name="rwoption1"),
        Option(name="rwoption2", type="int"),
        Option(name="rwoption3", type="float"),
        Option(name="rwoption4", type="str"),
        Option(name="rwoption5", type="bool"),
        Option(name="rwoption6", type="bool", default=True),
        Option(name="rwoption7", type="int", min=1, max=42),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._console = Console(self)
        self._wake = threading.Condition()
        self._workload: str | None = None  # guarded by _wake
        self._ending = False  # guarded by _wake
        self._health: dict[str, dict[str, Any]] = {}
        self._health_lock = threading.Lock()

    # the prompt, and the checks

    @CLICommand("mgr self-test eval")
    def eval(self, s: str | None = None, inbuf: str | None = None) -> HandleCommandResult:
        """Run a statement of Python within this module, where mgr is the module"""
        return self._console.run(s if s is not None else inbuf)

    @CLICommand("mgr self-test run")
    def run(self) -> HandleCommandResult:
        """Run mgr python interface tests"""
        self.log.info("Running self-test procedure...")
        Checks(self).run()
        with self._health_lock:
            self.set_health_checks(self._health)
        self.log.info("Finished self-test procedure.")
        return HandleCommandResult(stderr="Self-test succeeded")

    def self_test(self) -> str:
        """Run the checks, for `mgr self-test module selftest` and other modules."""
        self.run()
        return "ok"

    @CLICommand("mgr self-test module")
    def module(self, module: str) -> HandleCommandResult:
        """Run another module's self_test() method"""
        if module == self.module_name:
            return HandleCommandResult(stdout=self.self_test(), stderr="Self-test OK")
        try:
            returned = self.remote(module, "self_test")
        except RuntimeError as error:
            return HandleCommandResult(-1, stderr=f"Test failed: {error}")
        return HandleCommandResult(stdout=str(returned), stderr="Self-test OK")

    @CLICommand("mgr self-test remote")
    def test_remote(self) -> HandleCommandResult:
        """Test inter-module calls"""
        Checks(self).remote_calls()
        return HandleCommandResult(stderr="Successfully called")

    @CLIReadCommand("mgr self-test python-version")
    def python_version(self) -> HandleCommandResult:
        """Query the version of the embedded Python runtime"""
        return HandleCommandResult(stdout=platform.python_version())

    # options, health, the cluster log

    @CLICommand("mgr self-test config get")
    def config_get(self, key: str) -> HandleCommandResult:
        """Peek at a configuration value"""
        return HandleCommandResult(stdout=str(self.get_module_option(key)))

    @CLICommand("mgr self-test config get_localized")
    def config_get_localized(self, key: str) -> HandleCommandResult:
        """Peek at a configuration value (localized variant)"""
        return HandleCommandResult(stdout=str(self.get_localized_module_option(key)))

    @CLICommand("mgr self-test health set")
    def health_set(self, checks: str) -> HandleCommandResult:
        """Set a health check from a JSON-formatted description."""
        try:
            described = json.loads(checks)
        except ValueError as error:
            return HandleCommandResult(-1, stderr=f"Failed to decode JSON input: {error}")
        try:
            new = {
                code: {
                    "severity": str(check["severity"]),
                    "summary": str(check["summary"]),
                    "count": int(check.get("count", len(check["detail"]))),
                    "detail": [str(line) for line in check["detail"]],
                }
                for code, check in described.items()
            }
            with self._health_lock:
                self.set_health_checks({**self._health, **new})
                self._health.update(new)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return HandleCommandResult(
                -1, stderr=f"Invalid health check format: {type(error).__name__}: {error}"
            )
        return HandleCommandResult()

    @CLICommand("mgr self-test health clear")
    def health_clear(self, checks: list[str] | None = None) -> HandleCommandResult:
        """Clear health checks by name. If no names provided, clear all."""
        with self._health_lock:
            for code in list(self._health) if checks is None else checks:
                self._health.pop(code, None)
            self.set_health_checks(self._health)
        return HandleCommandResult()

    @CLICommand("mgr self-test cluster-log")
    def log_to_cluster(self, channel: str, priority: str, message: str) -> HandleCommandResult:
        """Create an audit log record."""
        priorities = {
            "debug": self.ClusterLogPrio.DEBUG,
            "info": self.ClusterLogPrio.INFO,
            "security": self.ClusterLogPrio.SEC,
            "warning": self.ClusterLogPrio.WARN,
            "error": self.ClusterLogPrio.ERROR,
        }
        if priority not in priorities:
            return HandleCommandResult(
                -errno.EINVAL, stderr=f"priority {priority!r} is not one of {', '.join(priorities)}"
            )
        self.cluster_log(channel, priorities[priority], message)
        return HandleCommandResult(stderr="Successfully called")

    # workloads

    @CLICommand("mgr self-test background start")
    def background_start(self, workload: str) -> HandleCommandResult:
        """Activate a background workload (one of command_spam, throw_exception)"""
        if workload not in _WORKLOADS:
            return HandleCommandResult(-errno.EINVAL, stderr=f"Workload not found '{workload}'")
        self._set_workload(workload)
        return HandleCommandResult(stderr=f"Running `{workload}` in background")

    @CLICommand("mgr self-test background stop")
    def background_stop(self) -> HandleCommandResult:
        """Stop background workload if any is running"""
        was_running = self._set_workload(None)
        if was_running is None:
            return HandleCommandResult(stderr="No background workload was running")
        return HandleCommandResult(stderr=f"Stopping background workload `{was_running}`")

    def _set_workload(self, workload: str | None) -> str | None:
        with self._wake:
            before, self._workload = self._workload, workload
            self._wake.notify_all()
        return before

    def _wanted(self, workload: str) -> bool:
        with self._wake:
            return self._workload == workload and not self._ending

    def _spam(self) -> None:
        """Keep the cluster busy with commands that change nothing."""
        self.log.info("Starting command_spam workload...")
        while self._wanted(COMMAND_SPAM):
            result = CommandResult()
            self.send_command(result, "mon", "", json.dumps({"prefix": "osd dump"}), "")
            self.get("osd_map")
            result.wait()
        self.log.info("Ended command_spam workload...")

    def serve(self) -> None:
        """Do the workload that is asked for, until the end."""
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._workload is not None or self._ending)
                if self._ending:
                    return
                workload = self._workload
            if workload == THROW_EXCEPTION:
                self._set_workload(None)
                raise RuntimeError("Synthetic exception in serve")
            self._spam()

    def shutdown(self) -> None:
        """Wake serve()."""
        with self._wake:
            self._ending = True
            self._wake.notify_all()
