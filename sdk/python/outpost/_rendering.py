"""How structured values are written in each of the output formats.

A value is made of dicts, lists and tuples, text, numbers, bools and None; or of objects whose
to_simplified() returns such. YAML, XML and plain text look as the C++ SDK writes them.
"""

from __future__ import annotations

import enum
import errno
import json
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any, cast
from xml.sax import saxutils

_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_IN_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


class MissingLibraryError(RuntimeError):
    """A format needs a library that is not installed; the message says which."""

    errno = errno.EOPNOTSUPP


def simplify(value: Any) -> Any:
    """Return a value made of basic types only; what can't be simplified stays as it is."""
    to_simplified = getattr(value, "to_simplified", None)
    if callable(to_simplified) and not isinstance(value, type):
        return simplify(to_simplified())
    if isinstance(value, dict):
        return {simplify(key): simplify(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [simplify(item) for item in value]
    if isinstance(value, enum.Enum):
        return simplify(value.value)
    if isinstance(value, bool):
        return value
    # of a class derived from it, YAML would not know how to write it
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return value


def to_json(value: Any, indent: int | None) -> str:
    """Write JSON with sorted keys, on one line where `indent` is None. Raises TypeError."""
    return json.dumps(simplify(value), indent=indent, sort_keys=True)


def to_compact_json(value: Any) -> str:
    """Write JSON with sorted keys and no white space. Raises TypeError."""
    return json.dumps(simplify(value), sort_keys=True, separators=(",", ":"))


def yaml_library() -> ModuleType:
    """Return PyYAML. Raises MissingLibraryError."""
    try:
        import yaml
    except ImportError as error:
        raise MissingLibraryError(
            "format yaml needs PyYAML where the module runs, and it can't be imported"
            f" ({error}); install python3-yaml (Debian) or PyYAML (pip)"
        ) from error
    return cast(ModuleType, yaml)


def to_yaml(value: Any) -> str:
    """Write YAML with sorted keys. Raises MissingLibraryError, and what PyYAML raises."""
    return cast(str, yaml_library().safe_dump(simplify(value)))


def to_xml(value: Any, *, pretty: bool) -> str:
    """Write XML: an element <response>, in it one for each key of a dict, <item>s of a list.

    A key that can't be an element's name makes <item name="the key">. None is an empty element.
    Characters that XML can't have are replaced. Raises TypeError.
    """
    return ("\n" if pretty else "").join(_xml_lines("response", "", simplify(value), pretty))


def _xml_lines(name: str, attributes: str, value: Any, pretty: bool) -> list[str]:
    if isinstance(value, dict | list) and value:
        members: list[tuple[str, str, Any]] = []
        if isinstance(value, list):
            members = [("item", "", item) for item in value]
        else:
            for key in sorted(value, key=_word):
                word = _word(key)
                if _XML_NAME.fullmatch(word):
                    members.append((word, "", value[key]))
                else:
                    named = _xml_text(word, {'"': "&quot;"})
                    members.append(("item", f' name="{named}"', value[key]))
        indent = "  " if pretty else ""
        return [
            f"<{name}{attributes}>",
            *(f"{indent}{line}" for member in members for line in _xml_lines(*member, pretty)),
            f"</{name}>",
        ]
    text = "" if isinstance(value, dict | list) else _xml_text(_word(value))
    return [f"<{name}{attributes}>{text}</{name}>" if text else f"<{name}{attributes} />"]


def _xml_text(text: str, entities: Mapping[str, str] | None = None) -> str:
    printable = _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
    return saxutils.escape(printable, {"\r": "&#13;", **(entities or {})})


def to_plain(value: Any) -> str:
    """Write text for people: a table of a dict, or of a list of dicts; else a line an item.

    Raises TypeError.
    """
    value = simplify(value)
    if isinstance(value, dict):
        return _table(["NAME", "VALUE"], [[key, value[key]] for key in sorted(value, key=_word)])
    if not isinstance(value, list):
        return _word(value)
    if value and all(isinstance(row, dict) for row in value):
        columns = sorted({_word(key) for row in value for key in row})
        rows = [{_word(key): cell for key, cell in row.items()} for row in value]
        if columns:
            return _table(
                [column.upper() for column in columns],
                [[row.get(column) for column in columns] for row in rows],
            )
    return "\n".join(map(_cell, value))


def _table(titles: list[str], rows: list[list[Any]]) -> str:
    cells = [titles, *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "".join(f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=True))
        for row in cells
    )


def _cell(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return _word(value)


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise TypeError(f"Object of type {type(value).__name__} can't be written")
