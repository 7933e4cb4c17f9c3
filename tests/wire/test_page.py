"""The shared page keeps its fields apart, and never shows old marks under a new number."""

from __future__ import annotations

import os
from typing import Any

import pytest

from actorq.pipe.page import BEGUN, MAX_IN_PIPE, PASSED, Page


def expecting(*leases: int, capacity: int = 3) -> Page:
    page = Page.private(capacity, leases[0])
    for lease in leases[1:]:
        page.expect(lease)
    return page


def test_a_new_page_says_nothing() -> None:
    page = expecting(5)
    assert (page.taken, page.running(), page.is_recalled(5)) == (0, [], False)
    page.take(5)
    assert page.cancelled(3) == []


def test_running_are_the_begun_and_not_the_passed() -> None:
    page = expecting(1, capacity=5)
    page.take(1)
    page.begun[0], page.begun[2], page.begun[4] = PASSED, BEGUN, BEGUN
    assert page.running() == [2, 4]


def test_taking_a_batch_forgets_the_marks_of_the_one_before_first() -> None:
    page = expecting(1, 2)
    page.take(1)
    page.begun[1] = BEGUN
    seen = []

    class Numbers(list[int]):
        def __setitem__(self, index: Any, value: Any) -> None:
            seen.append(page.running())
            super().__setitem__(index, value)

    numbers: Any = Numbers(page._numbers)
    page._numbers = numbers
    page.take(2)
    assert seen == [[]]  # at the moment the number changed, no mark was left


def test_each_batch_is_recalled_for_itself_and_its_place_is_used_again() -> None:
    page = expecting(7, 3, 900, 12)  # leases come in any order
    page.recall(3)
    assert [page.is_recalled(lease) for lease in (7, 3, 900, 12)] == [False, True, False, False]
    page.expect(4)
    page.expect(5)  # in the place of 3
    assert not page.is_recalled(5)
    with pytest.raises(LookupError, match="batch 3"):
        page.is_recalled(3)


def test_cancel_marks_of_the_batches_in_a_pipe_do_not_mix() -> None:
    page = expecting(*range(10, 10 + MAX_IN_PIPE))
    page.cancel(10, 2)
    page.cancel(12, 0)
    found = []
    for lease in (10, 11, 12):
        page.take(lease)
        found.append(page.cancelled(3))
        assert page.is_cancelled(2) == (lease == 10)
    assert found == [[2], [], [0]]
    page.expect(10 + MAX_IN_PIPE)  # takes the place of 10
    page.take(10 + MAX_IN_PIPE)
    assert page.cancelled(3) == []
    page.take(12)
    assert page.cancelled(3) == [0]


def test_a_shared_page_has_the_same_layout() -> None:
    page = Page.shared(2)
    page.expect(7)
    page.expect(9)
    page.take(9)
    page.begun[1] = BEGUN
    page.cancel(9, 1)
    page.recall(7)
    assert (page.taken, page.running(), page.cancelled(2)) == (9, [1], [1])
    assert page.is_recalled(7)
    same = Page.at(os.dup(page.fd), 2)
    page.handed_over()
    assert (same.taken, same.running()) == (9, [1])
