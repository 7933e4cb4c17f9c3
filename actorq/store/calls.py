"""Calling the statements: one session, one schema, texts prepared on the server.

Numbers and arrays travel as text and are cast by the statement, so that the types that the
server sees never change and each statement is prepared exactly once per connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

import msgspec
from psycopg import DataError, RawCursor
from psycopg.adapt import Transformer
from psycopg.errors import InvalidSqlStatementName
from psycopg.pq import Format, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.types.string import ByteaBinaryLoader

from actorq.store.connection import Session
from actorq.store.faults import translated
from actorq.store.statements import statement

Row = tuple[Any, ...]
Call = tuple[str, Sequence[str | None]]
"""A text and its parameters."""

PLANNER = ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin")
"""Off on a supervisor's connections: every statement is written for index lookups in a loop,
and a plan made while a table was empty must still be right when it has millions of rows."""


class Calls:
    """Run the SQL files of this room on one session; not to be shared between threads."""

    def __init__(self, session: Session, schema: str) -> None:
        self.session = session
        self.schema = schema
        sets = "; ".join(f"SET {name} = off" for name in PLANNER)
        with translated():
            session.execute(sets.encode())
        self._cursor: RawCursor[Row] = RawCursor(session)
        self._turn: RawCursor[Row] = RawCursor(session)
        self._raw, self._second = RawCursor[Row](session), RawCursor[Row](session)
        for cursor in (self._raw, self._second):
            cursor.adapters.register_loader("text", ByteaBinaryLoader)
        self._loaded = Transformer(self._raw)
        self._names: dict[str, bytes] = {}  # of texts prepared for direct calls
        self._numbers = count()

    def rows(self, name: str, *params: str | None) -> list[Row]:
        """Run a statement and return its rows."""
        with translated():
            return self.run(statement(name, self.schema), params).fetchall()

    def row(self, name: str, *params: str | None) -> Row:
        """Run a statement and return its only row."""
        return self.rows(name, *params)[0]

    def do(self, name: str, *params: str | None) -> int:
        """Run a statement and return how many rows it touched."""
        with translated():
            return self.run(statement(name, self.schema), params).rowcount

    def run(self, text: str, params: Sequence[str | None]) -> RawCursor[Row]:
        """Run a text; the driver's own errors come through."""
        return self._cursor.execute(text.encode(), params, prepare=True, binary=True)

    def direct(self, text: str, params: Sequence[str | None]) -> Row | None:
        """Run a text as libpq does it, and return its first row; the driver's errors come through.

        Strings come as the bytes they are: a batch's args are long. In a transaction the driver
        does it, for it forgets all prepared statements when one is rolled back.
        """
        if self.session.pgconn.transaction_status != TransactionStatus.IDLE:
            return self._raw.execute(text.encode(), params, prepare=True, binary=True).fetchone()
        values = [_value(param) for param in params]
        try:
            result = self._executed(text, values)
        except InvalidSqlStatementName:
            self._names.clear()
            result = self._executed(text, values)
        self._loaded.set_pgresult(result)
        return self._loaded.load_row(0, tuple) if result.ntuples else None

    def _executed(self, text: str, values: list[bytes | None]) -> PGresult:
        name = self._names.get(text) or self._prepared(text)
        run: Callable[..., PGresult] = self.session.pgconn.exec_prepared
        return self.session.blocking(lambda: run(name, values, result_format=Format.BINARY))

    def _prepared(self, text: str) -> bytes:
        name = b"actorq_%d" % next(self._numbers)
        self.session.blocking(lambda: self.session.pgconn.prepare(name, text.encode()))
        self._names[text] = name
        return name

    def raw_pair(self, turn: Call, first: Call, second: Call) -> tuple[Row | None, Row | None]:
        """Run a text and another one in its turn, which ends before the second: one round trip."""
        with self.session.pipeline() as pipeline:
            self._turn.execute(turn[0].encode(), turn[1], prepare=True, binary=True)
            one = self._raw.execute(first[0].encode(), first[1], prepare=True, binary=True)
            pipeline.sync()
            two = self._second.execute(second[0].encode(), second[1], prepare=True, binary=True)
        return one.fetchone(), two.fetchone()


def array(values: Iterable[float | None]) -> str:
    """Return numbers, or None, as the text of a PostgreSQL array: JSON but for the brackets."""
    made = values if isinstance(values, list) else list(values)
    return "{" + msgspec.json.encode(made)[1:-1].decode() + "}"


def text_array(values: Iterable[str | None]) -> str:
    """Return strings, or None, as the text of a PostgreSQL array."""
    return "{" + ",".join([_element(value) for value in values]) + "}"


def bytes_array(values: Iterable[bytes]) -> str:
    """Return byte strings as the text of a PostgreSQL array of bytea."""
    return "{" + ",".join(['"\\\\x' + value.hex() + '"' for value in values]) + "}"


def _value(param: str | None) -> bytes | None:
    """Return what libpq is given: it would take a NUL for the end."""
    value = None if param is None else param.encode()
    if value and b"\0" in value:
        raise DataError("PostgreSQL text cannot contain NUL (0x00) bytes")
    return value


def _element(value: str | None) -> str:
    if value is None:
        return "NULL"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
