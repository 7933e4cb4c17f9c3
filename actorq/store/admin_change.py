"""Change what is there: retry dead letters, prune finished jobs.

Everything that can touch many jobs works in chunks, each a transaction of its own: what a
chunk has done stays done if a later one fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from actorq.core.states import PRUNABLE, PRUNED_BY_DEFAULT, RETRIABLE
from actorq.errors import ConfigError
from actorq.store.admin import Conn, run
from actorq.store.admin_jobs import LAST, job_ids
from actorq.store.connection import unit
from actorq.store.faults import translated

CHUNK = 1000
PRUNE_STRETCH = 10_000


def retry(conn: Conn, ids: Sequence[int], schema: str = "actorq") -> list[int]:
    """Give failed and cancelled jobs a new life; return the ids of those that were either."""
    taken: list[int] = []
    for start in range(0, len(ids), CHUNK):
        taken += _retry_chunk(conn, schema, list(ids[start : start + CHUNK]))
    return taken


def retry_matching(
    conn: Conn,
    schema: str = "actorq",
    *,
    state: str = "failed",
    kind: str | None = None,
    queue: str | None = None,
    limit: int = CHUNK,
) -> list[int]:
    """Retry up to `limit` failed or cancelled jobs of a kind and queue, newest first."""
    _check_states([state], RETRIABLE)
    taken: list[int] = []
    before = LAST
    while len(taken) < limit:
        n = min(CHUNK, limit - len(taken))
        ids = job_ids(conn, schema, state=state, kind=kind, queue=queue, limit=n, before=before)
        if not ids:
            break
        taken += _retry_chunk(conn, schema, ids)
        before = ids[-1]
    return taken


def prune(
    conn: Conn,
    schema: str = "actorq",
    *,
    states: Sequence[str] = PRUNED_BY_DEFAULT,
    older_than_s: float = 0.0,
    kind: str | None = None,
    limit: int | None = None,
) -> Iterator[int]:
    """Delete finished jobs, yielding how many each chunk deleted; a pending job never goes."""
    _check_states(states, PRUNABLE)
    left = LAST if limit is None else limit
    after: int | None = -LAST
    while after is not None and left > 0:
        params = (after, PRUNE_STRETCH, list(states), older_than_s, kind, left)
        row = run(conn, schema, "admin_prune", *params)[0]
        after = row["last"]
        left -= row["n_deleted"]
        yield row["n_deleted"]


def _retry_chunk(conn: Conn, schema: str, ids: list[int]) -> list[int]:
    with translated(), unit(conn):
        rows = run(conn, schema, "admin_retry", ids)
        run(conn, schema, "admin_wake", sorted({row["lane"] for row in rows}))
    return [row["id"] for row in rows]


def _check_states(states: Sequence[str], allowed: Sequence[str]) -> None:
    for state in states:
        if state not in allowed:
            raise ConfigError(f"state {state[:80]!r}: choose from {', '.join(allowed)}")
