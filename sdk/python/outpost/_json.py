"""Reading JSON, as fast as this installation can.

orjson is the fastest of those that were measured (see docs/performance.md), and is used where it is
installed; Debian 12 has no package of it, and its ujson and rapidjson are not faster than `json`.
"""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable
from typing import Any

_fast: Callable[[bytes | memoryview | str], Any] | None
try:
    import orjson
except ImportError:
    _fast = None
else:
    _fast = orjson.loads

_BIG = 64 * 1024

_parsing = threading.Lock()


def loads(text: str | bytes | memoryview) -> Any:
    """Return the value of a JSON text. Raises ValueError: it is not JSON."""
    if len(text) < _BIG:
        return _loads(text)
    # A big text makes objects by the million, none of them garbage: the collector, which would look
    # through them again and again, takes as long as all the rest.
    with _parsing:
        collects = gc.isenabled()
        gc.disable()
        try:
            return _loads(text)
        finally:
            if collects:
                if gc.get_freeze_count() == 0:
                    # To the oldest generation at once: else the next collection begins with them.
                    gc.freeze()
                    gc.unfreeze()
                gc.enable()


def _loads(text: str | bytes | memoryview) -> Any:
    if _fast is not None:
        try:
            return _fast(text)
        except ValueError:
            pass  # it knows no NaN, and json does
    return json.loads(str(text, "utf-8") if isinstance(text, memoryview) else text)
