"""Waiting for jobs: what is returned and raised, by how many connections, and how it ends."""

from __future__ import annotations

import asyncio
import os
import pickle
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
from actorq import App, JobHandle
from actorq.client import waiter as waiters
from actorq.client.pace import CHUNK
from actorq.errors import (
    ConfigError,
    JobCancelled,
    JobFailed,
    JobUnknown,
    SchemaMismatch,
    StoreUnavailable,
    WaitEnded,
    WaitTimeout,
)
from tests.support.network import Network
from tests.support.rows import finish, insert
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


# ---- one job --------------------------------------------------------------------------------


def test_a_result_is_returned_as_soon_as_its_job_is_completed(
    app: App, db: psycopg.Connection
) -> None:
    (id_,) = insert(db)
    thread, got = background(lambda: app.job(id_).result(int, timeout_s=LONG_S))
    registered(1)
    complete(db, [id_])
    thread.join(LONG_S)
    assert got == [id_]
    assert app.job(id_).wait(timeout_s=0) == "completed"


def test_a_result_of_none_is_returned_too(app: App, db: psycopg.Connection) -> None:
    (id_,) = insert(db)
    finish(db, [id_])
    assert app.job(id_).result(timeout_s=LONG_S) is None


def test_a_failed_job_raises_why_with_the_actors_traceback(
    app: App, db: psycopg.Connection
) -> None:
    (id_,) = insert(db)
    finish(db, [id_], "failed")
    job = app.job(id_, "embed")
    assert job.result() is None, "without a time-out nothing is raised"
    assert job.wait(timeout_s=0) == "failed"
    with pytest.raises(JobFailed, match=rf"job {id_} of kind 'embed' has failed") as caught:
        job.result(timeout_s=LONG_S)
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        found = (error.id, error.kind, error.attempt, error.cause, error.type, error.message)
        assert found == (id_, "embed", 1, "error", "ValueError", "no")
        assert error.traceback == "Traceback …"
        assert '"""\nTraceback …\n"""' in "".join(traceback.format_exception(error))
        assert "ValueError: no" in str(error)


def test_a_job_that_failed_again_raises_its_last_failure(app: App, db: psycopg.Connection) -> None:
    (id_,) = insert(db)
    finish(db, [id_], "failed")
    db.execute(
        "INSERT INTO actorq.failure (job, attempt, lane, final, cause, type, message, traceback)"
        " SELECT job, 2, lane, true, 'crash', '', 'killed', '' FROM actorq.failure"
    )
    with pytest.raises(JobFailed, match=r"at attempt 2 \(crash\): killed") as caught:
        app.job(id_).result(timeout_s=0)
    assert caught.value.__cause__ is None, "there is no traceback of a process that was killed"


def test_a_cancelled_job_raises(app: App, db: psycopg.Connection) -> None:
    (id_,) = insert(db)
    thread, got = background(lambda: app.job(id_).result(timeout_s=LONG_S))
    registered(1)
    app.admin.cancel(id_)
    thread.join(LONG_S)
    assert isinstance(got[0], JobCancelled)
    assert str(got[0]) == f"job {id_} was cancelled"


def test_a_job_that_its_handler_cancelled_raises_with_the_reason(
    app: App, db: psycopg.Connection
) -> None:
    (id_,) = insert(db)
    finish(db, [id_], "cancelled")
    row = "(%s, 0, 1, false, 'error', %s, 'no need', '')"
    db.execute(
        "INSERT INTO actorq.failure (job, attempt, lane, final, cause, type, message, traceback)"
        f" VALUES {row}, {row}",
        [id_, "ValueError", id_, "Cancel"],
    )
    with pytest.raises(JobCancelled, match=f"job {id_} was cancelled: no need"):
        app.job(id_).result(timeout_s=0)
    db.execute("DELETE FROM actorq.failure WHERE type = 'Cancel'")
    with pytest.raises(JobCancelled, match=f"job {id_} was cancelled$"):
        app.job(id_).result(timeout_s=0)


