"""Does with the manager what a test says: the test calls its methods, and those of MgrModule.

probe_cpp does the same in C++.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from mgr_module import CLIReadCommand, CommandResult, HandleCommandResult, MgrModule, Option

_DEADLINE = 15.0  # seconds


class Module(MgrModule):
    """See above."""

    MODULE_OPTIONS = (Option(name="number", type="int", default=7, min=0, max=10, runtime=True),)
    NOTIFY_TYPES = ("osd_map", "command", "health", "config")

    def __init__(self, module_name: str, *args: object) -> None:
        super().__init__(module_name, *args)
        self._seen: list[tuple[str, str]] = []
        self._news = threading.Condition()

    @CLIReadCommand("probe")
    def probe(self) -> HandleCommandResult:
        """Answer"""
        return HandleCommandResult(stdout="probe")

    @CLIReadCommand("probe size")
    def size(self, inbuf: str | None = None) -> HandleCommandResult:
        """Tell how large the input file is"""
        return HandleCommandResult(stdout=str(len(inbuf or "")))

    # notifications

    def notify(self, notify_type: Any, notify_id: str) -> None:
        """Keep it."""
        with self._news:
            self._seen.append((self.type_name(notify_type), notify_id))
            self._news.notify_all()

    @staticmethod
    def type_name(notify_type: Any) -> str:
        """As on the wire."""
        return str(getattr(notify_type, "value", notify_type))

    def forget(self) -> None:
        """Forget what was seen."""
        with self._news:
            self._seen.clear()

    def await_notification(self, kind: str) -> str:
        """Wait for a notification since forget(); returns its id."""
        with self._news:
            found = self._news.wait_for(lambda: [i for k, i in self._seen if k == kind], _DEADLINE)
            assert found, f"no {kind}; seen: {self._seen}"
            return found[0]

    # cluster data and commands

    def osd_flags(self) -> str:
        """The flags of the OSD map."""
        flags: str = self.get("osd_map")["flags"]
        return flags

    def await_osd_flag(self, flag: str, there: bool) -> str:
        """Read the OSD map again after each cue, until it has a flag, or has it no more."""
        end = time.monotonic() + _DEADLINE
        with self._news:
            while (flag in self.osd_flags().split(",")) != there:
                assert self._news.wait(end - time.monotonic()), self.osd_flags()
        return self.osd_flags()

    def same_object_twice(self, name: str) -> bool:
        """Whether an unchanged structure is not sent and parsed again."""
        return self.get(name) is self.get(name)

    def send(self, command: dict[str, Any], tag: str) -> list[Any]:
        """Send a command to a monitor, and wait."""
        result = CommandResult(tag)
        self.send_command(result, "mon", "", json.dumps(command), tag)
        return list(result.wait())

    # calls between modules

    def relay(self, module: str, method: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Call a method of another module, and tell how that went."""
        try:
            return {"result": self.remote(module, method, *args, **kwargs)}
        except Exception as error:
            return {
                "error": type(error).__name__,
                "bases": [base.__name__ for base in type(error).__mro__],
                "message": str(error),
                "reason": getattr(error, "reason", ""),
            }

    def echo(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return the arguments."""
        return [list(args), kwargs]

    def fail(self, text: str) -> None:
        """Raise."""
        raise KeyError(text)

    def no_json(self) -> object:
        """Return what can't be written as JSON."""
        return object()

    # health

    def raise_health(self, code: str, summary: str, detail: str) -> None:
        """Raise a health check."""
        check = {"severity": "warning", "summary": summary, "count": 1, "detail": [detail]}
        self.set_health_checks({code: check})

    # logs

    def say(self, text: str, to_the_cluster: str) -> None:
        """Log a line, and one for the cluster's log."""
        self.log.warning(text)
        self.cluster_log("audit", self.ClusterLogPrio.INFO, to_the_cluster)

    # keys

    def put(self, key: str, value: str) -> str:
        """Set a key; how that went."""
        try:
            self.set_store(key, value)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""
