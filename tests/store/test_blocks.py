"""Blocks: jobs that are alike share a row of `ready`, and each of them is as free as before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actorq.store.admin import doctor
from actorq.store.queue.cancel import cancel
from actorq.store.queue.queue import QueueStore
from tests.store.kit import Kit, as_node, beside
from tests.support.rows import ready_ids

BLOCKS = "SELECT coalesce(jobs, ARRAY[id]) FROM actorq.ready ORDER BY run_at, id"


def blocks(kit: Kit) -> list[list[int]]:
    """Return the jobs of each row."""
    return [jobs for (jobs,) in kit.rows(BLOCKS)]


def test_jobs_of_one_statement_share_rows(kit: Kit) -> None:
    ids = kit.enqueue(500)
    found = blocks(kit)
    assert [job for block in found for job in block] == ids
    assert all(len({job >> 7 for job in block}) == 1 for block in found)
    assert len(found) == len({job >> 7 for job in ids})


@pytest.mark.parametrize("kind", ["k", "new"])
@pytest.mark.parametrize("plan", ["hashagg", "sort", "hashjoin"])
def test_a_block_is_in_order_whatever_the_plan(kit: Kit, kind: str, plan: str) -> None:
    """What a claim leaves of it must not lie before the place where the claim has ended."""
    kit.conn.execute(f"SET enable_{plan} = off".encode())
    insert = "INSERT INTO actorq.job (kind) SELECT %s FROM generate_series(1, 2000) RETURNING id"
    ids = [job for (job,) in kit.rows(insert, kind)]
    assert [job for block in blocks(kit) for job in block] == ids
    kit.lane = kit.store.lanes([("default", kind)])["default", kind]
    taken: list[int] = []
    last: dict[int, tuple[int, int]] = {}
    for n in range(1, 21):
        claimed = kit.claim(n, 100, frontier=last)
        (batch,) = claimed.batches
        last, taken = claimed.last, taken + batch.ids
    assert taken == ids


def test_jobs_that_differ_do_not(kit: Kit) -> None:
    kit.conn.execute(
        "INSERT INTO actorq.job (kind, priority, run_at)"
        " SELECT 'k', n / 10 % 2, timestamptz '2020-01-01' + n / 20 * interval '1 s'"
        " FROM generate_series(0, 59) n"
    )
    assert [len(block) for block in blocks(kit)] == [10] * 6
    kit.check_places()


def test_a_job_alone_has_a_row_of_its_own_and_no_array(kit: Kit) -> None:
    (job,) = kit.enqueue(1)
    assert kit.rows("SELECT id, jobs FROM actorq.ready") == [(job, None)]


@pytest.mark.parametrize("limit", [1, 7, 100, 128, 129, 300])
def test_claims_take_what_they_want_of_a_block_in_order(kit: Kit, limit: int) -> None:
    ids = kit.enqueue(300)
    taken: list[int] = []
    for n in range(1, 302):
        batches = kit.claim(n, limit, frontier={5: (0, 0)} if n % 2 else {}).batches
        if not batches:
            break
        (batch,) = batches
        assert batch.n == min(limit, len(ids) - len(taken))
        taken += batch.ids
        kit.check_places()
        assert kit.one("SELECT coalesce(max(cardinality(jobs)), 0) FROM actorq.ready") <= 128
    assert taken == ids


def test_what_is_left_of_a_block_comes_in_pieces_that_a_claim_takes_whole(kit: Kit) -> None:
    kit.conn.execute("ALTER SEQUENCE actorq.job_id_seq RESTART 1024")
    ids = kit.enqueue(23)
    kit.batch(1, 5)
    assert blocks(kit) == [ids[5:10], ids[10:15], ids[15:20], ids[20:]]


def test_a_claim_ends_where_the_next_one_finds_the_rest(kit: Kit) -> None:
    ids = kit.enqueue(50)
    first = kit.claim(1, 20)
    assert kit.batch(2, 100, frontier=first.last).ids == ids[20:]


def test_priorities_come_before_blocks(kit: Kit) -> None:
    late, early = kit.enqueue(10, priority=7), kit.enqueue(10, priority=2)
    assert kit.batch(1, 15).ids == early + late[:5]
    assert kit.batch(2, 15).ids == late[5:]


@pytest.mark.parametrize("waiting", [4, 5])
def test_a_full_batch_is_one_of_jobs_not_of_blocks(kit: Kit, waiting: int) -> None:
    kit.enqueue(4)
    kit.enqueue(waiting - 4)
    claimed = kit.claim(1, 100, min_n=5, linger_s=60.0)
    assert (claimed.n_taken, claimed.n_waiting) == ((5, 0) if waiting == 5 else (0, 4))


def test_a_cancel_leaves_the_others_of_its_block(kit: Kit) -> None:
    ids = kit.enqueue(300)
    mine = ids[::3]
    found = cancel(kit.conn, mine)
    assert found.cancelled == mine
    kit.check_places()
    others = [job for job in ids if job not in set(mine)]
    assert kit.batch(1).ids == others
    assert cancel(kit.conn, ids[:2]).requested == [ids[1]]


def claims_a_part(kit: Kit, store: QueueStore, ids: list[int]) -> object:
    """Take the first two jobs of a block, another connection's transaction still open."""
    kit.store, before = store, kit.store
    try:
        return kit.batch(1, 2)
    finally:
        kit.store = before


