"""Fill a database with the backlog, the dead letters and the finished jobs of a long life."""

from __future__ import annotations

from bench import _harness as h

CHUNK = 250_000
ARGS = "json_build_object('n', n, 's', repeat('x', 60))"
WAITING = """
INSERT INTO actorq.job (queue, kind, args, run_at, created_at)
SELECT 'default', 'bench.w' || n % 4, {args}, {run_at}, now() - interval '40 days'
FROM generate_series(1, {n}) n
"""
FINAL = """
INSERT INTO actorq.job (
    queue, kind, args, created_at, run_at, state, attempt, n_failed, attempted_at, finalized_at
)
SELECT 'default', 'bench.w' || n % 4, {args}, t.at, t.at, '{state}', 1, {n_failed}, t.at, t.at
FROM generate_series(1, {n}) n, (SELECT now() - interval '{age}') t (at)
"""
FAILURES = """
INSERT INTO actorq.failure (job, attempt, lane, final, cause, type, message, traceback)
SELECT j.id, 1, l.id, true, 'error', 'ValueError', 'no luck', repeat('a line of traceback. ', 20)
FROM actorq.job j JOIN actorq.lane l USING (queue, kind)
WHERE j.state = 'failed'
"""


def fill(dsn: str, waiting: int, dead: int, done: int) -> None:
    """Put jobs there, the waiting ones first: so they are the oldest, far from the newest ids.

    Half of those that wait share rows of the queue, as jobs of one statement do; the others have
    a row each. They and the dead are older than what a prune is asked for, the others newer.
    """
    for text, n in (
        (WAITING.replace("{run_at}", "now() - interval '1 hour'"), waiting // 2),
        (WAITING.replace("{run_at}", "now() - n * interval '1 ms'"), waiting - waiting // 2),
        (_final("failed", 1, "30 days"), dead),
        (_final("completed", 0, "1 hour"), done),
    ):
        for start in range(0, n, CHUNK):
            size = str(min(CHUNK, n - start))
            h.run(dsn, text.replace("{args}", ARGS).replace("{n}", size))
    h.run(dsn, FAILURES)
    h.run(dsn, "VACUUM (ANALYZE) actorq.job, actorq.ready, actorq.failure")
    h.say(f"{waiting:,} wait, {dead:,} are dead, {done:,} completed")


def _final(state: str, n_failed: int, age: str) -> str:
    text = FINAL.replace("{state}", state).replace("{n_failed}", str(n_failed))
    return text.replace("{age}", age)
