"""What settles count: exactly what was written, folded into minutes exactly once."""

from __future__ import annotations

import msgspec

from actorq.core.counters.figures import Figures
from actorq.core.counters.histogram import bucket
from actorq.core.job.model import EndedBatch, Row, Settlement
from actorq.store.admin.run import connect_admin
from actorq.store.counters.read import Recent, recent
from actorq.store.queue.cancel import cancel
from tests.store.kit import ERROR, Kit, done, part


def counted(kit: Kit) -> list[list[list[int]]]:
    """Return the outcomes of each change, in the order of the lanes."""
    return [
        msgspec.json.decode(text)
        for (text,) in kit.rows("SELECT counts::text FROM actorq.change ORDER BY at")
    ]


def read(kit: Kit) -> Recent:
    with connect_admin(kit.dsn, "actorq") as conn:
        return recent(conn, "actorq")


def hour(kit: Kit) -> Figures:
    return read(kit).hour.get(kit.lane, Figures())


def ended(n: int, ran_s: float = 0.5) -> EndedBatch:
    return EndedBatch(1, n, "full", ran_s, {bucket(2.0): n})


def complete(kit: Kit, no: int, n: int) -> None:
    kit.enqueue(n)
    settlement = done(kit.batch(no))
    settlement.ended = msgspec.structs.replace(ended(n), lane=kit.lane)
    kit.store.settle(no, [settlement])


def test_each_outcome_is_counted_as_what_it_is(kit: Kit) -> None:
    ids = kit.enqueue(6)
    kit.batch(1)
    rows = [
        Row(ids[1], 0, "failed", "failed", error=ERROR),
        Row(ids[2], 0, "pending", "failed", 9.0, error=ERROR),
        Row(ids[3], 0, "pending", retry_in_s=9.0),
        Row(ids[4], 0, "cancelled"),
        Row(ids[5], 0, "pending"),  # returned, as if it had never been claimed
    ]
    kit.store.settle(1, [Settlement(1, 0, {0: ids[:1]}, rows)])
    assert counted(kit) == [[[kit.lane, 1, 1, 1, 1, 1]]]
    assert hour(kit).outcomes == (1, 1, 1, 1, 1)


def test_what_is_not_written_is_not_counted(kit: Kit) -> None:
    """Neither jobs of a lost lease, nor those that are final already."""
    ids = kit.enqueue(4)
    first, second = kit.batch(1, 2), kit.batch(2, 2)
    kit.store.give_back(1)
    kit.conn.execute("UPDATE actorq.job SET state = 'cancelled' WHERE id = %s", [ids[2]])
    lost = done(first)
    lost.ended = ended(2)
    kit.store.settle(1, [lost, done(second)])
    assert counted(kit) == [[[kit.lane, 1, 0, 0, 0, 0]]]
    assert hour(kit).n_batches == 0


def test_the_same_settle_sent_twice_counts_once(kit: Kit) -> None:
    kit.enqueue(2)
    settlement = done(kit.batch(1))
    kit.store.settle(1, [settlement])
    assert kit.store.settle(1, [settlement]).is_repeated
    assert hour(kit).n_completed == 2


def test_folded_or_not_the_figures_are_the_same(kit: Kit) -> None:
    complete(kit, 1, 3)
    complete(kit, 2, 4)
    before = hour(kit)
    assert before.outcomes == (7, 0, 0, 0, 0)
    assert (before.n_batches, before.sizes, before.cuts) == (2, {3: 1, 4: 1}, {"full": 2})
    assert before.ran == {bucket(0.5): 7}
    assert kit.store.fold() == 2
    assert kit.store.fold() == 0
    assert hour(kit) == before
    complete(kit, 3, 5)
    kit.store.fold()
    assert hour(kit).n_completed == 12
    assert kit.one("SELECT count(DISTINCT (at, lane)) = count(*) FROM actorq.minute")


def test_a_batch_settled_in_parts_counts_once_where_it_ends(kit: Kit) -> None:
    ids = kit.enqueue(2)
    batch = kit.batch(1)
    kit.store.settle(1, [part(batch, [Row(ids[0], 0, "cancelled")])])
    assert hour(kit).n_batches == 0
    rest = Settlement(
        1, 1, {0: ids[1:]}, [], ended=msgspec.structs.replace(ended(2), lane=kit.lane)
    )
    kit.store.settle(2, [rest])
    assert (hour(kit).n_batches, hour(kit).outcomes) == (1, (1, 0, 0, 0, 1))


