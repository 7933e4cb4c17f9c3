"""Which database a command talks to, and the connection to it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from actorq.dsn import find_dsn
from actorq.errors import ConfigError

if TYPE_CHECKING:
    from actorq.admin import Admin
    from actorq.app import App

SCHEMA = "actorq"


@contextmanager
def administered(args: Namespace) -> Iterator[Admin]:
    """Yield the administration of the database that was named."""
    with location(args) as (dsn, schema):
        yield located(dsn, schema).admin


def located(dsn: str, schema: str) -> App:
    """Return an app without kinds at that place; an empty DSN stands for the PG* variables."""
    from actorq.app import App

    app = App()
    app.relocate(dsn, schema)
    return app


@contextmanager
def location(args: Namespace, app: App | None = None) -> Iterator[tuple[str, str]]:
    """Yield the DSN and the schema: as typed, else the app's own, else from the environment.

    With --embedded they are those of a private server, on which the schema is made.
    """
    schema = (app.schema if app else SCHEMA) if args.schema is None else args.schema
    if args.embedded and args.dsn:
        raise ConfigError("--dsn and --embedded: give one of them, it decides where the jobs are")
    if args.embedded:
        from actorq import embedded
        from actorq.store.schema.migrate import migrate

        with embedded.start() as server:
            migrate(server.dsn, schema)
            yield server.dsn, schema
    else:
        warn_of_password(args.dsn)
        yield find_dsn(args.dsn) if args.dsn or app is None else app.dsn(), schema


def warn_of_password(dsn: str | None) -> None:
    """Warn if a password was typed where every user of the machine can read it."""
    if dsn and has_password(dsn):
        print(
            "actorq: the password in --dsn can be seen in the list of processes: "
            "use ACTORQ_DSN, PGPASSWORD or ~/.pgpass",
            file=sys.stderr,
        )


def has_password(dsn: str) -> bool:
    """Return whether a DSN contains a password."""
    from psycopg import ProgrammingError, conninfo

    try:
        return bool(conninfo.conninfo_to_dict(dsn).get("password"))
    except ProgrammingError:
        return False
