"""What is written is counted, whatever a restore has left and however late a statement is."""

from __future__ import annotations

import psycopg
import pytest

from actorq.store.admin.run import connect_admin
from actorq.store.counters.read import recent
from actorq.store.queue.cancel import cancel
from actorq.store.session.faults import Repeated
from tests.store.kit import Kit, Second, beside, blocked, done
from tests.support.wait import wait_until


def n_outcomes(kit: Kit) -> int:
    with connect_admin(kit.dsn, "actorq") as conn:
        return sum(figures.n_outcomes for figures in recent(conn, "actorq").hour.values())


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_jobs_whose_lane_a_restore_has_left_out_are_counted(kit: Kit, is_cancelled: bool) -> None:
    ids = kit.enqueue(2)
    kit.batch(1)
    kit.conn.execute("DELETE FROM actorq.lane")
    if is_cancelled:
        kit.conn.execute("UPDATE actorq.job SET cancel_at = now()")
        kit.store.give_back(1)
    else:
        kit.store.leave()
        kit.store.reap(10, 3, 2)
        kit.renew()
    assert n_outcomes(kit) == len(ids)
    assert kit.store.fold() == 1
    assert n_outcomes(kit) == len(ids)


def test_a_statement_that_is_late_writes_nothing_that_it_does_not_count(kit: Kit) -> None:
    """Its number was used again for a part of it, after its answer was lost."""
    kit.enqueue(4)
    first, second = done(kit.batch(1, 2)), done(kit.batch(2, 2))
    kit.store.settle(1, [first])
    assert kit.open().settle(1, [first, second]).is_repeated
    assert kit.one("SELECT count(*) FROM actorq.job WHERE state = 'completed'") == 2
    kit.store.settle(3, [second])
    assert n_outcomes(kit) == 4


def test_nor_when_the_other_one_commits_meanwhile(kit: Kit) -> None:
    kit.enqueue(4)
    first, second = done(kit.batch(1, 2)), done(kit.batch(2, 2))
    store, late = kit.store, kit.open()
    with store._session.transaction():
        store.settle(1, [first])
        with beside(kit, store, late, lambda: late.settle(1, [first, second])) as second_one:
            pass
    assert second_one.result().is_repeated
    assert kit.one("SELECT count(*) FROM actorq.job WHERE state = 'completed'") == 2
    assert n_outcomes(kit) == 2


def test_one_around_locks_is_sent_again_when_its_number_is_used_meanwhile(kit: Kit) -> None:
    kit.enqueue(4)
    first, second = done(kit.batch(1, 2)), done(kit.batch(2, 2))
    store, late = kit.store, kit.open()

    def around() -> None:
        with pytest.raises(Repeated):
            late.settle_around_locks(1, [second])

    with store._session.transaction():
        store.settle(1, [first])
        with beside(kit, store, late, around) as second_one:
            pass
    second_one.result()
    assert late.settle(1, [second]).is_repeated
    assert n_outcomes(kit) == 2


def test_nor_when_its_number_is_dropped_already(kit: Kit) -> None:
    kit.enqueue(5)
    first, second, third = (done(kit.batch(n, size)) for n, size in ((1, 2), (2, 2), (3, 1)))
    kit.store.settle(1, [first])
    kit.store.settle(3, [third])
    kit.store.fold()
    assert kit.rows("SELECT no FROM actorq.change") == [(3,)]
    assert kit.open().settle(1, [first, second]).is_repeated
    kit.store.settle(5, [second])
    kit.store.fold()
    assert n_outcomes(kit) == 5


def test_a_number_that_is_given_is_waited_for_until_it_commits(kit: Kit) -> None:
    """Or whoever reads the next one first would never look for it."""
    first, second = *kit.enqueue(1), *kit.enqueue(1)  # each in a row of its own
    other = kit.open()
    with other._session.transaction():
        cancel(other._session, [first], "actorq")
        other._session.execute("SET CONSTRAINTS ALL IMMEDIATE")
        waiting = Second(lambda: cancel(kit.conn, [second], "actorq"))
        waiting.start()
        with psycopg.connect(kit.dsn, autocommit=True) as watch:
            wait_until(lambda: blocked(watch) or not waiting.is_alive())
            assert waiting.is_alive()
    assert waiting.result().cancelled == [second]
    assert kit.rows("SELECT no FROM actorq.change ORDER BY at") == [(2,), (4,)]
