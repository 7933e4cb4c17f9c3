"""Connections of a client: opened when needed, kept for the next call, never used across a fork.

The newest idle connection is used first, so that those which are rarely needed grow old and are
closed. A child process neither uses nor closes its parent's connections: closing them would end
the parent's sessions.

When one of them finds its server read-only, all are given up, and the next call finds the server
that accepts writes, if the DSN leads there. A connection that was idle for a while is tested first.
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

from actorq.store.session.connection import Session, alive, connect, connect_pooled
from actorq.store.session.epoch import Epoch

# eventlet removes `select.poll`. Polling needs no third system call and no descriptor.
Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)

MAX_IDLE = 8
MAX_IDLE_S = 300.0
ASK_S = 5.0  # a connection idle for longer is tested, at the cost of one round trip
PATIENCE_S = 60.0  # for a lock, and for each answer; a slow source of jobs has no time limit

_Idle = deque[tuple[float, Session]]
_inherited: list[Any] = []  # keeps a parent's connections from being collected, and thereby closed


class IdleConnections:
    """The connections lent to the callers of one database; safe to use from any thread."""

    def __init__(self, dsn: str, schema: str, *, pooler: bool = False) -> None:
        self.place = (dsn, schema, pooler)  # where they lead
        self._pid = os.getpid()
        self._idle: _Idle = deque()
        self._epoch = Epoch()
        self._end = weakref.finalize(self, _close_all, self._idle, self._pid)

    @contextmanager
    def lent(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """Lend a connection; it is kept for the next call unless the call fails."""
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

    def _take(self) -> Session:
        if self._pid != os.getpid():
            self._start_over()
        while (last := _last(self._idle)) is not None:
            since, conn = last
            if _usable(conn, time.monotonic() - since):
                return conn
            conn.close()
        return self._open()

    def _open(self) -> Session:
        dsn, schema, is_pooled = self.place
        if is_pooled:
            return connect_pooled(dsn, deadline_s=PATIENCE_S + 5, epoch=self._epoch)
        conn = connect(
            dsn,
            name="actorq client",
            schema=schema,
            lock_timeout_s=PATIENCE_S,
            statement_timeout_s=0,
            deadline_s=PATIENCE_S + 5,
            session=False,
            sees_all=False,
            epoch=self._epoch,
        )
        if conn.pooling == "none":
            conn.prepare_threshold = 2
        return conn

    def _keep_or_close(self, conn: Session) -> None:
        idle = psycopg.pq.TransactionStatus.IDLE
        if not alive(conn) or conn.is_outdated or conn.info.transaction_status != idle:
            conn.close()
            return
        now = time.monotonic()
        self._idle.append((now, conn))
        for old in self._overdue(now):
            old.close()

    def _overdue(self, now: float) -> list[Session]:
        """Remove what is too old or too many, the oldest first."""
        found = []
        with contextlib.suppress(IndexError):  # another thread took the last one
            while len(self._idle) > MAX_IDLE or self._idle[0][0] < now - MAX_IDLE_S:
                found.append(self._idle.popleft()[1])
        return found

    def _start_over(self) -> None:
        """Forget the parent's connections in a forked child, without closing any."""
        _inherited.append(self._idle)
        for _, conn in self._idle:
            conn._pool = None  # tells psycopg that it need not be closed: no warning at exit
        self._end.detach()
        self._pid, self._idle = os.getpid(), deque()
        self._end = weakref.finalize(self, _close_all, self._idle, self._pid)


def _usable(conn: Session, idle_s: float) -> bool:
    """Return whether an idle connection is open, and its server the one that accepts writes.

    A readable idle connection is one that the server has closed.
    """
    if not alive(conn) or conn.is_outdated:
        return False
    with Selector() as waiting:
        waiting.register(conn, selectors.EVENT_READ)
        heard = waiting.select(0)
    return not heard and (idle_s < ASK_S or _asked(conn))


def _asked(conn: Session) -> bool:
    """Send an empty query: the answer tells whether the server still accepts writes."""
    try:
        conn.execute("SELECT")
    except psycopg.Error:
        return False
    return not conn.is_outdated


def _close_all(idle: _Idle, pid: int) -> None:
    if pid != os.getpid():
        return
    while (last := _last(idle)) is not None:
        last[1].close()


def _last(idle: _Idle) -> tuple[float, Session] | None:
    """Take the newest connection; another thread may have taken the last one."""
    try:
        return idle.pop()
    except IndexError:
        return None
