"""Read jobs: newest first, in pages, or one job with everything that happened to it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import msgspec

from actorq.core.job.states import WAITING
from actorq.store.admin.run import Conn, run, structs

LAST = 2**63 - 1
STORED = ("completed", "cancelled")
STRETCH = 10_000
"""How many jobs one statement examines if only their rows tell their state; takes some 10 ms."""


class Found(NamedTuple):
    """Jobs that a search has found so far, newest first, and how many it has examined."""

    ids: list[int]
    n_looked: int


class JobRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One job as it is shown; `error_*` are its latest failure, `args` only if asked for."""

    id: int
    state: str
    queue: str
    kind: str
    priority: int
    key: str
    tags: list[str]
    attempt: int
    n_failed: int
    n_crashed: int
    n_lost: int
    max_attempts: int | None
    created_at: str
    run_at: str
    attempted_at: str | None
    finalized_at: str | None
    cancel_at: str | None
    age_s: float  # since it became final, or since it was to run
    cause: str | None
    error_type: str | None
    error_message: str | None
    args: str | None = None  # JSON text


class FailureRow(msgspec.Struct, frozen=True):
    """One failed attempt; `final` is the one that failed the job for good."""

    attempt: int
    final: bool
    cause: str
    type: str
    message: str
    traceback: str
    failed_at: str


class Holder(msgspec.Struct, frozen=True):
    """The lease under which a job is held, and the supervisor that holds it."""

    node: str
    lease: int
    host: str | None
    pid: int | None
    held_s: float


class History(msgspec.Struct, frozen=True):
    """Everything that the database knows about one job."""

    job: JobRow
    failures: list[FailureRow]
    held: Holder | None
    result: str | None  # JSON text


def job_ids(
    conn: Conn,
    schema: str = "actorq",
    *,
    state: str | None = None,
    kind: str | None = None,
    queue: str | None = None,
    limit: int = 100,
    before: int = LAST,
) -> list[int]:
    """Return ids of jobs below `before`, newest first."""
    found = search(conn, schema, state=state, kind=kind, queue=queue, limit=limit, before=before)
    return list(chain.from_iterable(part.ids for part in found))


def search(
    conn: Conn,
    schema: str = "actorq",
    *,
    state: str | None,
    kind: str | None,
    queue: str | None,
    limit: int,
    before: int = LAST,
) -> Iterator[Found]:
    """Find ids of jobs below `before`, newest first, and yield them as they are found.

    Completed and cancelled jobs are searched for among all jobs, a range at a time, because no
    index knows a job's state. Every other state has a table or an index of its own.
    """
    if state is None or state in STORED:
        yield from _stretches(conn, schema, state, kind, queue, limit, before)
        return
    asked = {"before": before, "limit": limit, "kind": kind, "queue": queue}
    which = {"waiting": {"state": state}}
    roads = ("waiting", "running") if state == "pending" else (_road(state),)
    found = {
        row["id"]
        for road in roads
        for row in run(conn, schema, f"admin_ids_{road}", **asked, **which.get(road, {}))
    }
    yield Found(sorted(found, reverse=True)[:limit], len(found))


def _stretches(
    conn: Conn,
    schema: str,
    state: str | None,
    kind: str | None,
    queue: str | None,
    limit: int,
    before: int,
) -> Iterator[Found]:
    n_looked = 0
    while limit > 0:
        size = max(limit, 1000) if n_looked == 0 else STRETCH  # the first page is quick
        asked = {"before": before, "limit": limit, "state": state, "kind": kind, "queue": queue}
        row = run(conn, schema, "admin_ids_stored", **asked, stretch=size)[0]
        if row["last"] is None:
            return
        n_looked += size
        yield Found(row["ids"], n_looked)
        limit -= len(row["ids"])
        before = row["last"]


def jobs(conn: Conn, ids: list[int], schema: str = "actorq", *, args: bool = False) -> list[JobRow]:
    """Return the jobs with these ids that exist, newest first."""
    return structs(JobRow, run(conn, schema, "admin_jobs", ids=ids, with_args=args)) if ids else []


def history(conn: Conn, job: int, schema: str = "actorq", *, args: bool = False) -> History | None:
    """Return everything about one job, or None if there is no such job."""
    found = jobs(conn, [job], schema, args=args)
    if not found:
        return None
    held = structs(Holder, run(conn, schema, "admin_held", id=job))
    result = run(conn, schema, "admin_result", id=job)
    return History(
        found[0],
        structs(FailureRow, run(conn, schema, "admin_failures", id=job)),
        held[0] if held else None,
        result[0]["value"] if result else None,
    )


def _road(state: str) -> str:
    """Return the name of the table by which jobs of a state are found without reading all jobs."""
    return "waiting" if state in WAITING else state
