"""A follower goes on whatever happens to its connection or its statements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

import actorq
from actorq.client.follow import AsyncFollower, Follower
from actorq.core.following.cursor import Cursor
from actorq.core.following.feed import Look
from actorq.errors import StoreUnavailable
from actorq.store.queue.cancel import cancel


@pytest.fixture
def follower(app: actorq.App) -> Iterator[Follower]:
    app.kind("k")
    with app.follow(states=["cancelled"], notify=False) as follower:
        yield follower


def cancelled(app: actorq.App, db: psycopg.Connection) -> int:
    """Cancel a job; return its id."""
    job = app.enqueue("k", 1)
    assert cancel(db, [job.id], app.schema).cancelled == [job.id]
    return job.id


def test_somebodys_lock_on_the_changes_is_waited_for(
    app: actorq.App, db: psycopg.Connection, follower: Follower
) -> None:
    id_ = cancelled(app, db)
    with db.transaction():
        db.execute("LOCK TABLE actorq.change IN ACCESS EXCLUSIVE MODE")
        assert follower.next(timeout_s=0.5) is None
    event = follower.next(timeout_s=10)
    assert isinstance(event, actorq.JobEvent)
    assert event.id == id_


def test_what_was_read_before_a_connection_was_lost_is_told(
    app: actorq.App, db: psycopg.Connection, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = follower._feed.look

    def lose(cursor: Cursor) -> Look:
        found = look(cursor)
        db.execute("SELECT pg_terminate_backend(%s, 5000)", [follower._feed.conn.info.backend_pid])
        return found

    monkeypatch.setattr(follower._feed, "look", lose)
    id_ = cancelled(app, db)
    event = follower.next(timeout_s=10)
    assert isinstance(event, actorq.JobEvent)
    assert (event.id, event.kind) == (id_, "k")


def test_an_error_of_an_awaited_read_is_raised_once_and_the_next_read_goes_on(
    app: actorq.App, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.kind("k")

    async def main() -> int:
        async with app.follow_async(states=["cancelled"], notify=False) as follower:
            assert await follower.next(timeout_s=0) is None
            with monkeypatch.context() as patch:
                patch.setattr(Follower, "next", refuse)
                with pytest.raises(StoreUnavailable, match="not now"):
                    await follower.next(timeout_s=5)
            id_ = await asyncio.to_thread(cancelled, app, db)
            event = await follower.next(timeout_s=10)
            assert isinstance(event, actorq.JobEvent)
            return event.id - id_

    assert asyncio.run(main()) == 0


def refuse(self: Follower, *, timeout_s: float) -> None:
    raise StoreUnavailable("not now")


def test_an_awaited_iteration_ends_when_its_follower_is_closed(app: actorq.App) -> None:
    async def main() -> list[object]:
        follower = app.follow_async()

        async def all_() -> list[object]:
            return [event async for event in follower]

        reading = asyncio.create_task(all_())
        assert await follower.next(timeout_s=0.1) is None
        await follower.close()
        with pytest.raises(actorq.WaitEnded, match="this follower is closed"):
            await follower.next(timeout_s=1)
        return await asyncio.wait_for(reading, 30)

    assert asyncio.run(main()) == []


def test_thousands_of_events_come_to_a_task_as_to_a_thread(
    app: actorq.App, db: psycopg.Connection
) -> None:
    kind = app.kind("k")

    async def main() -> int:
        async with app.follow_async(states=["cancelled"], name="many") as follower:
            assert await follower.next(timeout_s=0) is None
            ids = await asyncio.to_thread(kind.enqueue_many, range(12_000), return_ids=True)
            await asyncio.to_thread(cancel, db, ids, app.schema)
            found = [event.id async for event in stop_after(follower, len(ids))]
            assert len(follower.cursor) < 10_000
            return len(set(found)) - len(ids)

    assert asyncio.run(main()) == 0


async def stop_after(follower: AsyncFollower, n: int) -> AsyncIterator[actorq.JobEvent]:
    async for event in follower:
        assert isinstance(event, actorq.JobEvent)
        yield event
        n -= 1
        if n == 0:
            return
