"""Look at all jobs, a range of ids at a time, for what does not fit; and mend failures and results.

No index tells which jobs do not fit, so all have to be looked at: each range is a statement of its
own, and how far it has come is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from actorq.store.admin.jobs import LAST
from actorq.store.admin.run import Conn, run
from actorq.store.session.faults import translated

RANGE = 500_000
"""Jobs that one statement looks at: so many that reading `ready` once for each is cheap."""

MAX_FOUND = 100_000
REPAIR_CHUNK = 1000

UNMATCHED = {
    "orphan": "results or failures of no job: of jobs that were deleted past the triggers",
    "marked": "not failed, but counted as dead letters",
    "elsewhere": "dead letters that are counted for another kind or queue",
    "unmarked": "failed, but not among the dead letters: retry --kind would not find them",
}


Tell = Callable[[str], None]
"""Hears how far a look at all jobs has come."""


def untold(text: str) -> None:
    """Hear it and do nothing."""


def unmatched(
    conn: Conn, schema: str = "actorq", limit: int = MAX_FOUND, told: Tell = untold
) -> dict[int, str]:
    """Return up to `limit` jobs whose failures or results do not fit them, with what is wrong."""
    return in_ranges(conn, schema, "admin_unmatched", limit, told)


def in_ranges(conn: Conn, schema: str, name: str, limit: int, told: Tell) -> dict[int, str]:
    """Find jobs with what is wrong by a statement that looks at a range of ids, range by range."""
    found: dict[int, str] = {}
    for n, (first, last) in enumerate(_ranges(conn, schema)):
        rows = run(conn, schema, name, limit=limit - len(found), first=first, last=last)
        found |= {row["id"]: row["what"] for row in rows}
        told(f"{(n + 1) * RANGE:,} jobs compared with where they stand, {len(found):,} wrong")
        if len(found) >= limit:
            break
    return found


def _ranges(conn: Conn, schema: str) -> Iterator[tuple[int, int]]:
    """Yield first and last ids that together cover all there are, each some jobs wide."""
    first = -LAST
    while (last := run(conn, schema, "admin_range", first=first, n=RANGE)[0]["last"]) is not None:
        yield first, last
        first = last + 1
    yield first, LAST


def match_all(conn: Conn, schema: str, told: Tell) -> int:
    """Make failures and results fit their jobs; return how many did not."""
    n = 0
    while ids := list(unmatched(conn, schema, MAX_FOUND, told)):
        for start in range(0, len(ids), REPAIR_CHUNK):
            _match(conn, schema, ids[start : start + REPAIR_CHUNK])
        n += len(ids)
        if len(ids) < MAX_FOUND:
            break
    return n


def _match(conn: Conn, schema: str, ids: list[int]) -> None:
    steps = ("lanes", "lock_jobs", "orphans", "finals", "dead")
    with translated(), conn.transaction():
        for step in steps:
            run(conn, schema, f"admin_repair_{step}", ids=ids)
