"""Run migrations, each step exactly once, while everybody else continues to work.

A step in a transaction and its record commit together. It waits for a lock no longer than
LOCK_TIMEOUT_S, because whoever wants the table meanwhile queues behind it; then it lets the others
pass, and tries again. Before a contract runs, it is recorded that older code cannot continue;
supervisors that run such code read that and stop, and then the contract is run. Two processes that
migrate at once take turns; the second finds nothing left to do.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from actorq.english import count
from actorq.errors import ConfigError, StoreError
from actorq.store.schema import numbered
from actorq.store.schema.numbered import Migration, MigrationStep
from actorq.store.schema.plan import Planned, old_supervisors, planned
from actorq.store.schema.renamed import is_renamed, restore_names
from actorq.store.schema.version import check, check_not_too_new, version
from actorq.store.schema.waiting import LockWatch, TellWaiting
from actorq.store.session.connection import Session, connect, unit
from actorq.store.session.faults import Contended, LockTimeout, translated
from actorq.store.session.settings import put
from actorq.store.session.statements import quoted

__all__ = ["check", "is_renamed", "migrate", "plan", "restore_names", "sql_text"]

T = TypeVar("T")

LOCK_TIMEOUT_S = 0.15
"""How long others may have to queue behind a step that waits for a lock. Supervisors give up a
statement that waits for a lock after 0.2 s."""

PAUSE_S = 1.0
"""How long the others may pass before the next try, on average."""

WAIT_S = 600.0
"""How long to try by default: longer than a deployment should hang unnoticed."""

LOOK_S = 0.25
"""How often to look whether older supervisors have stopped."""

STATEMENT_S = 6 * 3600.0
"""Longer than it takes to build an index on a billion rows."""

_CONCURRENTLY = re.compile(r"\bINDEX CONCURRENTLY (?:IF NOT EXISTS )?(?:\{schema\}\.)?(\w+)")

log = logging.getLogger("actorq")


def migrate(
    dsn: str, schema: str = "actorq", *, wait_s: float = WAIT_S, tell: TellWaiting = log.warning
) -> list[str]:
    """Bring the schema up to date and return the names of the migrations applied.

    Progress is reported while it waits. After `wait_s` seconds it raises LockTimeout, which names
    who is in the way. Supervisors and clients continue meanwhile, unless a contract excludes them.
    """
    with _connected(dsn, schema) as conn:
        return _Migrator(conn, schema, wait_s, tell).run()


def plan(dsn: str, schema: str = "actorq") -> Planned:
    """Return what `migrate` would do now, and which supervisors would have to stop for it."""
    with _connected(dsn, schema) as conn, translated(), unit(conn):
        return planned(conn, schema)


def sql_text(schema: str = "actorq") -> str:
    """Return the SQL that makes the whole schema in a fresh database, to be run with psql."""
    return "\n".join(["BEGIN;", _made(schema), *_fresh_texts(schema), "COMMIT;", ""])


def _connected(dsn: str, schema: str) -> Session:
    return connect(
        dsn,
        name="actorq migrate",
        schema=schema,
        lock_timeout_s=LOCK_TIMEOUT_S,
        statement_timeout_s=STATEMENT_S,
        deadline_s=STATEMENT_S + 100,
        session=False,
        own_path=False,  # somebody's event trigger may rely on it; our own names are qualified
    )


class _Migrator:
    """One run of everything that is missing, on one connection."""

    def __init__(self, conn: Session, schema: str, wait_s: float, tell: TellWaiting) -> None:
        self._conn, self._schema, self._tell = conn, schema, tell
        self._until = time.monotonic() + wait_s

    def run(self) -> list[str]:
        """Apply what is missing and return the names of what was applied."""
        with translated():
            found = version(self._conn, self._schema)
        if found is None:
            return self._patiently("the schema", self._make)
        check_not_too_new(found, self._schema)
        return [migration.name for migration in numbered.migrations() if self._apply(migration)]

    def _make(self) -> list[str]:
        """Create a fresh schema, all of it or nothing; nobody can be using it yet."""
        with unit(self._conn):
            self._lock()
            if version(self._conn, self._schema) is not None:
                return []  # somebody else has created it meanwhile
            self._conn.execute(_made(self._schema).encode())
            for text in _fresh_texts(self._schema):
                self._conn.execute(text.encode())
        return [migration.name for migration in numbered.migrations()]

    def _apply(self, migration: Migration) -> bool:
        """Run the steps that are missing; return whether there were any."""
        with translated(), unit(self._conn):
            if self._n_steps(migration) == len(migration.steps):
                return False
        if migration.phase == "contract":
            self._patiently(migration.name, partial(self._announce, migration))
            self._await_leave(migration)
        ran = [
            self._patiently(f"{migration.name}/{step.name}", partial(self._step, migration, k))
            for k, step in enumerate(migration.steps)
        ]
        return any(ran)

    def _announce(self, migration: Migration) -> None:
        """Record which code a contract requires, for everybody to read before it is run."""
        with unit(self._conn):
            self._lock()
            if self._n_steps(migration) is None:
                self._conn.execute(_record(migration, 0, self._schema).encode())

    def _await_leave(self, migration: Migration) -> None:
        """Wait until no supervisor lives that cannot work with what the contract leaves."""
        told = ""
        while True:
            with translated(), unit(self._conn):
                old = old_supervisors(self._conn, self._schema, migration.min_code)
            if not old:
                return
            who = f"{count(len(old), 'supervisor')} of an older actorq: {', '.join(map(str, old))}"
            if time.monotonic() > self._until:
                raise StoreError(
                    f"{migration.name} was not run: it would break {who}. They stop by "
                    "themselves once their batches are done; then run actorq migrate again"
                )
            if who != told:
                self._tell(f"{migration.name} waits for the end of {who}")
                told = who
            time.sleep(LOOK_S)

    def _step(self, migration: Migration, k: int) -> bool:
        """Run one step unless it has been; return whether it was run now."""
        step = migration.steps[k]
        return (self._alone if step.is_alone else self._together)(migration, k, step)

    def _together(self, migration: Migration, k: int, step: MigrationStep) -> bool:
        """Run a step in one transaction with the record of it."""
        with unit(self._conn):
            self._lock()
            if (self._n_steps(migration) or 0) > k:
                return False
            self._conn.execute(step.text.replace("{schema}", quoted(self._schema)).encode())
            self._conn.execute(_record(migration, k + 1, self._schema).encode())
        return True

    def _alone(self, migration: Migration, k: int, step: MigrationStep) -> bool:
        """Run a step that cannot be in a transaction; it blocks nobody."""
        if self._conn.pooling == "transaction":
            raise ConfigError(
                f"{migration.name} cannot be run through a connection pooler: give actorq "
                "migrate a DSN that leads to PostgreSQL itself"
            )
        self._conn.execute("SELECT pg_advisory_lock(%s)", [self._key()])
        try:
            if (self._n_steps(migration) or 0) > k:
                return False
            if not self._is_built(step):
                put(self._conn, {"lock_timeout": "0"}, local=False)
                self._conn.execute(step.text.replace("{schema}", quoted(self._schema)).encode())
            self._conn.execute(_record(migration, k + 1, self._schema).encode())
        finally:
            put(self._conn, {"lock_timeout": f"{round(LOCK_TIMEOUT_S * 1000)}ms"}, local=False)
            self._conn.execute("SELECT pg_advisory_unlock(%s)", [self._key()])
        return True

    def _is_built(self, step: MigrationStep) -> bool:
        """Return whether a step's index exists; remove what an earlier try has left of it."""
        made = _CONCURRENTLY.search(step.text)
        if made is None or "DROP INDEX" in step.text:
            return False
        name = f"{quoted(self._schema)}.{made[1]}"
        row = self._conn.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name]
        ).fetchone()
        if row and not row[0]:
            self._conn.execute(f"DROP INDEX CONCURRENTLY {name}".encode())
        return bool(row and row[0])

    def _patiently(self, what: str, action: Callable[[], T]) -> T:
        """Try until it is done, however often somebody else's lock is in the way."""
        with LockWatch(self._conn, what, self._tell) as watch:
            while True:
                try:
                    with translated():
                        return action()
                except Contended as error:
                    if time.monotonic() > self._until:
                        raise LockTimeout(
                            f"{what} was given up, because it waits for "
                            f"{watch.seen or 'a lock of somebody else'} ({error}). What was done "
                            "before stays; run actorq migrate again when that transaction is over"
                        ) from error
                time.sleep(PAUSE_S * random.uniform(0.5, 1.5))

    def _lock(self) -> None:
        self._conn.execute("SELECT pg_advisory_xact_lock(%s)", [self._key()])

    def _key(self) -> int:
        """Return a number made from the name: before the first migration there is no oid."""
        row = self._conn.execute(
            "SELECT hashtextextended('actorq ' || %s, 0)", [self._schema]
        ).fetchone()
        return int(row[0]) if row else 0

    def _n_steps(self, migration: Migration) -> int | None:
        """Return how many steps have been run, None if the migration was not even announced."""
        text = f"SELECT n_steps FROM {quoted(self._schema)}.migration WHERE n = %s"
        row = self._conn.execute(text.encode(), [migration.n]).fetchone()
        return row[0] if row else None


