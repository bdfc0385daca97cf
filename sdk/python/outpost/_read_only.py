"""Dicts and lists that can be read and not changed, over data that others share.

Both are dicts and lists to whoever reads them: isinstance(), json.dumps(), `==`. What is inside is
wrapped when it is first looked at, so that a big structure costs nothing where nobody looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn, SupportsIndex

_REFUSAL = (
    "what get() returns is shared by all who read it, and can't be changed:"
    " get(name, mutable=True) returns a copy"
)


def read_only(value: Any) -> Any:
    """Return the value, which nobody must change any more; a dict or a list as a read-only one."""
    kind = type(value)
    if kind is dict:
        return ReadOnlyDict(value)
    if kind is list:
        return ReadOnlyList(value)
    return value


def thawed(value: Any) -> Any:
    """Return a copy that can be changed, all of it."""
    if isinstance(value, dict):
        return {key: thawed(child) for key, child in dict.items(value)}
    if isinstance(value, list):
        return [thawed(child) for child in list.__iter__(value)]
    return value


def _refuse(*args: object, **kwargs: object) -> NoReturn:
    raise TypeError(_REFUSAL)


class ReadOnlyDict(dict[Any, Any]):
    """A dict whose methods that change it raise TypeError, and so in what it holds."""

    __slots__ = ("_wrapped",)

    def _wrap(self) -> None:
        """Wrap every value."""
        if getattr(self, "_wrapped", False):
            return
        for key, value in dict.items(self):
            if type(value) is dict or type(value) is list:
                dict.__setitem__(self, key, read_only(value))
        self._wrapped = True

    def __getitem__(self, key: Any) -> Any:
        value = dict.__getitem__(self, key)
        if type(value) is dict or type(value) is list:
            value = read_only(value)
            dict.__setitem__(self, key, value)
        return value

    def get(self, key: Any, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def values(self) -> Any:
        self._wrap()
        return dict.values(self)

    def items(self) -> Any:
        self._wrap()
        return dict.items(self)

    # Being there, it keeps dict(self) and {**self} from taking the values as they are.
    def __iter__(self) -> Iterator[Any]:
        return dict.__iter__(self)

    def copy(self) -> dict[Any, Any]:
        return dict(self)

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    def __copy__(self) -> dict[Any, Any]:
        return dict(self)

    def __deepcopy__(self, memo: object) -> Any:
        return thawed(self)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return dict, (thawed(self),)

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


class ReadOnlyList(list[Any]):
    """A list whose methods that change it raise TypeError, and so in what it holds."""

    __slots__ = ("_wrapped",)

    def _wrap(self) -> None:
        """Wrap every element."""
        if getattr(self, "_wrapped", False):
            return
        for index, value in enumerate(list.__iter__(self)):
            if type(value) is dict or type(value) is list:
                list.__setitem__(self, index, read_only(value))
        self._wrapped = True

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            self._wrap()
            return list.__getitem__(self, index)
        value = list.__getitem__(self, index)
        if type(value) is dict or type(value) is list:
            value = read_only(value)
            list.__setitem__(self, index, value)
        return value

    def __iter__(self) -> Iterator[Any]:
        self._wrap()
        return list.__iter__(self)

    def __reversed__(self) -> Iterator[Any]:
        self._wrap()
        return list.__reversed__(self)

    def copy(self) -> list[Any]:
        return list(self)

    def __add__(self, other: Any) -> Any:
        return list(self) + other

    def __radd__(self, other: Any) -> Any:
        return other + list(self)

    def __mul__(self, times: SupportsIndex) -> list[Any]:
        return list(self) * times

    __rmul__ = __mul__

    def __copy__(self) -> list[Any]:
        return list(self)

    def __deepcopy__(self, memo: object) -> Any:
        return thawed(self)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return list, (thawed(self),)

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse
