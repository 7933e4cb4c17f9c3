"""Look at all jobs, a range of ids at a time, for what does not fit; repair failures and results.

No index tells which jobs do not fit, so all have to be examined. Each range is a statement of its
own, after which the progress is reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from actorq.store.admin.jobs import LAST
from actorq.store.admin.progress import Progress, Tell, untold
from actorq.store.admin.run import Conn, run
from actorq.store.session.faults import translated

RANGE = 500_000
"""How many jobs one statement examines: so many that reading `ready` once for each is cheap."""

MAX_FOUND = 100_000
REPAIR_CHUNK = 1000

UNMATCHED = {
    "orphan": "results or failures of no job: of jobs that were deleted past the triggers",
    "marked": "not failed, but counted as dead letters",
    "elsewhere": "dead letters that are counted for another kind or queue",
    "unmarked": "failed, but not among the dead letters: retry --kind would not find them",
}


def unmatched(
    conn: Conn,
    schema: str = "actorq",
    limit: int = MAX_FOUND,
    told: Tell = untold,
    among: int | None = None,
) -> dict[int, str]:
    """Return up to `limit` jobs whose failures or results do not fit them, with what is wrong."""
    return in_ranges(conn, schema, "admin_unmatched", limit, told, among)


def in_ranges(
    conn: Conn, schema: str, name: str, limit: int, told: Tell, among: int | None
) -> dict[int, str]:
    """Find jobs with what is wrong, by a statement that examines one range of ids after the other.

    Examines all jobs, or those `among` so many with the lowest ids.
    """
    found: dict[int, str] = {}
    n_looked = 0
    for first, last, n in _ranges(conn, schema, among):
        rows = run(conn, schema, name, limit=limit - len(found), first=first, last=last)
        found |= {row["id"]: row["what"] for row in rows}
        n_looked += n
        text = f"{n_looked:,} jobs compared with where they stand, {len(found):,} wrong"
        told(Progress(text, len(found), n_looked))
        if len(found) >= limit:
            break
    return found


def _ranges(conn: Conn, schema: str, among: int | None) -> Iterator[tuple[int, int, int]]:
    """Yield first and last ids of ranges that cover all jobs, with the number of jobs in each."""
    first, left = -LAST, LAST if among is None else among
    while left > 0:
        row = run(conn, schema, "admin_range", first=first, n=min(RANGE, left))[0]
        if row["last"] is None:
            yield first, LAST, 0
            return
        yield first, row["last"], row["n"]
        first, left = row["last"] + 1, left - row["n"]


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
