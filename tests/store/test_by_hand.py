"""What people do by hand: made right, refused with the command that does it, or mended later."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from actorq.store.admin import change, prune
from actorq.store.admin.run import connect_admin
from actorq.store.session.connection import Session
from tests.support.rows import finish, insert, ready_ids, states
from tests.support.shell import Shell


@pytest.fixture
def person(dsn: str) -> Iterator[psycopg.Connection]:
    """A connection without anything of actorq's: a person with psql."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        yield conn


def left(conn: Session) -> dict[str, int]:
    tables = ("job", "ready", "lease", "result", "failure", "unique_key")
    counts = ", ".join(f"(SELECT count(*) FROM actorq.{table})" for table in tables)
    row = conn.execute(f"SELECT {counts}".encode()).fetchone()
    assert row is not None
    return dict(zip(tables, row, strict=True))


def with_all(conn: Session, n: int = 3) -> list[int]:
    """Make dead letters with failures, results and unique keys."""
    ids = insert(conn, n)
    finish(conn, ids, "failed")
    conn.execute("INSERT INTO actorq.result SELECT id, '1' FROM actorq.job")
    conn.execute("UPDATE actorq.job SET unique_key = 'k' || id WHERE id = ANY (%s)", [ids])
    conn.execute("INSERT INTO actorq.unique_key SELECT kind, unique_key, id FROM actorq.job")
    return ids


@pytest.mark.parametrize("state", ["pending", "failed", "completed"])
def test_a_state_cannot_be_updated_and_the_command_is_named(
    conn: Session, person: psycopg.Connection, state: str
) -> None:
    ids = insert(conn, 2)
    finish(conn, ids[:1], "failed")
    with pytest.raises(errors.RestrictViolation, match="state of a job cannot be updated") as no:
        person.execute("UPDATE actorq.job SET state = %s", [state])
    assert "actorq retry" in str(no.value.diag.message_hint)
    assert states(conn, ids) == ["failed", "ready"]


def test_a_deleted_job_takes_its_results_failures_and_key_along(
    conn: Session, person: psycopg.Connection
) -> None:
    ids = with_all(conn)
    person.execute("DELETE FROM actorq.job WHERE id = ANY (%s)", [ids[:2]])
    assert left(conn) == {
        "job": 1, "ready": 0, "lease": 0, "result": 1, "failure": 1, "unique_key": 1,
    }  # fmt: skip


def test_a_key_that_another_job_has_taken_over_stays(
    conn: Session, person: psycopg.Connection
) -> None:
    ids = with_all(conn, 1)
    (holder,) = insert(conn, unique_key=f"k{ids[0]}")
    conn.execute("UPDATE actorq.unique_key SET job = %s", [holder])
    person.execute("DELETE FROM actorq.job WHERE id = %s", [ids[0]])
    assert left(conn)["unique_key"] == 1


@pytest.mark.parametrize("restart", ["", "RESTART IDENTITY"])
def test_a_truncate_leaves_nothing_of_any_job(
    conn: Session, person: psycopg.Connection, restart: str
) -> None:
    with_all(conn)
    insert(conn, 5)
    person.execute(f"TRUNCATE actorq.job {restart}".encode())
    assert set(left(conn).values()) == {0}
    (job,) = insert(conn)
    assert ready_ids(conn) == [job]


def test_jobs_that_others_refer_to_are_kept_and_the_rest_is_pruned(
    conn: Session, person: psycopg.Connection
) -> None:
    ids = insert(conn, 6)
    finish(conn, ids)
    person.execute("CREATE TABLE photo (job bigint REFERENCES actorq.job, name text)")
    person.execute("CREATE TABLE note (job bigint REFERENCES actorq.job ON DELETE SET NULL)")
    person.execute("INSERT INTO photo VALUES (%s), (%s)", [ids[1], ids[4]])
    person.execute("INSERT INTO note VALUES (%s)", [ids[0]])
    (part,) = prune.prune(conn)
    assert (part.n_deleted, part.n_kept) == (4, 2)
    assert states(conn, ids) == ["completed"] * 2
    assert person.execute("SELECT job FROM note").fetchall() == [(None,)]


def test_a_retried_job_takes_its_unique_key_back(conn: Session) -> None:
    ids = with_all(conn)
    conn.execute("DELETE FROM actorq.unique_key WHERE job = %s", [ids[0]])
    assert change.retry(conn, ids).taken == ids
    assert left(conn)["unique_key"] == 3


@pytest.mark.parametrize("holder", ["pending", "failed"])
def test_a_key_that_another_pending_job_holds_keeps_a_job_from_being_retried(
    conn: Session, holder: str
) -> None:
    (dead,) = insert(conn, unique_key="x")
    finish(conn, [dead], "failed")
    (other,) = insert(conn, unique_key="x")
    conn.execute("INSERT INTO actorq.unique_key VALUES ('embed', 'x', %s)", [other])
    if holder == "failed":
        finish(conn, [other], "failed")
    done = change.retry(conn, [dead])
    assert (done.taken, done.held) == (([], [dead]) if holder == "pending" else ([dead], []))
    assert len(ready_ids(conn)) == 1


def test_of_dead_jobs_with_one_key_the_newest_is_retried(conn: Session) -> None:
    ids = insert(conn, 3, unique_key="x")
    finish(conn, ids, "failed")
    done = change.retry(conn, ids)
    assert (done.taken, done.held) == ([ids[2]], ids[:2])
    row = conn.execute("SELECT key, job FROM actorq.unique_key").fetchall()
    assert row == [("x", ids[2])]


def test_a_renamed_schema_refuses_jobs_and_names_the_way(
    conn: Session, person: psycopg.Connection
) -> None:
    person.execute("ALTER SCHEMA actorq RENAME TO moved")
    for values in ("('a')", "('a'), ('b')"):
        with pytest.raises(errors.RestrictViolation, match="was renamed to moved") as no:
            person.execute(f"INSERT INTO moved.job (kind) VALUES {values}".encode())
        assert no.value.diag.message_hint == "Run: actorq doctor --repair --schema moved"


def test_doctor_mends_a_renamed_schema(
    conn: Session, dsn: str, capsys: pytest.CaptureFixture[str], person: psycopg.Connection
) -> None:
    ids = insert(conn, 2)
    finish(conn, ids[:1], "failed")
    person.execute("ALTER SCHEMA actorq RENAME TO moved")
    actorq = Shell(dsn, capsys)
    ran = actorq("status", "--schema", "moved")
    assert (ran.code, "doctor --repair --schema moved" in ran.err) == (4, True)
    assert actorq("doctor", "--repair", "--schema", "moved").code == 0
    assert actorq("doctor", "--schema", "moved").code == 0
    with connect_admin(dsn, "moved") as there:
        there.execute("INSERT INTO moved.job (kind) VALUES ('embed'), ('embed')")
        assert change.retry(there, ids[:1], "moved").taken == ids[:1]
        assert sum(p.n_deleted for p in prune.prune(there, "moved")) == 0
    assert actorq("status", "--schema", "moved", "--json").objects[0]["lanes"][0]["n_due"] == 4
