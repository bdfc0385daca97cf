"""The module of tests/conformance/README.md, which says what each command does."""

from __future__ import annotations

import errno
import json
import threading
from typing import Any, ClassVar, Literal

from mgr_module import CLICommand, CLIReadCommand, HandleCommandResult, MgrModule, Option
from outpost import caller_is_gone

_LOOK = 0.02  # seconds between looks at whether the caller is gone


def _printed(value: Any) -> HandleCommandResult:
    return HandleCommandResult(stdout=json.dumps(value))


class Module(MgrModule):
    """See above."""

    MAX_CONCURRENCY = 3
    NOTIFY_TYPES = ("osd_map", "config")
    MODULE_OPTIONS = (
        Option(name="greeting", default="hello", desc="any text", runtime=True),
        Option(name="limit", type="int", default=3, min=1, max=10, desc="a number", runtime=True),
    )
    COMMANDS: ClassVar[list[dict[str, str]]] = [
        {
            "cmd": "conformance echo name=text,type=CephString"
            " name=count,type=CephInt,range=0|100,req=false"
            " name=ratio,type=CephFloat,req=false name=flag,type=CephBool,req=false"
            " name=color,type=CephChoices,strings=red|green|blue,req=false"
            " name=words,type=CephString,n=N,req=false",
            "desc": "Print the arguments",
            "perm": "r",
        }
    ]

    def __init__(self, module_name: str, *args: object) -> None:
        super().__init__(module_name, *args)
        self._stop = threading.Event()
        self._handles = threading.Event()
        self._handles.set()
        self._news = threading.Condition()
        self._releases = 0
        self._waiting = 0
        self._cancelled = 0
        self._heard: list[tuple[str, str]] = []

    def serve(self) -> None:
        """There is nothing to do but to wait for the end."""
        self._stop.wait()

    def shutdown(self) -> None:
        """End serve(), and what waits."""
        self._stop.set()
        self._handles.set()
        with self._news:
            self._news.notify_all()

    def notify(self, notify_type: Any, notify_id: str) -> None:
        """Keep it, as soon as that is allowed."""
        self._handles.wait()
        with self._news:
            self._heard.append((getattr(notify_type, "value", notify_type), notify_id))

    def handle_command(self, inbuf: str, cmd: dict[str, Any]) -> HandleCommandResult:
        """Run what COMMANDS declares: there is only echo."""
        if cmd.get("prefix") != "conformance echo":
            return HandleCommandResult(-errno.EINVAL, "", f"no such command: {cmd.get('prefix')}")
        given = {name: value for name, value in cmd.items() if name not in ("prefix", "format")}
        return _printed(given)

    @CLIReadCommand("conformance fail")
    def fail_command(self, number: int) -> HandleCommandResult:
        """Fail with an errno"""
        return HandleCommandResult(-number, "half of it", f"failed with {number}, as asked")

    @CLIReadCommand("conformance json")
    def print_json(self) -> HandleCommandResult:
        """Print JSON"""
        return _printed(
            {
                "integer": 42,
                "float": 2.5,
                "text": "Grüße, 世界",
                "list": [True, None, "x"],
                "object": {},
            }
        )

    @CLIReadCommand("conformance file")
    def tell_file(self, inbuf: bytes | None = None) -> HandleCommandResult:
        """Tell what the input file holds"""
        if inbuf is None:
            return HandleCommandResult(stdout="no file")
        return HandleCommandResult(stdout=f"{len(inbuf)} bytes, adding up to {sum(inbuf)}")

    @CLIReadCommand("conformance wait")
    def wait(self) -> HandleCommandResult:
        """Wait until release, or until nobody waits for it"""
        with self._news:
            releases = self._releases
            self._waiting += 1
            try:
                while not self._news.wait_for(
                    lambda: self._releases > releases or self._stop.is_set(), _LOOK
                ):
                    if caller_is_gone():
                        self._cancelled += 1
                        return HandleCommandResult(-errno.ECANCELED, "", "nobody waits any more")
            finally:
                self._waiting -= 1
        return HandleCommandResult(stdout="the module ends" if self._stop.is_set() else "released")

    @CLICommand("conformance release")
    def release(self) -> HandleCommandResult:
        """End every wait"""
        with self._news:
            self._releases += 1
            self._news.notify_all()
        return HandleCommandResult()

    @CLIReadCommand("conformance waits")
    def waits(self) -> HandleCommandResult:
        """Tell how many wait, and how many were cancelled"""
        with self._news:
            return _printed({"waiting": self._waiting, "cancelled": self._cancelled})

    @CLIReadCommand("conformance osd-epoch")
    def osd_epoch(self) -> HandleCommandResult:
        """Print the epoch of the OSD map"""
        return HandleCommandResult(stdout=str(self.get("osd_map")["epoch"]))

    @CLICommand("conformance health")
    def health(
        self, severity: Literal["ok", "warning", "error"], summary: str = ""
    ) -> HandleCommandResult:
        """Raise or clear a health check"""
        check = {"severity": severity, "summary": summary, "count": 1, "detail": ["as asked"]}
        self.set_health_checks({} if severity == "ok" else {"CONFORMANCE_CHECK": check})
        return HandleCommandResult()

    @CLICommand("conformance put")
    def put(self, key: str, value: str) -> HandleCommandResult:
        """Set a key"""
        self.set_store(key, value)
        return HandleCommandResult()

    @CLIReadCommand("conformance get")
    def get_key(self, key: str) -> HandleCommandResult:
        """Print the value of a key"""
        value = self.get_store(key)
        if value is None:
            return HandleCommandResult(-errno.ENOENT, "", f"there is no key {key!r}")
        return HandleCommandResult(stdout=value)

    @CLICommand("conformance delete")
    def delete(self, key: str) -> HandleCommandResult:
        """Remove a key"""
        self.set_store(key, None)
        return HandleCommandResult()

    @CLIReadCommand("conformance option")
    def option(self, name: str) -> HandleCommandResult:
        """Print the value of an option"""
        if name not in [option["name"] for option in self.MODULE_OPTIONS]:
            return HandleCommandResult(-errno.ENOENT, "", f"option {name!r} has no value")
        return HandleCommandResult(stdout=str(self.get_module_option(name)))

    @CLICommand("conformance call")
    def call(self, module: str, method: str, args: list[str] | None = None) -> HandleCommandResult:
        """Call a method of a module"""
        try:
            return _printed(self.remote(module, method, *(args or ())))
        except Exception as error:
            return HandleCommandResult(-errno.EIO, "", str(error))

    @CLIReadCommand("conformance heard")
    def heard(self) -> HandleCommandResult:
        """Tell which notifications came"""
        with self._news:
            return _printed(self._heard)

    @CLICommand("conformance notifications")
    def notifications(self, what: Literal["hold", "go"]) -> HandleCommandResult:
        """Handle notifications, or not"""
        if what == "hold":
            self._handles.clear()
        else:
            self._handles.set()
        return HandleCommandResult()

    @CLICommand("conformance log")
    def log_line(
        self, level: Literal["debug", "info", "warning", "error"], text: str
    ) -> HandleCommandResult:
        """Log a line"""
        getattr(self.log, level)(text)
        return HandleCommandResult()

    # methods for other modules

    def echo(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return the arguments."""
        return [list(args), kwargs]

    def fail(self, text: str) -> None:
        """Raise."""
        raise KeyError(text)

    def relay(self, module: str, method: str, *args: Any) -> Any:
        """Call another method."""
        return self.remote(module, method, *args)
