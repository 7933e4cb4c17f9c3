"""Dead supervisors: who counts as dead, and where their jobs go."""

from __future__ import annotations

import pytest

from actorq.core.job.model import Row
from actorq.core.plan.effects import Claim
from actorq.core.store_values import NodeInfo
from actorq.errors import RowRefused
from actorq.store.queue.cancel import cancel
from tests.store.kit import ERROR, Kit, as_node, beside, done, part, pid


def lose(kit: Kit, n: int) -> None:
    """Claim everything as a node that dies at once, and reap it."""
    kit.claim(n, suspect=kit.one("SELECT suspect FROM actorq.ready LIMIT 1"))
    kit.store.leave()
    kit.store.reap(100, 3, 2)
    kit.renew()


def test_a_beat_returns_the_leases_or_says_that_the_node_is_dead(kit: Kit) -> None:
    kit.enqueue(2)
    kit.batch(3, 1)
    kit.batch(2, 1)
    assert kit.store.beat() == [2, 3]
    kit.store.leave()
    assert kit.store.beat() is None
    assert kit.store.settle_no(1) is None


def test_a_beat_moves_beat_at_and_a_node_that_beat_since_is_not_buried(kit: Kit) -> None:
    (before,) = kit.store.nodes()
    kit.store.beat()
    (after,) = kit.store.nodes()
    assert after.beat_at > before.beat_at
    assert not kit.store.bury(kit.node, before.beat_at)
    assert kit.store.bury(kit.node, after.beat_at)
    assert kit.store.nodes() == []


def test_a_node_says_where_it_runs(kit: Kit) -> None:
    kit.store.leave()
    node = "7e57c0de-0000-4000-8000-000000000001"
    kit.store.register(NodeInfo(node, "host", 42, 1.5, "boot", "ns", "start", 43, "its"))
    (seen,) = kit.store.nodes()
    assert (seen.id, seen.host, seen.pid, seen.ttl_s) == (node, "host", 42, 1.5)
    assert (seen.boot_id, seen.pid_ns, seen.pid_start) == ("boot", "ns", "start")
    assert (seen.guardian_pid, seen.guardian_start) == (43, "its")
    with pytest.raises(RowRefused):
        kit.store.register(NodeInfo(node, "host", 42))


def test_the_jobs_of_a_dead_node_are_ready_again_and_charged_a_loss(kit: Kit) -> None:
    ids = kit.enqueue(3)
    kit.batch(1)
    assert kit.store.reap(10, 3, 2).leases == 0, "a live node keeps its leases"
    kit.store.leave()
    reaped = kit.store.reap(10, 3, 2)
    assert (reaped.leases, reaped.returned, reaped.lanes) == (1, 3, [kit.lane])
    kit.check_places()
    assert kit.rows("SELECT DISTINCT attempt, n_lost, n_failed FROM actorq.job") == [(1, 1, 0)]
    assert kit.batch(2).ids == ids


def test_jobs_that_were_settled_in_part_are_not_returned(kit: Kit) -> None:
    ids = kit.enqueue(3)
    batch = kit.batch(1)
    kit.store.settle(1, [part(batch, [Row(ids[1], 0, "failed", "failed", error=ERROR)])])
    kit.store.leave()
    assert kit.store.reap(10, 3, 2).returned == 2
    kit.check_places()
    assert kit.states()[ids[1]] == "failed"


@pytest.mark.parametrize("given_back", [False, True])
def test_a_job_that_came_back_by_itself_does_not_come_back_twice(
    kit: Kit, given_back: bool
) -> None:
    ids = kit.enqueue(3)
    batch = kit.batch(1)
    retry = Row(ids[1], 0, "pending", "failed", retry_in_s=0.0, error=ERROR)
    kit.store.settle(1, [part(batch, [retry])])
    if given_back:
        assert kit.store.give_back(1, seq=1)
    else:
        kit.store.leave()
        assert kit.store.reap(10, 3, 2).returned == 2
    kit.check_places()
    n_lost = kit.rows("SELECT n_lost FROM actorq.job ORDER BY id")
    assert n_lost == ([(0,)] * 3 if given_back else [(1,), (0,), (1,)])


def test_a_job_lost_often_enough_runs_alone(kit: Kit) -> None:
    ids = kit.enqueue(2)
    lose(kit, 1)
    assert kit.rows("SELECT DISTINCT suspect FROM actorq.ready") == [(0,)]
    lose(kit, 2)
    groups = [group for (group,) in kit.rows("SELECT suspect FROM actorq.ready ORDER BY id")]
    assert len(set(groups)) == len(ids)
    assert all(group < 0 for group in groups)


