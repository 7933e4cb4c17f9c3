"""Prune deletes what is final, and remembers what it has seen."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from actorq.errors import ConfigError
from actorq.store.admin import change as admin_change
from actorq.store.admin import prune as admin_prune
from actorq.store.admin.run import connect_admin
from actorq.store.queue.cancel import cancel
from actorq.store.session.connection import Session
from tests.store.kit import blocked, pruned
from tests.support.rows import claim, finish, insert, ready_ids, states
from tests.support.wait import wait_until


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
