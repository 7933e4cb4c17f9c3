"""What `migrate` would do: the missing steps, their locks, and who would have to stop."""

from __future__ import annotations

from typing import Any

import msgspec
import psycopg

from actorq.store.schema import numbered
from actorq.store.schema.numbered import Migration, MigrationPhase, MigrationStep
from actorq.store.schema.version import Version, check_not_too_new, version
from actorq.store.session.statements import quoted


class OldSupervisor(msgspec.Struct, frozen=True):
    """A live supervisor whose code cannot work with what a contract leaves."""

    node: str
    host: str
    pid: int
    code: int

    def __str__(self) -> str:
        """Return where it runs."""
        return f"process {self.pid} on {self.host}"


class PlannedLock(msgspec.Struct, frozen=True):
    """A lock that a step takes, and holds until it is done."""

    table: str
    mode: str


class PlannedStep(msgspec.Struct, frozen=True):
    """A step that has not been run; `min_code` is the oldest code that can work with it."""

    migration: str
    step: str
    phase: MigrationPhase
    min_code: int
    in_transaction: bool
    locks: list[PlannedLock]


class Planned(msgspec.Struct, frozen=True):
    """All that is missing, in order; `version` is None if there is no schema yet."""

    schema: str
    version: int | None
    steps: list[PlannedStep]
    stops: list[OldSupervisor]


def planned(conn: psycopg.Connection[object], schema: str) -> Planned:
    """Return what is missing. If there is no schema yet, nobody has to stop."""
    found = version(conn, schema)
    if found is not None:
        check_not_too_new(found, schema)
    done = _done(conn, schema, found)
    missing = [
        (migration, step)
        for migration in numbered.migrations()
        for step in migration.steps[done.get(migration.n, 0) :]
    ]
    min_code = max((migration.min_code for migration, _ in missing), default=0)
    stops = [] if found is None else old_supervisors(conn, schema, min_code)
    steps = [_planned_step(migration, step) for migration, step in missing]
    return Planned(schema, None if found is None else found.n, steps, stops)


def old_supervisors(
    conn: psycopg.Connection[Any], schema: str, min_code: int
) -> list[OldSupervisor]:
    """Return the supervisors with code older than this number that are alive within their ttl."""
    rows = conn.execute(
        f"SELECT id::text, host, pid, code FROM {quoted(schema)}.node WHERE code < %s"
        " AND beat_at > clock_timestamp() - ttl_s * interval '1 s' ORDER BY host, pid".encode(),
        [min_code],
    )
    return [OldSupervisor(*row) for row in rows]


def _done(conn: psycopg.Connection[Any], schema: str, found: Version | None) -> dict[int, int]:
    """Return how many steps of each migration have been run."""
    if found is None:
        return {}
    rows = conn.execute(f"SELECT n, n_steps FROM {quoted(schema)}.migration".encode())
    return dict(rows.fetchall())


def _planned_step(migration: Migration, step: MigrationStep) -> PlannedStep:
    locks = [PlannedLock(*lock) for lock in step.locks]
    return PlannedStep(
        migration.name, step.name, migration.phase, migration.min_code, not step.is_alone, locks
    )
