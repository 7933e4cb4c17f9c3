"""Handlers of every shape, and the rule of exactly one outcome per job."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from actorq.actor.adapters import adapter_of
from actorq.actor.run import run_batch
from actorq.args.codec import ArgsCodec
from actorq.core.job.policy import CONCURRENCY
from actorq.core.plan.inputs import HandlerFailed, Outcomes
from actorq.pipe.page import Page
from tests.actor.support import FIRST_ID, kind_of, run, work_of

# ---- shapes ----


def test_a_batch_handler_that_returns_nothing_completes_all_in_one_small_frame():
    ran = run(kind_of(lambda batch: None), list(range(1000)))
    assert ran.messages == [Outcomes(1, 1, last=True)]


def test_a_class_is_set_up_before_and_torn_down_after():
    class Handler:
        def setup(self, slot):
            self.words = [f"setup {slot}"]

        def handle(self, batch):
            return [self.words[0]] * len(batch)

        def teardown(self):
            self.words.append("down")
            assert len(self.words) == 2

    assert run(kind_of(Handler, "class"), [1]).results == {0: "setup 0"}


def test_a_class_needs_neither_setup_nor_a_slot():
    class Bare:
        def handle(self, batch):
            return batch.args

    class NoSlot(Bare):
        def setup(self):
            self.ready = True

    assert run(kind_of(Bare, "class"), [1]).results == {0: 1}
    assert run(kind_of(NoSlot, "class"), [2]).results == {0: 2}


def test_a_function_per_job_gets_its_own_parameters():
    def thumbnail(path: str, width: int = 200):
        return f"{path}@{width}"

    ran = run(kind_of(thumbnail, "job"), [{"path": "a"}, {"path": "b", "width": 3}])
    assert ran.results == {0: "a@200", 1: "b@3"}


def test_a_function_per_job_may_take_the_kinds_type():
    class Doc(msgspec.Struct):
        path: str

    ran = run(kind_of(lambda doc: doc.path, "job", ArgsCodec(Doc)), [{"path": "a"}])
    assert ran.results == {0: "a"}


def test_async_handlers_of_every_shape_run():
    async def per_batch(batch):
        await asyncio.sleep(0)
        return batch.args

    async def per_job(n: int):
        await asyncio.sleep(0)
        return n

    class Whole:
        async def setup(self, slot):
            self.lock = asyncio.Lock()

        async def handle(self, batch):
            async with self.lock:
                return batch.args

        async def teardown(self):
            await asyncio.sleep(0)

    assert run(kind_of(per_batch), [1, 2]).results == {0: 1, 1: 2}
    assert run(kind_of(per_job, "job"), [{"n": 1}, {"n": 2}]).results == {0: 1, 1: 2}
    assert run(kind_of(Whole, "class"), [1]).results == {0: 1}


def test_an_async_function_has_several_jobs_begun_at_once_up_to_a_limit():
    running, most = set(), 0
    page = Page.private(3 * CONCURRENCY)

    async def per_job(n: int):
        nonlocal most
        running.add(n)
        most = max(most, len(running))
        assert set(page.running()) == running
        for _ in range(3):
            await asyncio.sleep(0)
        running.remove(n)

    n = 3 * CONCURRENCY
    ran = run(kind_of(per_job, "job"), [{"n": i} for i in range(n)], page)
    assert most == CONCURRENCY
    assert ran.done == set(range(n))
    assert page.running() == []


def test_an_async_function_that_cancels_itself_fails_only_its_own_job():
    async def per_job(n: int):
        if n == 1:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        await asyncio.sleep(0)

    ran = run(kind_of(per_job, "job"), [{"n": i} for i in range(4)])
    assert ran.whats == {1: "error"}


# ---- exceptions ----

RAISED = [
    ValueError("no"),
    SystemExit(0),
    KeyboardInterrupt(),
    GeneratorExit(),
    StopIteration(),
    asyncio.CancelledError(),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_job_that_raises_is_its_own_affair(error, is_async):
    def plain(n: int):
        if n == 1:
            raise error
        return n

    async def waiting(n: int):
        await asyncio.sleep(0)
        if n == 1:
            raise error
        return n

    handler = waiting if is_async else plain
    ran = run(kind_of(handler, "job"), [{"n": i} for i in range(3)])
    assert ran.whats == {0: "result", 1: "error", 2: "result"}
    found = ran.verdicts[1].error
    assert found.cause == "error"
    if not (is_async and isinstance(error, StopIteration)):  # Python turns that into another
        assert found.type.endswith(type(error).__name__)


@pytest.mark.parametrize("error", RAISED, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_batch_that_raises_fails_whole_and_keeps_what_was_marked(error, is_async):
    def body(batch):
        for i, job in enumerate(batch):
            if i == 2:
                raise error
            job.done(i)

    async def waiting(batch):
        body(batch)

    ran = run(kind_of(waiting if is_async else body), list(range(4)))
    assert ran.results == {0: 0, 1: 1}
    assert ran.failed.begun == [2]
    assert ran.told == {0, 1}


@pytest.mark.parametrize("error", RAISED, ids=lambda e: type(e).__name__)
def test_an_async_handler_runs_on_after_one_that_raised(error):
    class Handler:
        async def handle(self, batch):
            await asyncio.sleep(0)
            if batch.args[0]:
                raise error
            return [1]

    kind = kind_of(Handler, "class")
    adapter = adapter_of(kind)
    adapter.setup(0)
    for fails in (True, False, True, False):
        messages: list[Any] = []
        run_batch(adapter, work_of([fails]), kind.codec, Page.private(1), messages.append)
        assert isinstance(messages[-1], HandlerFailed if fails else Outcomes)
    adapter.teardown()


def test_a_traceback_begins_with_the_handlers_own_code():
    def handler(batch):
        raise ValueError("here")

    trace = run(kind_of(handler), [1]).failed.error.traceback
    assert "in handler" in trace
    assert "actorq/actor" not in trace


# ---- marks in the page ----


def test_a_loop_marks_the_job_it_is_at_and_passes_the_one_before():
    page, seen = Page.private(3), []

    def handler(batch):
        for _ in batch:
            seen.append((bytes(page.begun), page.running()))

    run(kind_of(handler), [1, 2, 3], page)
    assert seen == [(b"\1\0\0", [0]), (b"\2\1\0", [1]), (b"\2\2\1", [2])]
    assert page.running() == []


def test_reading_at_once_marks_nobody():
    page = Page.private(3)

    def handler(batch):
        assert (len(batch), batch.args, batch.ids[0]) == (3, [1, 2, 3], FIRST_ID)
        assert [job.args for job in batch.jobs] == batch.args
        assert batch[0].args + batch[-1].args == 4
        assert [job.args for job in batch[1:]] == [2, 3]
        assert bytes(page.begun) == bytes(3)
        raise ValueError

    assert run(kind_of(handler), [1, 2, 3], page).failed.begun == []


def test_a_job_can_be_marked_by_hand():
    def handler(batch):
        batch[1].begin()
        raise ValueError

    assert run(kind_of(handler), [1, 2, 3]).failed.begun == [1]


def test_a_job_with_an_outcome_is_not_blamed_for_what_follows():
    def handler(batch):
        batch[1].begin()
        batch[1].done()
        raise ValueError

    assert run(kind_of(handler), [1, 2, 3]).failed.begun == []


def test_functions_per_job_mark_the_job_that_runs():
    page, seen = Page.private(3), []
    run(kind_of(lambda n: seen.append(page.running()), "job", ArgsCodec()), [1, 2, 3], page)
    assert seen == [[0], [1], [2]]
    assert page.running() == []
