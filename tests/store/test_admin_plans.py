"""An administrator's statements read what they need and not whole tables, analysed or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from actorq.store.admin.jobs import LAST
from actorq.store.admin.run import connect_admin, planned, run
from actorq.store.session.connection import Session
from actorq.store.session.statements import in_order, statement
from tests.support.rows import insert

N = 60_000
KINDS = 3
PAGE: dict[str, Any] = {"before": LAST, "limit": 50, "kind": None, "queue": None}

WAITED = "{" + ",".join(str(n) for n in range(N - 50, N + 50)) + "}"

# Statement, parameters, and how many of some 6,000 pages it may touch at most.
CALLS: dict[str, tuple[str, dict[str, Any], int]] = {
    "listing dead letters": ("admin_ids_failed", PAGE, 1000),
    "of one kind": ("admin_ids_failed", PAGE | {"kind": "k1"}, 400),
    "the last page of them": ("admin_ids_failed", PAGE | {"kind": "few"}, 60),
    "listing completed jobs": (
        "admin_ids_stored", PAGE | {"state": "cancelled", "stretch": 1000}, 300
    ),
    "describing jobs": (
        "admin_jobs", {"ids": [1, 2, N, N + 1, N + 2], "with_args": True}, 100
    ),
    "counting small lanes": ("admin_waiting_few", {"most": 10}, 100),
    "counting few dead": ("admin_dead_few", {"most": 10}, 300),
    "a sample of failures": ("admin_dead", {"percent": 2.0}, 400),
    "a sample of jobs": ("admin_stored", {"percent": 2.0}, 400),
    "a stretch of a prune": (
        "admin_prune_pick",
        {"after": -LAST, "stretch": 1000, "states": ["completed"], "older_than_s": 0.0,
         "kind": None, "limit": 100, "until": LAST},
        300,
    ),
    "the next job": ("admin_next", {"after": 17}, 10),
    "a range": ("admin_range", {"first": 17, "n": 1000}, 300),
    "unserved lanes": ("admin_unserved", {"due_s": 0.0, "most": 10}, 200),
    "the last failures": ("admin_last_failures", {"most": 5}, 30),
    "idle places": ("admin_idle_places", {"states": ["completed"], "older_than_s": 3600.0}, 50),
    "what is waited for": ("wait_states", {"ids": WAITED}, 400),
    "results of it": ("wait_results", {"ids": WAITED}, 400),
    "failures of it": ("wait_failures", {"ids": WAITED}, 700),
    "retrying": ("admin_retry", {"ids": list(range(N, N + 40))}, 2000),
    "pruning": (
        "admin_prune",
        {"ids": list(range(2 * N + 1, 2 * N + 41)), "states": ["completed"]},
        2500,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(server: str, template: str) -> Iterator[Session]:
    """Fill tables whose statistics still say that they are empty."""
    from tests.support.server import database

    with database(server, template) as dsn, connect_admin(dsn, "actorq") as conn:
        for table in ("job", "ready", "failure"):
            conn.execute(f"ANALYZE actorq.{table}".encode())
            conn.execute(f"ALTER TABLE actorq.{table} SET (autovacuum_enabled = off)".encode())
        fill(conn)
        yield conn


def fill(conn: Session) -> None:
    for state in ("pending", "failed", "completed"):
        conn.execute(
            "INSERT INTO actorq.job (kind, state, attempt, args, run_at, finalized_at)"
            " SELECT 'k' || n %% %s, %s, 1, to_json(repeat('x', 100)),"
            " now() - n * interval '1 ms', now() FROM generate_series(1, %s) n",
            [KINDS, state, N],
        )
    insert(conn, 3, kind="few")
    conn.execute(
        "INSERT INTO actorq.failure (job, attempt, lane, final, cause, type, message, traceback)"
        " SELECT j.id, 1, l.id, true, 'error', 'ValueError', 'no', repeat('x', 100)"
        " FROM actorq.job j JOIN actorq.lane l USING (queue, kind) WHERE j.state = 'failed'"
    )


def explained(conn: Session, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Run a statement, undo it, and return its plan with what each node has touched."""
    text = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement(name, "actorq")
    with (
        conn.transaction(force_rollback=True),
        planned(conn, name),
        psycopg.RawCursor(conn) as cursor,
    ):
        (found,) = cursor.execute(text.encode(), in_order(name, params)).fetchall()[0]
    return (json.loads(found) if isinstance(found, str) else found)[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("analysed", [False, True])
def test_what_is_looked_for_is_found_without_reading_whole_tables(
    filled: Session, analysed: bool
) -> None:
    if analysed:
        filled.execute("ANALYZE actorq.job, actorq.ready, actorq.failure")
    touched = {}
    for what, (name, params, most) in CALLS.items():
        plan = explained(filled, name, params)
        n = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        for trigger in plan.get("Triggers", []):
            assert trigger["Trigger Name"] in ("job_deleted", "job_placed", "job_stated")
        touched[what] = (n, most)
    assert {what: pair for what, pair in touched.items() if pair[0] > pair[1]} == {}


def test_waiting_jobs_are_listed_without_a_look_at_any_job(filled: Session) -> None:
    plan = explained(filled, "admin_ids_waiting", PAGE | {"state": "retrying"})
    assert '"Relation Name": "ready"' in json.dumps(plan)
    assert '"Relation Name": "job"' not in json.dumps(plan)


def test_pruned_jobs_take_what_belongs_to_them_without_reading_whole_tables(
    filled: Session,
) -> None:
    """What a trigger does is not in a plan: its table would be read by a scan, row by row."""

    def scanned() -> int:
        filled.execute("SELECT pg_stat_force_next_flush()")
        filled.execute("SELECT pg_stat_clear_snapshot()")
        row = filled.execute(
            "SELECT sum(seq_tup_read) FROM pg_stat_user_tables"
            " WHERE schemaname = 'actorq' AND relname IN ('failure', 'result', 'unique_key')"
        ).fetchone()
        assert row is not None
        return int(row[0])

    before = scanned()
    ids = list(range(N + 1, N + 501))
    assert run(filled, "actorq", "admin_prune", ids=ids, states=["failed"]) == [{"n_deleted": 500}]
    assert scanned() == before
