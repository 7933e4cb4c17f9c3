"""Whatever others write into the tables, the queue moves on and every other job is done."""

from __future__ import annotations

import uuid
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import errors

from tests.security.victim import Victim, put
from tests.support.rows import claim

BIG = 2**31 - 1

ODD = {
    "attempt is the largest number": {"attempt": BIG},
    "counters are the largest numbers": {"n_failed": 32767, "n_crashed": 32767, "n_lost": 32767},
    "counters are below zero": {"attempt": -5, "n_failed": -1, "n_crashed": -1, "n_lost": -1},
    "more attempts than are allowed": {"attempt": 9, "n_failed": 9, "max_attempts": 1},
    "made in the future": {"created_at": "2200-01-01", "attempted_at": "2300-01-01"},
    "made at the end of time": {"created_at": "infinity", "attempted_at": "-infinity"},
    "due before the birth of Christ": {"run_at": "0900-01-01 BC"},
    "finished before it began": {"finalized_at": "2020-01-01"},
    "id is the largest number": {"id": 2**63 - 1},
    "id is below zero": {"id": -7},
    "tags of two dimensions": {"tags": [["a", "b"], ["c", "d"]]},
    "tags that are null": {"tags": [None]},
    "key with every trick": {"key": "\x1b[2J'; DROP TABLE job;-- %s \u202e"},
}


@pytest.mark.parametrize("columns", ODD.values(), ids=ODD)
def test_odd_values_in_a_jobs_row_harm_nobody(victim: Victim, columns: dict[str, Any]) -> None:
    completes = victim.put(**columns)
    if "id" in columns:
        columns = {"id": columns["id"] - 1}
    fails = victim.put('"fail"', **columns)
    victim.ends(completes, "completed")
    victim.ends(fails, "failed")


HOSTILE = {  # that the type json takes
    "nested deep": ("[" * 2000 + "]" * 2000, "failed"),
    "a number of 400 digits": ("1" + "0" * 400, None),
    "a number beyond all floats": ("1e999999", "failed"),
    "nul": (r'"\u0000"', "completed"),
    "lone surrogate": (r'"\ud800"', "failed"),
    "the same key twice": ('{"a": 1, "a": 2}', "completed"),
    "a hundred thousand keys": (
        "{" + ",".join(f'"{n}": {n}' for n in range(100_000)) + "}",
        "completed",
    ),
    "blanks and line ends": (" [\n1 ,\r\n 2\t] ", "completed"),
    "ten megabytes": ('"' + "x" * 10_000_000 + '"', "completed"),
}


