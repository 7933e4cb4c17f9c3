"""Claims that take turns: nobody's job is taken twice, and nobody's lock holds them up for long."""

from __future__ import annotations

import psycopg
import pytest

from actorq.core.ask import Ask
from actorq.store.claims import MANY
from actorq.store.queue import QueueStore
from tests.store.kit import Kit, beside


@pytest.fixture
def busy(kit: Kit) -> Kit:
    """Have the kit's next claim take turns, for its last one has brought many jobs."""
    kit.enqueue(MANY)
    kit.batch(1)
    return kit


def busy_store(kit: Kit, **timeouts: float) -> tuple[QueueStore, str]:
    """Return a second store that takes turns, and a node for it."""
    kit.enqueue(MANY)
    store, node = kit.open(**timeouts), kit.register()
    assert store.claim(Ask(kit.lane, MANY, node, 1)).n_taken == MANY
    return store, node


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_the_second_waits_for_its_turn_and_takes_what_is_left(busy: Kit, ending: str) -> None:
    second, node = busy_store(busy, lock_timeout_s=10)
    ids = busy.enqueue(30)
    busy.store._session.execute("BEGIN")
    first = busy.batch(2, 20)
    assert first.ids == ids[:20]
    with beside(busy, busy.store, second, lambda: second.claim(Ask(busy.lane, 20, node, 2))) as b:
        busy.store._session.execute(ending.encode())
    batch = b.result().batch
    assert batch.ids == (ids[20:] if ending == "COMMIT" else ids[:20])


def test_a_row_that_somebody_holds_costs_one_timeout_and_no_other_job(busy: Kit) -> None:
    ids = busy.enqueue(10)
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
    second, node = busy_store(busy)
    ids = busy.enqueue(30)
    busy.store._session.execute("BEGIN")
    busy.batch(2, 10)
    claimed = second.claim(Ask(busy.lane, 10, node, 2))
    assert claimed.batch is not None
    assert claimed.batch.ids == ids[10:20]
    second._session.execute("SET lock_timeout = 0")
    assert second.claim(Ask(busy.lane, 10, node, 3)).n_taken == 10


def test_an_old_libpq_takes_no_turn(busy: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(*_: object) -> None:
        raise psycopg.NotSupportedError("pipeline mode not supported")

    monkeypatch.setattr(psycopg.Pipeline, "is_supported", lambda: False)
    monkeypatch.setattr(psycopg.Pipeline, "__enter__", impossible)
    ids = busy.enqueue(3)
    assert busy.batch(2).ids == ids


def test_a_claim_after_a_small_one_takes_no_turn(busy: Kit) -> None:
    second, node = busy.open(), busy.register()
    busy.enqueue(1)
    assert second.claim(Ask(busy.lane, 10, node, 1)).n_taken == 1
    busy.enqueue(20)
    busy.store._session.execute("BEGIN")
    busy.batch(2, 10)
    second._session.execute("SET lock_timeout = 0")
    assert second.claim(Ask(busy.lane, 100, node, 2)).n_taken == 10


def test_the_turn_of_one_lane_is_not_that_of_another(busy: Kit) -> None:
    (other,) = busy.store.lanes([("default", "other")]).values()
    second, node = busy.open(), busy.register()
    for n in (1, 2):
        busy.conn.execute(
            "INSERT INTO actorq.job (kind) SELECT 'other' FROM generate_series(1, %s)", [MANY]
        )
        if n == 2:
            busy.enqueue(1)
            busy.store._session.execute("BEGIN")
            busy.batch(2)
            second._session.execute("SET lock_timeout = 0")
        assert second.claim(Ask(other, 1000, node, n)).n_taken == MANY


def test_in_turn_no_row_is_locked_before_it_is_deleted(busy: Kit) -> None:
    busy.conn.execute("CREATE EXTENSION pg_walinspect")
    busy.enqueue(MANY)
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
