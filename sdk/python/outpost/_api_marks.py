"""Marks on methods that ceph-mgr's modules put, for their own use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Mark:
    """A decorator that keeps a value with a function; get() finds it again."""

    _attribute: ClassVar[str]
    _default: ClassVar[Any]

    def __init__(self, value: Any = None) -> None:
        self.value = self._default if value is None else value

    def __call__(self, func: _Function) -> _Function:
        setattr(func, self._attribute, self.value)
        return func

    @classmethod
    def get(cls, func: Callable[..., Any]) -> Any:
        """Return the value that is kept with a function; None if there is none."""
        return getattr(func, cls._attribute, None)


class _Perm(_Mark):
    _attribute = "_outpost_api_perm"
    _default = "r"


class _Expose(_Mark):
    _attribute = "_outpost_api_expose"
    _default = True


class API:
    """`@API.perm("w")` and `@API.expose`, with `API.perm.get(f)` and `API.expose.get(f)`."""

    perm = _Perm
    expose = _Expose()