def test_a_job_lost_too_often_fails_with_the_cause_lost(kit: Kit) -> None:
    (n,) = kit.enqueue(1)
    for k in range(1, 5):
        lose(kit, k)
    assert kit.states() == {n: "failed"}
    kit.check_places()
    assert kit.rows("SELECT job, attempt, cause, final FROM actorq.failure") == [
        (n, 4, "lost", True)
    ]


def test_a_lost_job_that_is_to_be_cancelled_is_cancelled(kit: Kit) -> None:
    ids = kit.enqueue(2)
    kit.batch(1)
    cancel(kit.conn, ids[:1])
    kit.store.leave()
    assert kit.store.reap(10, 3, 2).cancelled == 1
    kit.check_places()
    assert kit.states() == {ids[0]: "cancelled", ids[1]: "retrying"}


def test_reaping_goes_in_chunks(kit: Kit) -> None:
    kit.enqueue(5)
    for n in range(1, 6):
        kit.batch(n, 1)
    kit.store.leave()
    assert [kit.store.reap(2, 3, 2).leases for _ in range(4)] == [2, 2, 1, 0]


def test_a_claim_that_commits_after_the_reap_is_found_in_the_next_round(kit: Kit) -> None:
    """Were leases found by way of their dead node, nobody would ever look for this one."""
    ids = kit.enqueue(2)
    late = kit.open()
    late._session.execute("BEGIN")
    late.claim(Claim(kit.lane, 1, 10))
    kit.store.leave()
    assert kit.store.reap(10, 3, 2).leases == 0
    late._session.execute("COMMIT")
    assert kit.store.reap(10, 3, 2).leases == 1
    kit.check_places()
    assert kit.claim(2).n_taken == len(ids)


def test_a_late_settle_finds_nothing_after_a_reap(kit: Kit) -> None:
    kit.enqueue(2)
    batch = kit.batch(1)
    first, second = kit.open(), kit.open(lock_timeout_s=10)
    first._session.execute("BEGIN")
    first.leave()
    first.reap(10, 3, 2)
    with beside(kit, first, second, lambda: second.settle(1, [done(batch)])) as thread:
        assert kit.one("SELECT %s = ANY (pg_blocking_pids(%s))", pid(first), pid(second))
        first._session.execute("COMMIT")
    assert thread.result().leases == set()
    assert set(kit.states().values()) == {"retrying"}


def test_a_users_lock_keeps_one_lease_from_being_reaped_and_no_other(kit: Kit) -> None:
    ids = kit.enqueue(3)
    for n in (1, 2, 3):
        kit.batch(n, 1)
    kit.store.leave()
    kit.conn.execute("BEGIN")
    kit.conn.execute("SELECT FROM actorq.job WHERE id = %s FOR UPDATE", [ids[0]])
    assert kit.store.reap(10, 3, 2).returned == 2
    kit.conn.execute("COMMIT")
    kit.check_places()
    assert kit.store.reap(10, 3, 2).returned == 1


def test_a_lock_on_a_job_that_a_lease_no_longer_holds_keeps_nobody(kit: Kit) -> None:
    ids = kit.enqueue(4)
    batch = kit.batch(1, 3)
    again = Row(ids[0], 0, "pending")
    ended = Row(ids[1], 0, "failed", "failed", error=ERROR)
    kit.store.settle(1, [part(batch, [again, ended])])
    assert kit.batch(2).ids == [ids[0], ids[3]]
    kit.store.leave()
    with kit.conn.transaction():
        kit.conn.execute("SELECT FROM actorq.job WHERE id = ANY (%s) FOR UPDATE", [ids[:2]])
        assert kit.store.reap(10, 3, 2).returned == 1
    kit.check_places()
    assert kit.store.reap(10, 3, 2).returned == 2


def test_leaving_takes_the_hunger_along(kit: Kit) -> None:
    kit.store.hunger({kit.lane}, set())
    kit.store.leave()
    assert kit.one("SELECT count(*) FROM actorq.hunger") == 0


def test_the_dead_are_not_hungry(kit: Kit) -> None:
    kit.store.leave()
    kit.store.hunger({kit.lane}, set())
    assert kit.one("SELECT count(*) FROM actorq.hunger") == 0


def test_what_the_dead_left_behind_is_swept_up_at_the_next_burial(kit: Kit) -> None:
    """A burial does not see what was written while it waited for the node's row."""
    other = kit.register()
    kit.store.hunger({kit.lane}, set())
    kit.enqueue(1)
    kit.conn.execute("INSERT INTO actorq.settled (node, no) VALUES (%s, 1)", [kit.node])  # old code
    kit.conn.execute("DELETE FROM actorq.node WHERE id = %s", [kit.node])
    as_node(kit.store, other).leave()
    assert kit.one("SELECT count(*) FROM actorq.hunger") == 0
    assert kit.one("SELECT count(*) FROM actorq.settled") == 0
