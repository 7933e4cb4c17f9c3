"""Administration of the jobs of one app: what the commands do, called from Python.

Each call opens a connection to wherever the app's jobs are at that time, and closes it again:
rare calls need not keep a connection open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import msgspec

from actorq.admin import wanted
from actorq.durations import Duration
from actorq.english import count
from actorq.loading import refuse_while_loading
from actorq.store.admin import change, doctor, jobs, prune
from actorq.store.admin.change import Retried
from actorq.store.admin.checks import Check, Level, worst
from actorq.store.admin.doctor import Repaired
from actorq.store.admin.jobs import History, JobRow
from actorq.store.admin.progress import Progress, Tell, untold
from actorq.store.admin.prune import Pruned
from actorq.store.admin.run import connect_admin
from actorq.store.admin.status import Status, status
from actorq.store.queue.cancel import Cancelled, cancel
from actorq.store.schema import migrate
from actorq.store.schema.plan import Planned
from actorq.store.session.connection import Session

StateName = Literal[
    "pending", "ready", "scheduled", "retrying", "suspect", "running",
    "completed", "failed", "cancelled",
]  # fmt: skip
FinalState = Literal["completed", "cancelled", "failed"]
RetriableState = Literal["failed", "cancelled"]
Finding = Check | Repaired


class Migrated(msgspec.Struct, frozen=True):
    """The names of the migrations that were applied to a schema; empty if it was up to date."""

    schema: str
    applied: list[str]


class Diagnosis(msgspec.Struct, frozen=True):
    """What doctor has found: the worst level of all checks, and what was repaired before them."""

    verdict: Level
    repaired: Repaired | None
    checks: list[Check]


class Location(Protocol):
    """Something that knows where jobs are, such as an App."""

    @property
    def schema(self) -> str:
        """Return the name of the schema."""

    def dsn(self) -> str:
        """Return the DSN of the database; if that is a private server, it is started."""


class Admin:
    """The administration of an app's jobs: reads and changes; safe to use from any thread.

    Every method raises ConfigError for arguments that make no sense, StoreUnavailable if the
    database cannot be reached, and SchemaMismatch if its schema is missing or of another version.
    `progress` is told how far a call has come. What is done stays done if the call raises.
    """

    def __init__(self, location: Location) -> None:
        self._location = location

    def status(self) -> Status:
        """Count what waits, runs, has failed and was done of late, by kind; list who is there."""
        with self._place() as (conn, schema):
            return status(conn, schema)

    def jobs(
        self,
        *,
        state: StateName | None = None,
        kind: str | None = None,
        queue: str | None = None,
        limit: int = wanted.JOBS_LIMIT,
        before: int | None = None,
        args: bool = False,
        found: Callable[[list[JobRow]], object] | None = None,
        progress: Tell | None = None,
    ) -> list[JobRow]:
        """Return the newest jobs, up to 10,000: those of a state, kind and queue, or all.

        `before` is the id below which to look, to read the next page. With `args`, the jobs' args
        are read too. `found` is called with the jobs of each part of the search when that is done.
        """
        asked = wanted.jobs(state, kind, queue, limit, before)
        rows: list[JobRow] = []
        n_looked = 0
        with self._place() as (conn, schema):
            for part in jobs.search(conn, schema, **asked):
                if n_looked:  # most searches end with their first part
                    text = f"{count(len(rows), 'job')} found among {n_looked:,}"
                    (progress or untold)(Progress(text, len(rows), n_looked))
                n_looked = part.n_looked
                more = jobs.jobs(conn, part.ids, schema, args=args)
                rows += more
                if found is not None:
                    found(more)
        return rows

    def job(self, id: int, *, args: bool = False) -> History | None:
        """Return everything that is known of one job, None if no job has this id."""
        (id,) = wanted.ids([id])
        with self._place() as (conn, schema):
            return jobs.history(conn, id, schema, args=args)

    def retry(
        self,
        ids: int | Iterable[int] | None = None,
        *,
        state: RetriableState | None = None,
        kind: str | None = None,
        queue: str | None = None,
        limit: int | None = None,
        progress: Tell | None = None,
    ) -> Retried:
        """Run failed or cancelled jobs again: by their ids, or by state, kind and queue.

        Filters choose up to `limit` (1000) of the newest jobs; without `state`, failed ones. Each
        thousand is a transaction of its own.
        """
        asked = wanted.retry(ids, state, kind, queue, limit)
        done: list[Retried] = []
        n_done = n_looked = 0
        with self._place() as (conn, schema):
            for part in _retried(conn, schema, asked):
                done.append(part)
                n_done += len(part.taken)
                n_looked += len(part.taken) + len(part.held) + len(part.untouched)
                text = f"{count(n_done, 'job')} will run again so far"
                (progress or untold)(Progress(text, n_done, n_looked))
        more = isinstance(asked, dict) and n_done == asked["limit"]
        return msgspec.structs.replace(change.joined(done), more=more)

    def cancel(self, ids: int | Iterable[int]) -> Cancelled:
        """Cancel waiting jobs, and ask for the cancellation of running ones."""
        named = wanted.ids(ids)
        with self._place() as (conn, schema):
            return cancel(conn, named, schema)

    def prune(
        self,
        *,
        older_than_s: Duration | None = None,
        state: FinalState | Sequence[FinalState] | None = None,
        kind: str | None = None,
        limit: int | None = None,
        progress: Tell | None = None,
    ) -> Pruned:
        """Delete finished jobs with their results and failures, one range of ids at a time.

        `older_than_s` is how long they have been final; `state` is one state or several. One of the
        two must be given; without `state`, completed and cancelled jobs are deleted and failed ones
        stay. `n_kept` counts jobs that are kept because a foreign key refers to them.
        """
        asked = wanted.prune(older_than_s, state, kind, limit)
        total = Pruned(0, 0, 0)
        with self._place() as (conn, schema):
            for part in prune.prune(conn, schema, **asked):
                total = total.with_(part)
                n, n_looked = total.n_deleted, total.n_looked
                text = f"{count(n, 'job')} deleted so far, {n_looked:,} looked at"
                (progress or untold)(Progress(text, n, n_looked))
        return total

    def doctor(
        self,
        *,
        repair: bool = False,
        limit: int | None = None,
        found: Callable[[Finding], object] | None = None,
        progress: Tell | None = None,
    ) -> Diagnosis:
        """Check the database, say what is wrong and what to do; with `repair`, repair it first.

        The last two checks look at every job, or at the `limit` jobs with the lowest ids. `found`
        is called with what was repaired, and with each check when it is made.
        """
        wanted.doctor(repair, limit)
        tell, told = found or (lambda finding: None), progress or untold
        repaired = self._repaired(told) if repair else None
        if repaired is not None:
            tell(repaired)
        checks: list[Check] = []
        with self._place() as (conn, schema):
            for check in doctor.examine(conn, schema, told, limit):
                checks.append(check)
                tell(check)
        return Diagnosis(worst(checks), repaired, checks)

    def migrate(self, *, wait_s: Duration = migrate.WAIT_S, progress: Tell = untold) -> Migrated:
        """Make the schema, or bring it up to date.

        `progress` is told what is waited for. After `wait_s`, LockTimeout is raised and names who
        is in the way: what was done stays, and another call does the rest.
        """
        refuse_while_loading("a schema was migrated")
        seconds = wanted.wait(wait_s)
        dsn = self._location.dsn()
        schema = self._location.schema

        def tell(text: str) -> None:
            progress(Progress(text))

        return Migrated(schema, migrate.migrate(dsn, schema, wait_s=seconds, tell=tell))

    def migration_plan(self) -> Planned:
        """Return what `migrate` would do now, and which supervisors would have to stop for it."""
        return migrate.plan(self._location.dsn(), self._location.schema)

    def migration_sql(self) -> str:
        """Return the SQL that makes the schema in a fresh database; connects to no database."""
        return migrate.sql_text(self._location.schema)

    def _repaired(self, told: Tell) -> Repaired:
        with self._place(is_checked=False) as (conn, schema):
            # A schema that was renamed would pass none of the checks below.
            renamed = migrate.is_renamed(conn, schema)
            if renamed:
                migrate.restore_names(conn, schema)
            migrate.check(conn, schema)
            done = doctor.repair(conn, schema, told)
        return msgspec.structs.replace(done, renamed=renamed)

    @contextmanager
    def _place(self, *, is_checked: bool = True) -> Iterator[tuple[Session, str]]:
        """Yield a connection to a database whose schema is right, and the schema's name."""
        refuse_while_loading("an app's jobs were administered")
        dsn = self._location.dsn()
        schema = self._location.schema
        with connect_admin(dsn, schema) as conn:
            if is_checked:
                migrate.check(conn, schema)
            yield conn, schema


def _retried(conn: Session, schema: str, asked: list[int] | dict[str, Any]) -> Iterator[Retried]:
    if isinstance(asked, list):
        return change.retry_named(conn, asked, schema)
    return change.retry_matching(conn, schema, **asked)
