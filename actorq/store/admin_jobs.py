"""Look at jobs: newest first, in pages, or one with all that happened to it."""

from __future__ import annotations

import msgspec

from actorq.core.states import WAITING
from actorq.store.admin import Conn, run, structs

LAST = 2**63 - 1
STORED = ("pending", "completed", "cancelled")


class JobRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """Show one job; `error_*` are its latest failure, `args` only where asked for."""

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
    age_s: float  # since it was final, or since it was to run
    cause: str | None
    error_type: str | None
    error_message: str | None
    args: str | None = None  # JSON text


class FailureRow(msgspec.Struct, frozen=True):
    """Show one failed attempt; `final` is the one that made the job a dead letter."""

    attempt: int
    final: bool
    cause: str
    type: str
    message: str
    traceback: str
    failed_at: str


class Held(msgspec.Struct, frozen=True):
    """Say under which lease, and by which supervisor, a job is held."""

    node: str
    lease: int
    host: str | None
    pid: int | None
    held_s: float


class History(msgspec.Struct, frozen=True):
    """Hold everything the database knows about one job."""

    job: JobRow
    failures: list[FailureRow]
    held: Held | None
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
    name = f"admin_ids_{_source(state)}"
    return [row["id"] for row in run(conn, schema, name, before, limit, state, kind, queue)]


def jobs(conn: Conn, ids: list[int], schema: str = "actorq", *, args: bool = False) -> list[JobRow]:
    """Return the jobs with these ids that exist, newest first."""
    return structs(JobRow, run(conn, schema, "admin_jobs", ids, args)) if ids else []


def history(conn: Conn, job: int, schema: str = "actorq", *, args: bool = False) -> History | None:
    """Return everything about one job, or None if there is no such job."""
    found = jobs(conn, [job], schema, args=args)
    if not found:
        return None
    held = structs(Held, run(conn, schema, "admin_held", job))
    result = run(conn, schema, "admin_result", job)
    return History(
        found[0],
        structs(FailureRow, run(conn, schema, "admin_failures", job)),
        held[0] if held else None,
        result[0]["value"] if result else None,
    )


def _source(state: str | None) -> str:
    """Name the table by which the jobs of a state are found without reading all jobs."""
    if state is None or state in STORED:
        return "stored"
    return "waiting" if state in WAITING else state
