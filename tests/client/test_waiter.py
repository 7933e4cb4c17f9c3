"""The waiter: connections, threads, event loops, forks, and a database that is away."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

import actorq
from actorq import App
from actorq.client import waiter as waiters
from actorq.client.pace import CHUNK
from actorq.errors import (
    ConfigError,
    JobFailed,
    SchemaMismatch,
    StoreUnavailable,
    WaitEnded,
    WaitTimeout,
)
from tests.client.waits import LONG_S, OURS, background, complete, jobs_of, pids, registered, waiter
from tests.support.network import Network
from tests.support.rows import finish, insert
from tests.support.wait import wait_until

# ---- connections, threads, loops, forks ---------------------------------------------------------


def test_many_threads_and_loops_share_one_connection(
    app: App, dsn: str, db: psycopg.Connection
) -> None:
    ids = insert(db, 200)
    most: set[int] = set()

    async def in_loop(some: list[int]) -> list[int]:
        waits = (app.job(id_).result_async(int, timeout_s=LONG_S) for id_ in some)
        return [n or 0 for n in await asyncio.gather(*waits)]

    with App(dsn) as twin, ThreadPoolExecutor(102) as pool:
        apps = [app, twin]
        threads = [
            pool.submit(apps[id_ % 2].job(id_).result, int, timeout_s=LONG_S) for id_ in ids[:100]
        ]
        loops = [pool.submit(asyncio.run, in_loop(some)) for some in (ids[100:150], ids[150:])]
        registered(200)
        most |= pids(db)
        for id_ in ids:
            complete(db, [id_])
            most |= pids(db)
        assert [each.result() for each in threads] == ids[:100]
        assert [each.result() for each in loops] == [ids[100:150], ids[150:]]
    assert len(most) == 1
    wait_until(lambda: not pids(db), what="the connection to end with the apps")


def test_little_is_asked_while_nothing_happens(app: App, db: psycopg.Connection) -> None:
    jobs = jobs_of(app, insert(db, 3 * CHUNK))
    thread, got = background(lambda: actorq.wait(jobs, timeout_s=8))
    registered(len(jobs))
    looking = waiter()
    wait_until(lambda: not looking._unlooked)
    before, begun = looking._n_looks, time.monotonic()
    thread.join(LONG_S)
    assert looking._n_looks - before <= 20 * (time.monotonic() - begun) + 1
    assert looking._n_looks - before >= 3, "it must go on looking"
    assert len(got[0].not_done) == len(jobs)


def test_every_call_has_an_async_twin(app: App, db: psycopg.Connection) -> None:
    ids = insert(db, 4)
    jobs = jobs_of(app, ids)

    async def main() -> None:
        coming = actorq.as_completed_async(jobs, timeout_s=LONG_S)
        for job in jobs[:3]:
            await asyncio.to_thread(finish, db, [job.id], "failed")
            assert await anext(coming) == job
        await coming.aclose()  # type: ignore[attr-defined]
        assert await jobs[0].wait_async(timeout_s=0) == "failed"
        assert await actorq.wait_async(jobs, n=3, timeout_s=LONG_S) == (set(jobs[:3]), {jobs[3]})
        assert await jobs[3].result_async() is None
        with pytest.raises(WaitTimeout):
            await jobs[3].result_async(timeout_s=0)
        with pytest.raises(JobFailed):
            await jobs[0].result_async(timeout_s=0)
        with pytest.raises(WaitTimeout, match="1 of 4 jobs"):
            async for _ in actorq.as_completed_async(jobs, timeout_s=0.05):
                pass
        waits = asyncio.ensure_future(jobs[3].wait_async(timeout_s=LONG_S))
        await asyncio.to_thread(registered, 1)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits

    asyncio.run(main())
    registered(0)


def test_a_cancellation_is_heeded_that_comes_together_with_news(
    app: App, db: psycopg.Connection
) -> None:
    (job,) = jobs_of(app, insert(db))

    async def main() -> None:
        waits = asyncio.ensure_future(job.wait_async(timeout_s=LONG_S))
        await asyncio.to_thread(registered, 1)
        (wait,) = waiter()._by_job[job.id]
        await asyncio.to_thread(wait_until, lambda: not waiter()._unlooked)
        await asyncio.sleep(0)
        wait.tell({}, None)
        asyncio.get_running_loop().call_soon(waits.cancel)  # right after the bell
        with pytest.raises(asyncio.CancelledError):
            await waits

    asyncio.run(main())
    registered(0)


def test_a_call_that_would_block_the_event_loop_is_refused(
    app: App, db: psycopg.Connection
) -> None:
    (job,) = jobs_of(app, insert(db))
    calls: list[Callable[[], object]] = [
        lambda: job.wait(timeout_s=1),
        lambda: job.result(timeout_s=1),
        lambda: actorq.wait([job], timeout_s=1),
        lambda: next(actorq.as_completed([job], timeout_s=1)),
    ]

    async def main() -> None:
        for call in calls:
            with pytest.raises(ConfigError, match=r"would block the event loop .*_async"):
                call()

    asyncio.run(main())


def test_a_forked_child_waits_by_a_connection_of_its_own(app: App, db: psycopg.Connection) -> None:
    ids = insert(db, 3)
    finish(db, ids[:1])
    coming = actorq.as_completed(jobs_of(app, ids), timeout_s=LONG_S)
    assert next(coming).id == ids[0]
    before = pids(db)
    child = os.fork()
    if child == 0:
        try:
            code = 0 if [job.id for job in coming] == ids[1:] else 2
            app.job(ids[1]).wait(timeout_s=0)
            app.close()
        except BaseException:
            traceback.print_exc()
            code = 1
        os._exit(code)  # no interpreter exit: the parent's pytest lives in this process, too
    wait_until(lambda: len(pids(db)) == 2, what="the child's connection")
    finish(db, ids[1:2])
    assert next(coming).id == ids[1]
    finish(db, ids[2:])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [job.id for job in coming] == ids[2:]
    assert pids(db) == before, "the child ended the parent's session"


def test_closing_the_app_ends_its_waits_and_no_others(
    app: App, dsn: str, db: psycopg.Connection
) -> None:
    ids = insert(db, 2)
    with App(dsn) as twin:
        thread, got = background(lambda: app.job(ids[0]).wait(timeout_s=LONG_S))
        other, heard = background(lambda: twin.job(ids[1]).wait(timeout_s=LONG_S))
        registered(2)
        app.close()
        thread.join(LONG_S)
        assert isinstance(got[0], WaitEnded)
        assert str(got[0]) == "the app was closed while 1 job of it were waited for; they go on"
        finish(db, ids)
        other.join(LONG_S)
        assert heard == ["completed"]
    assert app.job(ids[0]).wait(timeout_s=LONG_S) == "completed", "closing is not final"


# ---- a database that is away --------------------------------------------------------------------


def test_a_connection_that_was_cut_is_replaced(app: App, db: psycopg.Connection) -> None:
    (id_,) = insert(db)
    thread, got = background(lambda: app.job(id_).wait(timeout_s=LONG_S))
    for _ in range(3):
        wait_until(lambda: pids(db))
        db.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS}")
    finish(db, [id_])
    thread.join(LONG_S)
    assert got == ["completed"]


@contextmanager
def away(db: psycopg.Connection) -> Iterator[None]:
    """Have the database end our connection and refuse all new ones."""

    def allow(is_allowed: bool) -> None:
        db.execute(
            "UPDATE pg_database SET datallowconn = %s WHERE datname = current_database()",
            [is_allowed],
        )

    allow(False)
    try:
        db.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS}")
        yield
    finally:
        allow(True)


def test_a_database_that_is_away_is_waited_for_and_then_said_so(
    app: App, db: psycopg.Connection
) -> None:
    ids = insert(db, 2)
    jobs = jobs_of(app, ids)
    long, got = background(lambda: jobs[0].wait(timeout_s=LONG_S))
    registered(1)
    wait_until(lambda: pids(db))
    calls: list[Callable[[], object]] = [
        lambda: jobs[1].result(timeout_s=0.1),
        lambda: actorq.wait(jobs, timeout_s=0.1),
        lambda: list(actorq.as_completed(jobs, timeout_s=0.1)),
    ]
    with away(db):
        wait_until(lambda: waiter()._error is not None)
        for call in calls:
            with pytest.raises(WaitTimeout, match="the database could not be asked") as caught:
                call()
            assert isinstance(caught.value.__cause__, StoreUnavailable)
        finish(db, ids)
    assert jobs[1].wait(timeout_s=0) == "completed", "what was wrong before is of no interest"
    long.join(LONG_S)
    assert got == ["completed"]


def test_a_database_that_is_silent_is_said_so_at_the_time_out(
    network: Network, db: psycopg.Connection
) -> None:
    (id_,) = insert(db)
    with App(network.dsn) as app:
        thread, got = background(lambda: app.job(id_).wait(timeout_s=3))
        registered(1)
        wait_until(lambda: pids(db) and not waiter()._unlooked)
        network.silence("waiter")
        thread.join(LONG_S)
        assert isinstance(got[0], WaitTimeout)
        assert "the database could not be asked: no answer from the database" in str(got[0])


def test_an_unreachable_database_is_said_so_at_the_time_out() -> None:
    with (
        App("postgresql://me:s3cret@127.0.0.1:1/db") as app,
        pytest.raises(WaitTimeout, match="cannot connect to the database") as caught,
    ):
        app.job(1).wait(timeout_s=0)
    assert "s3cret" not in str(caught.value)


def test_a_database_without_the_schema_ends_a_wait_at_once(empty_dsn: str) -> None:
    with App(empty_dsn) as app, pytest.raises(SchemaMismatch, match="run actorq migrate"):
        app.job(1).wait(timeout_s=LONG_S)


def test_an_error_in_the_waiter_itself_leaves_nobody_waiting(
    app: App, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    (id_,) = insert(db)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(waiters.Waiter, "_asked", broken)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with pytest.raises(ZeroDivisionError):
        app.job(id_).wait(timeout_s=LONG_S)
    monkeypatch.undo()
    with pytest.raises(WaitTimeout):
        app.job(id_).wait(timeout_s=0)


def test_behind_a_pooler_nothing_is_set_or_prepared(dsn: str, db: psycopg.Connection) -> None:
    (id_,) = insert(db)
    finish(db, [id_], "failed")
    with App(dsn, pooler=True) as app, pytest.raises(JobFailed):
        app.job(id_).result(timeout_s=LONG_S)


# ---- what a look decides --------------------------------------------------------------------


def test_looks_at_new_jobs_do_not_put_off_the_look_at_the_others() -> None:
    waiter = waiters.Waiter(("", "actorq", False))
    waiter._ring_at = 5.0
    waiter._answered([1], {}, 0.001)
    assert waiter._ring_at == 5.0


def test_who_begins_to_wait_while_a_look_is_under_way_is_not_told_by_it() -> None:
    """It may have been asked before the job was committed, or without its result."""
    heard: list[Any] = []
    waiter = waiters.Waiter(("", "actorq", False))
    early, late = (waiters.Registration([1], lambda *told: heard.append(told), False) for _ in "12")
    waiter._by_job, waiter._n_looks = {1: [early, late]}, 3
    early.begun, late.begun = 2, 3
    waiter._answered([1], {1: waiters.JobEnd(None)}, 0.001)
    assert waiter._by_job == {1: [late]}
    assert (early.missing, late.missing) == (set(), {1})
    assert heard == [({1: waiters.JobEnd(None)}, None)]
