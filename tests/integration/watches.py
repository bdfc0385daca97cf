"""What a module that watches options and keys must hear, in whichever language it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fixture import Manager, until


def watches_hear_all_changes(module: str, number: Callable[[str], Any]) -> None:
    """Check it, of a module with the methods `watch` and `heard`, over a restart of the manager.

    Args:
        module: its name.
        number: makes of an integer option's text the value that the SDK gives.

    """
    with Manager(module, "probe", flags=["--sim-speed", "0"]) as manager:
        key = f"mgr/{module}/watched"
        manager.check("config-key", "set", f"{key}/a", "1")
        manager.call(module, "watch")

        def heard() -> list[Any]:
            told = manager.call(module, "heard")
            return [[name, value] for name, value in told if "log_" not in name]

        assert sorted(heard(), key=str) == [["probe.number", number("7")], ["watched/a", "1"]]
        manager.check("config-key", "set", f"{key}/b", "2")
        until("the key", lambda: heard()[2:] == [["watched/b", "2"]])
        manager.check("config", "set", "mgr/probe/number", "8")
        until("the option", lambda: heard()[3:] == [["probe.number", number("8")]])
        manager.check("config-key", "rm", f"{key}/a")
        until("the removal", lambda: heard()[4:] == [["watched/a", None]])
        manager.kill9()
        manager.restart()
        manager.check("config", "set", "mgr/probe/number", "9")
        manager.check("config-key", "set", f"{key}/b", "3")

        def told() -> bool:
            news = heard()[5:]
            return sorted(news, key=str) == [["probe.number", number("9")], ["watched/b", "3"]]

        until("what has changed, and nothing else", told)
