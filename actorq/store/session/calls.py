"""Calling the statements: one session, one schema, statements prepared on the server.

Numbers and arrays are sent as text and cast by the statement. So the types that the server sees
never change, and each statement is prepared exactly once per connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

import msgspec
from psycopg import DataError, RawCursor
from psycopg.abc import Buffer
from psycopg.adapt import Loader, Transformer
from psycopg.errors import InvalidSqlStatementName
from psycopg.pq import Format, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.types.string import ByteaBinaryLoader

from actorq.store.session.connection import Session
from actorq.store.session.faults import translated
from actorq.store.session.statements import in_order, statement

Record = tuple[Any, ...]
Call = tuple[str, Sequence[str | None]]
"""A text and its parameters."""

PLANNER = (
    "enable_seqscan",
    "enable_bitmapscan",
    "enable_hashjoin",
    "enable_mergejoin",
    "enable_memoize",  # it would copy a claim's args twice more, for nothing
)
"""Planner settings that are off on a supervisor's connections. Statements are written for index
lookups in a loop, and a plan made while a table was empty must be right for millions of rows."""


class _AsBytes(Loader):
    """A loader of strings as the bytes of a row in text form."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


class _AsView(Loader):
    """A loader of bytes as they are in the reply, which lives as long as this view of it.

    The driver's own loader returns the same, but copies them.
    """

    format = Format.BINARY

    def load(self, data: Buffer) -> Buffer:
        return data


class Calls:
    """The SQL files of this package, run on one session; not to be shared between threads."""

    def __init__(self, session: Session, schema: str) -> None:
        self.session = session
        self.schema = schema
        sets = "; ".join(f"SET {name} = off" for name in PLANNER)
        with translated():
            session.execute(sets.encode())
        self._cursor: RawCursor[Record] = RawCursor(session)
        self._raw: RawCursor[Record] = RawCursor(session)
        for loader in (ByteaBinaryLoader, _AsBytes):
            self._raw.adapters.register_loader("text", loader)
        self._raw.adapters.register_loader("bytea", _AsView)
        self._loaded = Transformer(self._raw)
        self._names: dict[str, bytes] = {}  # names of texts prepared for direct calls
        self._numbers = count()

    def rows(self, name: str, /, **params: str | None) -> list[Record]:
        """Run a statement and return its rows."""
        with translated():
            return self.run(statement(name, self.schema), in_order(name, params)).fetchall()

    def row(self, name: str, /, **params: str | None) -> Record:
        """Run a statement and return its only row."""
        return self.rows(name, **params)[0]

    def do(self, name: str, /, **params: str | None) -> int:
        """Run a statement and return how many rows it touched."""
        with translated():
            return self.run(statement(name, self.schema), in_order(name, params)).rowcount

    def run(self, text: str, params: Sequence[str | None]) -> RawCursor[Record]:
        """Run a text; the driver's own errors are passed on."""
        return self._cursor.execute(text.encode(), params, prepare=True, binary=True)

    def direct(self, text: str, params: Sequence[str | None]) -> list[Record]:
        """Run a text by a direct call of libpq and return its rows, or raise the driver's errors.

        Strings are returned as bytes, and bytea as a view of the reply, because a batch's args are
        long. In a transaction the driver runs the text, because it forgets all prepared statements
        when a transaction is rolled back.
        """
        if self.session.pgconn.transaction_status != TransactionStatus.IDLE:
            return self._raw.execute(text.encode(), params, prepare=True, binary=True).fetchall()
        values = [_value(param) for param in params]
        try:
            result = self._executed(text, values)
        except InvalidSqlStatementName:
            self._names.clear()
            result = self._executed(text, values)
        return self._rows(result)

    def _rows(self, result: PGresult) -> list[Record]:
        self._loaded.set_pgresult(result)
        return self._loaded.load_rows(0, result.ntuples, tuple)

    def _executed(self, text: str, values: list[bytes | None]) -> PGresult:
        name = self._name(text)
        run: Callable[..., PGresult] = self.session.pgconn.exec_prepared
        return self.session.blocking(lambda: run(name, values, result_format=Format.BINARY))

    def _name(self, text: str) -> bytes:
        """Return the name under which a text is prepared."""
        if text in self._names:
            return self._names[text]
        name = b"actorq_%d" % next(self._numbers)
        self.session.blocking(lambda: self.session.pgconn.prepare(name, text.encode()))
        self._names[text] = name
        return name

    def together(self, *calls: Call) -> Record | None:
        """Run texts one after another in one transaction, and return the first row of the last.

        This takes one round trip: a query of several statements is a transaction of its own, in
        which each statement sees what was committed before it began.
        """
        try:
            result = self._all_executed(calls)
        except InvalidSqlStatementName:
            self._names.clear()
            result = self._all_executed(calls)
        return next(iter(self._rows(result)), None)

    def _all_executed(self, calls: Sequence[Call]) -> PGresult:
        texts = [b"EXECUTE %b(%b)" % (self._name(text), _literals(row)) for text, row in calls]
        return self.session.blocking(lambda: self.session.pgconn.exec_(b"; ".join(texts)))


def array(values: Iterable[float | None]) -> str:
    """Return numbers, or None, as the text of a PostgreSQL array: JSON except for the brackets."""
    made = values if isinstance(values, list) else list(values)
    return "{" + msgspec.json.encode(made)[1:-1].decode() + "}"


def text_array(values: Iterable[str | None]) -> str:
    """Return strings, or None, as the text of a PostgreSQL array."""
    return "{" + ",".join([_element(value) for value in values]) + "}"


def bytes_array(values: Iterable[bytes]) -> str:
    """Return byte strings as the text of a PostgreSQL array of bytea."""
    return "{" + ",".join(['"\\\\x' + value.hex() + '"' for value in values]) + "}"


def _value(param: str | None) -> bytes | None:
    """Return a parameter for libpq, which would take a NUL for its end."""
    value = None if param is None else param.encode()
    if value and b"\0" in value:
        raise DataError("PostgreSQL text cannot contain NUL (0x00) bytes")
    return value


def _literals(params: Sequence[str | None]) -> bytes:
    """Return parameters as SQL, for a session with standard_conforming_strings."""
    values = [_value(param) for param in params]
    return b", ".join(b"NULL" if v is None else b"'%b'" % v.replace(b"'", b"''") for v in values)


def _element(value: str | None) -> str:
    if value is None:
        return "NULL"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