def test_what_is_folded_goes_but_for_what_tells_whether_a_settle_was_written(kit: Kit) -> None:
    for no in range(1, 6):
        complete(kit, no, 1)
    kit.store.fold()
    assert kit.rows("SELECT no FROM actorq.change ORDER BY no") == [(4,), (5,)]
    assert (kit.store.settle_no(1), kit.store.settle_no(2)) == (5, 4)
    dropped = kit.rows(
        "SELECT parity, folded_no, dropped_no, dropped FROM actorq.series ORDER BY 1"
    )
    assert dropped == [(0, 4, 2, [1, 0, 0, 0, 0]), (1, 5, 3, [2, 0, 0, 0, 0])]
    kit.store.leave()
    kit.store.fold()
    assert kit.rows("SELECT no FROM actorq.change") == []
    assert hour(kit).n_completed == 5


def test_a_supervisor_that_has_left_or_died_keeps_its_counts(kit: Kit) -> None:
    complete(kit, 1, 2)
    kit.store.leave()
    kit.renew()
    assert hour(kit).n_completed == 2


def test_changes_stay_while_somebody_follows(kit: Kit) -> None:
    kit.conn.execute(
        "INSERT INTO actorq.follower (id, name, jobs, parts, hint, until)"
        " VALUES (gen_random_uuid(), 'f', true, false, true, now() + interval '1 min')"
    )
    ids = kit.enqueue(2)
    batch = kit.batch(1)
    rows = [Row(ids[1], 0, "pending", "failed", 9.0, error=ERROR)]
    assert kit.store.settle(1, [Settlement(1, 0, {0: batch.ids[:1]}, rows)]).hint
    assert kit.one("SELECT jobs FROM actorq.change") == [
        [[kit.lane, 1, [ids[0]]]], [[kit.lane, ids[1], "retried", 1, 9]],
    ]  # fmt: skip
    complete(kit, 3, 1)
    kit.store.fold()
    assert kit.one("SELECT count(*) FROM actorq.change") == 2


def test_cancels_and_losses_are_numbered_and_counted_at_the_commit(kit: Kit) -> None:
    ids = kit.enqueue(3)
    cancel(kit.conn, ids[:1])
    kit.batch(1)
    kit.store.leave()
    kit.store.reap(10, 3, 2)
    assert kit.rows("SELECT no FROM actorq.change ORDER BY no") == [(2,), (4,)]
    assert counted(kit) == [[[kit.lane, 0, 0, 0, 0, 1]], [[kit.lane, 0, 0, 2, 0, 0]]]
    assert kit.rows("SELECT * FROM actorq.new_change") == []


def test_a_cancel_in_an_open_transaction_keeps_nobody_waiting(kit: Kit) -> None:
    """Numbers are given in the order of the commits, not of the cancels."""
    import psycopg

    first, second = *kit.enqueue(1), *kit.enqueue(1)  # each in a row of its own
    kit.conn.execute("SET lock_timeout = '5s'")
    with psycopg.connect(kit.dsn) as slow:
        slow.execute("SET actorq.own = 'on'")
        cancel(slow, [first])
        cancel(kit.conn, [second])
        assert kit.one("SELECT max(no) FROM actorq.change") == 2
        slow.commit()
    assert kit.rows("SELECT no FROM actorq.change ORDER BY at") == [(2,), (4,)]


def test_only_one_folds_at_a_time(kit: Kit) -> None:
    complete(kit, 1, 1)
    with kit.conn.transaction():
        kit.conn.execute("SELECT pg_advisory_xact_lock('actorq.change'::regclass::oid::int4, 1)")
        assert kit.open().fold() == 0
    assert kit.store.fold() == 1


def test_a_thousand_changes_of_many_lanes_fold_in_chunks(kit: Kit) -> None:
    kit.conn.execute(
        "INSERT INTO actorq.change (source, no, counts)"
        " SELECT %s::uuid, n, json_build_array(json_build_array(n %% 50, 1, 0, 0, 0, 0))"
        " FROM generate_series(1, 12001) n",
        [kit.node],
    )
    assert kit.store.fold() == 12001
    assert kit.one("SELECT sum(n_completed) FROM actorq.minute") == 12001
