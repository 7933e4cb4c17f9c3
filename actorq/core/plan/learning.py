"""What is learned from batches that pass, and who is set free by it. Part of `core.plan`."""

from __future__ import annotations

from actorq.core import event
from actorq.core.fleet.actor import ActorState
from actorq.core.fleet.batch import BatchState
from actorq.core.job import settle
from actorq.core.plan.state import KindState, View


def works(view: View, actor: ActorState, held: BatchState, now: float) -> None:
    """Record that some jobs of a batch have passed while it still runs, or before it failed."""
    actor.passed(now)
    view.kinds[held.kind].quarantine.works(now)


def passed(view: View, actor: ActorState, held: BatchState, now: float) -> None:
    """Record that all jobs of a batch have their outcome."""
    quarantine, batch = view.kinds[held.kind].quarantine, held.batch
    took_s = now - max(held.sent_at, actor.free_at)
    quarantine.cost.ran(batch.n, took_s, one_by_one=held.one_by_one)
    actor.passed(now)
    if quarantine.passed(batch.suspect, batch.n, now):
        view.emit(event.BatchLimited(held.kind, quarantine.limit))


def set_free(view: View, held: BatchState, now: float) -> None:
    """Return suspects that nothing speaks against any more to the fresh jobs.

    A job that was charged before continues to run alone.
    """
    rows = []
    for p, id_ in enumerate(held.batch.ids):
        counts = held.counts(p)
        alone = view.group() if counts.n_failed or counts.n_crashed else 0
        rows.append(settle.returned(id_, counts, alone))
    held.close(rows, now)


def forget_restarts(kind: KindState, held: BatchState, positions: list[int], last: bool) -> None:
    """Forget how often jobs that have their outcome asked for a fresh process."""
    told = range(held.batch.n) if last else positions
    kind.forget_restarts(held.batch.ids[p] for p in told)
