"""Arrays annotated as such travel as bytes; nothing a database row says can misuse them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from actorq.args.codec import ArgsCodec
from actorq.errors import ArgsInvalid


class Vector(msgspec.Struct):
    name: str
    values: np.ndarray
    typed: NDArray[np.float32] | None = None


CODEC = ArgsCodec(Vector)


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", ">f4", "i1", "u1", "i8", "u8", "?", "c8", "M8[ns]", "m8[10us]"]
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 4)])
def test_arrays_come_back_equal(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    back = CODEC.decode(CODEC.encode(Vector("a", array))).values
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert np.array_equal(back, array)
    assert back.flags.writeable


def test_views_and_nan_come_back() -> None:
    array = np.array([[1.0, np.nan], [np.inf, -0.0]])[:, ::-1]
    back = CODEC.decode(CODEC.encode(Vector("a", array))).values
    assert np.array_equal(back, array, equal_nan=True)


@pytest.mark.parametrize(
    "array", [np.array([object()]), np.array(["a"]), np.array([(1,)], [("a", "i4")])]
)
def test_only_numbers_are_arrays(array: Any) -> None:
    with pytest.raises(ArgsInvalid, match="not made of plain numbers"):
        CODEC.encode(Vector("a", array))


@pytest.mark.parametrize(
    "form",
    [
        {"dtype": "|O", "shape": [1], "data": "AAAAAAAAAAA="},
        {"dtype": "<f4,<f4", "shape": [1], "data": "AAAAAAAAAAA="},
        {"dtype": "<f4", "shape": [2], "data": "AAAA"},
        {"dtype": "<M8[as]", "shape": [1], "data": "AAAAAAAAAAA="},
        {"dtype": "<f4", "shape": [-1], "data": "AAAAAA=="},
        {"dtype": "<f4", "shape": [1.0], "data": "AAAAAA=="},
        {"dtype": "<f4", "shape": [2**62, 4], "data": ""},
        {"dtype": "<f4", "shape": "1", "data": "AAAAAA=="},
        {"dtype": "<f4", "shape": [1], "data": 7},
        {"dtype": "<f4", "shape": [1], "data": "é"},
        {"dtype": "<f4", "shape": [1]},
        {"dtype": ["<f4"], "shape": [1], "data": "AAAAAA=="},
        [1, 2],
        "AAAA",
        None,
    ],
)
def test_a_foreign_form_is_that_jobs_failure(form: Any) -> None:
    with pytest.raises(ArgsInvalid):
        CODEC.decode(msgspec.json.encode({"name": "a", "values": form}))


def test_lists_where_arrays_are_declared_are_refused() -> None:
    with pytest.raises(ArgsInvalid):
        CODEC.encode(Vector("a", [1.0]))  # type: ignore[arg-type]


def test_an_array_where_none_is_declared_becomes_a_list() -> None:
    codec = ArgsCodec(list[float])
    assert codec.decode(codec.encode(np.array([1, 2.5]))) == [1.0, 2.5]
    with pytest.raises(ArgsInvalid, match="NaN"):
        codec.encode(np.array([np.nan]))
