"""What a handler is told about its jobs, and what becomes of bad args and bad results."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import msgspec
import numpy as np
import pytest

import actorq.core.job.outcome as o
from actorq.args.codec import ArgsCodec
from actorq.core.job.model import Counts, ErrorInfo
from actorq.errors import ConfigError
from actorq.pipe.page import Page
from tests.actor.support import FIRST_ID, kind_of, run

# ---- what a job knows ----


def test_a_job_knows_its_attempt_and_limits():
    found: list[Any] = []

    def handler(batch):
        found.extend((job.id, job.attempt, job.max_attempts) for job in batch)

    notes = {1: Counts(attempt=2, n_failed=1, max_attempts=9)}
    run(kind_of(handler, max_attempts=4), ["a", "b"], notes=notes)
    assert found == [(FIRST_ID, 1, 4), (FIRST_ID + 1, 3, 9)]


def test_a_job_sees_that_it_is_cancelled():
    page = Page.private(2)

    def handler(batch):
        assert not batch[1].cancelled
        page.cancel(1, 1)
        return [job.cancelled for job in batch.jobs]

    assert run(kind_of(handler), [1, 2], page).results == {0: False, 1: True}


def test_a_job_cancelled_before_it_is_begun_is_skipped():
    page = Page.private(3)
    page.cancel(1, 1)
    ran = run(kind_of(lambda batch: batch.args), ["a", "b", "c"], page)
    assert ran.whats == {0: "result", 1: "cancel", 2: "result"}
    assert ran.results == {0: "a", 2: "c"}


@pytest.mark.parametrize("is_async", [False, True])
def test_a_function_per_job_skips_what_is_cancelled_while_it_runs(is_async):
    page, ran_for = Page.private(200), []

    def plain(n: int):
        ran_for.append(n)
        page.cancel(1, 150)

    async def waiting(n: int):
        plain(n)

    handler = waiting if is_async else plain
    ran = run(kind_of(handler, "job"), [{"n": i} for i in range(200)], page)
    assert ran.whats == {150: "cancel"}
    assert 150 not in ran_for


# ---- args ----


def test_args_that_do_not_fit_fail_their_own_job_and_the_rest_runs():
    def handler(batch):
        assert batch.ids == [FIRST_ID, FIRST_ID + 2, FIRST_ID + 4]
        return [n * 10 for n in batch.args]

    ran = run(kind_of(handler, codec=ArgsCodec(int)), [1, "two", 3, None, 5])
    assert ran.results == {0: 10, 2: 30, 4: 50}
    assert ran.whats == {0: "result", 1: "fail", 2: "result", 3: "fail", 4: "result"}
    assert ran.verdicts[1].error.cause == "args"
    assert "int" in ran.verdicts[1].error.message


def test_a_batch_of_nothing_but_bad_args_runs_no_handler():
    def handler(batch):
        raise AssertionError("not reached")

    ran = run(kind_of(handler, codec=ArgsCodec(int)), ["a", "b"])
    assert ran.whats == {0: "fail", 1: "fail"}


def test_what_a_codec_says_about_bad_args_is_made_storable():
    class Codec:
        def decode_many(self, args, lens):
            return [ErrorInfo("ArgsInvalid", "\0" + "x" * 50_000), 2]

    ran = run(kind_of(lambda batch: None, codec=Codec()), [1, 2])
    assert len(ran.verdicts[0].error.message) <= 8192
    assert "\0" not in ran.verdicts[0].error.message


def test_begun_marks_and_verdicts_use_positions_of_the_whole_batch():
    page = Page.private(3)

    def handler(batch):
        for job in batch:
            assert page.running() == [job.id - FIRST_ID]
            job.fail("no")

    ran = run(kind_of(handler, codec=ArgsCodec(int)), ["bad", 1, 2], page)
    assert ran.whats == {0: "fail", 1: "fail", 2: "fail"}


# ---- outcomes ----

OUTCOMES = {
    "done": (o.done(), None),
    "done with a result": (o.done(5), "result"),
    "retry": (o.retry(3, "busy"), "retry"),
    "retry by the kind's delay": (o.retry(), "retry"),
    "snooze": (o.snooze(3), "snooze"),
    "fail": (o.fail("broken"), "fail"),
    "cancel": (o.cancel(), "cancel"),
}


@pytest.mark.parametrize(("outcome", "what"), OUTCOMES.values(), ids=OUTCOMES)
def test_outcomes_are_the_same_returned_by_position_by_id_or_per_job_or_marked(outcome, what):
    def mark(batch):
        name = type(outcome).__name__.lower()
        getattr(batch[0], name)(*outcome.args)

    runs = [
        run(kind_of(lambda batch: [outcome, 7]), [1, 2]),
        run(kind_of(lambda batch: {batch.ids[1]: 7, batch.ids[0]: outcome}), [1, 2]),
        run(kind_of(lambda n: outcome if n == 1 else 7, "job", ArgsCodec()), [1, 2]),
        run(kind_of(mark), [1, 2]),
    ]
    assert [ran.whats.get(0) for ran in runs] == [what] * 4
    assert len({msgspec.msgpack.encode(ran.verdicts.get(0)) for ran in runs}) == 1
    assert all(ran.results.get(1) == 7 for ran in runs[:3])


def test_reasons_and_delays_arrive():
    ran = run(kind_of(lambda batch: [o.retry(2.5, "a\0b"), o.snooze(1, "x" * 99_999)]), [1, 2])
    assert (ran.verdicts[0].after_s, ran.verdicts[0].error.message) == (2.5, "a\\x00b")
    assert len(ran.verdicts[1].error.message.encode()) <= 8192


def later(outcome, after_s):
    """Return an outcome whose delay was changed when it had been made, past its own check."""
    made = outcome(1)
    made.after_s = after_s
    return made


@pytest.mark.parametrize("outcome", [o.Snooze, o.Retry, o.RestKind])
@pytest.mark.parametrize("after_s", [-1, float("nan"), 2_592_001, "3x", True, 1j])
def test_a_delay_that_is_none_is_refused_where_it_is_said(outcome, after_s):
    said = rf"^{outcome.__name__}: after_s={after_s!r} is .* from 0 to 2,592,000"
    with pytest.raises(ConfigError, match=said):
        outcome(after_s)


def test_a_retry_may_leave_its_delay_to_the_kind():
    assert o.Retry().after_s is None
    for outcome in (o.Snooze, o.RestKind):
        with pytest.raises(ConfigError, match="after_s=None is no span of time"):
            outcome(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", [o.snooze, o.retry])
def test_a_delay_of_more_than_30_days_fails_its_own_job(outcome):
    ran = run(kind_of(lambda batch: [later(outcome, 2_592_001), outcome(2_592_000)]), [1, 2])
    assert ran.whats == {0: "fail", 1: outcome.__name__.lower()}
    assert "after_s=2592001 must be" in ran.verdicts[0].error.message
    assert "from 0 to 2,592,000 (30 days)" in ran.verdicts[0].error.message


@pytest.mark.parametrize("after_s", [-1, float("nan"), float("inf"), "3x", True, None, 1j])
def test_a_delay_that_is_none_fails_its_own_job(after_s):
    ran = run(kind_of(lambda batch: [later(o.Snooze, after_s), 1]), [1, 2])
    assert ran.whats == {0: "fail", 1: "result"}
    assert ran.verdicts[0].error.cause == "result"
    assert "after_s" in ran.verdicts[0].error.message


WRONG = {
    "too few": lambda batch: [1],
    "too many": lambda batch: [1, 2, 3],
    "an array too long": lambda batch: np.zeros((3, 2)),
    "one number": lambda batch: 5,
    "a scalar array": lambda batch: np.array(3),
    "a text": lambda batch: "ab",
    "bytes": lambda batch: b"ab",
    "a set": lambda batch: {1, 2},
    "a generator": lambda batch: (n for n in batch.args),
    "an outcome that is not made": lambda batch: o.Fail,
    "a missing id": lambda batch: {batch.ids[0]: 1},
    "a foreign id": lambda batch: {**dict.fromkeys(batch.ids), 99: 1},
    "an id as text": lambda batch: {str(id_): 1 for id_ in batch.ids},
}


@pytest.mark.parametrize("handler", WRONG.values(), ids=WRONG)
def test_anything_but_one_outcome_per_job_fails_the_batch(handler):
    ran = run(kind_of(handler), [1, 2])
    assert ran.failed is not None
    assert ran.failed.error.type == "actorq.actor.outbox.WrongOutcomes"
    assert ran.told == set()


WRONG_FOR_ONE = {
    "none": lambda batch: [],
    "two": lambda batch: [1, 2],
    "a tuple": lambda batch: (1, 2),
    "an empty dict": lambda batch: {},
    "an empty array": lambda batch: np.zeros(0),
    "no rows": lambda batch: np.zeros((0, 2)),
    "the row itself": lambda batch: np.zeros(2),
    "outcomes": lambda batch: [o.Done(1), o.Done(2)],
    "one value": lambda batch: 5,
}


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("store_results", [False, True])
@pytest.mark.parametrize("handler", WRONG_FOR_ONE.values(), ids=WRONG_FOR_ONE)
def test_a_batch_of_one_is_held_to_one_outcome_in_a_list(handler, store_results, one_by_one):
    ran = run(kind_of(handler, store_results=store_results), [1], one_by_one=one_by_one)
    assert ran.failed is not None
    assert ran.failed.error.type == "actorq.actor.outbox.WrongOutcomes"
    assert ran.told == set()


def test_wrong_counts_and_ids_are_named():
    def said(handler):
        return run(kind_of(handler), [1, 2]).failed.error.message

    assert said(WRONG["too many"]) == "the handler returned 3 results for 2 jobs"
    assert "99" in said(WRONG["a foreign id"])
    assert str(FIRST_ID + 1) in said(WRONG["a missing id"])
    assert "generator" in said(WRONG["a generator"])


def test_a_coroutine_nobody_awaited_is_named_and_closed():
    async def forgotten():
        return 1

    ran = run(kind_of(lambda batch: forgotten()), [1])
    assert "coroutine" in ran.failed.error.message


def test_a_second_outcome_for_a_job_is_refused_where_it_is_given():
    def handler(batch):
        batch[0].done(1)
        batch[0].fail("changed my mind")

    ran = run(kind_of(handler), [1, 2])
    assert ran.results == {0: 1}
    assert f"job {FIRST_ID} already has an outcome" in ran.failed.error.message


def test_a_job_both_marked_and_returned_is_refused_before_any_is_taken():
    def handler(batch):
        batch[1].done("marked")
        return ["returned", "returned"]

    ran = run(kind_of(handler), [1, 2])
    assert ran.results == {1: "marked"}
    assert str(FIRST_ID + 1) in ran.failed.error.message


@pytest.mark.parametrize("returned", [[None, "b"], OrderedDict({FIRST_ID + 1: "b"})])
def test_marked_and_returned_outcomes_complete_each_other(returned):
    def handler(batch):
        batch[0].done("a")
        return returned

    assert run(kind_of(handler), [1, 2]).results == {0: "a", 1: "b"}


def test_nothing_returned_completes_every_job_not_marked():
    def handler(batch):
        batch[1].fail("no")

    ran = run(kind_of(handler), [1, 2, 3])
    assert ran.whats == {1: "fail"}
    assert ran.done == {0, 2}


def test_an_outcome_after_the_end_of_its_batch_is_refused():
    kept = []
    run(kind_of(lambda batch: kept.extend(batch.jobs)), [1])
    with pytest.raises(Exception, match="has ended"):
        kept[0].done()


def test_changing_args_of_others_harms_no_outcome():
    def handler(batch):
        batch.args[0]["n"] = 5
        return [1, 2]

    assert run(kind_of(handler), [{"n": 1}, {"n": 2}]).results == {0: 1, 1: 2}


def test_jobs_marked_by_threads_are_each_told_once():
    def handler(batch):
        jobs = batch.jobs
        threads = [
            threading.Thread(target=lambda part: [job.done(1) for job in part], args=(jobs[i::4],))
            for i in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(run(kind_of(handler), list(range(400))).results) == 400