@pytest.mark.parametrize(("args", "state"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_args_cost_their_own_job_at_most(
    victim: Victim, args: str, state: str | None
) -> None:
    jobs = [victim.put(), victim.put(args), victim.put()]
    victim.ends(jobs[0], "completed")
    victim.ends(jobs[2], "completed")
    if state is None:  # either will do
        state = "completed" if victim.is_state(jobs[1], "completed") else "failed"
    victim.ends(jobs[1], state)
    if state == "failed":
        causes = victim.rows("SELECT cause FROM actorq.failure WHERE job = %s", jobs[1])
        assert causes == [("args",)]


REFUSED: list[tuple[str, Any]] = [
    ("state", "bogus"), ("state", None), ("run_at", "infinity"), ("run_at", "-infinity"),
    ("run_at", "4000-01-01 BC"), ("run_at", "200000-01-01"), ("run_at", None),
    ("attempt", 2**31), ("n_failed", 32768),
    ("attempt", None), ("priority", 10), ("priority", -1), ("priority", None),
    ("max_attempts", 0), ("max_attempts", -1), ("args", None), ("args", "NaN"),
    ("args", '"' + "x" * 2**24 + '"'), ("key", "x" * 129), ("key", None), ("tags", ["x"] * 17),
    ("tags", ["x" * 1025]), ("kind", None), ("kind", ""), ("kind", "x" * 129), ("kind", "a\n"),
    ("kind", " a"), ("kind", "\u202ea"), ("kind", "'; DROP TABLE job;--"), ("queue", '"x"."y"'),
    ("queue", "../../etc/passwd"), ("queue", "é"), ("queue", "e\u0301"), ("id", 2**63),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value"), REFUSED, ids=lambda value: ascii(value)[:30])
def test_what_no_supervisor_could_bear_is_refused_by_the_tables_themselves(
    db: psycopg.Connection, column: str, value: Any
) -> None:
    with pytest.raises(psycopg.DatabaseError):
        put(db, **{column: value})
    assert db.execute("SELECT count(*) FROM actorq.job").fetchone() == (0,)


@pytest.mark.parametrize(
    "values",
    [
        ("NaN", "now"), ("infinity", "now"), ("-1", "now"), ("0", "now"), ("1e30", "now"),
        ("30", "infinity"), ("30", "-infinity"), ("30", "200000-01-01"),
    ],
)  # fmt: skip
def test_supervisors_that_others_could_not_judge_cannot_register(
    db: psycopg.Connection, values: tuple[str, str]
) -> None:
    with pytest.raises(errors.CheckViolation):
        db.execute(
            "INSERT INTO actorq.node (id, host, pid, ttl_s, beat_at)"
            " VALUES (gen_random_uuid(), 'here', 1, %s, %s)",
            values,
        )


FAILURE: LiteralString = (
    "INSERT INTO actorq.failure (job, attempt, lane, final, cause, type, message, traceback)"
)
BOUNDS: dict[str, LiteralString] = {
    "result": "INSERT INTO actorq.result VALUES (1, to_json(repeat('x', 16777217)))",
    "cause": FAILURE + " VALUES (1, 1, 1, true, repeat('x', 33), '', '', '')",
    "type": FAILURE + " VALUES (1, 1, 1, true, 'error', repeat('x', 1025), '', '')",
    "message": FAILURE + " VALUES (1, 1, 1, true, 'error', '', repeat('x', 65537), '')",
    "traceback": FAILURE + " VALUES (1, 1, 1, true, 'error', '', '', repeat('x', 262145))",
    "unique key": "INSERT INTO actorq.unique_key VALUES ('k', repeat('x', 513), 1)",
    "empty unique key": "INSERT INTO actorq.unique_key VALUES ('k', '', 1)",
    "lane": "INSERT INTO actorq.lane (queue, kind) VALUES ('default', 'a b')",
    "kind": "INSERT INTO actorq.kind (name) VALUES ('a' || chr(10))",
    "queue": "INSERT INTO actorq.lane (queue, kind) VALUES (repeat('x', 129), 'k')",
}


@pytest.mark.parametrize("sql", BOUNDS.values(), ids=BOUNDS)
def test_whatever_is_read_back_has_a_bound(db: psycopg.Connection, sql: LiteralString) -> None:
    with pytest.raises(errors.CheckViolation):
        db.execute(sql)


OTHER_TABLES: dict[str, LiteralString] = {
    "a lease of nobody": """
        INSERT INTO actorq.lease (node, n, lane, suspect, jobs)
        VALUES (gen_random_uuid(), 1, 1, 0, '{-1, 0, 9223372036854775807}'),
            (gen_random_uuid(), -9223372036854775808, 2147483647, -5, '{}')""",
    "a lease of the living": """
        INSERT INTO actorq.lease (node, n, lane, suspect, jobs)
        SELECT id, 9223372036854775807, 1, 0, '{-1}' FROM actorq.node""",
    "waiting rows of no job": """
        INSERT INTO actorq.ready (id, run_at, lane, priority, suspect)
        SELECT 10^15 + n, '-infinity', l.id, 9 - n % 20, n % 5
        FROM actorq.lane l, generate_series(1, 40) n""",
    "waiting rows of a lane that is not": """
        INSERT INTO actorq.ready (id, run_at, lane, priority)
        VALUES (1, now(), 2147483647, 5)""",
    "supervisors that cannot be": """
        INSERT INTO actorq.node (id, host, boot_id, pid_ns, pid, pid_start, ttl_s, beat_at)
        SELECT gen_random_uuid(), E'\x1b[2J', n.boot_id, n.pid_ns, v.pid, 'x', v.ttl, v.at
        FROM actorq.node n, (VALUES (-1, 1e-9::real, '90000-01-01'::timestamptz),
            (0, 86400, '0900-01-01 BC'), (1, 5, now()), (2147483647, 5, now())) v (pid, ttl, at)
        WHERE n.pid_start IS DISTINCT FROM 'x'""",
    "hunger of nobody": """
        INSERT INTO actorq.hunger (lane, node)
        SELECT l.id, gen_random_uuid() FROM actorq.lane l, generate_series(1, 50)""",
    "numbers of settles to come": """
        INSERT INTO actorq.change (source, no, counts)
        SELECT id, 9223372036854775807, '[]' FROM actorq.node ON CONFLICT DO NOTHING""",
    "another fingerprint": "UPDATE actorq.kind SET fingerprint = repeat('x', 100000)",
    "a column, a trigger and a policy of the owner's": """
        ALTER TABLE actorq.job ADD COLUMN IF NOT EXISTS mine text NOT NULL DEFAULT 'x';
        CREATE OR REPLACE FUNCTION public.mine() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN NEW.mine := clock_timestamp()::text; RETURN NEW; END';
        CREATE OR REPLACE TRIGGER mine BEFORE UPDATE ON actorq.job
            FOR EACH ROW EXECUTE FUNCTION public.mine();
        ALTER TABLE actorq.job ENABLE ROW LEVEL SECURITY""",
    "five thousand jobs of one instant": """
        INSERT INTO actorq.job (kind, args) SELECT 'victim', '1' FROM generate_series(1, 5000)""",
}


@pytest.mark.parametrize("sql", OTHER_TABLES.values(), ids=OTHER_TABLES)
def test_odd_rows_in_other_tables_harm_nobody(victim: Victim, sql: LiteralString) -> None:
    victim.conn.execute(sql)
    victim.stir()


MESSAGES = ["", "x", "1" * 400, "-1", "cancel", "cancel  1 1", "cancel {} 99999999999999999999 1"]
MESSAGES += ["²", "cancel {} ² ²", "1 2 3", "\x1b[2J", "cancel {} 1 -1", "é" * 3000]


def test_anybody_may_notify_anything(victim: Victim) -> None:
    ((channel, node),) = victim.rows(
        "SELECT 'actorq_' || 'actorq'::regnamespace::oid, id::text FROM actorq.node"
        " WHERE pid = %s AND pid_start <> 'x'",
        victim.process.pid,
    )
    for message in MESSAGES:
        victim.conn.execute("SELECT pg_notify(%s, %s)", [channel, message.format(node)])
    victim.stir()


def test_a_job_whose_row_is_taken_away_while_it_waits_or_runs_is_missed_by_nobody(
    victim: Victim,
) -> None:
    with victim.conn.transaction():
        victim.conn.execute("ALTER TABLE actorq.job DISABLE TRIGGER job_kept")
        victim.conn.execute("DELETE FROM actorq.job WHERE id = %s", [victim.put()])
        victim.conn.execute("ALTER TABLE actorq.job ENABLE TRIGGER job_kept")
    victim.stir()


@pytest.mark.parametrize("attempt", [-(2**31), 0, 2**31 - 1])
def test_a_lost_job_comes_back_whatever_its_counters_are(victim: Victim, attempt: int) -> None:
    with victim.conn.transaction():
        job = victim.put(attempt=attempt, n_lost=-32768)
        claim(victim.conn, [job], node=uuid.uuid4())
    victim.ends(job, "completed")


def test_more_args_than_one_claim_can_bring_are_claimed_in_parts(victim: Victim) -> None:
    """A claim of 66 jobs of 16 MB is more than PostgreSQL can return as one value."""
    victim.conn.execute(
        """
        CREATE FUNCTION public.limited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF cardinality(NEW.jobs) > 3 THEN
                RAISE 'string buffer exceeds maximum' USING ERRCODE = 'program_limit_exceeded';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER limited BEFORE INSERT ON actorq.lease
            FOR EACH ROW EXECUTE FUNCTION public.limited()
        """
    )
    try:
        victim.conn.execute(
            "INSERT INTO actorq.job (kind, args) SELECT 'victim', '1' FROM generate_series(1, 30)"
        )
        victim.stir()
        assert "batches of kind victim limited to 3 jobs" in victim.supervisors.logs()
    finally:
        victim.conn.execute("DROP FUNCTION public.limited CASCADE")
