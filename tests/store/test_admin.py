"""Jobs are listed, their history is told, and retries give them a new life."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from actorq.core.job.states import STATES
from actorq.store.admin import change as admin_change
from actorq.store.admin import jobs
from actorq.store.admin.run import connect_admin
from actorq.store.session.connection import Session
from tests.store.kit import blocked
from tests.support.rows import NODE, claim, finish, insert, ready_ids, register, states
from tests.support.wait import wait_until


def retried(conn: Session, **what: Any) -> int:
    return sum(len(part.taken) for part in admin_change.retry_matching(conn, **what))


@pytest.fixture
def every_state(conn: Session) -> dict[str, int]:
    ids = {name: insert(conn)[0] for name in ("ready", "retrying", "suspect", "running")}
    ids["scheduled"] = insert(conn, run_at="2999-01-01T00:00:00Z")[0]
    for state in ("completed", "failed", "cancelled"):
        ids[state] = insert(conn)[0]
        finish(conn, [ids[state]], state)
    conn.execute("UPDATE actorq.job SET attempt = 1 WHERE id = %s", [ids["retrying"]])
    conn.execute("UPDATE actorq.ready SET again = true WHERE id = %s", [ids["retrying"]])
    conn.execute("UPDATE actorq.ready SET suspect = 3 WHERE id = %s", [ids["suspect"]])
    claim(conn, [ids["running"]])
    return ids


@pytest.mark.parametrize("state", [s for s in STATES if s not in ("pending", "ready")])
def test_jobs_are_found_by_each_state(
    conn: Session, every_state: dict[str, int], state: str
) -> None:
    assert jobs.job_ids(conn, state=state) == [every_state[state]]


def test_ready_and_pending_jobs_are_found(conn: Session, every_state: dict[str, int]) -> None:
    ready = {every_state["ready"], every_state["suspect"]}
    assert set(jobs.job_ids(conn, state="ready")) == ready
    final = {every_state[state] for state in ("completed", "failed", "cancelled")}
    assert set(jobs.job_ids(conn, state="pending")) == set(every_state.values()) - final


@pytest.mark.parametrize("state", [None, *STATES])
def test_listing_honours_kind_and_queue(conn: Session, state: str | None) -> None:
    insert(conn, 2)
    assert jobs.job_ids(conn, state=state, kind="other") == []
    assert jobs.job_ids(conn, state=state, queue="other") == []


def test_pages_follow_each_other_without_gap_or_overlap(conn: Session) -> None:
    ids = insert(conn, 7)
    first = jobs.job_ids(conn, limit=4)
    second = jobs.job_ids(conn, limit=4, before=first[-1])
    assert first + second == ids[::-1]


def test_args_are_not_read_unless_asked_for(conn: Session) -> None:
    (job,) = insert(conn, args='{"secret": 1}')
    assert jobs.jobs(conn, [job])[0].args is None
    assert jobs.jobs(conn, [job], args=True)[0].args == '{"secret": 1}'


@pytest.mark.parametrize("run_at", ["0044-03-15 00:00 BC", "12026-01-01T00:00:00Z"])
def test_instants_that_python_cannot_hold_can_be_shown(conn: Session, run_at: str) -> None:
    (job,) = insert(conn, run_at=run_at)
    assert "T00:00:00.000Z" in jobs.jobs(conn, [job])[0].run_at


def test_history_tells_all_that_happened_to_a_job(conn: Session) -> None:
    (job,) = insert(conn)
    finish(conn, [job], "failed")
    conn.execute("INSERT INTO actorq.result VALUES (%s, '[1.50]')", [job])
    history = jobs.history(conn, job)
    assert history is not None
    assert history.job.state == "failed"
    assert history.job.error_type == "ValueError"
    assert [(f.attempt, f.final, f.message) for f in history.failures] == [(1, True, "no")]
    assert history.result == "[1.50]"
    assert history.held is None


def test_history_names_the_supervisor_that_holds_a_job(conn: Session) -> None:
    register(conn)
    ids = insert(conn, 2)
    claim(conn, ids, n=9)
    history = jobs.history(conn, ids[1])
    assert history is not None
    assert history.held is not None
    assert (history.held.node, history.held.lease, history.held.host) == (str(NODE), 9, "here")


def test_there_is_no_history_of_an_unknown_job(conn: Session) -> None:
    assert jobs.history(conn, 10**15) is None


def test_retry_gives_a_new_life_but_never_an_old_attempt_number(conn: Session) -> None:
    (job,) = insert(conn, run_at="2020-01-01T00:00:00Z", priority=2)
    finish(conn, [job], "failed")
    assert admin_change.retry(conn, [job]).taken == [job]
    row = conn.execute(
        "SELECT j.state::text, j.attempt, j.n_failed, j.finalized_at, j.run_at = r.run_at, "
        "j.run_at > '2020-01-02', r.priority, r.suspect "
        "FROM actorq.job j JOIN actorq.ready r USING (id)"
    ).fetchone()
    assert row == ("pending", 1, 0, None, True, True, 2, 0)
    assert conn.execute("SELECT final FROM actorq.failure").fetchall() == [(False,)]


def test_retry_leaves_pending_completed_and_unknown_jobs_alone(conn: Session) -> None:
    pending, running, completed, cancelled = insert(conn, 4)
    claim(conn, [running])
    finish(conn, [completed])
    finish(conn, [cancelled], "cancelled")
    done = admin_change.retry(conn, [pending, running, completed, cancelled, 10**15])
    assert (done.taken, done.held) == ([cancelled], [])
    assert ready_ids(conn) == [pending, cancelled]


def test_retry_matching_takes_dead_letters_of_one_kind_up_to_its_limit(conn: Session) -> None:
    mine, others = insert(conn, 2500), insert(conn, 5, kind="other")
    finish(conn, mine + others, "failed")
    assert retried(conn, kind="embed", limit=2100) == 2100
    assert retried(conn, kind="embed", limit=9999) == 400
    assert states(conn, others) == ["failed"] * 5
    assert len(ready_ids(conn)) == 2500


def test_retry_wakes_a_hungry_supervisor(conn: Session, dsn: str) -> None:
    (job,) = insert(conn)
    finish(conn, [job], "failed")
    conn.execute("INSERT INTO actorq.hunger SELECT id, %s FROM actorq.lane", [NODE])
    with psycopg.connect(dsn, autocommit=True) as listener:
        oid = listener.execute("SELECT 'actorq'::regnamespace::oid").fetchone()
        assert oid is not None
        listener.execute(f"LISTEN actorq_{oid[0]}".encode())
        admin_change.retry(conn, [job])
        (notify,) = listener.notifies(timeout=10, stop_after=1)
    lane = conn.execute("SELECT id FROM actorq.lane").fetchone()
    assert (notify.payload,) == (str(lane[0]) if lane else None,)


def test_two_retries_of_one_job_make_it_ready_once(conn: Session, dsn: str) -> None:
    (job,) = insert(conn)
    finish(conn, [job], "failed")
    taken: list[int] = []

    def second() -> None:
        with connect_admin(dsn, "actorq") as other:
            taken.extend(admin_change.retry(other, [job]).taken)

    with conn.transaction():
        assert admin_change.retry(conn, [job]).taken == [job]
        thread = threading.Thread(target=second)
        thread.start()
        with psycopg.connect(dsn, autocommit=True) as watch:
            wait_until(lambda: blocked(watch), what="the second retry to wait for the first")
    thread.join()
    assert taken == []
    assert ready_ids(conn) == [job]
