"""Names of the wire's enumerations, also of what only a newer manager knows."""

from __future__ import annotations

from typing import Any


def enum_name(enum: Any, number: int, prefix: str) -> str:
    """Return the name of a number, in small letters and without what all begin with.

    "" is the one that says nothing (0); "kind_99" one that there was not yet when this was made.
    """
    if number == 0:
        return ""
    try:
        name: str = enum.Name(number)
    except ValueError:
        return f"{prefix.rstrip('_').rpartition('_')[2].lower()}_{number}"
    return name.removeprefix(prefix).lower()


def module_state(enum: Any, number: int) -> str:
    """Return a module's state as `outpost module ls` shows it: "running", "cannot run"."""
    return enum_name(enum, number, "MODULE_STATE_").replace("_", " ")
