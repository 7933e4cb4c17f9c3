"""While a job of a kind and unique key is pending, there is no second one, races included."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from actorq import App
from actorq.errors import StoreError
from actorq.kind import Kind
from actorq.store.admin import change
from actorq.store.admin.run import connect_admin
from tests.support.wait import wait_until


@pytest.fixture
def kind(app: App) -> Kind:
    return app.kind("embed")


def finish(db: psycopg.Connection, id_: int, state: str = "completed") -> None:
    db.execute(f"DELETE FROM actorq.ready WHERE id = {id_}")
    db.execute(f"UPDATE actorq.job SET state = '{state}', finalized_at = now() WHERE id = {id_}")


def started(call: Callable[[], Any]) -> Future[Any]:
    """Run a call that is about to be blocked in a thread of its own."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(call)
    pool.shutdown(wait=False)
    return future


def blocked(db: psycopg.Connection) -> Callable[[], bool]:
    query = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND cardinality(pg_blocking_pids(pid)) > 0)"
    )
    return lambda: bool(db.execute(query).fetchall()[0][0])


def test_the_second_is_the_first(kind: Kind, app: App) -> None:
    first = kind.enqueue({"n": 1}, unique_key="a")
    second = kind.enqueue({"n": 2}, unique_key="a")
    assert (first.is_new, second.is_new, second.id) == (True, False, first.id)
    assert kind.enqueue({}, unique_key="b").is_new
    assert kind.enqueue({}, unique_key="A").is_new
    assert app.kind("other").enqueue({}, unique_key="a").is_new


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
def test_a_final_job_frees_its_key(kind: Kind, db: psycopg.Connection, state: str) -> None:
    first = kind.enqueue({}, unique_key="a")
    finish(db, first.id, state)
    second = kind.enqueue({}, unique_key="a")
    assert second.is_new
    assert second.id != first.id
    assert kind.enqueue({}, unique_key="a").id == second.id


def test_a_pruned_job_frees_its_key(kind: Kind, db: psycopg.Connection) -> None:
    first = kind.enqueue({}, unique_key="a")
    finish(db, first.id)
    db.execute(f"DELETE FROM actorq.job WHERE id = {first.id}")
    assert kind.enqueue({}, unique_key="a").is_new
    second = kind.enqueue_many(["a", "b"], unique_key=str, return_ids=True)
    finish(db, second[1])
    db.execute(f"DELETE FROM actorq.job WHERE id = {second[1]}")
    assert kind.enqueue_many(["a", "b"], unique_key=str) == 1


def test_many(kind: Kind, db: psycopg.Connection) -> None:
    held = kind.enqueue("x3", unique_key="x3").id
    items = [f"x{i % 5}" for i in range(12)]
    ids = kind.enqueue_many(iter(items), unique_key=str, return_ids=True, key=str.upper, tags=["t"])
    assert [ids[i] for i in range(12)] == [ids[i % 5] for i in range(12)]
    assert ids[3] == held
    assert len(set(ids)) == 5
    assert kind.enqueue_many(items, unique_key=str) == 0
    rows = db.execute("SELECT id, args #>> '{}', key, tags FROM actorq.job WHERE id <> %s", [held])
    assert {row[0]: row[1] for row in rows} == {ids[i]: f"x{i}" for i in (0, 1, 2, 4)}
    rows = db.execute(
        "SELECT DISTINCT key = upper(args #>> '{}') FROM actorq.job WHERE tags <> '{}'"
    )
    assert rows.fetchall() == [(True,)]


def test_more_than_one_statement_takes(kind: Kind, db: psycopg.Connection) -> None:
    names = [f"é{i}" for i in range(6000)]
    assert kind.enqueue_many(names[::2], unique_key=str) == 3000
    assert kind.enqueue_many(names, unique_key=str) == 3000
    rows = db.execute("SELECT count(*), count(DISTINCT args::text) FROM actorq.job").fetchall()
    assert rows == [(6000, 6000)]


def test_an_uncommitted_holder_is_waited_for(kind: Kind, dsn: str, db: psycopg.Connection) -> None:
    with psycopg.connect(dsn) as theirs:
        first = kind.enqueue({}, unique_key="a", conn=theirs)
        waiting = started(lambda: kind.enqueue({}, unique_key="a"))
        wait_until(blocked(db), what="the second enqueue to wait")
        theirs.commit()
    second = waiting.result(10)
    assert (second.id, second.is_new) == (first.id, False)


def test_a_holder_that_rolls_back_never_was(kind: Kind, dsn: str, db: psycopg.Connection) -> None:
    with psycopg.connect(dsn) as theirs:
        kind.enqueue({}, unique_key="a", conn=theirs)
        waiting = started(lambda: kind.enqueue_many(["a", "b"], unique_key=str))
        wait_until(blocked(db), what="the second enqueue to wait")
        theirs.rollback()
    assert waiting.result(10) == 2