@pytest.mark.parametrize("timeout_s", [0, 0.05, "20ms"])
def test_a_time_out_says_what_is_missing_and_changes_nothing(
    app: App, db: psycopg.Connection, timeout_s: Any
) -> None:
    (id_,) = insert(db)
    job = app.job(id_)
    for call in (job.wait, job.result):
        with pytest.raises(WaitTimeout, match=f"job {id_} is not final after") as caught:
            call(timeout_s=timeout_s)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.ids == (id_,)
        assert caught.value.__cause__ is None
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert job.state() == "ready"


def test_a_wait_without_time_looks_once_and_sees_what_was_committed_before(
    app: App, db: psycopg.Connection
) -> None:
    (other, *ids) = insert(db, 40)
    thread, _ = background(lambda: app.job(other).wait(timeout_s=LONG_S))
    for id_ in ids:
        complete(db, [id_])
        assert app.job(id_).result(timeout_s=0) == id_
    complete(db, [other])
    thread.join(LONG_S)


def test_jobs_that_there_are_not_are_said_so(app: App, db: psycopg.Connection) -> None:
    kind = app.kind("embed")
    with psycopg.connect(app.dsn()) as theirs:
        uncommitted = kind.enqueue({}, conn=theirs)
        for job in (app.job(10**6), app.job(-1), app.job(2**63), app.job(-(10**40)), uncommitted):
            with pytest.raises(JobUnknown, match=f"there is no job {job.id}") as caught:
                job.wait(timeout_s=LONG_S)
            assert caught.value.ids == (job.id,)
        theirs.commit()
        with pytest.raises(WaitTimeout):
            uncommitted.wait(timeout_s=0)


def test_a_job_that_is_pruned_meanwhile_is_said_to_be_gone(
    app: App, db: psycopg.Connection
) -> None:
    (id_,) = insert(db)
    thread, got = background(lambda: app.job(id_).wait(timeout_s=LONG_S))
    registered(1)
    with db.transaction():
        finish(db, [id_])
        db.execute("DELETE FROM actorq.job")
    thread.join(LONG_S)
    assert isinstance(got[0], JobUnknown)
    assert "pruned" in str(got[0])


# ---- many jobs ------------------------------------------------------------------------------


def test_some_or_all_of_many_jobs_are_waited_for(app: App, db: psycopg.Connection) -> None:
    ids = insert(db, 10)
    jobs = jobs_of(app, ids)
    finish(db, ids[:2])
    finish(db, ids[2:4], "failed")
    assert actorq.wait(jobs, n=3, timeout_s=LONG_S).done >= {*jobs[:3]}
    done, not_done = actorq.wait(jobs, timeout_s=0)
    assert (done, not_done) == (set(jobs[:4]), set(jobs[4:]))
    thread, got = background(lambda: actorq.wait(jobs, timeout_s=LONG_S))
    registered(10 - 4)
    finish(db, ids[4:])
    thread.join(LONG_S)
    assert got == [(set(jobs), set())]


def test_jobs_come_as_they_become_final_and_each_once(app: App, db: psycopg.Connection) -> None:
    ids = insert(db, 4)
    a, b, c, d = jobs_of(app, ids)
    finish(db, [c.id])
    coming = actorq.as_completed([a, b, b, c, c], timeout_s=LONG_S)
    assert next(coming) == c
    finish(db, [a.id], "failed")
    assert next(coming) == a
    finish(db, [b.id], "cancelled")
    assert list(coming) == [b]
    registered(0)
    late = actorq.as_completed([a, d], timeout_s=0.05)
    assert next(late) == a
    with pytest.raises(WaitTimeout, match=f"1 of 2 jobs are not final after 0.05 s: {d.id};"):
        next(late)
    registered(0)


def test_who_stops_listening_is_not_looked_for(app: App, db: psycopg.Connection) -> None:
    ids = insert(db, 3)
    finish(db, ids[:1])
    coming = actorq.as_completed(jobs_of(app, ids), timeout_s=LONG_S)
    next(coming)
    registered(2)
    del coming
    registered(0)


def test_nothing_is_waited_for_where_there_are_no_jobs(app: App) -> None:
    assert actorq.wait([], timeout_s=LONG_S) == (set(), set())
    assert list(actorq.as_completed(iter([]), timeout_s=LONG_S)) == []


