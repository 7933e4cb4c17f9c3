"""Run failed and cancelled jobs again.

Whatever can affect many jobs works in chunks, each a transaction of its own, and yields what each
chunk has done, which stays done if a later one fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from actorq.core.job.states import RETRIABLE
from actorq.errors import ConfigError
from actorq.store.admin.jobs import LAST, search
from actorq.store.admin.run import Conn, run
from actorq.store.session.connection import unit
from actorq.store.session.faults import translated

CHUNK = 1000


class Retried(msgspec.Struct, frozen=True):
    """The jobs that will run again, and those whose unique key another pending job holds.

    `untouched` are named jobs that are neither failed nor cancelled, or do not exist. `more` says
    that the limit was reached, so that there may be more.
    """

    taken: list[int]
    held: list[int]
    untouched: list[int] = []
    more: bool = False


def retry(conn: Conn, ids: Sequence[int], schema: str = "actorq") -> Retried:
    """Run failed and cancelled jobs again; jobs that are neither are reported as untouched."""
    return joined(retry_named(conn, ids, schema))


def retry_named(conn: Conn, ids: Sequence[int], schema: str = "actorq") -> Iterator[Retried]:
    """Retry these jobs, a thousand per transaction."""
    for start in range(0, len(ids), CHUNK):
        chunk = list(ids[start : start + CHUNK])
        done = _retry_chunk(conn, schema, chunk)
        others = set(chunk) - set(done.taken) - set(done.held)
        yield Retried(done.taken, done.held, sorted(others))


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
    check_states([state], RETRIABLE)
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


def _retry_chunk(conn: Conn, schema: str, ids: list[int]) -> Retried:
    with translated(), unit(conn):
        rows = run(conn, schema, "admin_retry", ids=ids)
        lanes = {row["lane"] for row in rows if row["lane"] is not None}
        run(conn, schema, "admin_wake", lanes=sorted(lanes))
        run(conn, schema, "admin_prune_forget", ids=ids)
    taken = [row["id"] for row in rows if row["lane"] is not None]
    return Retried(taken, [row["id"] for row in rows if row["lane"] is None])


def joined(parts: Iterable[Retried]) -> Retried:
    """Return the combined result of several chunks."""
    total = Retried([], [], [])
    for part in parts:
        total.taken.extend(part.taken)
        total.held.extend(part.held)
        total.untouched.extend(part.untouched)
    return total


def check_states(states: Sequence[str], allowed: Sequence[str]) -> None:
    """Raise ConfigError for the first state that is not allowed."""
    for state in states:
        if state not in allowed:
            raise ConfigError(f"state {state[:80]!r}: choose from {', '.join(allowed)}")
