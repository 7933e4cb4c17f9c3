"""Results become JSON that PostgreSQL stores; one that cannot be is refused alone."""

from __future__ import annotations

import dataclasses
import datetime
import io
import math
import pathlib
import uuid
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from actorq.actor.results import ResultRefused, Results
from actorq.client.handle import loaded
from tests.actor.support import kind_of, run


@dataclasses.dataclass
class Holder:
    held: object


REFUSED = {
    "object": (object(), "$", "a dict, dataclass or msgspec Struct"),
    "generator": ((i for i in range(3)), "$", "make a list of it"),
    "open file": ([io.StringIO()], "$[0]", "write its path"),
    "exception": ({"a": ValueError("x")}, "$.a", "str(error)"),
    "complex": (1j, "$", "[z.real, z.imag]"),
    "coroutine object": ({"a": [1, object()]}, "$.a[1]", "a dict, dataclass"),
    "class": (int, "$", "its name"),
    "surrogate": (["a", "\ud800"], "$[1]", "text.encode('utf-8', 'replace')"),
    "nul": ({"a": ["b\0"]}, "$.a[0]", "text.replace('\\0', '')"),
    "nul in a key": ({"\0": 1}, "$ in the key \\0", "text.replace('\\0', '')"),
    "too large": ("x" * 1_000_001, "", "keep large data elsewhere"),
    "tuple key": ([{(1, 2): 3}], "$[0] in the key (a tuple)", "join it to a text"),
    "none as a key": ({None: 3, "a": 1}, "$ in the key None", "write a text"),
    "in a dataclass": (Holder(object()), "$.held", "a dict, dataclass"),
    "memory with gaps": (memoryview(b"abcd")[::2], "$", "not C-contiguous"),
}