def _made(schema: str) -> str:
    """Return the SQL that creates the schema if it is missing.

    CREATE … IF NOT EXISTS requires the right to create it even if it exists.
    """
    return f"""DO $$ BEGIN
    IF to_regnamespace('{quoted(schema)}') IS NULL THEN
        CREATE SCHEMA {quoted(schema)};
    END IF;
END $$;"""


def _fresh_texts(schema: str) -> list[str]:
    """Return the text of each migration, for a schema that nobody uses yet."""
    return [
        "\n".join(
            [step.text.replace("INDEX CONCURRENTLY", "INDEX") for step in migration.steps]
        ).replace("{schema}", quoted(schema))
        + _record(migration, len(migration.steps), schema)
        for migration in numbered.migrations()
    ]


def _record(migration: Migration, n_steps: int, schema: str) -> str:
    """Return the statement that records so many steps."""
    at = "statement_timestamp()" if n_steps == len(migration.steps) else "NULL"
    return (
        f"INSERT INTO {quoted(schema)}.migration (n, name, min_code, n_steps, applied_at)\n"
        f"VALUES ({migration.n}, '{migration.name}', {migration.min_code}, {n_steps}, {at})\n"
        "ON CONFLICT (n) DO UPDATE SET n_steps = excluded.n_steps,"
        " applied_at = excluded.applied_at;"
    )
