"""From annotations to signatures, and from JSON to arguments."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import (  # noqa: UP035
    TYPE_CHECKING,
    Annotated,
    Any,
    List,
    Literal,
    Optional,
    Tuple,
    Union,
)

import pytest

from outpost import ModuleLoadError, argument_types
from outpost._signature import ArgumentError, HandlerSignature, handler_signature
from outpost.argument_types import ArgumentType, CephOsdName, CephSize, GoodChars, Range

if TYPE_CHECKING:
    from nowhere import OnlyForCheckers  # type: ignore[import-not-found]


class Colour(enum.Enum):
    red = "red"
    green = "green"


class Size(str, enum.Enum):
    small = "s"
    large = "l"


def all_kinds(  # type: ignore[no-untyped-def]
    self,
    i: int,
    f: float,
    b: bool,
    s: str,
    colour: Colour,
    word: Literal["a", "b"],
    many: List[int],  # noqa: UP006
    opt: Optional[int],  # noqa: UP045
    new_opt: int | None = None,
    with_default: str = "x",
    names: list[str] | None = None,
    _end_positional_: int = 0,
    later: bool = False,
    *,
    size: Size = Size.small,
    inbuf: bytes | None = None,
):
    """Does
    much."""


def test_signatures_of_all_kinds() -> None:
    signature = handler_signature("do all", all_kinds)
    assert signature.text("do all").split(" ") == [
        "do",
        "all",
        "name=i,type=CephInt",
        "name=f,type=CephFloat",
        "name=b,type=CephBool",
        "name=s,type=CephString",
        "name=colour,type=CephChoices,strings=red|green",
        "name=word,type=CephChoices,strings=a|b",
        "name=many,type=CephInt,n=N",
        "name=opt,type=CephInt,req=false",
        "name=new_opt,type=CephInt,req=false",
        "name=with_default,type=CephString,req=false",
        "name=names,type=CephString,req=false,n=N",
        "name=later,type=CephBool,req=false,positional=false",
        "name=size,type=CephChoices,strings=s|l,req=false,positional=false",
    ]
    assert signature.inbuf == {bytes}
    assert not signature.inbuf_required


def test_arguments_are_converted() -> None:
    signature = handler_signature("do all", all_kinds)
    required = {"i": "3", "f": 2, "b": "true", "s": 5, "colour": "red", "word": "b", "many": [1]}
    assert signature.bind({"prefix": "do all", "target": ["mgr", ""], **required}) == {
        "i": 3,
        "f": 2.0,
        "b": True,
        "s": "5",
        "colour": Colour.red,
        "word": "b",
        "many": [1],
        "opt": None,
    }
    bound = signature.bind({**required, "with-default": "y", "names": "one", "size": "l"})
    assert bound["with_default"] == "y"
    assert bound["names"] == ["one"]
    assert bound["size"] is Size.large


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"i": "x"}, "argument i: 'x' does not fit name=i,type=CephInt"),
        ({"f": "x"}, "argument f: 'x' does not fit name=f,type=CephFloat"),
        ({"b": "maybe"}, "argument b: 'maybe' does not fit"),
        ({"colour": "blue"}, "argument colour: 'blue' does not fit"),
        ({"word": "c"}, "argument word: 'c' does not fit"),
        ({"many": [1, "x"]}, "argument many: [1, 'x'] does not fit"),
        ({"i": None}, "argument i is missing"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    fine = {"i": 1, "f": 1.5, "b": False, "s": "", "colour": "green", "word": "a", "many": []}
    signature = handler_signature("do all", all_kinds)
    signature.bind(fine)
    with pytest.raises(ArgumentError) as caught:
        signature.bind({**fine, **arguments})
    assert str(caught.value).startswith(message)


def unannotated(self, x): ...  # type: ignore[no-untyped-def]


def starred(self: Any, *args: int) -> None: ...


def odd(self: Any, x: dict[str, str]) -> None: ...


def either(self: Any, x: int | str) -> None: ...


def plain_wrapper(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@plain_wrapper
def undecorated(self: Any, x: int) -> None: ...


def no_module(x: int) -> None: ...


def no_parameters() -> None: ...


def by_position(self: Any, x: int, /) -> None: ...


def bare_list(self: Any, x: list) -> None: ...  # type: ignore[type-arg]


def mixed(self: Any, x: tuple[int, str]) -> None: ...


def spaced(self: Any, x: Literal["a", "b c"]) -> None: ...


def barred(self: Any, x: Literal["b|c"]) -> None: ...


def wrong_range(self: Any, x: Annotated[str, Range(0, 1)]) -> None: ...


def float_range(self: Any, x: Annotated[int, Range(0.5)]) -> None: ...


def empty_range(self: Any, x: Annotated[int, Range(3, 2)]) -> None: ...


def wrong_characters(self: Any, x: Annotated[str, GoodChars("[a b]")]) -> None: ...


def inbuf_of_int(self: Any, inbuf: int) -> None: ...


def unknown(self: Any, x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (unannotated, "command 'p': unannotated(): parameter x has no type annotation"),
        (starred, "command 'p': starred(): *args can't be an argument of a command"),
        (
            odd,
            "command 'p': odd(): parameter x: type dict[str, str] can't be given on a command line",
        ),
        (either, "can't be given on a command line; use int, float, bool, str, an Enum"),
        (
            unknown,
            "command 'p': unknown(): parameter x: its annotation can't be resolved: name 'Nowhere'",
        ),
        (undecorated, "*args can't be an argument of a command; if a decorator has it, the deco"),
        (no_module, "no_module(): its first parameter must be the module: self"),
        (no_parameters, "no_parameters(): its first parameter must be the module: self"),
        (by_position, "parameter x is positional-only, and arguments are passed by name"),
        (bare_list, "parameter x: type list can't be given on a command line"),
        (mixed, "parameter x: the elements of "),
        (spaced, "parameter x: 'b c' can't be a choice: it must be a word without white space"),
        (barred, "parameter x: 'b|c' can't be a choice"),
        (wrong_range, "parameter x: Range(min=0, max=1) does not fit str"),
        (float_range, "parameter x: Range(min=0.5, max=None) does not fit int"),
        (empty_range, "parameter x: Range(min=3, max=2) is empty"),
        (wrong_characters, "parameter x: GoodChars(characters='[a b]') fits a str, and has no"),
        (inbuf_of_int, "parameter inbuf must be annotated str, bytes, or str | bytes"),
    ],
)
def test_handlers_that_cannot_be_commands(handler: Callable[..., Any], message: str) -> None:
    with pytest.raises(ModuleLoadError) as caught:
        handler_signature("p", handler)
    assert message in str(caught.value)


def sequences(
    self: Any,
    pair: Tuple[int, int],  # noqa: UP006
    words: Tuple[str, ...] = (),  # noqa: UP006
    more: Sequence[float] = (),
    colours: Iterable[Colour] = (),
    maybe: Optional[List[Literal[1, 2]]] = None,  # noqa: UP006, UP045
) -> None: ...


def test_several_values() -> None:
    signature = handler_signature("p", sequences)
    assert signature.text("p").split(" ") == [
        "p",
        "name=pair,type=CephInt,n=2",
        "name=words,type=CephString,req=false,n=N",
        "name=more,type=CephFloat,req=false,n=N",
        "name=colours,type=CephChoices,strings=red|green,req=false,n=N",
        "name=maybe,type=CephChoices,strings=1|2,req=false,n=N",
    ]
    assert signature.bind(
        {"pair": [1, "2"], "words": ["a"], "more": [1], "colours": ["red"], "maybe": "2"}
    ) == {"pair": (1, 2), "words": ("a",), "more": [1.0], "colours": [Colour.red], "maybe": [2]}
    for wrong in ([1], [1, 2, 3], 1):
        with pytest.raises(ArgumentError, match="does not fit name=pair,type=CephInt,n=2"):
            signature.bind({"pair": wrong})


def annotated(
    self: Any,
    size: CephSize,
    osd: CephOsdName,
    percent: Annotated[int, Range(0, 100)],
    share: Annotated[float, Range(0, 0.5)] = 0.25,
    least: Annotated[Optional[int], Range(1)] = None,  # noqa: UP045
    label: Optional[Annotated[str, GoodChars("[a-z,-]")]] = None,  # noqa: UP045
    pgs: list[Annotated[str, ArgumentType("CephPgid")]] | None = None,
    word: Literal["on", None] = None,
    other: Annotated[int, "of another library"] = 1,
    *,
    force: bool,
    format: str = "plain",  # noqa: A002
) -> None: ...


def test_annotated_types() -> None:
    signature = handler_signature("p", annotated)
    assert signature.text("p").split(" ") == [
        "p",
        "name=size,type=CephSize",
        "name=osd,type=CephOsdName",
        "name=percent,type=CephInt,range=0|100",
        "name=share,type=CephFloat,range=0|0.5,req=false",
        "name=least,type=CephInt,range=1,req=false",
        "name=label,type=CephString,goodchars=[a-z,-],req=false",
        "name=pgs,type=CephPgid,req=false,n=N",
        "name=word,type=CephChoices,strings=on,req=false",
        "name=other,type=CephInt,req=false",
        "name=force,type=CephBool,positional=false",
        "name=format,type=CephString,req=false,positional=false",
    ]
    fine = {"size": 4096, "osd": 3, "percent": 100, "force": True}
    assert signature.bind(fine) == fine
    for wrong in ({"percent": 101}, {"percent": -1}, {"share": 0.6}, {"least": 0}, {"osd": "*"}):
        with pytest.raises(ArgumentError, match="does not fit"):
            signature.bind({**fine, **wrong})


def test_every_type_of_the_grammar_has_a_name() -> None:
    for name in argument_types.__all__:
        if name.startswith("Ceph"):
            kind = getattr(argument_types, name)

            def handler(self: Any, x: int) -> None: ...

            handler.__annotations__["x"] = kind
            assert handler_signature("p", handler).text("p") == f"p name=x,type={name}"


class Nest:
    class Mode(enum.Enum):
        fast = "fast"

    def in_a_class(self, mode: Mode) -> OnlyForCheckers: ...


def test_annotations_as_text() -> None:
    # this file's are text: names of the class, and what only type checkers know
    signature = handler_signature("p", Nest.in_a_class)
    assert signature.bind({"mode": "fast"}) == {"mode": Nest.Mode.fast}


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    wrapper.extra_args = {"verbose": bool, "x": str}  # type: ignore[attr-defined]
    return wrapper


@logged
@logged
def decorated(self: Any, x: int, inbuf: Union[str, bytes] = "") -> None:  # noqa: UP007
    ...


def test_decorators_and_their_arguments() -> None:
    signature = handler_signature("p", decorated)
    assert signature.text("p") == (
        "p name=x,type=CephInt name=verbose,type=CephBool,req=false,positional=false"
    )
    assert signature.inbuf == {str, bytes}
    assert signature.bind({"x": 1, "verbose": "true"}) == {"x": 1, "verbose": True}


def test_an_empty_signature() -> None:
    def handler(mgr: Any) -> None: ...

    assert handler_signature("p", handler) == HandlerSignature((), frozenset(), False)


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