@pytest.mark.parametrize(("value", "place", "advice"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_stored_is_refused_with_its_place_and_advice(value, place, advice):
    with pytest.raises(ResultRefused) as caught:
        Results().one(value)
    assert advice in str(caught.value)
    assert not place or f"at `{place}`" in str(caught.value)


@pytest.mark.parametrize("value", [refused[0] for refused in REFUSED.values()], ids=REFUSED)
def test_one_bad_result_fails_only_its_own_job(value):
    ran = run(kind_of(lambda batch: ["a", value, "c"]), [0, 1, 2])
    assert ran.whats == {0: "result", 1: "fail", 2: "result"}
    assert ran.verdicts[1].error.cause == "result"
    assert ran.results == {0: "a", 2: "c"}


def test_a_cyclic_result_fails_only_its_own_job():
    cycle: list[object] = []
    cycle.append(cycle)
    ran = run(kind_of(lambda batch: [cycle, 2]), [0, 1])
    assert ran.whats == {0: "fail", 1: "result"}


def test_an_object_that_exits_while_it_is_written_fails_only_its_own_job():
    class Evil:
        dtype = "evil"

        def tolist(self):
            raise SystemExit(1)

    ran = run(kind_of(lambda batch: [Evil(), 2]), [0, 1])
    assert ran.whats == {0: "fail", 1: "result"}


@dataclasses.dataclass
class Point:
    x: int


class Doc(msgspec.Struct):
    name: str


class LoudText(str):
    def __str__(self):
        return "something else"


STORED = {
    "null inside": ({"a": None}, {"a": None}),
    "the word null": ("null", "null"),
    "escaped, not a nul": ("a\\u0000", "a\\u0000"),
    "float scalar": (np.float32(1.5), 1.5),
    "float64 scalar": (np.float64(0.1), 0.1),
    "integer scalar": (np.int64(2**62), 2**62),
    "bool scalar": (np.True_, True),
    "array of no axis": (np.array(3), 3),
    "array of texts": (np.array(["a", "b"]), ["a", "b"]),
    "long integer": (2**70, 2**70),
    "path": (pathlib.Path("/a/b"), "/a/b"),
    "timestamp": (pd.Timestamp("2026-01-02", tz="UTC"), "2026-01-02T00:00:00Z"),
    "missing": ([pd.NaT, pd.NA, math.nan], [None, None, None]),
    "dataclass": (Point(1), {"x": 1}),
    "struct": (Doc("d"), {"name": "d"}),
    "bytes": (b"abc", "YWJj"),
    "uuid": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "date": (datetime.date(2020, 1, 2), "2020-01-02"),
    "text of a subclass": (LoudText("plain"), "plain"),
    "set": ({1}, [1]),
    "empty": ([], []),
    "false": (False, False),
}


@pytest.mark.parametrize(("value", "expected"), STORED.values(), ids=STORED)
def test_what_can_be_stored_arrives(value, expected):
    ran = run(kind_of(lambda batch: [value, value]), [0, 1])
    assert ran.results == {0: expected, 1: expected}
    stored = Results().one(value)
    assert stored is not None
    assert msgspec.json.decode(stored) == expected


def test_an_array_of_scalars_gives_one_each():
    assert run(kind_of(lambda batch: np.array([1, 2])), [0, 0]).results == {0: 1, 1: 2}


def test_numbers_that_are_none_become_null_and_cost_no_result():
    rows = [{"score": float("nan")}, np.float32("inf"), [np.datetime64("NaT")], {"a": None}]
    ran = run(kind_of(lambda batch: rows), [0] * 4)
    assert ran.results == {0: {"score": None}, 1: None, 2: [None], 3: {"a": None}}


@pytest.mark.parametrize(
    ("nan", "expected"),
    [("null", [None, None, None, 1.5]), ("string", ["NaN", "-Infinity", "NaN", 1.5])],
)
def test_a_kind_says_what_becomes_of_nan(nan, expected):
    value = [float("nan"), -math.inf, np.datetime64("NaT"), 1.5]
    ran = run(kind_of(lambda batch: [value, [None], 2.5], nan=nan), [0] * 3)
    assert ran.results == {0: expected, 1: [None], 2: 2.5}


def test_a_kind_may_refuse_nan_and_is_told_where_it_is():
    rows = [1.5, {"a": [{"b": math.nan}], "c": None}, None, {"c": None}]
    ran = run(kind_of(lambda batch: rows, nan="error"), [0] * 4)
    assert ran.whats == {0: "result", 1: "fail", 3: "result"}
    assert "NaN and infinity are not JSON numbers - at `$.a[0].b`" in ran.verdicts[1].error.message


def test_packed_arrays_keep_their_nan_whatever_the_kind_says():
    array = np.array([1.0, np.nan, np.inf])
    stored = Results(nan="error").one({"v": array})
    assert stored is not None
    back = loaded(stored.decode())
    assert np.array_equal(back["v"], array, equal_nan=True)


def test_arrays_are_packed_and_read_as_arrays():
    rows = np.random.default_rng(1).random((3, 256)).astype("f4")
    ran = run(kind_of(lambda batch: rows), [0] * 3)
    for position, row in enumerate(rows):
        assert len(msgspec.json.encode(ran.results[position])) < 1_420
        back = loaded(msgspec.json.encode(ran.results[position]).decode())
        assert back.dtype == row.dtype
        assert np.array_equal(back, row)


def test_a_kind_may_have_its_arrays_as_lists():
    rows = np.arange(6, dtype="f4").reshape(3, 2)
    settings: dict[str, Any] = {"arrays": "list"}
    assert run(kind_of(lambda batch: rows, **settings), [0] * 3).results[2] == [4.0, 5.0]
    nested = {"v": np.array([1.0, np.nan])}
    assert run(kind_of(lambda batch: [nested], **settings), [0]).results[0] == {"v": [1.0, None]}


def test_a_table_gives_a_row_per_job_with_its_columns():
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=[7, 9])
    ran = run(kind_of(lambda batch: table), [0, 0])
    assert ran.results == {0: {"a": 1, "b": "x"}, 1: {"a": 2, "b": None}}
    assert run(kind_of(lambda batch: table.a), [0, 0]).results == {0: 1, 1: 2}


def test_instants_give_one_each():
    instants = np.array(["2026-01-02", "2026-01-03"], "M8[ns]")
    ran = run(kind_of(lambda batch: instants), [0, 0])
    assert ran.results == {0: "2026-01-02T00:00:00", 1: "2026-01-03T00:00:00"}


def test_records_of_an_array_keep_their_names():
    records = np.array([(1, 2.5), (2, 3.5)], [("n", "i4"), ("x", "f8")])
    ran = run(kind_of(lambda batch: records), [0, 0])
    assert ran.results == {0: {"n": 1, "x": 2.5}, 1: {"n": 2, "x": 3.5}}


def test_what_follows_the_array_protocol_counts_as_an_array():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return np.array([[1, 2], [3, 4]])

    assert run(kind_of(lambda batch: Tensor()), [0, 0]).results == {0: [1, 2], 1: [3, 4]}


def test_a_kind_that_stores_no_results_reports_plain_completions():
    ran = run(kind_of(lambda batch: [object()] * 2, store_results=False), [0, 1])
    assert ran.verdicts == {}
    assert ran.done == {0, 1}


def test_large_results_leave_in_several_frames():
    ran = run(kind_of(lambda batch: ["x" * 400_000] * 8), [0] * 8)
    assert len(ran.messages) > 2
    assert len(ran.results) == 8


def test_text_with_raw_json_in_it_does_not_shift_the_others():
    raw = msgspec.Raw(b"[1,\n2]")
    assert run(kind_of(lambda batch: [raw, 3]), [0, 1]).results == {0: [1, 2], 1: 3}
