"""What a handler says after its time was up counts only for what really finished."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

import actorq
from actorq.actor.time_limits import Limits, TimedOut
from actorq.pipe.page import Page
from tests.actor.support import FIRST_ID, kind_of, run

SOON_S = 0.05


def hang() -> None:
    """Wait in vain, until an exception ends it."""
    threading.Event().wait(60)


def test_except_exception_does_not_take_a_time_out_for_an_error_of_the_job():
    caught, began = [], []

    def handler(batch):
        for job in batch:
            began.append(job.args)
            try:
                if job.args == 1:
                    hang()
            except Exception as error:
                caught.append(error)
                job.fail(str(error))

    ran = run(kind_of(handler, batch_timeout_s=SOON_S), [0, 1, 2])
    assert ran.whats == {}
    assert (ran.failed.error.cause, ran.failed.begun) == ("timeout", [1])
    assert (caught, began) == ([], [0, 1]), "it ended there and then"


@pytest.mark.parametrize(
    "say",
    [
        lambda job: job.fail("interrupted"),
        lambda job: job.retry(0),
        lambda job: job.snooze(1),
        lambda job: job.cancel(),
        lambda job: job.done("not really"),
    ],
)
def test_nothing_counts_of_the_job_that_was_interrupted(say):
    def handler(batch):
        for job in batch:
            try:
                if job.args == 1:
                    hang()
            except BaseException:
                say(job)
            else:
                job.done(job.args)

    ran = run(kind_of(handler, batch_timeout_s=SOON_S), [0, 1, 2])
    assert ran.results == {0: 0, 2: 2}, "the third really finished, if a little late"
    assert (ran.failed.error.cause, ran.failed.begun) == ("timeout", [1])
    assert "do not count: 1" in ran.failed.error.message


def test_what_another_job_is_said_to_be_does_not_count_either():
    def handler(batch):
        try:
            hang()
        except BaseException as error:
            for job in batch.jobs[:2]:
                job.fail(str(error))
            batch[2].done()

    ran = run(kind_of(handler, batch_timeout_s=SOON_S), [0, 1, 2, 3])
    assert ran.whats == {}
    assert ran.told == {2}
    assert ran.failed.begun == []


@pytest.mark.parametrize("returned", [None, [1, 2, 3], {FIRST_ID + i: 1 for i in range(3)}])
def test_a_handler_that_catches_everything_is_late_whatever_it_returns(returned):
    def handler(batch):
        with contextlib.suppress(BaseException):
            hang()
        return returned

    ran = run(kind_of(handler, batch_timeout_s=SOON_S), [0, 1, 2])
    assert ran.told == set()
    assert ran.failed.error.cause == "timeout"


def test_an_error_made_of_a_time_out_is_a_time_out_still():
    def handler(batch):
        try:
            hang()
        except BaseException as error:
            raise ValueError("wrapped") from error

    failed = run(kind_of(handler, batch_timeout_s=SOON_S), [0]).failed
    assert failed.error.cause == "timeout"
    assert "wrapped" in failed.error.traceback


def test_an_outcome_raised_when_the_time_was_up_is_none():
    def handler(batch):
        try:
            hang()
        except BaseException:
            raise actorq.Fail("all of you") from None

    ran = run(kind_of(handler, batch_timeout_s=SOON_S), [0, 1])
    assert ran.whats == {}
    assert ran.failed.error.cause == "timeout"


# ---- functions of one job ----


def test_a_batch_time_that_a_job_catches_ends_the_batch_all_the_same():
    began, page = [], Page.private(4)

    def handler(n: int):
        began.append(n)
        with contextlib.suppress(BaseException):
            if n == 1:
                hang()
        return n

    ran = run(kind_of(handler, "job", batch_timeout_s=SOON_S), [{"n": i} for i in range(4)], page)
    assert began == [0, 1]
    assert ran.results == {0: 0}
    assert (ran.failed.error.cause, ran.failed.begun) == ("timeout", [1])


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("then", ["returns", "raises", "fails"])
def test_a_job_that_catches_its_own_time_out_is_timed_out(is_async, then):
    def end(n: int):
        if then == "raises":
            raise ValueError("another error")
        if then == "fails":
            raise actorq.Fail("for good")
        return n

    def plain(n: int):
        try:
            if n == 1:
                hang()
        except BaseException:
            return end(n)
        return n

    async def waiting(n: int):
        try:
            if n == 1:
                await asyncio.sleep(60)
        except BaseException:
            return end(n)
        return n

    handler = waiting if is_async else plain
    ran = run(kind_of(handler, "job", job_timeout_s=SOON_S), [{"n": i} for i in range(3)])
    assert ran.whats == {0: "result", 1: "error", 2: "result"}
    assert ran.verdicts[1].error.cause == "timeout"
    assert "job_timeout_s" in ran.verdicts[1].error.message


# ---- when to interrupt ----


def test_an_outcome_is_taken_as_a_whole_even_if_its_own_code_takes_long():
    class Slow:
        def tolist(self):
            for _ in range(40):  # in steps, so that the time is up between two of them
                threading.Event().wait(2 * SOON_S / 40)
            return "slow"

        dtype = None

    def handler(batch):
        batch[0].done(Slow())
        hang()

    ran = run(kind_of(handler, batch_timeout_s=SOON_S), [0, 1])
    assert ran.results == {0: "slow"}
    assert ran.failed.error.cause == "timeout"


def test_a_limit_rings_once():
    rang = []

    def body() -> None:
        with contextlib.suppress(TimedOut):
            hang()
        threading.Event().wait(3 * SOON_S)

    with pytest.raises(TimedOut), Limits().within(SOON_S, TimedOut(), lambda: rang.append(1)):
        body()
    assert rang == [1]


def test_a_time_out_can_be_caught_to_clean_up():
    cleaned = []

    def handler(batch):
        try:
            hang()
        except actorq.TimedOut:
            cleaned.append(True)
            raise

    assert run(kind_of(handler, batch_timeout_s=SOON_S), [0]).failed.error.cause == "timeout"
    assert cleaned == [True]
