"""Counting what a drain leaves: due, due later, under leases; by few rows where there are many."""

from __future__ import annotations

import pytest

from actorq.core.job.model import FRESH
from actorq.core.job.settle import returned
from actorq.core.store_values import Left
from actorq.store.queue import claims
from tests.store.kit import Kit, as_node, done


def left(kit: Kit) -> Left:
    (found,) = kit.store.left([kit.lane])
    return found


def test_nothing_is_left_of_an_empty_lane(kit: Kit) -> None:
    assert left(kit) == Left(kit.lane)


def test_due_and_later_jobs_are_counted_whatever_rows_they_share(kit: Kit) -> None:
    kit.enqueue(300)
    kit.enqueue(3, priority=1)
    kit.conn.execute(
        "INSERT INTO actorq.job (kind, args, run_at)"
        " SELECT 'k', '{}', now() + n * interval '1 hour' FROM generate_series(1, 4) n"
    )
    found = left(kit)
    assert (found.n_due, found.n_later, found.capped) == (303, 4, False)
    assert found.next_in_s == pytest.approx(3600, abs=60)


def test_suspects_are_counted_like_others(kit: Kit) -> None:
    kit.enqueue(4)
    batch = kit.batch(1)
    sent = done(batch)
    sent.done, sent.rows = {}, [returned(id_, FRESH, 7) for id_ in batch.ids]
    kit.store.settle(1, [sent])
    assert left(kit).n_due == 4


def test_jobs_under_leases_are_counted_and_nobodys_leases_are_told(kit: Kit) -> None:
    kit.enqueue(10)
    kit.batch(1, 6)
    other = kit.register()
    kit.claim(1, 3, node=other)
    assert left(kit) == Left(kit.lane, n_due=1, n_held=9)
    as_node(kit.store, other).leave()
    assert left(kit) == Left(kit.lane, n_due=1, n_held=9, orphaned=True)


def test_another_lanes_jobs_are_not_counted(kit: Kit) -> None:
    kit.conn.execute("INSERT INTO actorq.job (kind, args) VALUES ('other', '{}')")
    assert left(kit) == Left(kit.lane)


def test_of_very_many_rows_it_says_that_there_are_more(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "MAX_COUNTED", 10)
    for _ in range(12):
        kit.enqueue(1)
    found = left(kit)
    assert (found.n_due, found.capped) == (10, True)
