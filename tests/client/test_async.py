"""The asynchronous calls do what the others do, without blocking the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest

from actorq import App
from actorq.errors import ArgsInvalid, EnqueueError, UnknownKind
from actorq.kind import Kind


@pytest.fixture
def kind(app: App) -> Kind:
    return app.kind("embed")


def n_jobs(db: psycopg.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM actorq.queued").fetchall()[0][0])


async def items(n: int) -> AsyncIterator[Any]:
    for i in range(n):
        await asyncio.sleep(0)
        yield {"i": i}


def test_without_a_connection(app: App, kind: Kind, db: psycopg.Connection) -> None:
    async def main() -> None:
        job = await kind.enqueue_async({"a": 1}, priority=2, delay_s=50)
        assert await job.state_async() == "scheduled"
        assert await job.result_async() is None
        assert await kind.enqueue_many_async([{}] * 3, priority=1) == 3
        assert await kind.enqueue_many_async(items(1200)) == 1200
        assert len(await app.enqueue_many_async("embed", [{}], return_ids=True)) == 1  # type: ignore[arg-type]
        assert (await app.enqueue_async("embed", {}, unique_key="u")).is_new
        with pytest.raises(UnknownKind):
            await app.enqueue_async("other", {})
        with pytest.raises(EnqueueError, match="priority=10"):
            await kind.enqueue_async({}, priority=10)

    asyncio.run(main())
    assert n_jobs(db) == 1 + 3 + 1200 + 1 + 1


def test_in_the_callers_transaction(kind: Kind, dsn: str, db: psycopg.Connection) -> None:
    async def enqueue_and(end: Callable[[psycopg.AsyncConnection], Awaitable[None]]) -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as conn:
            await kind.enqueue_async({}, conn=conn)
            assert await kind.enqueue_many_async([{}] * 1500, conn=conn) == 1500
            assert await kind.enqueue_many_async(items(3), conn=conn, return_ids=True)
            with pytest.raises(ArgsInvalid):
                await kind.enqueue_many_async([*[{}] * 1500, "\0"], conn=conn)
            assert await kind.enqueue_many_async(list("aba"), conn=conn, unique_key=str) == 2
            assert n_jobs(db) == 0
            await end(conn)

    asyncio.run(enqueue_and(psycopg.AsyncConnection.rollback))
    assert n_jobs(db) == 0
    asyncio.run(enqueue_and(psycopg.AsyncConnection.commit))
    assert n_jobs(db) == 1 + 1500 + 3 + 2


def test_many_at_once_share_few_connections(kind: Kind, db: psycopg.Connection) -> None:
    async def main() -> set[int]:
        jobs = await asyncio.gather(*(kind.enqueue_async({"i": i}) for i in range(200)))
        return {job.id for job in jobs}

    assert len(asyncio.run(main())) == n_jobs(db) == 200
    held = db.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'actorq client' AND datname = current_database()"
    ).fetchall()
    assert held[0][0] <= 8
