"""What the tests of waiting share: jobs that end, calls in the background, and who waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg

from actorq import App, JobHandle
from actorq.client import waiter as waiters
from tests.support.rows import finish
from tests.support.wait import wait_until

OURS = "application_name = 'actorq waiter' AND datname = current_database()"
LONG_S = 60.0


def pids(db: psycopg.Connection) -> set[int]:
    return {row[0] for row in db.execute(f"SELECT pid FROM pg_stat_activity WHERE {OURS}")}


def jobs_of(app: App, ids: list[int]) -> list[JobHandle]:
    return [app.job(id_, "embed") for id_ in ids]


def complete(db: psycopg.Connection, ids: list[int]) -> None:
    """Give jobs their results and, in the same transaction, their state."""
    with db.transaction():
        db.execute(
            "INSERT INTO actorq.result SELECT id, to_json(id) FROM unnest(%s::bigint[]) id", [ids]
        )
        finish(db, ids)


def background(call: Callable[[], object]) -> tuple[threading.Thread, list[Any]]:
    """Make a call in a thread, and return what it returns or raises."""
    got: list[Any] = []

    def run() -> None:
        try:
            got.append(call())
        except BaseException as error:
            got.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, got


def waiter() -> waiters.Waiter:
    """Return the only waiter that somebody has registered with."""
    (found,) = (w for w in waiters._waiters.values() if w._by_job)
    return found


def registered(n: int) -> None:
    """Wait until so many jobs are looked at in this process."""
    wait_until(
        lambda: sum(len(w._by_job) for w in waiters._waiters.values()) == n,
        what=f"{n} jobs to be waited for",
    )
