"""Change what is there: retry dead letters, prune finished jobs.

Everything that can touch many jobs works in chunks, each a transaction of its own, and yields what
each chunk has done: it stays done if a later one fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from actorq.core.states import PRUNABLE, PRUNED_BY_DEFAULT, RETRIABLE
from actorq.errors import ConfigError
from actorq.store.admin import Conn, run
from actorq.store.admin_jobs import LAST, search
from actorq.store.faults import translated

CHUNK = 1000
PRUNE_STRETCH = 10_000


class Retried(msgspec.Struct, frozen=True):
    """Name the jobs that will run again, and those whose unique key another pending job holds."""

    taken: list[int]
    held: list[int]


class Pruned(msgspec.Struct, frozen=True):
    """Count the jobs of a stretch that were looked at, deleted, and kept for others' sake."""

    n_looked: int
    n_deleted: int
    n_kept: int


def retry(conn: Conn, ids: Sequence[int], schema: str = "actorq") -> Retried:
    """Give failed and cancelled jobs a new life; jobs that are neither are in no list."""
    chunks = [list(ids[start : start + CHUNK]) for start in range(0, len(ids), CHUNK)]
    done = [_retry_chunk(conn, schema, chunk) for chunk in chunks]
    return Retried(_joined(d.taken for d in done), _joined(d.held for d in done))


def retry_matching(
    conn: Conn,
    schema: str = "actorq",
    *,
    state: str = "failed",
    kind: str | None = None,
    queue: str | None = None,
    limit: int = CHUNK,
) -> Iterator[Retried]:
    """Retry up to `limit` failed or cancelled jobs of a kind and queue, newest first."""
    _check_states([state], RETRIABLE)
    before, left = LAST, limit
    while left > 0:
        n = min(CHUNK, left)
        n_found = 0
        for found in search(
            conn, schema, state=state, kind=kind, queue=queue, limit=n, before=before
        ):
            if found.ids:
                done = _retry_chunk(conn, schema, found.ids)
                n_found, before = n_found + len(found.ids), found.ids[-1]
                left -= len(done.taken)
                yield done
        if n_found < n:
            return


def prune(
    conn: Conn,
    schema: str = "actorq",
    *,
    states: Sequence[str] = PRUNED_BY_DEFAULT,
    older_than_s: float = 0.0,
    kind: str | None = None,
    limit: int | None = None,
) -> Iterator[Pruned]:
    """Delete finished jobs, yielding what each stretch has come to; a pending job never goes.

    Goes by id, and ends at the first stretch of jobs that were all made since: what was made
    later was finished later. Jobs that a foreign key of somebody else's refers to are kept.
    """
    _check_states(states, PRUNABLE)
    keeps = any(key["keeps"] for key in run(conn, schema, "admin_references"))
    left, after = LAST if limit is None else limit, -LAST
    while left > 0:
        params = (after, PRUNE_STRETCH, list(states), older_than_s, kind, left)
        row = run(conn, schema, "admin_prune_pick", *params)[0]
        if row["last"] is None:
            return
        doomed, kept = _unreferenced(conn, schema, row["ids"]) if keeps else (row["ids"], 0)
        n = _delete(conn, schema, doomed, states)
        yield Pruned(PRUNE_STRETCH, n, kept)
        left, after = left - n, row["last"]
        if row["young"]:
            return


def _delete(conn: Conn, schema: str, ids: list[int], states: Sequence[str]) -> int:
    if not ids:
        return 0
    return int(run(conn, schema, "admin_prune", ids, list(states))[0]["n_deleted"])


def _unreferenced(conn: Conn, schema: str, ids: list[int]) -> tuple[list[int], int]:
    """Return those of the jobs that nobody refers to, and how many others there are."""
    kept = {row["id"] for row in run(conn, schema, "admin_referenced", ids)}
    return [job for job in ids if job not in kept], len(kept)


def _retry_chunk(conn: Conn, schema: str, ids: list[int]) -> Retried:
    with translated(), conn.transaction():
        rows = run(conn, schema, "admin_retry", ids)
        lanes = {row["lane"] for row in rows if row["lane"] is not None}
        run(conn, schema, "admin_wake", sorted(lanes))
    taken = [row["id"] for row in rows if row["lane"] is not None]
    return Retried(taken, [row["id"] for row in rows if row["lane"] is None])


def _joined(parts: Iterable[list[int]]) -> list[int]:
    return [job for part in parts for job in part]


def _check_states(states: Sequence[str], allowed: Sequence[str]) -> None:
    for state in states:
        if state not in allowed:
            raise ConfigError(f"state {state[:80]!r}: choose from {', '.join(allowed)}")
