"""The shared page keeps its fields apart, and never shows old marks under a new number."""

from __future__ import annotations

import os

from actorq.pipe.page import BEGUN, MAX_IN_PIPE, PASSED, Page


def test_a_new_page_says_nothing():
    page = Page.private(4)
    assert (page.taken, page.running(), page.is_recalled(1), page.cancelled(1, 4)) == (
        0,
        [],
        False,
        [],
    )


def test_running_are_the_begun_and_not_the_passed():
    page = Page.private(5)
    page.take(1)
    page.begun[0], page.begun[2], page.begun[4] = PASSED, BEGUN, BEGUN
    assert page.running() == [2, 4]


def test_taking_a_batch_forgets_the_marks_of_the_one_before_first():
    page = Page.private(3)
    page.take(1)
    page.begun[1] = BEGUN
    seen = []

    class Numbers(list):
        def __setitem__(self, index, value):
            seen.append(page.running())
            super().__setitem__(index, value)

    page._numbers = Numbers(page._numbers)
    page.take(2)
    assert seen == [[]]  # at the moment the number changed, no mark was left


def test_a_recall_covers_all_batches_up_to_its_number_and_never_moves_back():
    page = Page.private(1)
    page.recall(3)
    page.recall(2)
    assert [page.is_recalled(no) for no in (2, 3, 4)] == [True, True, False]


def test_cancel_marks_of_the_batches_in_a_pipe_do_not_mix():
    page = Page.private(3)
    for no in range(10, 10 + MAX_IN_PIPE):
        page.expect(no)
    page.cancel(10, 2)
    page.cancel(12, 0)
    assert [page.cancelled(no, 3) for no in (10, 11, 12)] == [[2], [], [0]]
    assert page.is_cancelled(10, 2)
    assert not page.is_cancelled(11, 2)
    page.expect(10 + MAX_IN_PIPE)  # takes the place of 10
    assert page.cancelled(10 + MAX_IN_PIPE, 3) == []
    assert page.cancelled(12, 3) == [0]


def test_a_shared_page_has_the_same_layout():
    page = Page.shared(2)
    page.take(9)
    page.begun[1] = BEGUN
    page.cancel(9, 1)
    page.recall(7)
    assert (page.taken, page.running(), page.cancelled(9, 2)) == (9, [1], [1])
    assert page.is_recalled(7)
    same = Page.at(os.dup(page.fd), 2)
    page.handed_over()
    assert (same.taken, same.running()) == (9, [1])
