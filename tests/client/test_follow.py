"""A follower goes on whatever happens to its connection or its statements."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

import actorq
from actorq.client.follow import Follower
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


def test_a_connection_lost_between_two_questions_is_made_anew(
    app: actorq.App, db: psycopg.Connection, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = follower._feed.lane
    lost: list[int] = []

    def lose(number: int) -> tuple[str, str]:
        if not lost:
            lost.append(follower._feed.conn.info.backend_pid)
            db.execute("SELECT pg_terminate_backend(%s, 5000)", lost)
        return lane(number)

    monkeypatch.setattr(follower._feed, "lane", lose)
    id_ = cancelled(app, db)
    event = follower.next(timeout_s=10)
    assert isinstance(event, actorq.JobEvent)
    assert (event.id, event.kind) == (id_, "k")
