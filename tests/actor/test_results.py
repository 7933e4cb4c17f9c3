"""Results become JSON that PostgreSQL stores; one that cannot be is refused alone."""

from __future__ import annotations

import dataclasses
import datetime
import io
import uuid

import msgspec
import numpy as np
import pytest

from actorq.actor.results import ResultRefused, Results
from tests.actor.support import kind_of, run

REFUSED = {
    "nan": float("nan"),
    "inf": [1.0, float("-inf")],
    "nested nan": {"a": [{"b": float("nan")}], "c": None},
    "nan in an array": np.array([1.0, np.nan]),
    "numpy nan": np.float32("nan"),
    "object": object(),
    "generator": (i for i in range(3)),
    "open file": io.StringIO(),
    "exception": ValueError("x"),
    "complex": 1j,
    "complex array": np.array([1j]),
    "surrogate": "\ud800",
    "nul": "a\0b",
    "nul in a key": {"\0": 1},
    "too large": "x" * 1_000_001,
    "tuple key": {(1, 2): 3},
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_stored_is_refused(value):
    with pytest.raises(ResultRefused):
        Results().one(value)


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_one_bad_result_fails_only_its_own_job(value):
    ran = run(kind_of(lambda batch: ["a", value, "c"]), [0, 1, 2])
    assert ran.whats == {0: "result", 1: "fail", 2: "result"}
    assert ran.verdicts[1].error.cause == "result"
    assert ran.results == {0: "a", 2: "c"}


def test_a_cyclic_result_fails_only_its_own_job():
    cycle: list = []
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
    "array": (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
    "array inside": ({"v": [np.array([1.5])]}, {"v": [[1.5]]}),
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
    assert msgspec.json.decode(Results().one(value)) == expected


def test_an_array_gives_one_row_per_job():
    rows = np.arange(6, dtype="f4").reshape(3, 2)
    ran = run(kind_of(lambda batch: rows), [0, 1, 2])
    assert ran.results == {0: [0.0, 1.0], 1: [2.0, 3.0], 2: [4.0, 5.0]}


def test_an_array_of_scalars_gives_one_each():
    assert run(kind_of(lambda batch: np.array([1, 2])), [0, 0]).results == {0: 1, 1: 2}


def test_a_nan_row_fails_its_own_job():
    rows = np.array([[1.0, 2.0], [np.nan, 0.0], [np.inf, 1.0]])
    assert run(kind_of(lambda batch: rows), [0] * 3).whats == {0: "result", 1: "fail", 2: "fail"}


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
