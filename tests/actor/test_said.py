"""Outcomes that are raised, one outcome for a whole batch, and batches that are handed back."""

from __future__ import annotations

import asyncio
import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import actorq
from actorq.actor.adapters import adapter_of
from actorq.actor.run import run_batch
from actorq.core.job.outcome import Outcome, said_by
from actorq.core.plan.inputs import HandedBack
from actorq.pipe.page import Page
from tests.actor.support import kind_of, run, work_of

OUTCOMES = {
    "result": actorq.Done(5),
    "retry": actorq.Retry(3, "busy"),
    "snooze": actorq.Snooze(30),
    "fail": actorq.Fail("broken"),
    "cancel": actorq.Cancel("not wanted"),
}

each_outcome = pytest.mark.parametrize(("what", "outcome"), OUTCOMES.items(), ids=OUTCOMES)


def after_some_calls(outcome: BaseException) -> None:
    """Raise from within code that takes every error for one of its own."""
    try:
        raise outcome
    except Exception as error:
        raise AssertionError("an outcome is no error") from error


# ---- values ----


def test_the_function_and_the_class_are_the_same_thing():
    assert actorq.fail is actorq.Fail
    assert actorq.retry(3) == actorq.Retry(3) != actorq.Retry(4)
    assert actorq.snooze(3) != actorq.retry(3)
    assert repr(actorq.snooze(3)) == "Snooze(3, '')"
    assert not isinstance(actorq.Fail(), Exception)


@each_outcome
def test_an_outcome_survives_copying_and_pickling(what, outcome):
    assert pickle.loads(pickle.dumps(outcome)) == copy.deepcopy(outcome) == outcome
    assert hash(outcome) == hash(copy.copy(outcome))


# ---- of a job ----


@each_outcome
@pytest.mark.parametrize("is_async", [False, True])
def test_a_job_may_raise_its_outcome_from_deep_inside(what, outcome, is_async):
    def plain(n: int):
        if n == 1:
            after_some_calls(outcome)
        return n

    async def waiting(n: int):
        await asyncio.sleep(0)
        return plain(n)

    ran = run(kind_of(waiting if is_async else plain, "job"), [{"n": i} for i in range(3)])
    assert ran.whats == {0: "result", 1: what, 2: "result"}
    if what == "snooze":
        assert ran.verdicts[1].after_s == 30.0


def test_a_raised_outcome_tells_where_it_was_raised():
    def handler(n: int):
        try:
            dict[str, int]()["key"]
        except KeyError as error:
            raise actorq.Fail("no such key") from error

    error = run(kind_of(handler, "job"), [{"n": 1}]).verdicts[0].error
    assert (error.type, error.message) == ("Fail", "no such key")
    assert "KeyError" in error.traceback
    assert "in handler" in error.traceback


def test_an_outcome_comes_out_of_threads_and_task_groups():
    def threaded(n: int):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(after_some_calls, actorq.Fail("in a thread")).result()

    async def grouped(n: int):
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60))
            group.create_task(asyncio.to_thread(after_some_calls, actorq.Snooze(7)))

    assert run(kind_of(threaded, "job"), [{"n": 1}]).whats == {0: "fail"}
    assert run(kind_of(grouped, "job"), [{"n": 1}]).whats == {0: "snooze"}


def test_a_group_with_a_real_failure_in_it_is_a_failure():
    def handler(n: int):
        raise BaseExceptionGroup("two", [actorq.Snooze(7), ValueError("real")])

    ran = run(kind_of(handler, "job"), [{"n": 1}])
    assert ran.whats == {0: "error"}
    assert "real" in ran.verdicts[0].error.traceback


def test_what_a_group_means():
    fail, restart = actorq.Fail("x"), actorq.RestartActor("y")
    inner = BaseExceptionGroup("inner", [restart])
    assert said_by(BaseExceptionGroup("g", [fail])) is fail
    assert said_by(BaseExceptionGroup("g", [fail, inner])) is restart, "the batch's comes first"
    assert said_by(ExceptionGroup("g", [ValueError()])) is None
    assert said_by(KeyboardInterrupt()) is None


# ---- of the rest of a batch ----


@each_outcome
@pytest.mark.parametrize("how", ["raised", "returned", "raised async", "in a group"])
def test_one_outcome_is_that_of_every_job_that_has_none(what, outcome, how):
    def body(batch):
        batch[1].done("mine")
        if how == "returned":
            return outcome
        if how == "in a group":
            raise BaseExceptionGroup("g", [outcome])
        return after_some_calls(outcome)

    async def waiting(batch):
        await asyncio.sleep(0)
        body(batch)

    ran = run(kind_of(waiting if how == "raised async" else body), [1, 2, 3])
    assert ran.failed is None
    assert ran.whats == {0: what, 1: "result", 2: what}
    assert ran.results[1] == "mine"


def test_one_traceback_is_enough_for_a_large_batch():
    def handler(batch):
        raise actorq.Fail("all of it")

    ran = run(kind_of(handler), list(range(1000)))
    traces = [verdict.error.traceback for verdict in ran.verdicts.values()]
    assert "in handler" in traces[0]
    assert set(traces[1:]) == {""}


def test_a_class_handler_and_one_without_a_value_may_be_raised():
    class Handler:
        def handle(self, batch):
            raise actorq.Cancel

    assert run(kind_of(Handler, "class"), [1, 2]).whats == {0: "cancel", 1: "cancel"}


