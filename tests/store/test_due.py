"""The due query: what is there, what comes, and who is suspect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from actorq.core.store_values import DueAsk
from tests.store.kit import Kit
from tests.support.rows import singly


def test_due_says_what_is_there_what_comes_and_who_is_suspect(kit: Kit) -> None:
    (other,) = kit.store.lanes([("default", "other")]).values()
    soon = datetime.now(UTC) + timedelta(minutes=1)
    kit.enqueue(1, run_at=soon, priority=3)
    first, second = kit.store.due([DueAsk(other), DueAsk(kit.lane)])
    assert (first.lane, first.due, first.next_in_s, first.suspects) == (other, False, None, [])
    assert (second.lane, second.due) == (kit.lane, False)
    assert second.next_in_s is not None
    assert 0 < second.next_in_s <= 60
    ids = kit.enqueue(3)
    singly(kit.conn)
    kit.conn.execute("UPDATE actorq.ready SET suspect = id WHERE id = ANY (%s)", [ids[:2]])
    (due,) = kit.store.due([DueAsk(kit.lane)])
    assert (due.due, due.suspects) == (True, ids[:2])


def test_due_looks_behind_the_frontier_only(kit: Kit) -> None:
    kit.enqueue(2)
    frontier = kit.claim(1).last
    kit.enqueue(1, run_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert not kit.store.due([DueAsk(kit.lane, frontier)])[0].due
    assert kit.store.due([DueAsk(kit.lane)])[0].due


def test_suspects_that_are_not_due_hide_nobody(kit: Kit) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    waiting = kit.enqueue(70, run_at=later)
    (ready,) = kit.enqueue(1)
    singly(kit.conn)
    kit.conn.execute(
        "UPDATE actorq.ready SET suspect = 1000000 + id WHERE id = ANY (%s)", [[*waiting, ready]]
    )
    assert kit.store.due([DueAsk(kit.lane)])[0].suspects == [1000000 + ready]
