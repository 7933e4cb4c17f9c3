"""Make rows by plain SQL, as any client in any language would, and leases by hand."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg

NODE = uuid.UUID(int=1)


def insert(conn: psycopg.Connection[Any], n: int = 1, **columns: Any) -> list[int]:
    """Insert `n` equal jobs into actorq.job and return their ids."""
    columns = {"kind": "embed", **columns}
    names = ", ".join(columns)
    marks = ", ".join(f"%({name})s" for name in columns)
    rows = conn.execute(
        f"INSERT INTO actorq.job ({names}) SELECT {marks} FROM generate_series(1, {n}) "
        "RETURNING id",
        columns,
    )
    return [row[0] for row in rows]


def claim(
    conn: psycopg.Connection[Any], ids: list[int], n: int = 1, node: uuid.UUID = NODE
) -> None:
    """Move jobs from `ready` into a lease of `node`."""
    singly(conn)
    conn.execute(
        "WITH gone AS (DELETE FROM actorq.ready WHERE id = ANY(%s) RETURNING lane, id) "
        "INSERT INTO actorq.lease (node, n, lane, suspect, jobs) "
        "SELECT %s, %s, lane, 0, array_agg(id ORDER BY id) FROM gone GROUP BY lane",
        [ids, node, n],
    )


def singly(conn: psycopg.Connection[Any]) -> None:
    """Make a row of each job in a block of `ready`, so that it can be changed on its own."""
    conn.execute(
        "WITH block AS (DELETE FROM actorq.ready WHERE jobs IS NOT NULL RETURNING *) "
        "INSERT INTO actorq.ready (id, run_at, lane, suspect, priority) "
        "SELECT u.id, b.run_at, b.lane, b.suspect, b.priority "
        "FROM block b, unnest(b.jobs) u (id)"
    )


def register(conn: psycopg.Connection[Any], node: uuid.UUID = NODE, age_s: float = 0) -> None:
    """Add a supervisor's row whose last beat was `age_s` ago."""
    conn.execute(
        "INSERT INTO actorq.node (id, host, pid, ttl_s, beat_at) "
        "VALUES (%s, 'here', 1, 30, clock_timestamp() - %s * interval '1 second')",
        [node, age_s],
    )


def finish(
    conn: psycopg.Connection[Any], ids: list[int], state: str = "completed", age_s: float = 0
) -> None:
    """Give jobs their final state, and a last failure where it is `failed`."""
    singly(conn)
    conn.execute("DELETE FROM actorq.ready WHERE id = ANY(%s)", [ids])
    conn.execute(
        "UPDATE actorq.job SET state = %(state)s::actorq.job_state, "
        "attempt = attempt + 1, n_failed = 1, "
        "finalized_at = clock_timestamp() - %(age)s * interval '1 second', "
        "created_at = created_at - %(age)s * interval '1 second' WHERE id = ANY(%(ids)s)",
        {"state": state, "age": age_s, "ids": ids},
    )
    if state == "failed":
        conn.execute(
            "INSERT INTO actorq.failure"
            " (job, attempt, lane, final, cause, type, message, traceback)"
            " SELECT j.id, j.attempt, l.id, true, 'error', 'ValueError', 'no', 'Traceback …'"
            " FROM actorq.job j JOIN actorq.lane l USING (queue, kind) WHERE j.id = ANY(%s)",
            [ids],
        )


def states(conn: psycopg.Connection[Any], ids: list[int]) -> list[str]:
    """Return the readable states of jobs, by id."""
    rows = conn.execute("SELECT state FROM actorq.jobs WHERE id = ANY(%s) ORDER BY id", [ids])
    return [row[0] for row in rows]


def ready_ids(conn: psycopg.Connection[Any]) -> list[int]:
    """Return the jobs in `ready`, each as often as it stands there."""
    return [row[0] for row in conn.execute("SELECT id FROM actorq.queued ORDER BY id")]
