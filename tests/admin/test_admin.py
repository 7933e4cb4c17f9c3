"""app.admin does what the commands do, and returns what they print."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from actorq import App
from actorq.admin import Admin, Check, Finding, JobRow, Migrated, Progress, Repaired
from actorq.durations import Duration
from actorq.errors import ActorqError, ConfigError, SchemaMismatch, StoreUnavailable
from actorq.loading import loading
from actorq.store.session.connection import Session
from tests.support.pooler import pooled
from tests.support.rows import claim, finish, insert, register, states


def n_connections(conn: Session) -> int:
    rows = conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'actorq admin' AND pid <> pg_backend_pid()"
    ).fetchall()
    return int(rows[0][0])


def test_status_counts_by_kind(app: App, conn: Session) -> None:
    ids = insert(conn, 5)
    finish(conn, ids[:2], "failed")
    register(conn)
    found = app.admin.status()
    (lane,) = found.lanes
    assert (lane.kind, lane.n_due, lane.n_dead, lane.n_pending) == ("embed", 3, 2, 3)
    assert ([node.host for node in found.nodes], found.n_stored) == (["here"], 5)


def test_jobs_come_in_pages_newest_first(app: App, conn: Session) -> None:
    ids = insert(conn, 7)
    insert(conn, 1, kind="other")
    parts: list[list[JobRow]] = []
    first = app.admin.jobs(kind="embed", limit=4, found=parts.append)
    assert [job.id for job in first] == ids[:2:-1]
    assert [job for part in parts for job in part] == first
    rest = app.admin.jobs(kind="embed", limit=4, before=first[-1].id)
    assert [job.id for job in rest] == ids[2::-1]
    assert app.admin.jobs(state="failed") == []
    assert len(app.admin.jobs()) == 8


def test_args_are_read_where_asked_for(app: App, conn: Session) -> None:
    insert(conn, args='{"a": 1}')
    assert [job.args for job in app.admin.jobs()] == [None]
    assert [job.args for job in app.admin.jobs(args=True)] == ['{"a": 1}']


def test_one_job_with_its_history(app: App, conn: Session) -> None:
    (job,) = insert(conn)
    finish(conn, [job], "failed")
    found = app.admin.job(job)
    assert found is not None
    assert found.job.state == "failed"
    assert [failure.type for failure in found.failures] == ["ValueError"]
    assert app.admin.job(job + 1) is None


def test_retry_by_id_tells_what_became_of_each(app: App, conn: Session) -> None:
    dead, alive = insert(conn, 2)
    finish(conn, [dead], "failed")
    done = app.admin.retry([dead, alive, dead, 10**12])
    assert (done.taken, done.held, done.untouched) == ([dead], [], [alive, 10**12])
    assert states(conn, [dead]) == ["retrying"]
    assert app.admin.retry(dead).untouched == [dead]


def test_nobody_named_is_nobody_retried(app: App, conn: Session) -> None:
    finish(conn, insert(conn), "failed")
    assert app.admin.retry([]).taken == []
    assert app.admin.cancel([]).cancelled == []


def test_retry_of_thousands_tells_how_far_it_is(app: App, conn: Session) -> None:
    ids = insert(conn, 2500)
    finish(conn, ids, "failed")
    heard: list[Progress] = []
    done = app.admin.retry(kind="embed", limit=2200, progress=heard.append)
    assert (len(done.taken), done.more) == (2200, True)
    assert [told.n_done for told in heard] == [1000, 2000, 2200]
    assert str(heard[0]) == "1,000 jobs will run again so far"
    done = app.admin.retry(state="failed", queue="default")
    assert (len(done.taken), done.more) == (300, False)


def test_what_is_done_stays_done_where_progress_raises(app: App, conn: Session) -> None:
    ids = insert(conn, 2500)
    finish(conn, ids, "failed")

    def enough(progress: Progress) -> None:
        raise TimeoutError("enough")

    with pytest.raises(TimeoutError):
        app.admin.retry(state="failed", limit=2500, progress=enough)
    assert states(conn, ids).count("retrying") == 1000
    assert n_connections(conn) == 0


def test_cancel_takes_waiting_jobs_and_asks_for_running_ones(app: App, conn: Session) -> None:
    waiting, running, done = insert(conn, 3)
    claim(conn, [running])
    finish(conn, [done])
    found = app.admin.cancel([waiting, running, done])
    assert (found.cancelled, found.requested, found.untouched) == ([waiting], [running], [done])


@pytest.mark.parametrize("age", [timedelta(days=7), "7d", 604_800])
def test_prune_takes_a_span_of_time_in_any_form(age: Duration, app: App, conn: Session) -> None:
    old, young = insert(conn, 2)
    finish(conn, [old], age_s=8 * 86_400)
    finish(conn, [young], age_s=86_400)
    assert app.admin.prune(older_than_s=age).n_deleted == 1
    assert states(conn, [old, young]) == ["completed"]


def test_prune_deletes_what_is_named_and_no_more_than_the_limit(app: App, conn: Session) -> None:
    finish(conn, insert(conn, 5), "failed")
    finish(conn, insert(conn, 2))
    heard: list[Progress] = []
    assert app.admin.prune(state="failed", limit=3, progress=heard.append).n_deleted == 3
    assert heard[-1].n_done == 3
    assert app.admin.prune(state=["failed", "completed"]).n_deleted == 4
    assert app.admin.status().n_stored == 0


def test_doctor_tells_each_finding_as_it_is_made(app: App, conn: Session) -> None:
    insert(conn, 3)
    assert app.admin.doctor().verdict != "bad"
    conn.execute("DELETE FROM actorq.ready")
    heard: list[Finding] = []
    found = app.admin.doctor(found=heard.append)
    assert (found.verdict, found.repaired, found.checks) == ("bad", None, heard)
    assert text_of("membership", found.checks).startswith("3 pending, but neither")
    heard.clear()
    mended = app.admin.doctor(repair=True, found=heard.append)
    assert mended.repaired == heard[0] == Repaired(0, 3)
    assert mended.verdict != "bad"


def test_doctor_looks_at_as_many_jobs_as_it_may(app: App, conn: Session) -> None:
    insert(conn, 10)
    conn.execute("DELETE FROM actorq.ready")
    found = app.admin.doctor(limit=4)
    text = text_of("membership", found.checks)
    assert text.startswith("among the 4 jobs of the lowest ids: 4 pending, but neither")
    heard: list[Progress] = []
    checks = app.admin.doctor(limit=10, progress=heard.append).checks
    assert "10 pending" in text_of("membership", checks)
    assert (heard[0].n_done, heard[0].n_looked) == (10, 10)


def text_of(name: str, checks: list[Check]) -> str:
    return next(check.text for check in checks if check.name == name)


def test_doctor_mends_a_schema_that_was_renamed(app: App, dsn: str, conn: Session) -> None:
    conn.execute("ALTER SCHEMA actorq RENAME TO jobs")
    renamed = App(dsn, schema="jobs").admin
    with pytest.raises(SchemaMismatch, match="doctor --repair"):
        renamed.status()
    repaired = renamed.doctor(repair=True).repaired
    assert repaired is not None
    assert repaired.renamed
    assert renamed.status().lanes == []


def test_migrate_makes_the_schema_once(empty_dsn: str) -> None:
    admin = App(empty_dsn, schema="jobs").admin
    with pytest.raises(SchemaMismatch, match="run: actorq migrate --schema jobs"):
        admin.status()
    assert admin.migrate().applied
    assert admin.migrate() == Migrated("jobs", [])
    assert admin.status().n_stored == 0
    assert "CREATE SCHEMA" in admin.migration_sql()


def test_through_a_transaction_pooler(dsn: str, conn: Session) -> None:
    ids = insert(conn, 3)
    finish(conn, ids[:1], "failed")
    with pooled(dsn, "transaction", size=1) as theirs, App(theirs, pooler=True) as app:
        assert app.admin.status().n_stored == 3
        assert app.admin.retry(ids[0]).taken == ids[:1]
        assert app.admin.cancel(ids).cancelled == ids
        assert app.admin.prune(state="cancelled").n_deleted == 3
        assert app.admin.doctor().verdict == "bad"  # a supervisor could not run through it


def test_each_call_goes_to_where_the_app_is_now(dsn: str, empty_dsn: str) -> None:
    app = App(dsn)
    admin = app.admin
    assert admin.status().lanes == []
    app.relocate(empty_dsn, "actorq")
    with pytest.raises(SchemaMismatch):
        admin.status()


REFUSED: list[tuple[Callable[[Any], object], str]] = [
    (lambda admin: admin.retry(), r"retry: say which jobs.*\(in Python: ids, state"),
    (lambda admin: admin.retry(1, kind="embed"), "retry: say which jobs"),
    (lambda admin: admin.retry([1], limit=5), "limit goes with these three only"),
    (lambda admin: admin.retry(state="completed"), "choose from failed, cancelled"),
    (lambda admin: admin.retry(kind="embed", limit=0), "limit=0"),
    (lambda admin: admin.retry(kind=5), "kind=5 must be the name of a kind"),
    (lambda admin: admin.retry("7"), "id='7'"),
    (lambda admin: admin.cancel(-1), "id=-1"),
    (lambda admin: admin.cancel(2**63), "id=9223372036854775808"),
    (lambda admin: admin.job(1.5), "id=1.5"),
    (lambda admin: admin.jobs(state="done"), "choose from pending"),
    (lambda admin: admin.jobs(limit=10_001), "limit=10001"),
    (lambda admin: admin.jobs(before="x"), "before='x'"),
    (lambda admin: admin.prune(), "prune: say which jobs.*older_than_s or state"),
    (lambda admin: admin.prune(state="pending"), "choose from completed, cancelled, failed"),
    (lambda admin: admin.prune(state=[], kind="embed"), "prune: say which jobs"),
    (lambda admin: admin.prune(older_than_s=-1), "older_than_s=-1"),
    (lambda admin: admin.prune(older_than_s=float("nan")), "older_than_s=nan"),
    (lambda admin: admin.prune(older_than_s="soon"), "older_than_s='soon'"),
    (lambda admin: admin.doctor(repair=True, limit=5), "a repair looks at all jobs"),
    (lambda admin: admin.doctor(limit=True), "limit=True"),
]


@pytest.mark.parametrize(("call", "text"), REFUSED)
def test_what_makes_no_sense_is_refused_before_anything_is_opened(
    call: Callable[[Admin], object], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        call(App("host=/nowhere").admin)


def test_no_database_and_none_that_answers() -> None:
    with pytest.raises(StoreUnavailable, match="cannot connect to the database"):
        App("host=/nowhere").admin.status()


def test_an_actor_that_loads_its_module_administers_nothing(app: App) -> None:
    calls: list[Callable[[], object]] = [app.admin.status, app.admin.migrate]
    for call in calls:
        with loading(), pytest.raises(ActorqError, match="while an actor loads the module"):
            call()
