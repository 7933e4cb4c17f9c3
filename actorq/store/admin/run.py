"""Run the statements of administration: one SQL file each, rows as structs.

The topics are in the modules beside this one. All of them take a connection made by
`connect_admin` and leave no transaction open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row

from actorq.store.schema.version import check
from actorq.store.session.connection import Session, connect, unit
from actorq.store.session.faults import translated
from actorq.store.session.statements import in_order, statement

Conn = psycopg.Connection[Any]
S = TypeVar("S", bound=msgspec.Struct)

LOCK_TIMEOUT_S = 10.0
STATEMENT_TIMEOUT_S = 600.0

BY_INDEX = {
    f"admin_{name}"
    for name in (
        "ids_failed", "ids_stored", "jobs", "failures", "result", "waiting_few", "dead_few", "dead",
        "next", "range", "unserved", "retry", "prune_pick", "prune", "repair_orphans",
        "repair_finals", "repair_dead", "last_failures",
    )
} | {"minutes_since", "changes_unfolded"}  # fmt: skip
_LOOKUPS = "SELECT " + ", ".join(
    f"pg_catalog.set_config('enable_{what}', 'off', true)"
    for what in ("seqscan", "bitmapscan", "hashjoin", "mergejoin")
)


def connect_admin(dsn: str, schema: str) -> Session:
    """Open a connection for a person's statements, which may take their time.

    A pooler does not disturb them; doctor reports that there is one.
    """
    return connect(
        dsn,
        name="actorq admin",
        schema=schema,
        lock_timeout_s=LOCK_TIMEOUT_S,
        statement_timeout_s=STATEMENT_TIMEOUT_S,
        deadline_s=STATEMENT_TIMEOUT_S + 10,
        session=False,
    )


@contextmanager
def placed(dsn: str, schema: str) -> Iterator[tuple[Session, str]]:
    """Yield such a connection to a database whose schema is right, and the schema's name."""
    with connect_admin(dsn, schema) as conn:
        check(conn, schema)
        yield conn, schema


def run(conn: Conn, schema: str, name: str, /, **params: object) -> list[DictRow]:
    """Run sql/NAME.sql and return its rows as dictionaries; none if it returns nothing."""
    with (
        translated(),
        _in_unit(conn),
        planned(conn, name),
        psycopg.RawCursor(conn, row_factory=dict_row) as cursor,
    ):
        cursor.execute(statement(name, schema).encode(), in_order(name, params))
        return cursor.fetchall() if cursor.description else []


def _in_unit(conn: Conn) -> AbstractContextManager[None]:
    """Return a transaction around a single statement if nothing is set for the session."""
    is_idle = conn.info.transaction_status == TransactionStatus.IDLE
    return unit(conn) if isinstance(conn, Session) and conn.local and is_idle else nullcontext()


@contextmanager
def planned(conn: Conn, name: str) -> Iterator[None]:
    """Make a statement that looks up a few rows use an index, whatever the statistics say.

    These may date from when a table was empty. All other statements are left to the planner.
    """
    if name not in BY_INDEX:
        yield
        return
    with conn.transaction():
        conn.execute(_LOOKUPS)
        yield


def structs(kind: type[S], rows: list[DictRow]) -> list[S]:
    """Return the rows as structs whose fields are named like the columns."""
    return [kind(**row) for row in rows]
