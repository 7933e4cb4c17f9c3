"""Whatever is encoded comes back the same from any JSON parser; nothing is changed in silence."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.args.codec import ArgsCodec
from actorq.core.job.model import ErrorInfo
from actorq.errors import ArgsInvalid, ArgsTooLarge, EnqueueError

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**66), 2**66),
    st.floats(),
    st.text(st.characters()),  # NUL and surrogates, too
    st.sampled_from(["null", r"\u0000", "\\", "\x00", "9" * 30, "NaN"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Wide(msgspec.Struct):
    a: int | None = None
    b: float | None = None
    c: str | None = None
    d: list[float] = []
    e: dict[str, int] = {}
    f: Any = None


class Narrow(msgspec.Struct):
    a: str
    b: float
    c: bool
    d: list[float]


def is_legal(value: Any) -> bool:
    """Decide in the plainest way which values JSON and PostgreSQL keep as they are."""
    if isinstance(value, str):
        return "\0" not in value and not any(0xD800 <= ord(char) < 0xE000 for char in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**64
    if isinstance(value, dict):
        return all(is_legal(part) for pair in value.items() for part in pair)
    return not isinstance(value, list) or all(map(is_legal, value))


def check(codec: ArgsCodec, value: Any, plain: Any) -> None:
    if not is_legal(plain):
        with pytest.raises(EnqueueError):
            codec.encode(value)
        return
    data = codec.encode(value)
    assert json.loads(data) == plain
    assert b"\n" not in data
    assert codec.decode_many(b"[" + data + b"]", [len(data)]) == [codec.decode(data)]


@given(values)
def test_untyped_args(value: Any) -> None:
    check(ArgsCodec(), value, value)


UNTYPED, WIDE, NARROW = ArgsCodec(), ArgsCodec(Wide), ArgsCodec(Narrow)


@given(
    st.builds(
        Wide,
        a=st.none() | st.integers(-(2**66), 2**66),
        b=st.none() | st.floats(),
        c=st.none() | st.text(st.characters()),
        d=st.lists(st.floats()),
        e=st.dictionaries(st.text(), st.integers(-(2**66), 2**66)),
        f=values,
    )
)
def test_a_struct_of_every_type(value: Wide) -> None:
    check(WIDE, value, msgspec.structs.asdict(value))


@given(
    st.builds(
        Narrow,
        a=st.text(st.characters()),
        b=st.floats(),
        c=st.booleans(),
        d=st.lists(st.floats()),
    )
)
def test_a_struct_that_needs_no_second_look(value: Narrow) -> None:
    check(NARROW, value, msgspec.structs.asdict(value))


@given(st.lists(values.filter(is_legal), max_size=6), st.data())
def test_one_misfit_costs_only_itself(items: list[Any], data: st.DataObject) -> None:
    texts = [UNTYPED.encode(item) for item in items]
    bad = data.draw(st.sets(st.integers(0, len(items)), max_size=2)) & set(range(len(items)))
    for index in bad:
        texts[index] = data.draw(st.sampled_from([b"1e999", b'{"a":', b"[" * 5000, b"\xff"]))
    values = UNTYPED.decode_many(b"[" + b",".join(texts) + b"]", [len(text) for text in texts])
    for index, item in enumerate(items):
        if index in bad:
            assert isinstance(values[index], ErrorInfo)
            assert values[index].cause == "args"
        else:
            assert values[index] == item


@given(values)
def test_refusals_are_only_ever_our_own(value: Any) -> None:
    for codec in (UNTYPED, WIDE, NARROW):
        with contextlib.suppress(ArgsInvalid, ArgsTooLarge):
            codec.encode(value)