def test_jobs_of_several_apps_and_schemas_are_waited_for_together(
    app: App, dsn: str, db: psycopg.Connection
) -> None:
    with App(dsn, schema="other") as other:
        other.admin.migrate()
        here, there = app.kind("embed").enqueue({}), other.kind("embed").enqueue({})
        assert here.id == there.id
        jobs = [here, other.job(there.id, "there")]
        assert actorq.wait(jobs, timeout_s=0).not_done == set(jobs)
        with pytest.raises(ConfigError, match="given twice, of two databases or schemas"):
            actorq.wait([here, there], timeout_s=0)
        db.execute("UPDATE other.job SET state = 'completed', finalized_at = now()")
        assert actorq.wait(jobs, n=1, timeout_s=LONG_S).done == {jobs[1]}


def test_more_jobs_than_one_look_asks_for_are_all_heard_of(
    app: App, db: psycopg.Connection
) -> None:
    jobs = jobs_of(app, insert(db, 2 * CHUNK + 7))
    db.execute("UPDATE actorq.job SET state = 'completed', finalized_at = now() WHERE id % 7 <> 0")
    done, not_done = actorq.wait(jobs, timeout_s=0)
    assert not_done == {job for job in jobs if job.id % 7 == 0}
    db.execute("UPDATE actorq.job SET state = 'completed', finalized_at = now() WHERE id % 7 = 0")
    assert set(actorq.as_completed(not_done, timeout_s=LONG_S)) == not_done
    assert len(done) + len(not_done) == len(jobs)


def test_a_thread_that_keeps_adding_jobs_does_not_keep_others_waiting(
    app: App, db: psycopg.Connection
) -> None:
    first, *others = insert(db, 50)
    finish(db, others)
    thread, got = background(lambda: app.job(first).wait(timeout_s=LONG_S))
    registered(1)
    finish(db, [first])
    n = 0
    while not got and n < 2000:
        app.job(others[n % len(others)]).wait(timeout_s=LONG_S)
        n += 1
    assert got == ["completed"]
    thread.join(LONG_S)


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
    thread, got = background(lambda: actorq.wait(jobs, timeout_s=4))
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


# ---- wrong arguments ----------------------------------------------------------------------------


@pytest.mark.parametrize("timeout_s", [-1, float("nan"), float("inf"), "soon", True, [1]])
def test_a_time_out_that_is_none_is_refused(
    app: App, db: psycopg.Connection, timeout_s: Any
) -> None:
    (job,) = jobs_of(app, insert(db))
    calls: list[Callable[[], object]] = [
        lambda: job.wait(timeout_s=timeout_s),
        lambda: job.result(timeout_s=timeout_s),
        lambda: actorq.wait([job], timeout_s=timeout_s),
        lambda: actorq.as_completed([job], timeout_s=timeout_s),
        lambda: actorq.as_completed_async([job], timeout_s=timeout_s),
    ]
    for call in calls:
        with pytest.raises(ConfigError, match="timeout_s="):
            call()


def test_what_is_no_handle_is_refused(app: App, db: psycopg.Connection) -> None:
    (job,) = jobs_of(app, insert(db))
    wrong: list[tuple[Any, str]] = [
        ([1], r"1 is an int and no handle of a job: .* app\.job\(ID\)"),
        ([[1]], "a list and no handle"),
        ([job, "7"], "'7' is a str and no handle"),
        (job, "jobs must be a list of handles, not a JobHandle: even of one"),
        ("7", "jobs must be a list of handles, not a str"),
        (7, "jobs must be a list of handles, not an int"),
        ([pickle.loads(pickle.dumps(job))], "belongs to no app here"),
    ]
    for jobs, text in wrong:
        for call in (actorq.wait, actorq.as_completed, actorq.as_completed_async):
            with pytest.raises(ConfigError, match=text):
                call(jobs, timeout_s=1)
    for n in (0, 2, -1, 1.0, True, "1"):
        with pytest.raises(ConfigError, match="n="):
            actorq.wait([job], n=n, timeout_s=1)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no jobs to wait for"):
        actorq.wait([], n=1, timeout_s=1)


def test_a_wait_at_the_top_level_of_a_module_that_an_actor_loads_is_refused(app: App) -> None:
    from actorq.loading import loading

    with loading(), pytest.raises(ConfigError, match="a job was waited for while an actor loads"):
        app.job(1).wait(timeout_s=1)
