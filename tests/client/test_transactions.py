"""With conn= the jobs belong to the caller's transaction, and to nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from actorq import App
from actorq.client import driver_connection
from actorq.errors import ArgsInvalid, ConfigError, StoreError, StoreUnavailable
from actorq.kind import Kind


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
