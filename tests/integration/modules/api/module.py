"""Has an option of each type, and does with the manager what a test asks of it by name."""

from __future__ import annotations

import json
import threading
from typing import Any

from mgr_module import CommandResult, MgrModule, NotifyType, Option


class Module(MgrModule):
    """See above. The methods that a test calls beside these are MgrModule's own."""

    NOTIFY_TYPES = (NotifyType.command, NotifyType.clog)
    MODULE_OPTIONS = (
        Option("a_str", default="text", desc="A text", runtime=True),
        Option("an_int", type="int", default=-3, min=-10, max=10, runtime=True),
        Option("a_uint", type="uint", runtime=True),
        Option("a_float", type="float", default=0.5, min=0, max=2, runtime=True),
        Option("a_bool", type="bool", default=True, runtime=True),
        Option("an_addr", type="addr", runtime=True),
        Option("an_addrvec", type="addrvec", runtime=True),
        Option("a_uuid", type="uuid", runtime=True),
        Option("a_size", type="size", default=4096, runtime=True),
        Option("secs", type="secs", default=5, runtime=True),
        Option(
            "colour",
            default="red",
            enum_allowed=["red", "green"],
            level="basic",
            long_desc="Of the sky",
            tags=["look"],
            see_also=["a_str"],
            flags=1,
        ),
    )

    def __init__(self, module_name: str, *args: object) -> None:
        super().__init__(module_name, *args)
        self._news = threading.Condition()
        self._told: list[dict[str, Any]] = []
        self._results: dict[str, CommandResult] = {}
        self._tags: list[tuple[str, bool]] = []
        self._lines: list[Any] = []
        self._heard: list[list[Any]] = []

    def config_notify(self) -> None:
        """Keep what the options are now."""
        with self._news:
            self._told.append(self.options())
            self._news.notify_all()

    def notify(self, notify_type: NotifyType, notify_id: str) -> None:
        """Keep a line of the cluster's log; of a tag, whether its result is there."""
        with self._news:
            if notify_type is NotifyType.clog:
                self._lines.append(notify_id)
                self._news.notify_all()
                return
            self._tags.append((notify_id, self._results[notify_id].ev.is_set()))
            self._news.notify_all()

    def watch(self) -> None:
        """Watch keys, and the options of another module."""

        def key(name: str, value: bytes | None) -> None:
            self._heard.append([name, None if value is None else value.decode()])

        def option(module: str, name: str, value: Any) -> None:
            self._heard.append([f"{module}.{name}", value])

        for watch in (
            self.watch_store("watched/", key),
            self.watch_module_options("probe", option),
        ):
            watch.wait_present(15)

    def heard(self) -> list[list[Any]]:
        """Return what the watches told."""
        return self._heard

    def options(self) -> dict[str, Any]:
        """Every own option."""
        return {str(o["name"]): self.get_module_option(o["name"]) for o in self.MODULE_OPTIONS}

    def await_told(self, name: str, value: Any) -> None:
        """Wait until config_notify() has seen a value."""
        with self._news:
            assert self._news.wait_for(lambda: any(t[name] == value for t in self._told), 15)

    def await_option(self, name: str, value: Any) -> None:
        """Wait until an option has a value, also one that every module has."""
        with self._news:
            assert self._news.wait_for(lambda: self.get_module_option(name) == value, 15)

    def attempt(self, method: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Call a method: ["", what it returned], or the kinds of its exception, and the message."""
        try:
            return ["", getattr(self, method)(*args, **kwargs)]
        except Exception as error:
            return [[kind.__name__ for kind in type(error).__mro__], str(error)]

    def facts(self) -> list[Any]:
        """What are no methods."""
        return [self.version, self.release_name, self.module_name]

    def await_line(self, text: str) -> Any:
        """Wait for a line of the cluster's log."""
        with self._news:
            found = self._news.wait_for(
                lambda: [x for x in self._lines if x["message"] == text], 15
            )
            assert found, self._lines
            return found[0]

    def put_bytes(self, key: str, value: list[int]) -> list[int]:
        """Set a key to bytes; what is read then."""
        self.set_store(key, bytes(value))
        return list(self.get_store_bytes(key) or b"")

    def say(self, text: str, level: str) -> None:
        """Log a line."""
        getattr(self.getLogger("part"), level)(text)

    def send(self, svc_type: str, svc_id: str, command: dict[str, Any], tag: str) -> list[Any]:
        """Send a command, and wait for the notification of its tag: the result, and whether it
        was there then.
        """
        self._results[tag] = result = CommandResult(tag)
        self.send_command(result, svc_type, svc_id, json.dumps(command), tag)
        with self._news:
            assert self._news.wait_for(lambda: any(t[0] == tag for t in self._tags), 15)
            (there,) = [there for name, there in self._tags if name == tag]
        return [*result.wait(), there]
