"""Several batches of one claim: a lease for each, cut where one batch would be."""

from __future__ import annotations

import pytest

from actorq.core.plan.effects import Claim
from actorq.store.queue import claims
from actorq.store.session.faults import BrokenLease
from tests.store.kit import Kit, done


def bundle(kit: Kit, lease: int, size: int, n_batches: int) -> list[list[int]]:
    """Claim several batches; return the jobs of each."""
    return [batch.ids for batch in kit.claim(lease, size, n_batches=n_batches).batches]


def leases(kit: Kit) -> dict[int, list[int]]:
    return dict(kit.rows("SELECT n, jobs FROM actorq.lease ORDER BY n"))


def test_each_batch_has_a_lease_of_its_own(kit: Kit) -> None:
    ids = kit.enqueue(25)
    claimed = kit.claim(7, 10, n_batches=4)
    parts = {7: ids[:10], 8: ids[10:20], 9: ids[20:]}
    assert claimed.n_taken == 25
    assert {batch.lease: batch.ids for batch in claimed.batches} == parts
    assert leases(kit) == parts
    assert [len(b"".join(batch.args)) for batch in claimed.batches] == [29, 29, 14]
    assert kit.store.read(7, 4) == claimed.batches
    kit.check_places()


def test_each_batch_is_settled_alone(kit: Kit) -> None:
    ids = kit.enqueue(9)
    first, second, third = kit.claim(1, 3, n_batches=3).batches
    kit.store.settle(1, [done(second)])
    assert leases(kit) == {1: first.ids, 3: third.ids}
    kit.store.settle(2, [done(third), done(first)])
    assert kit.one("SELECT count(*) FROM actorq.job WHERE state = 'completed'") == len(ids)


def test_no_more_is_taken_than_all_batches_hold(kit: Kit) -> None:
    ids = kit.enqueue(50)
    assert bundle(kit, 1, 4, 3) == [ids[:4], ids[4:8], ids[8:12]]
    assert bundle(kit, 4, 4, 2) == [ids[12:16], ids[16:20]]
    kit.check_places()


def test_where_nothing_is_due_no_lease_is_made(kit: Kit) -> None:
    assert kit.claim(1, 1, n_batches=5).batches == []
    assert leases(kit) == {}


def test_jobs_that_are_gone_leave_their_lease_and_no_other(kit: Kit) -> None:
    ids = kit.enqueue(6)
    final = "UPDATE actorq.job SET state = 'cancelled', finalized_at = now() WHERE id = ANY (%s)"
    kit.conn.execute(final, [ids[1:4]])
    assert bundle(kit, 1, 2, 3) == [[ids[0]], ids[4:]]
    assert leases(kit) == {1: [ids[0]], 3: ids[4:]}


def test_a_block_is_cut_at_the_end_of_all_batches(kit: Kit) -> None:
    ids = kit.enqueue(40)
    assert kit.one("SELECT count(*) FROM actorq.ready") < 40, "they stand in blocks"
    assert [len(part) for part in bundle(kit, 1, 10, 3)] == [10, 10, 10]
    assert bundle(kit, 4, 10, 3) == [ids[30:]]
    kit.check_places()


def test_batches_of_large_ones_come_in_several_rows(kit: Kit) -> None:
    ids = kit.enqueue(2 * 600)
    assert bundle(kit, 1, 600, 2) == [ids[:600], ids[600:]]


def test_who_takes_turns_reads_all_batches(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = kit.enqueue(25)
    monkeypatch.setattr(kit.store._turns, "way", lambda lane, now: "in turn")
    assert bundle(kit, 1, 10, 4) == [ids[:10], ids[10:20], ids[20:]]


def test_a_batch_that_cannot_be_read_breaks_the_claim(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.enqueue(20)
    monkeypatch.setattr(kit.store._turns, "way", lambda lane, now: "in turn")
    monkeypatch.setattr(claims, "read", lambda *given: [])
    with pytest.raises(BrokenLease):
        kit.claim(1, 10, n_batches=2)
    assert kit.store.give_back(1, 2) == 2
    kit.check_places()


def test_leases_that_follow_one_another_go_back_together(kit: Kit) -> None:
    ids = kit.enqueue(12)
    kit.claim(1, 3, n_batches=4)
    assert kit.store.give_back(2, 2) == 2
    assert set(leases(kit)) == {1, 4}
    again = kit.store.claim(Claim(kit.lane, 9, 100)).batches
    assert [sorted(batch.ids) for batch in again] == [ids[3:9]]
    kit.check_places()
