"""The shapes of JSON values: their keys and types without the values.

A shape is JSON itself:

    "int", "float", "str", "bool", "null"    a value of that type
    [SHAPE], []                              a list; of nothing that was ever seen
    {"key": SHAPE, "other?": SHAPE}          an object; "other" is not always there
    {"*": SHAPE}, {"*": []}                  an object whose keys are data (ids, names)
    {"json()": SHAPE}                        a text that is JSON
    {"|": [SHAPE, ...]}                      one of these

Where only empty lists and maps were seen, nothing is said about what they may hold.
"""

from __future__ import annotations

import json
from typing import Any

Shape = Any

# Objects whose keys are data, by structure; * is any element or key. A structure that is
# named alone is such an object itself.
_MAPS = {
    "config": [""],
    "df": ["/stats_by_class"],
    "fs_map": [
        "/compat/compat",
        "/compat/ro_compat",
        "/compat/incompat",
        "/filesystems/*/mdsmap/compat/compat",
        "/filesystems/*/mdsmap/compat/ro_compat",
        "/filesystems/*/mdsmap/compat/incompat",
        "/filesystems/*/mdsmap/info",
        "/filesystems/*/mdsmap/up",
    ],
    "health": ["/checks"],
    "mds_metadata": ["", "/*"],
    "mgr_map": ["/services", "/always_on_modules", "/available_modules/*/module_options"],
    "mon_status": ["/feature_map"],
    "osd_map": [
        "/blocklist",
        "/range_blocklist",
        "/crush_node_flags",
        "/device_class_flags",
        "/erasure_code_profiles",
        "/erasure_code_profiles/*",
        "/pools/*/application_metadata",
        "/pools/*/application_metadata/*",
        "/pools/*/options",
    ],
    "osd_map_crush": ["/choose_args"],
    "osd_map_tree": ["/nodes/*/pool_weights"],
    # What an OSD tells of itself depends on its host and its store.
    "osd_metadata": ["", "/*"],
    "pg_progress": ["/pgs"],
    "pg_summary": ["/all", "/by_osd", "/by_osd/*", "/by_pool", "/by_pool/*"],
    "service_map": [
        "/services",
        "/services/*/daemons",
        "/services/*/daemons/*/metadata",
        "/services/*/daemons/*/task_status",
    ],
}
_SCALARS = {bool: "bool", int: "int", float: "float", str: "str", type(None): "null"}


def shape_of(structure: str, value: Any) -> Shape:
    """The shape of a value that get(structure) gave, parsed by Python's json."""
    return _shape_of(value, "", frozenset(_MAPS.get(structure, ())))


def merge(a: Shape, b: Shape) -> Shape:
    """A shape that fits what fits either."""
    if a == b:
        return a
    if isinstance(a, list) and isinstance(b, list):
        return [merge(a[0], b[0])] if a and b else a or b
    if _is_object(a) and _is_object(b):
        return _merged_objects(a, b)
    if _is_map(a) and _is_map(b):
        return {"*": b["*"] if a["*"] == [] else a["*"] if b["*"] == [] else merge(a["*"], b["*"])}
    if _is_text(a) and _is_text(b):
        return {"json()": merge(a["json()"], b["json()"])}
    alternatives: list[Shape] = []
    for shape in (*_alternatives(a), *_alternatives(b)):
        for i, known in enumerate(alternatives):
            if _kind(known) == _kind(shape):
                alternatives[i] = merge(known, shape)
                break
        else:
            alternatives.append(shape)
    return {"|": sorted(alternatives, key=_kind)}


def differences(structure: str, recorded: Shape, value: Any) -> list[str]:
    """How `value` differs from a recorded shape: a line each, with the path; [] if it fits."""
    found: list[str] = []
    _compare(recorded, shape_of(structure, value), structure, found)
    return found


def _shape_of(value: Any, path: str, maps: frozenset[str]) -> Shape:
    if isinstance(value, list):
        shapes = [_shape_of(element, f"{path}/*", maps) for element in value]
        return _merged(shapes)
    if isinstance(value, dict):
        if value.keys() == {"json"} and not path and isinstance(value["json"], str):
            return {"json": {"json()": _shape_of(json.loads(value["json"]), "", maps)}}
        if path in maps:
            merged = _merged([_shape_of(member, f"{path}/*", maps) for member in value.values()])
            return {"*": merged[0] if merged else []}
        return {key: _shape_of(member, f"{path}/{key}", maps) for key, member in value.items()}
    return _SCALARS[type(value)]


def _merged(shapes: list[Shape]) -> list[Shape]:
    result: list[Shape] = []
    for shape in shapes:
        result = [merge(result[0], shape)] if result else [shape]
    return result


def _merged_objects(a: dict[str, Shape], b: dict[str, Shape]) -> dict[str, Shape]:
    result: dict[str, Shape] = {}
    names = {key.rstrip("?"): None for key in (*a, *b)}
    for name in names:
        shapes = [s[key] for s in (a, b) for key in (name, f"{name}?") if key in s]
        always = name in a and name in b
        result[name if always else f"{name}?"] = (
            merge(shapes[0], shapes[1]) if len(shapes) == 2 else shapes[0]
        )
    return result


def _compare(recorded: Shape, actual: Shape, path: str, found: list[str]) -> None:
    wanted, given = _alternatives(recorded), _alternatives(actual)
    if len(given) > 1:
        for shape in given:
            _compare(recorded, shape, path, found)
        return
    fitting = [shape for shape in wanted if _kind(shape) == _kind(actual)]
    if not fitting:
        kinds = " or ".join(_kind(shape) for shape in wanted)
        found.append(f"{path}: is {_kind(actual)}, was recorded as {kinds}")
        return
    shape = fitting[0]
    if isinstance(shape, list):
        if shape and actual:
            _compare(shape[0], actual[0], f"{path}/*", found)
    elif _is_map(shape):
        if shape["*"] != [] and actual["*"] != []:
            _compare(shape["*"], actual["*"], f"{path}/*", found)
    elif _is_text(shape):
        _compare(shape["json()"], actual["json()"], path, found)
    elif isinstance(shape, dict):
        _compare_objects(shape, actual, path, found)


def _compare_objects(
    recorded: dict[str, Shape], actual: dict[str, Shape], path: str, found: list[str]
) -> None:
    for key, shape in recorded.items():
        name = key.rstrip("?")
        if name in actual:
            _compare(shape, actual[name], f"{path}/{name}", found)
        elif f"{name}?" in actual:
            if name == key:
                found.append(f"{path}/{name}: is missing in some")
            _compare(shape, actual[f"{name}?"], f"{path}/{name}", found)
        elif name == key:
            found.append(f"{path}/{name}: is missing")
    known = {key.rstrip("?") for key in recorded}
    for key in actual:
        if key.rstrip("?") not in known:
            found.append(f"{path}/{key.rstrip('?')}: was never recorded")


def _alternatives(shape: Shape) -> list[Shape]:
    return shape["|"] if isinstance(shape, dict) and shape.keys() == {"|"} else [shape]


def _is_map(shape: Shape) -> bool:
    return isinstance(shape, dict) and shape.keys() == {"*"}


def _is_text(shape: Shape) -> bool:
    return isinstance(shape, dict) and shape.keys() == {"json()"}


def _is_object(shape: Shape) -> bool:
    return _kind(shape) == "an object"


def _kind(shape: Shape) -> str:
    if isinstance(shape, str):
        return shape
    if isinstance(shape, list):
        return "a list"
    if _is_map(shape):
        return "a map"
    if _is_text(shape):
        return "JSON as text"
    return "alternatives" if shape.keys() == {"|"} else "an object"