def test_an_outcome_out_of_args_is_an_error_of_the_batch():
    class Codec:
        def decode_many(self, args, lens):
            raise actorq.Fail("from a hook of a type, for one of many jobs")

    assert run(kind_of(lambda batch: None, codec=Codec()), [1, 2]).failed is not None


# ---- fatal ----


@pytest.mark.parametrize("is_async", [False, True])
def test_an_exception_of_a_fatal_type_is_final(is_async):
    def plain(n: int):
        if n == 1:
            raise UnicodeDecodeError("utf-8", b"", 0, 1, "no text")  # a ValueError
        if n == 2:
            raise KeyError("may pass")
        if n == 3:
            raise ExceptionGroup("both", [ValueError(), ValueError()])
        if n == 4:
            raise ExceptionGroup("both", [ValueError(), KeyError()])

    async def waiting(n: int):
        plain(n)

    kind = kind_of(waiting if is_async else plain, "job", fatal=(ValueError,))
    ran = run(kind, [{"n": i} for i in range(5)])
    assert {pos: v.error.final for pos, v in ran.verdicts.items()} == {
        1: True, 2: False, 3: True, 4: False
    }  # fmt: skip


def test_a_batch_that_raises_a_fatal_exception_says_so():
    def handler(batch):
        raise ValueError

    assert run(kind_of(handler, fatal=ValueError), [1, 2]).failed.error.final
    assert not run(kind_of(handler, fatal=KeyError), [1, 2]).failed.error.final


# ---- handed back ----

HANDED_BACK = [actorq.RestartActor("connection gone"), actorq.RestKind(30, "429")]


def handed_back(ran_or_kind, args) -> HandedBack:
    page = Page.private(len(args))
    adapter = adapter_of(ran_or_kind)
    messages: list[Any] = []
    adapter.setup(0)
    run_batch(adapter, work_of(args), ran_or_kind.codec, page, messages.append)
    adapter.teardown()
    assert isinstance(messages[-1], HandedBack)
    return messages[-1]


@pytest.mark.parametrize("said", HANDED_BACK, ids=lambda said: type(said).__name__)
@pytest.mark.parametrize("how", ["raised", "returned", "in a group", "async"])
def test_a_batch_is_handed_back_with_who_asked(said, how):
    def body(batch):
        for n, job in enumerate(batch):
            if n == 2 and how == "returned":
                return said
            if n == 2 and how == "in a group":
                raise BaseExceptionGroup("g", [said])
            if n == 2:
                after_some_calls(said)
            job.done(n)
        return None

    async def waiting(batch):
        body(batch)

    message = handed_back(kind_of(waiting if how == "async" else body), [1, 2, 3, 4])
    assert message.begun == [2]
    assert message.error.message == said.reason
    assert message.rest_s == getattr(said, "after_s", None)


@pytest.mark.parametrize("how", ["raised", "returned"])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_job_hands_back_its_whole_batch(how, is_async):
    began = []

    def plain(n: int):
        began.append(n)
        if n == 1 and how == "returned":
            return actorq.RestartActor("gone")
        if n == 1:
            after_some_calls(actorq.RestartActor("gone"))
        return None

    async def waiting(n: int):
        for _ in range(3 + n):
            await asyncio.sleep(0)
        return plain(n)

    kind = kind_of(waiting if is_async else plain, "job", concurrency=2 if is_async else None)
    message = handed_back(kind, [{"n": i} for i in range(9)])
    assert message.begun == [1]
    assert began in ([0, 1], [0, 1, 2]), "those begun end, no other one is begun"


def test_a_rest_of_no_length_is_an_error_that_says_so():
    def handler(batch):
        raise actorq.RestKind(float("nan"))

    failed = run(kind_of(handler), [1, 2]).failed
    assert "RestKind: after_s=nan is no span of time" in failed.error.message


# ---- what ends an event loop ----


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("shape", ["job", "batch"])
def test_what_a_task_of_a_handler_raises_leaves_nothing_running(error, shape):
    went_on, tasks = [], []

    async def leave():
        raise error

    async def per_job(n: int):
        if n == 0:
            tasks.append(asyncio.get_running_loop().create_task(leave()))
        await asyncio.sleep(0.001)
        await asyncio.sleep(0.001)
        went_on.append(n)

    async def per_batch(batch):
        await asyncio.gather(*(per_job(**args) for args in batch.args))

    kind = kind_of(per_job if shape == "job" else per_batch, shape)
    args = [{"n": n} for n in range(3)]
    adapter = adapter_of(kind)
    messages: list[Any] = []
    run_batch(adapter, work_of(args), kind.codec, Page.private(3), messages.append)
    assert messages[-1].error.type == error.__name__
    assert not went_on
    if shape == "job":
        assert messages[-1].begun == [0, 1, 2], "nobody is told from the others"
    run_batch(adapter, work_of([{"n": 7}]), kind.codec, Page.private(3), messages.append)
    assert went_on == [7], "nothing that was left of the first batch"
    assert tasks[0].exception() is not None
    adapter.teardown()


def test_outcomes_have_one_parent():
    assert all(isinstance(outcome, Outcome) for outcome in OUTCOMES.values())
    assert not any(isinstance(said, Outcome) for said in HANDED_BACK)
