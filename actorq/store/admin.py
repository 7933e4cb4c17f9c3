"""Run an administrator's statements: one file of SQL each, rows as structs.

The topics stand beside this module: admin_status, admin_jobs, admin_change, admin_doctor. All
of them take a connection made by `connect` and leave no transaction open.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row

from actorq.store.connection import Session, connect, unit
from actorq.store.faults import translated
from actorq.store.statements import statement

Conn = psycopg.Connection[Any]
S = TypeVar("S", bound=msgspec.Struct)

LOCK_TIMEOUT_S = 10.0
STATEMENT_TIMEOUT_S = 600.0


def connect_admin(dsn: str, schema: str) -> Session:
    """Open a connection for a person's statements: they may take their time.

    A pooler is no obstacle to them; that there is one is for doctor to tell.
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


def run(conn: Conn, schema: str, name: str, *params: Any) -> list[DictRow]:
    """Run sql/NAME.sql and return its rows as dictionaries; none if it returns nothing."""
    with translated(), _in_unit(conn), psycopg.RawCursor(conn, row_factory=dict_row) as cursor:
        cursor.execute(statement(name, schema).encode(), params)
        return cursor.fetchall() if cursor.description else []


def _in_unit(conn: Conn) -> AbstractContextManager[None]:
    """Return what is around a single statement: something where nothing is set for the session."""
    is_idle = conn.info.transaction_status == TransactionStatus.IDLE
    return unit(conn) if isinstance(conn, Session) and conn.local and is_idle else nullcontext()


def structs(kind: type[S], rows: list[DictRow]) -> list[S]:
    """Return the rows as structs whose fields are named like the columns."""
    return [kind(**row) for row in rows]
