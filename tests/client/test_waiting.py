"""Waiting for jobs: what is returned and raised, and which calls are refused."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

import actorq
from actorq import App
from actorq.client.pace import CHUNK
from actorq.errors import (
    ConfigError,
    JobCancelled,
    JobFailed,
    JobUnknown,
    WaitTimeout,
)
from tests.client.waits import LONG_S, background, complete, jobs_of, registered
from tests.support.rows import finish, insert

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