def cancels_another(kit: Kit, store: QueueStore, ids: list[int]) -> object:
    return cancel(store._session, ids[1:2])


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("first", [claims_a_part, cancels_another])
def test_a_cancel_finds_what_somebody_has_just_left_of_the_block(
    kit: Kit, first: Callable[[Kit, QueueStore, list[int]], object], ending: str
) -> None:
    ids = kit.enqueue(5)
    a, b = kit.open(), kit.open(lock_timeout_s=10)
    a._session.execute("BEGIN")
    first(kit, a, ids)
    with beside(kit, a, b, lambda: cancel(b._session, ids[3:])) as second:
        a._session.execute(ending.encode())
    assert second.result().cancelled == ids[3:]
    kit.check_places()
    assert kit.states()[ids[2]] == "ready"


def test_the_victim_of_a_deadlock_cancels_once_more(kit: Kit) -> None:
    """Two cancels may take two blocks in opposite order, where one was cut meanwhile."""
    ids = kit.enqueue(300)
    a, b = kit.open(lock_timeout_s=60), kit.open(lock_timeout_s=10)
    row = "SELECT FROM actorq.ready WHERE id <= {0} AND {0} = ANY (jobs) FOR UPDATE"
    a._session.execute("SET deadlock_timeout = '1 min'")  # the other one finds it
    a._session.execute("BEGIN")
    a._session.execute(row.format(ids[-1]).encode())
    with beside(kit, a, b, lambda: cancel(b._session, [ids[0], ids[-1]])) as second:
        a._session.execute(row.format(ids[0]).encode())
        a._session.execute("ROLLBACK")
    assert second.result().cancelled == [ids[0], ids[-1]]
    kit.check_places()


@pytest.mark.parametrize(
    ("limit", "hungry", "said"), [(2, True, True), (5, True, False), (2, False, False)]
)
def test_who_is_hungry_hears_of_what_a_claim_leaves_of_a_block(
    kit: Kit, limit: int, hungry: bool, said: bool
) -> None:
    """Its own claim may have met the block while it was locked, and found nothing."""
    kit.enqueue(5)
    as_node(kit.store, kit.register() if hungry else kit.node).hunger({kit.lane}, set())
    listener = kit.open()
    listener.listen()
    kit.batch(1, limit)
    kit.conn.execute("SELECT pg_notify('actorq_' || 'actorq'::regnamespace::oid, 'end')")
    heard: list[str] = []
    while "end" not in heard:
        heard += listener.notifications(10)
    assert heard == [str(kit.lane)] * said + ["end"]


def lost(kit: Kit, job: int) -> None:
    kit.conn.execute(
        "UPDATE actorq.ready SET jobs = array_remove(jobs, %s) WHERE %s = ANY (jobs)", [job, job]
    )


def twice(kit: Kit, job: int) -> None:
    kit.conn.execute(
        "INSERT INTO actorq.ready (id, run_at, lane, suspect, priority)"
        " SELECT %s, run_at, lane, 3, priority FROM actorq.ready WHERE %s = ANY (jobs)",
        [job, job],
    )


def twice_in_one(kit: Kit, job: int) -> None:
    kit.conn.execute(
        "UPDATE actorq.ready SET jobs = jobs || %s::bigint WHERE %s = ANY (jobs)", [job, job]
    )


def stale(kit: Kit, job: int) -> None:
    kit.conn.execute("UPDATE actorq.job SET state = 'completed' WHERE id = %s", [job])


def both(kit: Kit, job: int) -> None:
    kit.conn.execute(
        "INSERT INTO actorq.lease (node, n, lane, suspect, jobs)"
        " SELECT %s::uuid, 1, lane, 0, ARRAY[%s::bigint] FROM actorq.ready",
        [kit.node, job],
    )


def misplaced(kit: Kit, job: int) -> None:
    kit.conn.execute("SET actorq.own = 'on'")
    kit.conn.execute("UPDATE actorq.job SET priority = 1 WHERE id = %s", [job])


def in_no_window(kit: Kit, job: int) -> None:
    kit.conn.execute("UPDATE actorq.ready SET id = id + 3 WHERE %s = ANY (jobs)", [job])


@pytest.mark.parametrize(
    ("harm", "places"),
    [(lost, 1), (twice, 1), (twice_in_one, 1), (stale, 0), (both, 0), (misplaced, 1),
     (in_no_window, 1)],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_one_stray_in_a_block_is_mended_and_costs_the_others_nothing(
    kit: Kit, harm: Callable[[Kit, int], None], places: int
) -> None:
    kit.conn.execute("ALTER SEQUENCE actorq.job_id_seq RESTART 1024")
    ids = kit.enqueue(6)
    harm(kit, ids[2])
    assert doctor.strays(kit.conn)[ids[2]] == harm.__name__.replace(
        "twice_in_one", "twice"
    ).replace("in_no_window", "misplaced")
    doctor.repair(kit.conn)
    assert doctor.strays(kit.conn) == {}
    assert ready_ids(kit.conn).count(ids[2]) == places
    assert [job for job in ready_ids(kit.conn) if job != ids[2]] == ids[:2] + ids[3:]
    assert cancel(kit.conn, ids[3:]).cancelled == ids[3:]


def test_a_batch_that_is_given_back_comes_back_job_by_job(kit: Kit) -> None:
    ids = kit.enqueue(4)
    kit.batch(1)
    assert kit.store.give_back(1, seq=0)
    assert blocks(kit) == [[job] for job in ids]
    assert kit.batch(2).ids == ids
