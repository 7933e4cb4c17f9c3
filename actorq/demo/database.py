"""The demo's database: how it is made, and what became of the jobs in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg import conninfo, sql

from actorq.store.schema.migrate import migrate

MEASURE = """
SELECT count(*) FILTER (WHERE state = 'completed'),
       count(*) FILTER (WHERE state = 'failed'),
       count(*) FILTER (WHERE state = 'pending'),
       coalesce(extract(epoch FROM max(finalized_at) - min(attempted_at)), 0)::float8,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY took),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY took)
  FROM actorq.job, extract(epoch FROM finalized_at - created_at) AS took
 WHERE kind = %s
"""
RESULTS = """
SELECT result.value FROM actorq.job LEFT JOIN actorq.result ON result.job = job.id
 WHERE kind = %s ORDER BY job.id
"""


class KindFigures(NamedTuple):
    """What became of the jobs of one kind."""

    n_completed: int
    n_failed: int
    n_pending: int
    took_s: float  # from the first claim to the last settle
    p50_s: float  # from enqueue to done
    p99_s: float


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """Yield the connection string of a migrated database that is dropped afterwards."""
    name = f"actorq_demo_{os.getpid()}"
    dsn = conninfo.make_conninfo(server, dbname=name)
    _run(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
    _run(server, "CREATE DATABASE {}", name)
    try:
        migrate(dsn)
        yield dsn
    finally:
        _run(server, "DROP DATABASE {} WITH (FORCE)", name)


def _run(server: str, statement: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(sql.SQL(statement).format(sql.Identifier(name)))


def outcome_of(dsn: str, kind: str) -> KindFigures:
    """Return how the jobs of a kind ended, and how long they took."""
    with psycopg.connect(dsn) as conn:
        row = conn.execute(MEASURE, (kind,)).fetchone()
    assert row
    return KindFigures(row[0], row[1], row[2], row[3], row[4] or 0.0, row[5] or 0.0)


def results_of(dsn: str, kind: str) -> list[str | None]:
    """Return the results of a kind's jobs in the order in which they were enqueued."""
    with psycopg.connect(dsn) as conn:
        return [value for (value,) in conn.execute(RESULTS, (kind,))]
