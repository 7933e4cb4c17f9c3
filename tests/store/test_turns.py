"""Claims that take turns: nobody's job is taken twice, and nobody's lock holds them up for long."""

from __future__ import annotations

import time

import psycopg
import pytest

from actorq.core.job.model import Counts
from actorq.core.lanes.claim_turns import MANY, SOME, Turns
from actorq.core.plan.effects import Claim
from actorq.store.queue import claims
from actorq.store.queue.queue import QueueStore
from actorq.store.session.faults import BrokenLease
from actorq.store.session.statements import statement
from tests.store.kit import Kit, Second, beside, pid
from tests.support.rows import singly
from tests.support.wait import wait_until


@pytest.fixture
def alone(kit: Kit) -> Kit:
    """Have the kit's next claim take its turn by itself, for its last one has brought many jobs."""
    kit.enqueue(MANY)
    singly(kit.conn)
    kit.batch(1)
    assert way(kit) == "alone"
    return kit


@pytest.fixture
def shared(alone: Kit) -> Kit:
    """Have the kit's next claim wait for its turn."""
    share(alone)
    return alone


@pytest.fixture(params=["alone", "in turn"])
def busy(alone: Kit, request: pytest.FixtureRequest) -> Kit:
    """Have the kit's next claim take turns, one way or the other."""
    if request.param == "in turn":
        share(alone)
    return alone


def share(kit: Kit) -> None:
    """Have met somebody else's claim, in an hour from now."""
    kit.store._turns.met(kit.lane, time.monotonic() + 3600)
    assert way(kit) == "in turn"


def way(kit: Kit) -> str:
    return kit.store._turns.way(kit.lane, time.monotonic())


def busy_store(kit: Kit, **timeouts: float) -> QueueStore:
    """Return a second store that takes turns, of another node."""
    kit.enqueue(MANY)
    singly(kit.conn)
    store = kit.open(node=kit.register(), **timeouts)
    assert store.claim(Claim(kit.lane, 1, MANY)).n_taken == MANY
    return store


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_the_second_waits_for_its_turn_and_takes_what_is_left(busy: Kit, ending: str) -> None:
    second = busy_store(busy, lock_timeout_s=10)
    ids = busy.enqueue(30)
    busy.store._session.execute("BEGIN")
    first = busy.batch(2, 20)
    assert first.ids == ids[:20]
    with beside(busy, busy.store, second, lambda: second.claim(Claim(busy.lane, 2, 20))) as b:
        busy.store._session.execute(ending.encode())
    (batch,) = b.result().batches
    assert batch.ids == (ids[20:] if ending == "COMMIT" else ids[:20])


