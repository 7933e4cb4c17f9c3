"""What encode lets through can be stored and decoded; all else is refused with a reason."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import math
import uuid
from pathlib import Path
from typing import Any, TypedDict

import msgspec
import numpy as np
import pydantic
import pytest

from actorq.args.codec import ArgsCodec
from actorq.errors import ArgsInvalid, ArgsTooLarge, ConfigError

ANY = ArgsCodec()


class Doc(msgspec.Struct):
    path: str
    n: int = 0
    weight: float | None = None
    note: str | None = None


class Tree(msgspec.Struct):
    kids: list[Tree] = []


@dataclasses.dataclass
class Point:
    x: float
    y: float


class Options(TypedDict):
    width: int


class Colour(enum.Enum):
    RED = "red"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def cyclic() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


class EvilStr(str):
    def __str__(self) -> str:
        return "evil"

    def encode(self, *args: Any) -> bytes:
        return b"evil"


class EvilDict(dict[str, Any]):
    def items(self) -> Any:
        raise SystemExit

    def __iter__(self) -> Any:
        return iter(["evil"])


class EvilFloat(float):
    def __float__(self) -> float:
        return 6.0


class Lazy:
    def __iter__(self) -> Any:
        raise OSError("gone")


class BadText(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class Raising:
    @property  # type: ignore[misc]  # nothing of it can be asked
    def __class__(self) -> Any:
        raise BadText


class Files(msgspec.Struct):
    paths: list[Path]


class Named(pydantic.BaseModel):
    name: str
    data: bytes = b""


BYTES_FOR_TEXT = [
    (str, b"abc", "$"),
    (str, bytearray(b"abc"), "$"),
    (Path, memoryview(b"abc"), "$"),
    (str | None, np.bytes_(b"abc"), "$"),
    (Doc, Doc(b"abc"), "$.path"),  # type: ignore[arg-type]
    (Doc, {"path": "a", "note": b"abc"}, "$.note"),
    (Files, {"paths": ["a", b"abc"]}, "$.paths[1]"),
    (tuple[str, bytes], ("a", b"abc"), ""),
    (tuple[str, bytes], (b"a", b"abc"), "$[0]"),
    (list[str], ["łąka", b"abc"], "$[1]"),
    (list[str], ["łąka", "łąka"], ""),
    (dict[str, str], {"a": b"abc"}, "$[...]"),
    (dict[str, int], {b"a": 1}, "$"),
    (dict[bytes, int], {b"a": 1}, ""),
    (dict[str, Any], {"a": b"abc"}, ""),
    (Named, {"name": b"abc"}, "$"),
    (Named, {"name": "a", "data": b"abc"}, "$"),
    (Named, Named(name="a", data=b"abc"), ""),
    (dict[str, Named], {"a": {"name": b"abc"}}, "$[...]"),
]


@pytest.mark.parametrize(("type_", "value", "place"), BYTES_FOR_TEXT)
def test_bytes_where_a_text_is_meant_are_refused(type_: Any, value: Any, place: str) -> None:
    """As text they would be their base64, and nobody would know."""
    codec = ArgsCodec(type_)
    if not place:
        arrived = codec.decode(codec.encode(value))
        assert arrived == value
        return
    with pytest.raises(ArgsInvalid, match=r"bytes.*: (make|write) a text") as caught:
        codec.encode(value)
    assert place == "$" or f"at `{place}`" in str(caught.value)


@pytest.mark.parametrize("value", [{b"a": 1}, [{"a": {b"k": 1}}]])
def test_bytes_as_a_key_of_no_type_are_refused(value: Any) -> None:
    with pytest.raises(ArgsInvalid, match="bytes are a key"):
        ANY.encode(value)


NOT_FINITE = [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf"), EvilFloat("nan")]


@pytest.mark.parametrize("value", NOT_FINITE, ids=repr)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [1.5, v], lambda v: {"a": [{"b": v}]}])
def test_nan_and_infinity_never_become_null(value: Any, wrap: Any) -> None:
    with pytest.raises(ArgsInvalid, match="NaN and infinity are not JSON numbers - at"):
        ANY.encode(wrap(value))


@pytest.mark.parametrize("value", NOT_FINITE, ids=repr)
@pytest.mark.parametrize("field", ["weight", "note"])
def test_nan_does_not_hide_behind_an_optional_field(value: Any, field: str) -> None:
    codec = ArgsCodec(Doc)
    for doc in (Doc("a", **{field: value}), {"path": "a", field: value}):
        with pytest.raises(ArgsInvalid, match=rf"NaN and infinity .* - at `\$.{field}`"):
            codec.encode(doc)


def test_nan_where_no_null_is_legal_is_called_nan() -> None:
    with pytest.raises(ArgsInvalid, match="NaN and infinity"):
        ArgsCodec(Point).encode(Point(1.0, math.nan))


@pytest.mark.parametrize("value", [1e308, -1e308, -0.0, 1e-400, 5e-324, 0.1, 1e22])
def test_finite_floats_come_back_as_they_were(value: float) -> None:
    codec = ArgsCodec(list[float | None])
    assert codec.decode(codec.encode([value, None])) == [value, None]
    assert ANY.decode(ANY.encode(value)) == value


@pytest.mark.parametrize(
    "value",
    ["\0", "a\0b", {"a\0": 1}, {"k": ["\0"]}, {1: "\0"}],
    ids=["s", "mid", "key", "deep", "i"],
)
def test_nul_is_refused_anywhere(value: Any) -> None:
    with pytest.raises(ArgsInvalid, match="NUL character, which PostgreSQL cannot store"):
        ANY.encode(value)


def test_nul_in_a_struct_is_found_and_placed() -> None:
    with pytest.raises(ArgsInvalid, match=r"NUL .* at `\$.path`"):
        ArgsCodec(Doc).encode(Doc("a\0"))


@pytest.mark.parametrize("text", [r"\u0000", "\\\\u0000", "null", '"', "\\", "\x1f", "\u2028", "é"])
def test_text_that_only_looks_dangerous_passes(text: str) -> None:
    codec = ArgsCodec(Doc)
    assert codec.decode(codec.encode(Doc(text))).path == text
    assert ANY.decode(ANY.encode({text: text})) == {text: text}


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, ["a", "\ud800\udc00"]], ids=ascii)
def test_lone_surrogates_are_refused(value: Any) -> None:
    with pytest.raises(ArgsInvalid, match="lone surrogate"):
        ANY.encode(value)
    with pytest.raises(ArgsInvalid, match="lone surrogate"):
        ArgsCodec(Doc).encode(Doc("\ud800"))


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**400])
def test_integers_beyond_64_bits_are_refused(number: int) -> None:
    for codec, value in ((ANY, [number]), (ArgsCodec(Doc), Doc("a", number)), (ANY, {"a": number})):
        with pytest.raises(ArgsInvalid, match="beyond 64 bits"):
            codec.encode(value)


@pytest.mark.parametrize("number", [2**64 - 1, 2**63, -(2**63), 0])
def test_integers_of_64_bits_pass(number: int) -> None:
    codec = ArgsCodec(Doc)
    assert codec.decode(codec.encode(Doc("a", number))).n == number
    assert ANY.decode(ANY.encode(number)) == number


@pytest.mark.parametrize("make", [lambda: nested(65), lambda: nested(20_000), cyclic])
def test_depth_has_a_limit_that_cycles_meet_too(make: Any) -> None:
    with pytest.raises(ArgsTooLarge, match="nested deeper than 64 levels"):
        ANY.encode(make())


def test_a_recursive_type_has_the_same_limit() -> None:
    codec, tree = ArgsCodec(Tree), Tree()
    for _ in range(40):
        tree = Tree([tree])
    with pytest.raises(ArgsTooLarge, match="nested deeper than 64 levels"):
        codec.encode(tree)
    assert codec.encode(Tree([Tree(), Tree()]))
    assert ANY.encode(nested(64))


def test_size_has_a_limit_that_the_message_names() -> None:
    codec = ArgsCodec(Doc, max_bytes=1000)
    with pytest.raises(ArgsTooLarge, match=r"1,0\d\d bytes as JSON, 1,000 are allowed"):
        codec.encode(Doc("x" * 1000))
    with pytest.raises(ArgsTooLarge, match="1,000,000 are allowed"):
        ANY.encode(["x" * 1_000_000])


def test_a_million_keys_are_too_large_not_too_slow() -> None:
    with pytest.raises(ArgsTooLarge):
        ANY.encode({str(i): i for i in range(200_000)})


@pytest.mark.parametrize("value", [{1: "a", "1": "b"}, {"x": {1.0: 1, "1.0": 2}}, {2: 1, "2": 1}])
def test_keys_that_are_one_in_json_are_refused(value: Any) -> None:
    with pytest.raises(ArgsInvalid, match="same text in JSON"):
        ANY.encode(value)
    with pytest.raises(ArgsInvalid, match="same text in JSON"):
        ArgsCodec(dict[str, Any]).encode(value)


@pytest.mark.parametrize(
    "value",
    [{(1, 2): 3}, {None: 1}, object(), Lazy(), iter([1]), (i for i in range(0)), ANY, len, 1j],
)
def test_what_json_does_not_know_is_refused(value: Any) -> None:
    with pytest.raises(ArgsInvalid, match="cannot be written as JSON"):
        ANY.encode(value)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"ab"), b"ab"),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        (decimal.Decimal("1.50"), "1.50"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (Colour.RED, "red"),
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([[1, 2]]), [[1, 2]]),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Doc("a"), {"path": "a", "n": 0, "weight": None, "note": None}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (None, None),
        ({}, {}),
        ("", ""),
        ({1: 2}, {"1": 2}),
    ],
    ids=repr,
)
def test_what_has_a_json_form_takes_it(value: Any, stored: Any) -> None:
    assert ANY.decode(ANY.encode({"v": value})) == {"v": stored}


def test_memory_arrives_as_bytes() -> None:
    assert ANY.decode(ANY.encode([memoryview(b"ab")])) == [b"ab"]


def test_subclasses_cannot_say_what_they_are_not() -> None:
    value = {"s": EvilStr("good"), "d": EvilDict(a=1), "f": EvilFloat(2.5)}
    assert ANY.decode(ANY.encode(value)) == {"s": "good", "d": {"a": 1}, "f": 2.5}


def test_a_value_that_breaks_while_it_is_looked_at_is_refused() -> None:
    with pytest.raises(ArgsInvalid):
        ANY.encode([Raising()])


@pytest.mark.parametrize(
    "value",
    [Doc(7), Doc("a", "b"), {"path": 1}, {}, [], "text", None, {"path": "a", "n": 1.5}],  # type: ignore[arg-type]
    ids=repr,
)
def test_args_of_the_wrong_type_are_refused_at_enqueue(value: Any) -> None:
    with pytest.raises(ArgsInvalid, match="the args do not fit Doc: "):
        ArgsCodec(Doc).encode(value)


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        (Point, Point(1, 2), {"x": 1}),
        (Options, {"width": 3}, {"width": "3"}),
        (list[int], [1], ["1"]),
        (dict[int, str], {1: "a"}, {"x": "a"}),
        (str, "a", 1),
        (datetime.datetime, datetime.datetime(2026, 1, 2), "now"),
        (Tree, Tree([Tree()]), {"kids": [1]}),
        (Doc, {"path": "a"}, {"n": 1}),
    ],
)
def test_every_kind_of_type_is_checked(type_: Any, good: Any, bad: Any) -> None:
    codec = ArgsCodec(type_)
    stored = codec.encode(good)
    again = codec.encode(codec.decode(stored))
    assert codec.decode(again) == codec.decode(stored)
    with pytest.raises(ArgsInvalid):
        codec.encode(bad)


@pytest.mark.parametrize("type_", [msgspec.Raw, object(), int | type, list[ArgsCodec], complex])
def test_types_that_cannot_travel_are_refused_at_declaration(type_: Any) -> None:
    with pytest.raises(ConfigError, match="args type"):
        ArgsCodec(type_)
