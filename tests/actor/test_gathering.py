"""Outcomes on their way: when they leave the actor, and in which order."""

from __future__ import annotations

import contextlib
import gc
import weakref
from typing import Any

import msgspec

from actorq.args.codec import ArgsCodec
from actorq.core.plan.inputs import HandlerFailed, Outcomes
from tests.actor.support import kind_of, run

# ---- gathering ----


def test_marked_outcomes_leave_when_somebody_flushes():
    seen = []

    def handler(batch):
        for job in batch:
            job.done(job.args) if job.args % 2 else job.done()
            outboxes[0].flush()
            outboxes[0].flush()  # nothing to tell: no frame

    outboxes: list[Any] = []
    ran = run(kind_of(handler), [0, 1, 2], opened=outboxes.append)
    for message in ran.messages:
        seen.append((message.done, [v.pos for v in message.verdicts], message.last))
    assert seen == [([0], [], False), ([], [1], False), ([2], [], False), ([], [], True)]


def test_flushing_after_the_end_tells_nothing():
    outboxes: list[Any] = []
    ran = run(kind_of(lambda batch: None), [1], opened=outboxes.append)
    outboxes[0].flush()
    assert len(ran.messages) == 1


def test_somebody_is_woken_by_a_mark_and_nobody_by_a_plain_batch():
    woken = []

    def opened(outbox):
        outbox.wake = lambda: woken.append(1)

    run(kind_of(lambda batch: None), [1, 2], opened=opened)
    run(kind_of(lambda batch: [1, 2]), [1, 2], opened=opened)
    assert woken == []
    run(kind_of(lambda batch: batch[0].done()), [1, 2], opened=opened)
    assert woken == [1]


def test_marks_are_told_before_the_failure_of_their_batch():
    def handler(batch):
        batch[0].done()
        with contextlib.suppress(ZeroDivisionError):
            _ = 1 / 0
        raise ValueError

    ran = run(kind_of(handler), [1, 2])
    assert [type(message) for message in ran.messages] == [Outcomes, HandlerFailed]
    assert ran.messages[0].done == [0]


def test_errors_of_many_jobs_are_split_over_frames():
    def per_job(n: int):
        raise ValueError("x" * 20_000)

    ran = run(kind_of(per_job, "job"), [{"n": i} for i in range(300)])
    assert len(ran.verdicts) == 300
    assert max(len(msgspec.msgpack.encode(message)) for message in ran.messages) < 3_000_000


class Picture(msgspec.Struct, weakref=True):
    """Be args of which it can be seen whether somebody still has them."""

    name: str


def test_a_batch_that_a_loop_has_left_early_is_not_kept_until_the_next():
    seen = []

    def handler(batch):
        for job in batch:
            seen.append(weakref.ref(job.args))
            break

    run(kind_of(handler, codec=ArgsCodec(Picture)), [{"name": "a"}, {"name": "b"}])
    gc.collect()
    assert [ref() for ref in seen] == [None]
