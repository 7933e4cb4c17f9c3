"""Connections of a client: opened when needed, kept for the next call, never across a fork.

The newest idle connection is used first, so that those beyond the usual need grow old and are
closed. A child process neither uses nor closes what its parent has open: closing would end
the parent's sessions.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from actorq.errors import StoreUnavailable
from actorq.store.connection import alive, connect, parameters, warn_of_transport

# eventlet takes `select.poll` away. With it no third system call is needed, nor a descriptor.
Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)

MAX_IDLE = 8
MAX_IDLE_S = 300.0
PATIENCE_S = 60.0  # for a lock, and for each answer; a slow source of jobs has no time limit

_Idle = deque[tuple[float, "psycopg.Connection[TupleRow]"]]
_inherited: list[Any] = []  # keeps a parent's connections from being collected, and so closed


class IdleConnections:
    """Lend connections to one database; safe to use from any thread."""

    def __init__(self, dsn: str, schema: str, *, pooler: bool = False) -> None:
        self.dsn, self._schema, self._pooler = dsn, schema, pooler
        self._pid = os.getpid()
        self._idle: _Idle = deque()
        self._end = weakref.finalize(self, _close_all, self._idle, self._pid)

    @contextmanager
    def lent(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """Lend a connection; it is kept for the next call unless the call failed."""
        conn = self._take()
        try:
            yield conn
        except BaseException:
            self._keep_or_close(conn)
            raise
        self._keep_or_close(conn)

    def close(self) -> None:
        """Close all idle connections; the next call opens a new one."""
        _close_all(self._idle, self._pid)

    def _take(self) -> psycopg.Connection[TupleRow]:
        if self._pid != os.getpid():
            self._start_over()
        while (conn := _last(self._idle)) is not None:
            if _usable(conn):
                return conn
            conn.close()
        return self._open()

    def _open(self) -> psycopg.Connection[TupleRow]:
        if self._pooler:
            return _open_pooled(self.dsn)
        conn = connect(
            self.dsn,
            name="actorq client",
            schema=self._schema,
            lock_timeout_s=PATIENCE_S,
            statement_timeout_s=0,
            deadline_s=PATIENCE_S + 5,
            session=False,
        )
        conn.prepare_threshold = 2
        return conn

    def _keep_or_close(self, conn: psycopg.Connection[TupleRow]) -> None:
        idle = psycopg.pq.TransactionStatus.IDLE
        if not alive(conn) or conn.info.transaction_status != idle:
            conn.close()
            return
        now = time.monotonic()
        self._idle.append((now, conn))
        for old in self._overdue(now):
            old.close()

    def _overdue(self, now: float) -> list[psycopg.Connection[TupleRow]]:
        """Take out what is too old or too many, the oldest first."""
        found = []
        with contextlib.suppress(IndexError):  # another thread took the last one
            while len(self._idle) > MAX_IDLE or self._idle[0][0] < now - MAX_IDLE_S:
                found.append(self._idle.popleft()[1])
        return found

    def _start_over(self) -> None:
        """Forget the parent's connections in a forked child, without closing any."""
        _inherited.append(self._idle)
        for _, conn in self._idle:
            conn._pool = None  # psycopg's mark for "need not be closed": no warning at exit
        self._end.detach()
        self._pid, self._idle = os.getpid(), deque()
        self._end = weakref.finalize(self, _close_all, self._idle, self._pid)


def _open_pooled(dsn: str) -> psycopg.Connection[TupleRow]:
    """Open a connection that leaves no trace behind the pooler: no settings, nothing prepared."""
    params = {"connect_timeout": 10, **parameters(dsn), "client_encoding": "UTF8"}
    try:
        conn = psycopg.Connection.connect("", autocommit=True, prepare_threshold=None, **params)
    except psycopg.Error as error:
        raise StoreUnavailable(f"cannot connect to the database: {str(error).strip()}") from error
    warn_of_transport(conn.info.host, conn.info.get_parameters().get("sslmode", "prefer"))
    return conn


def _usable(conn: psycopg.Connection[TupleRow]) -> bool:
    """Return whether an idle connection is open; a readable one has been told good-bye."""
    if not alive(conn):
        return False
    with Selector() as waiting:
        waiting.register(conn, selectors.EVENT_READ)
        return not waiting.select(0)


def _close_all(idle: _Idle, pid: int) -> None:
    if pid != os.getpid():
        return
    while (conn := _last(idle)) is not None:
        conn.close()


def _last(idle: _Idle) -> psycopg.Connection[TupleRow] | None:
    """Take the newest connection; another thread may have taken the last one."""
    try:
        return idle.pop()[1]
    except IndexError:
        return None
