"""A batch whose jobs run one by one: a call of the handler for each, marked while it runs."""

from __future__ import annotations

from typing import Any

import pytest

import actorq
from actorq.pipe.page import BEGUN, FREE, PASSED
from tests.actor.support import kind_of, run


def test_the_handler_is_called_for_each_job_and_each_has_its_own_outcome() -> None:
    sizes: list[int] = []

    def handler(batch: actorq.Batch[int]) -> list[int]:
        sizes.append(len(batch))
        assert batch.ids == [7001 + batch.args[0]]
        return [args * 2 for args in batch.args]

    ran = run(kind_of(handler), [0, 1, 2], one_by_one=True)
    assert sizes == [1, 1, 1]
    assert {pos: verdict.result for pos, verdict in ran.verdicts.items()} == {
        0: b"0",
        1: b"2",
        2: b"4",
    }


def test_the_one_that_raises_is_named_and_those_before_it_are_done() -> None:
    def handler(batch: actorq.Batch[int]) -> None:
        if batch.args[0] == 2:
            raise ValueError("two")

    ran = run(kind_of(handler), [0, 1, 2, 3], one_by_one=True)
    assert ran.failed is not None
    assert ran.failed.begun == [2]
    assert ran.told == {0, 1}
    assert list(ran.page.begun[:4]) == [PASSED, PASSED, BEGUN, FREE]


@pytest.mark.parametrize("how", ["raise", "return"])
def test_what_a_handler_says_of_its_batch_it_says_of_one_job(how: str) -> None:
    def handler(batch: actorq.Batch[int]) -> Any:
        if batch.args[0] != 1:
            return None
        if how == "raise":
            raise actorq.Fail("one")
        return [actorq.Fail("one")]

    ran = run(kind_of(handler), [0, 1, 2], one_by_one=True)
    assert ran.whats == {1: "fail"}
    assert ran.done == {0, 2}


def test_a_job_that_was_cancelled_meanwhile_is_not_run() -> None:
    seen: list[int] = []

    def handler(batch: actorq.Batch[int]) -> None:
        seen.append(batch.args[0])
        batch._page.cancel(1, 1)

    ran = run(kind_of(handler), [0, 1, 2], one_by_one=True)
    assert seen == [0, 2]
    assert ran.whats == {1: "cancel"}


def test_each_call_has_the_time_of_a_batch() -> None:
    def handler(batch: actorq.Batch[int]) -> None:
        if batch.args[0] == 1:
            while True:
                pass

    ran = run(kind_of(handler, batch_timeout_s=0.05), [0, 1, 2], one_by_one=True)
    assert ran.failed is not None
    assert (ran.failed.error.cause, ran.failed.begun) == ("timeout", [1])
