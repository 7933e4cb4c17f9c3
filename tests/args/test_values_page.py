"""Each row of the tables on the page of values is true."""

from __future__ import annotations

import enum
import math
import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from io import StringIO
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NamedTuple, get_origin
from uuid import UUID

import attrs
import msgspec
import numpy as np
import pandas as pd
import pydantic
import pytest

from actorq.actor.results import ResultRefused, Results
from actorq.args.codec import ArgsCodec
from actorq.client.handle import loaded
from actorq.errors import ArgsInvalid, EnqueueError

PAGE = (Path(__file__).parents[2] / "actorq/docs/values.md").read_text("utf-8")
CODE = re.compile(r"`([^`]+)`")


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int


class Doc(msgspec.Struct):
    path: str


class Pair(NamedTuple):
    a: int
    b: int


@attrs.define
class Crate:
    n: int


class Order(pydantic.BaseModel):
    at: date
    n: int


@dataclass
class Held:
    order: Order
    path: Path


LIBRARIES = {"np": np, "pd": pd, "math": math, "UTC": UTC}
KINDS = (date, time, datetime, timedelta, deque, Decimal, UUID, IPv4Address, Path, StringIO)
OURS = (Colour, Point, Doc, Pair, Crate, Order, Held)
NAMES = LIBRARIES | {kind.__name__: kind for kind in (*KINDS, *OURS)}


def rows(table: str) -> list[Any]:
    lines = PAGE.split(f"<!-- {table} -->\n")[1].split("\n\n")[0].splitlines()[2:]
    found = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return [pytest.param(*row, id=row[0]) for row in found]


def meant(cell: str) -> Any:
    """Return the value of the first code in a cell; a library that is not here skips the test."""
    code = CODE.match(cell)
    assert code, f"not in backticks: {cell}"
    names = dict(NAMES)
    for name in ("polars", "pyarrow"):
        if code[1].startswith(f"{name}."):
            names[name] = pytest.importorskip(name)
    return eval(code[1], names)


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal and of one type, down to their parts."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(v, other[k]) for k, v in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def sent(value: Any, codec: ArgsCodec) -> Any:
    data = codec.encode(value)
    first, second = codec.decode_many(b"[" + data + b"," + data + b"]", [len(data)] * 2)
    assert same(first, second)
    return first


def returned(value: Any, results: Results) -> Any:
    data = results.one(value)
    assert data is not None
    return loaded(data.decode())


@pytest.mark.parametrize(("value", "plain", "type_", "result"), rows("values"))
def test_what_arrives(value: str, plain: str, type_: str, result: str) -> None:
    given = meant(value)
    if plain == "refused":
        with pytest.raises(ArgsInvalid):
            ArgsCodec().encode(given)
    else:
        assert same(sent(given, ArgsCodec()), meant(plain))
    if type_:
        arrived = sent(given, ArgsCodec(meant(type_)))
        assert equal(arrived, given)
        assert isinstance(arrived, get_origin(meant(type_)) or meant(type_))
    assert same(returned(given, Results()), meant(result))


def equal(arrived: Any, given: Any) -> bool:
    """Return whether something of the wanted type says what was given, as its libraries see it."""
    if isinstance(arrived, np.ndarray):
        return same(arrived, given)
    if isinstance(given, pd.Series) and isinstance(arrived, dict):
        given = given.to_dict()
    elif isinstance(given, np.ndarray | pd.Series):
        given = given.tolist()
    if isinstance(given, np.datetime64):
        arrived = np.datetime64(arrived)
    return bool(arrived == (str(given) if isinstance(given, pd.Period) else given))


@pytest.mark.parametrize(("value", "null", "string", "error"), rows("nan"))
def test_what_becomes_of_nan(value: str, null: str, string: str, error: str) -> None:
    given = meant(value)
    for nan, expected in (("null", null), ("string", string)):
        assert same(sent(given, ArgsCodec(nan=nan)), meant(expected))  # type: ignore[arg-type]
        assert same(returned(given, Results(nan=nan)), meant(expected))  # type: ignore[arg-type]
    assert error == "refused"
    for refuse in (ArgsCodec(nan="error").encode, ArgsCodec().encode, Results(nan="error").one):
        with pytest.raises((ArgsInvalid, ResultRefused), match="NaN and infinity"):
            refuse(given)
    assert same(returned(given, Results()), meant(null))


@pytest.mark.parametrize(("value", "args", "result", "said"), rows("refused"))
def test_what_stays_refused_and_what_is_said(value: str, args: str, result: str, said: str) -> None:
    assert args == "refused"
    messages = [message(lambda: ArgsCodec().encode(meant(value)))]
    if result == "refused":
        messages.append(message(lambda: Results().one(meant(value))))
    else:
        assert Results().one(meant(value))
    for text in messages:
        for wanted in CODE.findall(said):
            assert wanted in text.replace("`", "")


def message(refuse: Any) -> str:
    with pytest.raises((EnqueueError, ResultRefused)) as caught:
        refuse()
    return str(caught.value)
