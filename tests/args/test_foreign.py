"""Values of other libraries take a plain form, and no library is imported for that."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, cast

import msgspec
import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.actor.results import Results
from actorq.args.codec import ArgsCodec
from actorq.args.foreign import plain, rows_of
from actorq.client.handle import loaded
from actorq.errors import ArgsInvalid, ConfigError

ANY = ArgsCodec()


def arrived(value: Any, type_: Any = None) -> Any:
    codec = ArgsCodec(type_)
    return codec.decode(codec.encode(value))


def test_no_library_is_imported_that_the_caller_has_not() -> None:
    code = (
        "import sys, datetime\n"
        "from actorq.args.codec import ArgsCodec\nfrom actorq.actor.results import Results\n"
        "from actorq.client.handle import loaded\nfrom pathlib import Path\n"
        "c = ArgsCodec(dict[str, Path]); c.decode(c.encode({'a': Path('b')}))\n"
        "ArgsCodec(nan='null').encode([float('nan'), b'x'])\n"
        "loaded(Results().one([Path('b'), {'a': float('nan')}]).decode())\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules}\n"
        "  & {'numpy', 'pandas', 'pydantic', 'polars', 'pyarrow', 'attrs', 'psycopg'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_packed_arrays_are_lists_for_a_reader_without_numpy() -> None:
    arrays: list[Any] = [np.arange(6, dtype=dtype).reshape(1, 2, 3) for dtype in NATIVE]
    arrays += [np.array([True, False]), np.zeros((2, 0, 3)), np.zeros(0)]
    text = "[" + ",".join(Results().one(array).decode() for array in arrays) + "]"  # type: ignore[union-attr]
    code = (
        "import sys, json; sys.modules['numpy'] = None\n"
        "from actorq.client.handle import loaded\n"
        "print(json.dumps(loaded(sys.stdin.read())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [array.tolist() for array in arrays]


NATIVE = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")


CENTURIES = timedelta(days=100_000_000)  # as many microseconds have room in 64 bits


@given(st.timedeltas(-CENTURIES, CENTURIES))
def test_spans_are_written_as_msgspec_writes_them(span: timedelta) -> None:
    microseconds = span // timedelta(microseconds=1)
    expected = msgspec.to_builtins(span)
    for unit in ("us", "ns") if abs(microseconds) < 2**53 else ("us",):
        n = microseconds * (1000 if unit == "ns" else 1)
        assert plain(np.timedelta64(n, unit)) == expected
    assert arrived(np.timedelta64(microseconds, "us"), timedelta) == span


@given(st.datetimes())
def test_instants_are_written_as_msgspec_writes_them(instant: datetime) -> None:
    expected = msgspec.to_builtins(instant)
    assert plain(np.datetime64(instant, "us")) == expected
    assert arrived(np.datetime64(instant, "us"), datetime) == instant
    assert arrived(pd.Timestamp(instant), datetime) == instant
    aware = instant.replace(tzinfo=UTC)
    assert arrived(pd.Timestamp(aware)) == msgspec.to_builtins(aware)


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("Y", "2026-01-01"), ("M", "2026-01-01"), ("W", "2026-01-01"), ("D", "2026-01-02"),
        ("h", "2026-01-02T03:00:00"), ("m", "2026-01-02T03:04:00"), ("s", "2026-01-02T03:04:05"),
        ("ms", "2026-01-02T03:04:05.678000"), ("us", "2026-01-02T03:04:05.678901"),
        ("ns", "2026-01-02T03:04:05.678901234"), ("10ms", "2026-01-02T03:04:05.670000"),
    ],
)  # fmt: skip
def test_instants_of_every_unit(unit: str, text: str) -> None:
    instant = np.datetime64("2026-01-02T03:04:05.678901234").astype(f"M8[{unit}]")
    assert plain(instant) == text
    assert ANY.decode(ANY.encode(np.array([[instant]]))) == [[text]]
    assert str(plain(np.datetime64("1970-01-02T00:00:00.000000000001"))).endswith(".000000000001")


def test_spans_of_every_unit_and_of_several_at_once() -> None:
    assert plain(np.timedelta64(3, "Y")) == "P3Y"
    assert plain(np.timedelta64(-3, "M")) == "-P3M"
    assert plain(np.timedelta64(2, "W")) == "P14D"
    assert plain(np.timedelta64(3, cast("Any", "25s"))) == "PT75S"
    assert plain(np.timedelta64(-1500, "as")) == "-PT0.0000000000000015S"
    assert plain(np.timedelta64(7)) == 7


def test_a_table_keeps_types_missing_values_and_groups() -> None:
    table = pd.DataFrame(
        {
            "n": pd.Series([1, None], dtype="Int64"),
            "at": pd.to_datetime(["2026-01-02", None]),
            "who": pd.Categorical(["a", None]),
            "v": [np.array([1.5]), None],
        }
    )
    codec = ArgsCodec(nan="null")
    assert codec.decode(codec.encode(table)) == [
        {"n": 1, "at": "2026-01-02T00:00:00", "who": "a", "v": [1.5]},
        {"n": None, "at": None, "who": None, "v": None},
    ]
    groups = pd.DataFrame({"k": [1, 1, 2], "j": ["a", "b", "a"], "v": [1, 2, 3]}).groupby("k")
    assert plain(groups.v.sum()) == [{"k": 1, "v": 3}, {"k": 2, "v": 3}]
    assert plain(groups.v.agg(["min", "max"])) == [
        {"k": 1, "min": 1, "max": 2},
        {"k": 2, "min": 3, "max": 3},
    ]
    assert plain(pd.DataFrame()) == []
    assert plain(pd.DataFrame({1: [2]})) == [{"1": 2}]


def test_a_column_gives_rows_by_position_whatever_its_labels() -> None:
    assert rows_of(pd.Series({"a": 1, "b": 2})) == [1, 2]
    assert rows_of(pd.Series([1.5], index=pd.Index([7], name="k"))) == [1.5]
    assert rows_of("text") is rows_of(3) is rows_of(np.float64(1)) is rows_of(np.array(1)) is None


class Size(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    width: int
    at: datetime | None = None


class Order(pydantic.BaseModel):
    """Hold much of what models can do."""

    number: Annotated[int, pydantic.Field(gt=0, alias="no")]
    sizes: list[Size] = []
    path: Path = Path("a")
    secret: str = ""
    weight: float | None = None

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return 2 * self.number


class Job(msgspec.Struct):
    order: Order
    others: dict[str, Order] = {}
    where: PurePosixPath | None = None


def order(**fields: Any) -> Order:
    return Order(**fields)


ORDER = order(no=3, sizes=[Size(width=1, at=datetime(2026, 1, 2))])


def test_models_arrive_as_models_wherever_they_are() -> None:
    assert arrived(ORDER, Order) == ORDER
    assert arrived({"no": 3}, Order).number == 3
    job = Job(ORDER, {"a": ORDER}, PurePosixPath("x/y"))
    assert arrived(job, Job) == job
    many = ArgsCodec(list[Order])
    assert many.decode_many(b"[" + many.encode([ORDER]) + b"]", [len(many.encode([ORDER]))])[0] == [
        ORDER
    ]


def test_a_result_has_what_a_model_computes_and_is_read_as_a_type() -> None:
    text = Results().one(ORDER).decode()  # type: ignore[union-attr]
    assert loaded(text)["double"] == 6
    assert loaded(text)["number"] == 3
    assert loaded('{"width":2}', Size) == Size(width=2)
    assert loaded('"AP8="', bytes) == b"\x00\xff"
    assert loaded(None, Size) is None
    with pytest.raises(ConfigError, match=r"does not fit Size: .*width: Field required"):
        loaded("{}", Size)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"no": 0}, "no: Input should be greater than 0"),
        ({}, "no: Field required"),
        ({"no": 1, "sizes": [{"width": "2"}]}, "sizes.0.width: Input should be a valid integer"),
        ([1], "should be an object"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_without_its_values(value: Any, said: str) -> None:
    if isinstance(value, dict):
        value["secret"] = "hunter2"
    for codec, args in ((ArgsCodec(Order), value), (ArgsCodec(Job), {"order": value})):
        with pytest.raises(ArgsInvalid) as caught:
            codec.encode(args)
        assert said in str(caught.value)
        assert "hunter2" not in str(caught.value)


def test_nan_in_a_model_is_found_and_placed() -> None:
    with pytest.raises(ArgsInvalid, match=r"NaN and infinity .* - at `\$.weight`"):
        ArgsCodec(Order).encode(order(no=1, weight=float("nan")))
    codec = ArgsCodec(Order, nan="null")
    assert codec.decode(codec.encode(order(no=1, weight=float("nan")))).weight is None


def test_the_fingerprint_of_a_model_changes_with_its_fields() -> None:
    def fingerprint(**fields: Any) -> str:
        made = pydantic.create_model("Same", **fields)
        return ArgsCodec(made).fingerprint()

    assert fingerprint(a=(int, 1)) == fingerprint(a=(int, 1))
    assert fingerprint(a=(int, 1)) != fingerprint(a=(str, "1"))
    assert ArgsCodec(Path).fingerprint() != ArgsCodec(str).fingerprint()


def test_paths_are_checked_like_other_types() -> None:
    assert arrived({"p": Path("a/b")}, dict[str, Path]) == {"p": Path("a/b")}
    assert arrived("a/b", Path) == Path("a/b")
    with pytest.raises(ArgsInvalid, match="expected a path as text"):
        ArgsCodec(Path).encode(7)
    with pytest.raises(ArgsInvalid, match="lone surrogate"):
        ArgsCodec(Path).encode(Path("a\udc80"))


@pytest.mark.parametrize(
    ("type_", "advice"),
    [
        (pd.DataFrame, "list[dict]"),
        (dict[str, pd.DataFrame], "Path"),
        (np.float32, "float, int"),
        (pd.Timestamp, "datetime"),
        (pd.Series, "series.to_numpy()"),
        (complex, "tuple[float, float]"),
        (object, "pydantic models, paths"),
    ],
)
def test_types_that_args_cannot_have_are_refused_with_what_to_use(type_: Any, advice: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ArgsCodec(type_)
    assert advice in str(caught.value)


class Mixed(msgspec.Struct):
    raw: bytes
    at: datetime
    by_day: dict[int, int]
    meta: dict[str, Any]
    order: Order | None = None


def test_bytes_arrive_as_bytes_beside_types_of_every_sort() -> None:
    value = Mixed(b"ab", datetime(2026, 1, 2), {1: 2}, {"x": [b"cd", {"y": bytearray(b"")}]}, ORDER)
    back = arrived(value, Mixed)
    assert back.meta == {"x": [b"cd", {"y": b""}]}
    assert (back.raw, back.at, back.by_day, back.order) == (b"ab", value.at, {1: 2}, ORDER)
    with pytest.raises(ArgsInvalid, match="Expected `int`"):
        ArgsCodec(Mixed).encode(msgspec.structs.replace(value, by_day={"x": 1}))


def test_what_only_looks_like_bytes_or_an_array_stays_what_it_is() -> None:
    for value in ({"~bytes": "no base64!"}, {"~bytes": 1}, {"~bytes": "YQ==", "b": 1}):
        assert arrived(value) == value
    for array in (
        {"dtype": "<f4", "shape": [2], "data": "AAAA"},
        {"dtype": 1, "shape": 2, "data": 3},
    ):
        assert loaded(json.dumps([array])) == [array]


def test_nan_that_its_type_cannot_take_is_said_to_be_one() -> None:
    codec = ArgsCodec(list[float], nan="null")
    with pytest.raises(ArgsInvalid, match=r"got `null`.*NaN and inf.*takes None too"):
        codec.encode([float("nan")])
    assert codec.decode(codec.encode([1.5])) == [1.5]
    texts = ArgsCodec(list[float | str], nan="string")
    assert texts.decode(texts.encode([float("-inf"), 1.0])) == ["-Infinity", 1.0]


def test_masked_arrays_are_not_packed_without_their_mask() -> None:
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    assert loaded(Results().one(masked).decode()) == [1.0, None]  # type: ignore[union-attr]
    with pytest.raises(ArgsInvalid, match="filled"):
        ArgsCodec(np.ndarray).encode(masked)


class Lying(str):
    def __str__(self) -> str:
        return "lie"


class LyingBytes(bytes):
    def __bytes__(self) -> bytes:
        return b"lie"


class LyingDay(datetime):
    def isoformat(self, *args: Any) -> str:
        return "lie"


def test_subclasses_are_written_by_what_they_are() -> None:
    value = [Lying("a"), LyingBytes(b"b"), LyingDay(2026, 1, 2)]
    assert arrived(value) == ["a", b"b", "2026-01-02T00:00:00"]
