"""Where a stress test runs: a private server of its own, or an own schema of a given database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actorq import embedded
from actorq.embedded.server import Server, default_home
from actorq.embedded.system import alive
from actorq.errors import ConfigError
from actorq.store.admin.run import run
from actorq.store.schema.migrate import migrate
from actorq.store.session.connection import Session, connect
from actorq.store.session.statements import quoted

STATEMENT_S = 120.0
LOCK_S = 10.0

SETTINGS: dict[str, str | int] = {
    "track_commit_timestamp": "on",
    "max_wal_size": "4GB",
    "max_connections": 500,
}
"""Of the private server: instants of commits are exact, no checkpoint comes from the volume of
WAL, and 300 idle connections fit."""

NAME = "actorq stress"


@dataclass(frozen=True)
class StressPlace:
    """A schema for the test; `server` is there if the server is the test's own."""

    dsn: str
    schema: str
    server: Server | None
    text: str

    def connect(self) -> Session:
        """Open a connection of the test's own."""
        return connect(
            self.dsn,
            name=NAME,
            schema=self.schema,
            lock_timeout_s=LOCK_S,
            statement_timeout_s=STATEMENT_S,
            deadline_s=STATEMENT_S + 10,
        )


@contextmanager
def private_place(schema: str) -> Iterator[StressPlace]:
    """Yield a schema on a private durable server, which is deleted afterwards."""
    home = private_home()
    for left in abandoned(home):
        embedded.remove(left)
    server = embedded.start(home, settings=SETTINGS)
    try:
        migrate(server.dsn, schema)
        yield StressPlace(server.dsn, schema, server, server.describe())
    finally:
        server.close()
        embedded.remove(home)


def private_home() -> Path:
    """Return a place beside this user's usual server: on a disk, where /tmp may be memory."""
    return default_home().with_name(f"actorq-stress-{os.getpid()}")


def abandoned(home: Path) -> list[Path]:
    """Return what tests that were killed have left beside a test's own place."""
    stem = home.name.rpartition("-")[0]
    found = [path for path in home.parent.glob(f"{stem}-*") if path.name[len(stem) + 1 :].isdigit()]
    return [path for path in found if not alive(int(path.name.rpartition("-")[2]))]


@contextmanager
def given_place(dsn: str, schema: str) -> Iterator[StressPlace]:
    """Yield a schema in a given database; it is made if it is missing, and then dropped again.

    Raises ConfigError if the schema has jobs: their supervisors would be disturbed, and a test
    empties its tables.
    """
    probe = connect(dsn, name=NAME, schema=schema, session=False)
    with probe:
        is_new = not _exists(probe, schema)
    migrate(dsn, schema)
    place = StressPlace(dsn, schema, None, f"schema {schema} of a given database")
    with place.connect() as conn:
        _check_empty(conn, schema)
        try:
            yield place
        finally:
            if is_new:
                conn.execute(f"DROP SCHEMA {quoted(schema)} CASCADE".encode())
            else:
                run(conn, schema, "stress_truncate")


def _exists(conn: Session, schema: str) -> bool:
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s)", [schema]
    ).fetchone()
    return bool(row and row[0])


def _check_empty(conn: Session, schema: str) -> None:
    [found] = run(conn, schema, "stress_any_job")
    if found["any_job"]:
        raise ConfigError(
            f"schema {schema!r} has jobs: a stress test works in a schema of its own, which it "
            "empties. Name one that is not there, such as --schema actorq_stress, or use "
            "--embedded. If a test that was killed has left it, and nothing else is in it, drop it "
            "yourself"
        )
    [nodes] = run(conn, schema, "stress_any_node")
    if nodes["any_node"]:
        raise ConfigError(
            f"schema {schema!r} is served by a supervisor: a stress test works in a schema of its "
            "own. Name one that is not there, such as --schema actorq_stress, or use --embedded"
        )
