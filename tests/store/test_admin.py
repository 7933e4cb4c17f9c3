"""An administrator's view of the queue, and what an administrator may change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from actorq.core.job.states import STATES
from actorq.errors import ConfigError
from actorq.store.admin import change as admin_change
from actorq.store.admin import jobs, status
from actorq.store.admin import prune as admin_prune
from actorq.store.admin.run import connect_admin
from actorq.store.queue.cancel import cancel
from actorq.store.session.connection import Session
from tests.support.rows import NODE, claim, finish, insert, ready_ids, register, states
from tests.support.wait import wait_until


@pytest.fixture
def conn(dsn: str) -> Iterator[Session]:
    with connect_admin(dsn, "actorq") as conn:
        yield conn


def one_lane(conn: Session) -> status.LaneStatus:
    (lane,) = status.status(conn).lanes
    return lane


def pruned(conn: Session, **what: Any) -> int:
    return sum(part.n_deleted for part in admin_prune.prune(conn, **what))


def retried(conn: Session, **what: Any) -> int:
    return sum(len(part.taken) for part in admin_change.retry_matching(conn, **what))


def test_an_empty_database_has_no_lanes_and_no_supervisors(conn: Session) -> None:
    assert status.status(conn) == status.Status([], [], 0)


def test_status_counts_every_pending_job_in_exactly_one_place(conn: Session) -> None:
    due = insert(conn, 4)
    later = insert(conn, 2, run_at="2999-01-01T00:00:00Z")
    claim(conn, due[:2])
    conn.execute("UPDATE actorq.ready SET suspect = 7 WHERE id = %s", [due[2]])
    finish(conn, insert(conn, 3), "failed")
    finish(conn, insert(conn))
    lane = one_lane(conn)
    assert (lane.n_due, lane.n_scheduled, lane.n_suspect, lane.n_running) == (1, 2, 1, 2)
    assert lane.n_pending == len(due) + len(later)
    assert (lane.n_batches, lane.n_dead) == (1, 3)
    assert lane.oldest_due_s is not None
    assert lane.next_in_s is not None
    assert lane.next_in_s > 86_400


def test_retrying_jobs_are_counted_without_a_look_at_them(conn: Session) -> None:
    insert(conn, 3)
    insert(conn, 2, attempt=1)
    insert(conn, 1, attempt=1)
    assert one_lane(conn).n_retrying == 3


def test_status_counts_dead_jobs_and_not_their_failures(conn: Session) -> None:
    ids = insert(conn, 3)
    finish(conn, ids, "failed")
    finish(conn, ids[:1], "failed")
    conn.execute("UPDATE actorq.job SET state = 'completed' WHERE id = %s", [ids[2]])
    assert one_lane(conn).n_dead == 2
    assert jobs.job_ids(conn, state="failed") == ids[1::-1]


def test_large_tables_are_estimated_and_small_lanes_still_counted(
    conn: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        insert(conn, 2000, args='"' + "x" * 2000 + '"')
    finish(conn, insert(conn, 3000), "failed")
    few = insert(conn, 3, kind="few")
    finish(conn, few[:1], "failed")
    exact = status.status(conn)
    assert not exact.stored_estimated
    assert exact.n_stored == 9003
    monkeypatch.setattr(status, "EXACT_PAGES", 20)
    monkeypatch.setattr(status, "SAMPLE_PAGES", 20)
    found = status.status(conn)
    many = {lane.kind: lane for lane in found.lanes}
    assert found.stored_estimated
    assert many["embed"].dead_estimated
    assert (many["few"].n_due, many["few"].n_dead) == (2, 1)
    assert not many["few"].dead_estimated


def test_what_is_counted_on_a_share_of_the_pages_is_scaled() -> None:
    assert status.percent(4_000) == 100
    share = status.percent(100_000)
    assert status.scaled(7_000, share) == 700_000
    assert status.scaled(None, share) == 0


@pytest.mark.parametrize("analysed", [False, True])
def test_status_never_tells_what_was_stored_before_a_prune(conn: Session, analysed: bool) -> None:
    finish(conn, insert(conn, 5000))
    if analysed:
        conn.execute("ANALYZE actorq.job")
    assert status.status(conn).n_stored == 5000
    assert pruned(conn) == 5000
    assert status.status(conn).n_stored == 0


def test_jobs_settled_out_of_a_lease_are_not_running(conn: Session) -> None:
    ids = insert(conn, 10)
    claim(conn, ids)
    finish(conn, [ids[0], ids[9]])
    conn.execute("UPDATE actorq.lease SET open = '\\xfe01'")
    assert one_lane(conn).n_running == 8
    assert jobs.job_ids(conn, state="running") == ids[8:0:-1]


def test_nodes_are_alive_for_their_time_to_live(conn: Session) -> None:
    register(conn)
    claim(conn, insert(conn, 5))
    (node,) = status.status(conn).nodes
    assert (node.host, node.n_batches, node.n_running, node.alive) == ("here", 1, 5, True)
    conn.execute("UPDATE actorq.node SET beat_at = beat_at - interval '31 s'")
    assert not status.status(conn).nodes[0].alive


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


def blocked(watch: psycopg.Connection[tuple[object, ...]]) -> bool:
    query = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() "
        "AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    return watch.execute(query).fetchone() is not None


def test_prune_deletes_finished_jobs_with_all_that_belongs_to_them(conn: Session) -> None:
    ids = insert(conn, 6)
    finish(conn, ids[:2])
    finish(conn, ids[2:4], "failed")
    conn.execute("INSERT INTO actorq.result SELECT id, '1' FROM actorq.job")
    assert pruned(conn, states=["completed", "failed"]) == 4
    for table in ("job", "result"):
        assert count(conn, table) == 2
    assert count(conn, "failure") == 0
    assert ready_ids(conn) == ids[4:]


def count(conn: Session, table: str) -> int:
    row = conn.execute(f"SELECT count(*) FROM actorq.{table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_prune_keeps_dead_letters_unless_they_are_named(conn: Session) -> None:
    ids = insert(conn, 3)
    for job, state in zip(ids, ("completed", "cancelled", "failed"), strict=True):
        finish(conn, [job], state)
    assert pruned(conn) == 2
    assert states(conn, ids) == ["failed"]


def test_prune_looks_at_age_kind_and_limit(conn: Session) -> None:
    old, new, other = insert(conn, 5), insert(conn, 5), insert(conn, 5, kind="other")
    finish(conn, old + other, age_s=100)
    finish(conn, new)
    assert pruned(conn, older_than_s=50, kind="embed", limit=3) == 3
    assert pruned(conn, older_than_s=50, kind="embed") == 2
    assert len(states(conn, new)) == 5
    assert len(states(conn, other)) == 5


def marks(conn: Session) -> dict[int, int]:
    rows = conn.execute("SELECT place, n_pending FROM actorq.pruned").fetchall()
    return dict(rows)


@pytest.fixture
def old(conn: Session) -> list[int]:
    """Jobs in two places, made long ago: some wait, some are dead, some just completed."""
    first = insert(conn, 6, created_at="2020-01-01T00:00:00Z")
    conn.execute("ALTER SEQUENCE actorq.job_id_seq RESTART 65536")
    ids = first + insert(conn, 4, created_at="2020-01-01T00:00:00Z")
    finish(conn, ids[:2], "failed")
    finish(conn, ids[2:3])
    return ids


def looked(conn: Session, **what: Any) -> list[tuple[bool, int]]:
    return [(p.n_looked > 0, p.n_deleted) for p in admin_prune.prune(conn, **what)]


def test_a_prune_with_nothing_to_do_passes_by_what_has_not_changed(
    conn: Session, old: list[int]
) -> None:
    hour = {"older_than_s": 3600.0}
    assert looked(conn, **hour) == [(True, 0), (True, 0)]
    assert marks(conn) == {0: 3, 1: 4}
    assert looked(conn, **hour) == []
    assert looked(conn, states=["failed"], **hour) == []
    assert looked(conn) == [(True, 1)], "what completed is old enough now"
    assert looked(conn) == []
    assert looked(conn, states=["failed"]) == [(True, 2)], "and what is dead is asked for"


def test_what_was_pending_at_the_last_look_is_not_old_enough_before_its_time(
    conn: Session, old: list[int]
) -> None:
    pruned(conn, older_than_s=60.0)
    finish(conn, old[8:9])
    assert looked(conn, older_than_s=60.0) == [], "nothing can have ended a minute ago"
    conn.execute("UPDATE actorq.pruned SET looked_at = looked_at - interval '61 s'")
    assert looked(conn, older_than_s=60.0) == [(True, 0)], "it might have"
    finish(conn, old[9:], age_s=100)
    conn.execute("UPDATE actorq.pruned SET looked_at = looked_at - interval '61 s'")
    assert looked(conn, older_than_s=60.0) == [(True, 1)]


@pytest.mark.parametrize("change", ["finish", "claim and finish", "cancel", "retry and finish"])
def test_a_place_where_something_has_ended_is_looked_at_again(
    conn: Session, old: list[int], change: str
) -> None:
    pruned(conn)
    assert looked(conn) == []
    (job,) = old[8:9]
    if change == "cancel":
        assert cancel(conn, [job]).cancelled == [job]
    elif change == "retry and finish":
        job = old[0]
        assert admin_change.retry(conn, [job]).taken == [job]
        finish(conn, [job])
    else:
        if change == "claim and finish":
            claim(conn, [job])
            assert looked(conn) == []
            conn.execute("DELETE FROM actorq.lease")
        finish(conn, [job])
    assert looked(conn) == [(True, 1)]


def test_a_place_of_new_jobs_or_kept_ones_is_not_remembered(conn: Session) -> None:
    finish(conn, insert(conn, 3))
    conn.execute("CREATE TABLE public.photo (job bigint REFERENCES actorq.job)")
    conn.execute("INSERT INTO public.photo SELECT id FROM actorq.job LIMIT 1")
    assert pruned(conn) == 2
    conn.execute("UPDATE actorq.job SET created_at = '2020-01-01'")
    assert pruned(conn) == 0
    conn.execute("DELETE FROM public.photo")
    insert(conn, 1)
    assert pruned(conn) == 1
    assert marks(conn) == {}


def test_what_a_prune_remembers_is_not_believed_for_ever(conn: Session, old: list[int]) -> None:
    pruned(conn)
    assert looked(conn) == []
    conn.execute("UPDATE actorq.pruned SET looked_at = looked_at - interval '15 days'")
    assert looked(conn) == [(True, 0), (True, 0)]


def test_prune_walks_all_stretches(conn: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_prune, "STRETCH", 3)
    ids = insert(conn, 10)
    finish(conn, ids[::2])
    assert [part.n_deleted for part in admin_prune.prune(conn)] == [2, 1, 2, 0]


@pytest.mark.parametrize("commit", [True, False])
def test_prune_spares_a_job_that_is_being_retried(conn: Session, dsn: str, commit: bool) -> None:
    (job,) = insert(conn)
    finish(conn, [job], "failed")
    deleted: list[int] = []

    def prune() -> None:
        with connect_admin(dsn, "actorq") as other:
            deleted.append(pruned(other, states=["failed"]))

    with conn.transaction(force_rollback=not commit):
        assert admin_change.retry(conn, [job]).taken == [job]
        thread = threading.Thread(target=prune)
        thread.start()
        with psycopg.connect(dsn, autocommit=True) as watch:
            wait_until(lambda: blocked(watch), what="the prune to wait for the retry")
    thread.join()
    assert sum(deleted) == (0 if commit else 1)
    assert ready_ids(conn) == ([job] if commit else [])
    assert count(conn, "failure") == (1 if commit else 0)


@pytest.mark.parametrize("state", ["pending", "running", "'; DROP TABLE job;--"])
def test_only_final_states_can_be_pruned_or_retried(conn: Session, state: str) -> None:
    with pytest.raises(ConfigError, match="choose from"):
        list(admin_prune.prune(conn, states=[state]))
    with pytest.raises(ConfigError, match="choose from"):
        list(admin_change.retry_matching(conn, state=state))