def test_a_key_taken_over_while_one_waits_is_held(
    kind: Kind, dsn: str, db: psycopg.Connection
) -> None:
    """The waiting statement's snapshot shows the old, final holder and not the new one."""
    finish(db, kind.enqueue({}, unique_key="a").id)
    with psycopg.connect(dsn) as theirs:
        new = kind.enqueue({}, unique_key="a", conn=theirs)
        waiting = started(lambda: kind.enqueue({}, unique_key="a"))
        wait_until(blocked(db), what="the second enqueue to wait")
        theirs.commit()
    second = waiting.result(10)
    assert (second.id, second.is_new) == (new.id, False)


def test_a_key_whose_job_is_retried_while_one_waits_is_held(
    kind: Kind, dsn: str, db: psycopg.Connection
) -> None:
    """The waiting statement's snapshot shows the holder as it was: final."""
    dead = kind.enqueue({}, unique_key="a")
    finish(db, dead.id, "failed")
    with connect_admin(dsn, "actorq") as theirs:
        with theirs.transaction():
            assert change.retry(theirs, [dead.id]).taken == [dead.id]
            waiting = started(lambda: kind.enqueue({}, unique_key="a"))
            wait_until(blocked(db), what="the enqueue to wait for the retry")
        second = waiting.result(10)
    assert (second.id, second.is_new) == (dead.id, False)


def test_a_key_taken_over_while_a_retry_waits_stays_taken(
    kind: Kind, dsn: str, db: psycopg.Connection
) -> None:
    dead = kind.enqueue({}, unique_key="a")
    finish(db, dead.id, "failed")
    with psycopg.connect(dsn) as theirs, connect_admin(dsn, "actorq") as admin:
        assert kind.enqueue({}, unique_key="a", conn=theirs).is_new
        waiting = started(lambda: change.retry(admin, [dead.id]))
        wait_until(blocked(db), what="the retry to wait for the enqueue")
        theirs.commit()
        assert waiting.result(10) == change.Retried([], [dead.id])


def test_calls_with_the_same_keys_never_deadlock(
    app: App, kind: Kind, db: psycopg.Connection
) -> None:
    keys = [f"k{i}" for i in range(300)]
    start = threading.Barrier(4)

    def call(order: int) -> int:
        start.wait()
        shuffled = sorted(keys, key=lambda key: hash((order, key)))
        return sum(int(kind.enqueue_many(shuffled, unique_key=str)) for _ in range(3))

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(call, range(4)))
    assert sum(made) == 300
    assert db.execute("SELECT count(*) FROM actorq.job").fetchall() == [(300,)]


def test_keys_are_taken_in_one_order_whatever_order_they_come_in(
    kind: Kind, dsn: str, db: psycopg.Connection
) -> None:
    first, *others = [f"k{i:02}" for i in range(30)]
    kind.enqueue({})  # the first job of a kind takes a lock of its own
    with psycopg.connect(dsn) as theirs:
        kind.enqueue({}, unique_key=first, conn=theirs)
        backwards = [*reversed(others), first]
        waiting = started(lambda: kind.enqueue_many(backwards, unique_key=str))
        wait_until(blocked(db), what="the call to wait for the first key")
        made = kind.enqueue_many(others, unique_key=str, conn=theirs)  # of which it has none yet
        assert made == len(others)
        theirs.commit()
    assert waiting.result(10) == 0


def test_a_racing_crowd_makes_one_job(kind: Kind, db: psycopg.Connection) -> None:
    start = threading.Barrier(6)

    def call(_: int) -> set[int]:
        start.wait()
        return {kind.enqueue({}, unique_key=f"k{i}").id for i in range(50)}

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(call, range(6)))
    assert all(ids == found[0] for ids in found)
    assert db.execute("SELECT count(*) FROM actorq.job").fetchall() == [(50,)]


def test_opposite_keys_in_two_open_transactions_deadlock_and_say_so(
    kind: Kind, dsn: str, db: psycopg.Connection
) -> None:
    kind.enqueue({})  # the first job of a kind takes a lock of its own
    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as other:
        kind.enqueue({}, unique_key="a", conn=one)
        kind.enqueue({}, unique_key="b", conn=other)
        waiting = started(lambda: kind.enqueue({}, unique_key="b", conn=one))
        wait_until(blocked(db), what="the first to wait")
        errors = []
        try:
            kind.enqueue({}, unique_key="a", conn=other)
        except StoreError as error:
            errors.append(error)
        other.rollback()
        if waiting.exception(10):
            errors.append(waiting.exception())  # type: ignore[arg-type]
        assert len(errors) == 1
        assert "deadlock" in str(errors[0])
