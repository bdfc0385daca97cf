"""API: marks methods that are meant to be called from outside, as ceph-mgr's modules do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Value = TypeVar("_Value")


class _Mark(Generic[_Value]):
    """Something that can be said of a function."""

    def __init__(self, name: str, default: _Value) -> None:
        self._attribute = f"_outpost_{name}"
        self._default = default

    def set(self, function: _Function, value: _Value) -> _Function:
        """Say it of a function, and give that back."""
        setattr(function, self._attribute, value)
        return function

    def get(self, function: Callable[..., Any]) -> _Value:
        """Return what was said of a function, or else the default."""
        value: _Value = getattr(function, self._attribute, self._default)
        return value


class _Perm(_Mark[str]):
    def __call__(self, value: str = "r") -> Callable[[_Function], _Function]:
        return lambda function: self.set(function, value)


class _Expose(_Mark[bool]):
    def __call__(self, function: _Function) -> _Function:
        return self.set(function, True)


class API:
    """Decorators: `@API.expose`, and `@API.perm("w")` for what does more than read.

    `API.expose.get(method)` and `API.perm.get(method)` tell: False and "r" where nothing was said.
    """

    perm = _Perm("perm", "r")
    expose = _Expose("expose", False)
