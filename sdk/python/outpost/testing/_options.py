"""Values of options, as the manager takes them."""

from __future__ import annotations

import re

from outpost.v1 import types_pb2

LOG_OPTIONS = (
    types_pb2.OptionDescriptor(name="log_level", default_value=""),
    types_pb2.OptionDescriptor(
        name="log_to_file", type=types_pb2.OPTION_TYPE_BOOL, default_value="false"
    ),
    types_pb2.OptionDescriptor(
        name="log_to_cluster", type=types_pb2.OPTION_TYPE_BOOL, default_value="false"
    ),
    types_pb2.OptionDescriptor(name="log_to_cluster_level", default_value="info"),
)
"""The options that the manager gives to every module."""

_INTEGERS = (types_pb2.OPTION_TYPE_INT, types_pb2.OPTION_TYPE_UINT, types_pb2.OPTION_TYPE_SIZE)
_NUMBERS = (types_pb2.OPTION_TYPE_FLOAT, types_pb2.OPTION_TYPE_SECS)
_BOOLS = {
    **dict.fromkeys(("true", "yes", "on", "1"), "true"),
    **dict.fromkeys(("false", "no", "off", "0"), "false"),
}
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def canonical(option: types_pb2.OptionDescriptor, text: str) -> str:
    """Return a value in the form that modules get. Raises ValueError: it does not fit."""
    if option.type == types_pb2.OPTION_TYPE_BOOL:
        try:
            return _BOOLS[text.lower()]
        except KeyError:
            raise ValueError(f'option {option.name}: "{text}" is not a bool') from None
    if option.type in _INTEGERS or option.type in _NUMBERS:
        number = _number(option, text)
        if option.HasField("min") and number < float(option.min):
            raise ValueError(f"option {option.name}: {text} is below the minimum {option.min}")
        if option.HasField("max") and number > float(option.max):
            raise ValueError(f"option {option.name}: {text} exceeds the maximum {option.max}")
        return str(number)
    if option.enum_allowed and text not in option.enum_allowed:
        allowed = ", ".join(option.enum_allowed)
        raise ValueError(f'option {option.name}: "{text}" is none of {allowed}')
    return text


def _number(option: types_pb2.OptionDescriptor, text: str) -> int | float:
    kind = types_pb2.OptionType.Name(option.type).removeprefix("OPTION_TYPE_").lower()
    try:
        if option.type == types_pb2.OPTION_TYPE_SECS:
            number = _seconds(text)
        elif option.type == types_pb2.OPTION_TYPE_FLOAT:
            number = float(text)
        else:
            number = _integer(text, 1024 if option.type == types_pb2.OPTION_TYPE_SIZE else 1000)
    except ValueError:
        raise ValueError(f'option {option.name}: "{text}" is not of type {kind}') from None
    if number < 0 and option.type not in (types_pb2.OPTION_TYPE_INT, types_pb2.OPTION_TYPE_FLOAT):
        raise ValueError(f"option {option.name}: {text} is negative")
    return number


def _integer(text: str, base: int) -> int:
    match = re.fullmatch(r"([+-]?\d+)([KMGTPE]?)(?:i?B)?", text)
    if match is None:
        raise ValueError(text)
    power = " KMGTPE".index(match[2]) if match[2] else 0
    return int(match[1]) * int(base**power)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"(\d+(?:\.\d+)?[smhdw]?)+", text):
        return float(text)
    return sum(
        float(number) * _UNIT_SECONDS[unit]
        for number, unit in re.findall(r"(\d+(?:\.\d+)?)([smhdw]?)", text)
    )