def test_the_next_one_has_its_turn_while_the_jobs_are_still_read(
    shared: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = "(SELECT pg_advisory_xact_lock_shared(4711)) w"
    texts = statement
    slow = lambda *name: texts(*name).replace("FROM held home,", f"FROM {held}, held home,")  # noqa: E731
    second = busy_store(shared)
    ids = shared.enqueue(30)
    shared.conn.execute("SELECT pg_advisory_lock(4711)")
    monkeypatch.setattr(claims, "statement", slow)
    first = Second(lambda: shared.batch(2, 20))
    for store in (shared.store, second):
        store._session.execute("SET lock_timeout = 0")
    first.start()
    wait_until(
        lambda: shared.one(
            "SELECT pg_backend_pid() = ANY (pg_blocking_pids(%s))", pid(shared.store)
        ),
        what="the first one to read",
    )
    monkeypatch.setattr(claims, "statement", texts)
    (claimed,) = second.claim(Claim(shared.lane, 2, 20)).batches
    shared.conn.execute("SELECT pg_advisory_unlock(4711)")
    assert claimed is not None
    assert (first.result().ids, claimed.ids) == (ids[:20], ids[20:])


def test_jobs_come_in_the_order_of_the_claim(busy: Kit) -> None:
    late, early = busy.enqueue(1, '"é"', priority=9), busy.enqueue(1, "[1,2]", priority=0)
    busy.conn.execute("UPDATE actorq.job SET n_lost = 2 WHERE id = %s", late)
    batch = busy.batch(2)
    assert batch.ids == early + late
    assert b",".join(batch.args) == '[1,2],"é"'.encode()
    assert batch.lens == [5, 4]
    assert batch.notes == {1: Counts(n_lost=2)}


@pytest.mark.parametrize("all_", [False, True])
def test_beside_a_job_that_is_gone_the_others_go_back(shared: Kit, all_: bool) -> None:
    gone, *others = shared.enqueue(3)
    shared.conn.execute("ALTER TABLE actorq.job DISABLE TRIGGER USER")
    shared.conn.execute("DELETE FROM actorq.job WHERE id = ANY (%s)", [[gone, *others * all_]])
    with pytest.raises(BrokenLease, match="goes back"):
        shared.claim(2)
    assert shared.store.give_back(2)
    shared.check_places()
    assert shared.claim(3).n_taken == (0 if all_ else 2)


def test_a_row_that_somebody_holds_costs_one_timeout_and_no_other_job(busy: Kit) -> None:
    ids = busy.enqueue(10)
    singly(busy.conn)
    with psycopg.connect(busy.dsn) as somebody:
        somebody.execute("SELECT FROM actorq.ready WHERE id = %s FOR UPDATE", [ids[3]])
        assert busy.batch(2).ids == ids[:3] + ids[4:]
        # Now a wait would never end.
        busy.store._session.execute("SET lock_timeout = 0")
        more = busy.enqueue(MANY)
        assert busy.batch(3).ids == more
    assert busy.batch(4).ids == [ids[3]]
    busy.check_places()


def test_a_turn_that_is_never_given_up_is_not_waited_for_again(busy: Kit) -> None:
    second = busy_store(busy)
    ids = busy.enqueue(30)
    singly(busy.conn)
    busy.store._session.execute("BEGIN")
    busy.batch(2, 10)
    claimed = second.claim(Claim(busy.lane, 2, 10))
    (batch,) = claimed.batches
    assert batch.ids == ids[10:20]
    second._session.execute("SET lock_timeout = 0")
    assert second.claim(Claim(busy.lane, 3, 10)).n_taken == 10


@pytest.mark.parametrize(("n_gone", "taken"), [(2, [2, 3, 4]), (5, [5])])
def test_rows_that_somebody_took_since_the_claim_began_are_a_reason_to_wait_for_turns(
    alone: Kit, n_gone: int, taken: list[int]
) -> None:
    alone.store._session.execute("SET lock_timeout = '10s'")
    ids = alone.enqueue(6)
    singly(alone.conn)
    with psycopg.connect(alone.dsn) as somebody:
        somebody.execute("DELETE FROM actorq.ready WHERE id = ANY (%s)", [ids[:n_gone]])
        claim = Second(lambda: alone.batch(2, 5))
        claim.start()
        blocked = "SELECT %s = ANY (pg_blocking_pids(%s))"
        wait_until(lambda: alone.one(blocked, somebody.info.backend_pid, pid(alone.store)))
    assert claim.result().ids == [ids[k] for k in taken]
    assert alone.store._turns._shared


def test_in_somebody_elses_turn_nothing_is_taken_without_waiting_for_the_next(alone: Kit) -> None:
    ids = alone.enqueue(3)
    alone.store._session.execute("SET lock_timeout = '10s'")
    with psycopg.connect(alone.dsn) as somebody:
        somebody.execute(
            "SELECT pg_advisory_xact_lock('actorq.ready'::regclass::int4, %s)", [alone.lane]
        )
        claim = Second(lambda: alone.batch(2))
        claim.start()
        blocked = "SELECT %s = ANY (pg_blocking_pids(%s))"
        wait_until(lambda: alone.one(blocked, somebody.info.backend_pid, pid(alone.store)))
        assert way(alone) == "in turn"
    assert claim.result().ids == ids


def test_blocks_are_no_reason_for_turns(alone: Kit) -> None:
    ids = alone.enqueue(2 * MANY)
    assert alone.batch(2, MANY).ids == ids[:MANY]
    assert way(alone) == "each"


def test_turns_are_waited_for_only_while_others_are_likely() -> None:
    turns = Turns()
    assert turns.way(1, 0.0) == "each"
    turns.brought(1, MANY)
    assert turns.way(1, 0.0) == "alone"
    turns.met(1, 10.0)
    assert turns.way(1, 10.9) == "in turn"
    assert turns.way(1, 11.0) == "alone"
    turns.contested(1, 11.0)
    assert (turns.way(1, 11.9), turns.way(1, 12.0)) == ("each", "alone")
    turns.met(1, 20.0)
    turns.brought(1, MANY - 1)
    assert (turns.way(1, 20.0), turns.way(1, 21.0)) == ("each", "alone")
    turns.brought(1, SOME - 1)
    assert turns.way(1, 21.0) == "each"
    assert turns.way(2, 21.0) == "each"


def test_an_old_libpq_takes_no_turn(busy: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(*_: object) -> None:
        raise psycopg.NotSupportedError("pipeline mode not supported")

    monkeypatch.setattr(psycopg.Pipeline, "is_supported", lambda: False)
    monkeypatch.setattr(psycopg.Pipeline, "__enter__", impossible)
    ids = busy.enqueue(3)
    assert busy.batch(2).ids == ids


def test_a_claim_after_a_small_one_takes_no_turn(busy: Kit) -> None:
    second = busy.open(node=busy.register())
    busy.enqueue(1)
    assert second.claim(Claim(busy.lane, 1, 10)).n_taken == 1
    busy.enqueue(20)
    singly(busy.conn)
    busy.store._session.execute("BEGIN")
    busy.batch(2, 10)
    second._session.execute("SET lock_timeout = 0")
    assert second.claim(Claim(busy.lane, 2, 100)).n_taken == 10


def test_the_turn_of_one_lane_is_not_that_of_another(busy: Kit) -> None:
    (other,) = busy.store.lanes([("default", "other")]).values()
    second = busy.open(node=busy.register())
    for n in (1, 2):
        busy.conn.execute(
            "INSERT INTO actorq.job (kind) SELECT 'other' FROM generate_series(1, %s)",
            [MANY],
        )
        singly(busy.conn)
        if n == 2:
            busy.enqueue(1)
            busy.store._session.execute("BEGIN")
            busy.batch(2)
            second._session.execute("SET lock_timeout = 0")
        assert second.claim(Claim(other, n, 1000)).n_taken == MANY


def test_in_turn_no_row_is_locked_before_it_is_deleted(busy: Kit) -> None:
    busy.conn.execute("CREATE EXTENSION pg_walinspect")
    busy.enqueue(MANY)
    singly(busy.conn)
    start = busy.one("SELECT pg_current_wal_insert_lsn()")
    busy.batch(2)
    busy.conn.execute("CHECKPOINT")  # what was not yet flushed cannot be read
    records = dict(
        busy.rows(
            "SELECT record_type, count(*) FROM pg_get_wal_records_info(%s,"
            " pg_current_wal_flush_lsn()) WHERE resource_manager = 'Heap' GROUP BY 1",
            start,
        )
    )
    assert records["DELETE"] == MANY
    assert "LOCK" not in records
