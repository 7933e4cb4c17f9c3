"""With conn= the jobs belong to the caller's transaction, and to nothing else."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from actorq import App, embedded
from actorq.client.client import driver_connection
from actorq.errors import ArgsInvalid, ConfigError, SchemaMismatch, StoreError, StoreUnavailable
from actorq.kind import Kind
from actorq.store.queue.queue import QueueStore
from actorq.store.schema.migrate import migrate
from actorq.store.session.faults import LockTimeout
from tests.store.kit import NOBODY
from tests.support.server import own_server


@pytest.fixture
def kind(app: App) -> Kind:
    return app.kind("embed")


@pytest.fixture
def conn(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn) as conn:
        yield conn


def n_jobs(db: psycopg.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM actorq.queued").fetchall()[0][0])


def enqueue_all_ways(kind: Kind, conn: Any) -> None:
    """Enqueue nine jobs."""
    kind.enqueue({}, conn=conn)
    kind.enqueue({}, conn=conn, unique_key="u")
    kind.enqueue_many([{}] * 2, conn=conn)
    kind.enqueue_many([{}] * 2, conn=conn, return_ids=True)
    kind.enqueue_many(["a", "b", "a", "c"], conn=conn, unique_key=str)


def test_jobs_appear_with_the_commit(
    kind: Kind, conn: psycopg.Connection[Any], db: psycopg.Connection
) -> None:
    enqueue_all_ways(kind, conn)
    kind.enqueue_many([{}] * 1500, conn=conn)
    assert n_jobs(db) == 0
    conn.commit()
    assert n_jobs(db) == 9 + 1500


def test_jobs_vanish_with_the_rollback(
    kind: Kind, conn: psycopg.Connection[Any], db: psycopg.Connection
) -> None:
    enqueue_all_ways(kind, conn)
    conn.rollback()
    assert n_jobs(db) == 0
    assert kind.enqueue({}, unique_key="u").is_new


def test_autocommit_connections_commit_each_call(
    kind: Kind, conn: psycopg.Connection[Any], db: psycopg.Connection
) -> None:
    conn.autocommit = True
    enqueue_all_ways(kind, conn)
    assert n_jobs(db) == 9
    with pytest.raises(ArgsInvalid):
        kind.enqueue_many([{}] * 1500 + ["\0"], conn=conn)
    assert n_jobs(db) == 9
    with conn.transaction():
        enqueue_all_ways(kind, conn)
        assert n_jobs(db) == 9
    assert n_jobs(db) == 14  # the unique ones are pending still


@pytest.mark.parametrize("n", [0, 700, 11_000])
@pytest.mark.parametrize("return_ids", [False, True])
def test_a_misfit_costs_the_call_and_not_the_transaction(
    kind: Kind, conn: psycopg.Connection[Any], db: psycopg.Connection, n: int, return_ids: bool
) -> None:
    conn.execute("CREATE TABLE mine AS SELECT 1 AS x")
    with pytest.raises(ArgsInvalid):
        kind.enqueue_many([*[{}] * n, "\0"], conn=conn, return_ids=return_ids)  # type: ignore[call-overload]
    kind.enqueue({}, conn=conn)
    conn.commit()
    assert n_jobs(db) == 1
    assert db.execute("SELECT x FROM mine").fetchall() == [(1,)]


def test_the_callers_settings_do_not_matter(
    kind: Kind, conn: psycopg.Connection[Any], db: psycopg.Connection
) -> None:
    conn.row_factory = dict_row
    conn.execute("SET search_path = pg_temp; SET TimeZone = 'Asia/Kathmandu'")
    conn.execute("SET DateStyle = 'SQL, DMY'; SET standard_conforming_strings = off")
    conn.execute("SET IntervalStyle = 'sql_standard'; SET client_encoding = 'LATIN1'")
    kind.enqueue_many([{"a": 'é\\"'}], conn=conn)
    kind.enqueue_many([{"a": 'é\\"'}], conn=conn, return_ids=True, delay_s=3600)
    kind.enqueue({"a": 'é\\"'}, conn=conn)
    kind.enqueue({"a": 'é\\"'}, conn=conn, unique_key="é")
    conn.commit()
    rows = db.execute(
        "SELECT DISTINCT args ->> 'a', run_at - created_at < interval '61 min' FROM actorq.job"
    ).fetchall()
    assert rows == [('é\\"', True)]


STYLES = [
    (style, zone)
    for style in ("ISO, MDY", "SQL, DMY", "SQL, MDY", "Postgres, DMY", "German, DMY")
    for zone in ("Asia/Kolkata", "Asia/Shanghai", "America/New_York", "UTC")
]


@pytest.mark.parametrize(("style", "zone"), STYLES)
def test_an_instant_does_not_go_by_the_callers_style(
    kind: Kind, conn: psycopg.Connection[Any], db: psycopg.Connection, style: str, zone: str
) -> None:
    conn.execute(f"SET DateStyle = '{style}'; SET TimeZone = '{zone}'".encode())
    at = datetime(2030, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    kind.enqueue_many([1, 2], conn=conn, return_ids=True, run_at=at)
    kind.enqueue_many([1, 2], conn=conn, run_at=at)
    kind.enqueue(1, conn=conn, run_at=at)
    kind.enqueue(1, conn=conn, run_at=at, unique_key="u")
    assert db.execute("SELECT count(*) FROM actorq.job").fetchall() == [(0,)]
    conn.commit()
    found = db.execute("SELECT DISTINCT run_at AT TIME ZONE 'UTC' FROM actorq.job").fetchall()
    assert found == [(at.replace(tzinfo=None),)]
    db.execute("DELETE FROM actorq.ready; ALTER TABLE actorq.job DISABLE TRIGGER job_kept")
    db.execute("DELETE FROM actorq.job")
    for delay_s in (0.5, 3600, 90 * 365 * 86_400):
        kind.enqueue_many([1], conn=conn, return_ids=True, delay_s=delay_s)
    conn.commit()
    rows = db.execute(
        "SELECT round(extract(epoch FROM run_at - created_at)::numeric, 1)::float8 FROM actorq.job"
        " ORDER BY id"
    ).fetchall()
    assert [round(found) for (found,) in rows] == [0, 3600, 90 * 365 * 86_400]


def test_an_error_on_the_callers_connection_is_the_drivers_too(
    app: App, dsn: str, db: psycopg.Connection
) -> None:
    """One `except` serves wherever it comes up: in an enqueue, or at the commit."""
    for where in ("enqueue", "commit"):
        new = app.kind(f"new_{where}")
        failing: Callable[[], object]
        with psycopg.connect(dsn) as conn:
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            conn.execute("SELECT FROM actorq.unique_key")
            if where == "enqueue":
                new.enqueue(1, unique_key="u")
                failing = partial(new.enqueue, 1, conn=conn, unique_key="u")
            else:
                new.enqueue(1)
                new.enqueue(1, conn=conn)
                failing = conn.commit
            with pytest.raises(psycopg.errors.SerializationFailure) as caught:
                failing()
            assert caught.value.sqlstate == "40001"
            assert isinstance(caught.value, StoreError) == (where == "enqueue")
            again = pickle.loads(pickle.dumps(caught.value))
            assert isinstance(again, StoreError) == (where == "enqueue")
            conn.rollback()


def test_so_it_is_in_asyncio_and_for_a_missing_schema(dsn: str, empty_dsn: str) -> None:
    async def main(kind: Kind) -> None:
        async with await psycopg.AsyncConnection.connect(empty_dsn) as conn:
            with pytest.raises(SchemaMismatch, match="actorq migrate") as caught:
                await kind.enqueue_async(1, conn=conn)
            assert isinstance(caught.value, psycopg.errors.UndefinedTable)

    with App(dsn) as app:
        asyncio.run(main(app.kind("k")))


def test_an_enqueue_may_leave_out_the_hint_that_keeps_a_transaction_from_being_prepared() -> None:
    with own_server(max_prepared_transactions=2) as server:
        migrate(server.dsn)
        with App(server.dsn) as app, psycopg.connect(server.dsn, autocommit=True) as db:
            old, new = app.kind("old"), app.kind("new")
            old.enqueue(1)
            node = "00000000-0000-4000-8000-000000000001"
            db.execute(
                "INSERT INTO actorq.node (id, host, pid, ttl_s) VALUES (%s, 'h', 1, 1)", [node]
            )
            db.execute("INSERT INTO actorq.hunger SELECT id, %s FROM actorq.lane", [node])
            for hint in ("", "SET LOCAL actorq.notify = off"):
                db.execute(f"BEGIN; {hint}".encode())
                old.enqueue(1, conn=db)
                new.enqueue(1, conn=db)
                if not hint:
                    with pytest.raises(psycopg.errors.FeatureNotSupported, match="NOTIFY"):
                        db.execute("PREPARE TRANSACTION 'a'")
            db.execute("PREPARE TRANSACTION 'a'")
            assert n_jobs(db) == 1
            store = QueueStore.connect(server.dsn, node=NOBODY)
            with pytest.raises(LockTimeout, match=r"of these kinds .*: new\. .*pg_prepared_xacts"):
                store.lanes([("default", "new")])
            store.close()
            db.execute("COMMIT PREPARED 'a'")
            assert n_jobs(db) == 3
    embedded.remove(server.home)


def test_a_failed_transaction_is_explained(kind: Kind, conn: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.Error):
        conn.execute("SELECT 1 / 0")
    with pytest.raises(StoreError, match="current transaction is aborted"):
        kind.enqueue({}, conn=conn)


CUT = "SELECT pg_terminate_backend(%s)"
ROLLED_BACK = "and its open transaction with it: none of .* is enqueued"
IN_DOUBT = "may or may not have been enqueued"


@pytest.mark.parametrize(("autocommit", "said"), [(False, ROLLED_BACK), (True, IN_DOUBT)])
def test_a_lost_connection_of_the_caller_is_told_with_its_transaction(
    kind: Kind, dsn: str, db: psycopg.Connection, autocommit: bool, said: str
) -> None:
    for call in (kind.enqueue, lambda job, conn: kind.enqueue_many([job] * 3, conn=conn)):
        with psycopg.connect(dsn, autocommit=autocommit) as conn:
            db.execute(CUT, [conn.info.backend_pid])
            with pytest.raises(StoreUnavailable, match=said):
                call({}, conn=conn)


@pytest.mark.parametrize("autocommit", [False, True])
def test_so_in_asyncio(kind: Kind, dsn: str, db: psycopg.Connection, autocommit: bool) -> None:
    async def main() -> None:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=autocommit) as conn:
            db.execute(CUT, [conn.info.backend_pid])
            with pytest.raises(StoreUnavailable, match=IN_DOUBT if autocommit else ROLLED_BACK):
                await kind.enqueue_async({}, conn=conn)

    asyncio.run(main())


def test_a_cursor_means_its_connection(
    kind: Kind, conn: psycopg.Connection[Any], db: psycopg.Connection
) -> None:
    with conn.cursor() as cursor:
        kind.enqueue({}, conn=cursor)
    conn.commit()
    assert n_jobs(db) == 1


class Django:
    """Look like django.db.connection: connects at the first need."""

    def __init__(self, dsn: str) -> None:
        self.dsn, self.connection = dsn, None

    def ensure_connection(self) -> None:
        if self.connection is None:
            self.connection = psycopg.connect(self.dsn)  # type: ignore[assignment]


def test_wrapped_connections_are_unwrapped(conn: psycopg.Connection[Any], dsn: str) -> None:
    fairy = SimpleNamespace(driver_connection=conn)
    sqlalchemy = SimpleNamespace(connection=fairy)
    session = SimpleNamespace(connection=lambda: sqlalchemy)
    asyncio_facade = SimpleNamespace(sync_connection=sqlalchemy)
    for wrapped in (fairy, sqlalchemy, session, asyncio_facade):
        assert driver_connection(wrapped) is conn
    django = Django(dsn)
    with driver_connection(django) as found:
        assert found is django.connection


@pytest.mark.parametrize("other", [object(), "postgresql://…", 5, SimpleNamespace(connection=5)])
def test_other_connections_are_refused(kind: Kind, other: Any) -> None:
    with pytest.raises(ConfigError, match=r"conn is .* behind which there is no psycopg 3"):
        kind.enqueue({}, conn=other)


def test_an_asynchronous_session_is_asked_for_its_connection(kind: Kind) -> None:
    class Session:
        async def connection(self) -> None: ...

    with pytest.raises(ConfigError, match="give its `await session"):
        kind.enqueue({}, conn=Session())


def test_colours_of_connections_are_not_mixed_up(
    kind: Kind, conn: psycopg.Connection[Any], dsn: str
) -> None:
    async def main() -> None:
        with pytest.raises(ConfigError, match="conn is a synchronous connection: use enqueue"):
            await kind.enqueue_async({}, conn=conn)
        async with await psycopg.AsyncConnection.connect(dsn) as theirs:
            with pytest.raises(ConfigError, match="asynchronous connection: use enqueue_async"):
                kind.enqueue({}, conn=theirs)

    asyncio.run(main())
