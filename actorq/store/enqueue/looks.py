"""What is asked for the jobs that somebody waits for, on the one connection for all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import Error, OperationalError, RawCursor
from psycopg.errors import InsufficientPrivilege, UndefinedTable
from psycopg.rows import tuple_row

from actorq.store.changes.changed import ChangedJobs
from actorq.store.changes.followers import FollowerEntry, Wishes, listen
from actorq.store.session.calls import array
from actorq.store.session.connection import Session, alive, connect, connect_pooled
from actorq.store.session.epoch import Epoch
from actorq.store.session.statements import in_order, statement

PATIENCE_S = 10.0
"""How long one statement may take; the largest takes some 20 ms."""

OUTCOMES = 500
"""Of how many jobs results and tracebacks are read at once, since each may have megabytes."""


class LastFailure(NamedTuple):
    """The failure for which a job has failed; all empty if this role may not read it."""

    attempt: int = 0
    cause: str = ""
    type: str = ""
    message: str = ""
    traceback: str = ""


class Looks:
    """A connection that is opened when it is needed, and the statements of a waiter.

    The driver's own errors are passed on. After one, the next call opens another connection.
    """

    def __init__(self, dsn: str, schema: str, pooler: bool) -> None:
        self._place = (dsn, schema, pooler)
        self._conn: Session | None = None
        self._epoch = Epoch()
        self._entry = FollowerEntry(schema, "waiter", Wishes(jobs=True, hint=True))
        self._is_hinted = False
        self._changed: ChangedJobs | None = None  # None: nobody notifies

    def states(self, ids: Sequence[int]) -> dict[int, str | None]:
        """Return the states of those jobs that are final, and None for each that there is not."""
        return dict(self._rows("wait_states", ids))

    def results(self, ids: Sequence[int]) -> dict[int, str]:
        """Return the results of those jobs that have one, as JSON text."""
        return {
            id_: value
            for start in range(0, len(ids), OUTCOMES)
            for id_, value in self._rows("wait_results", ids[start : start + OUTCOMES])
        }

    def failures(self, ids: Sequence[int]) -> dict[int, LastFailure]:
        """Return the last failures of these jobs; none if this role may not read them."""
        try:
            return {
                id_: LastFailure(*row)
                for start in range(0, len(ids), OUTCOMES)
                for id_, *row in self._rows("wait_failures", ids[start : start + OUTCOMES])
            }
        except InsufficientPrivilege:
            return {}

    @property
    def is_notified(self) -> bool:
        """Return whether notifications of changes arrive on the present connection."""
        return self._changed is not None

    def fileno(self) -> int | None:
        """Return what can be read when a notification arrives; None if none can."""
        if self._conn is None or self._changed is None or self._conn.closed:
            return None
        return self._conn.fileno()

    def hinted(self, can_read: bool) -> bool:
        """Return whether a notification has come since this was asked last."""
        conn = self._conn
        if can_read and conn is not None:
            try:
                conn.pgconn.consume_input()
                while conn.pgconn.notifies():
                    self._is_hinted = True
            except OperationalError:
                self.close()
        is_hinted, self._is_hinted = self._is_hinted, False
        return is_hinted

    def changed(self) -> set[int] | None:
        """Return which jobs have become final since the last call; None if that is not known."""
        self._connection()
        return None if self._changed is None else self._changed.since()

    def close(self) -> None:
        """Close the connection, if there is one."""
        conn, self._conn = self._conn, None
        if conn is None:
            return
        try:
            if self._changed is not None and not conn.closed:
                self._entry.remove(conn)
        except Error:
            pass  # the entry expires by itself
        finally:
            self._changed = None
            conn.close()

    def disown(self) -> None:
        """Tell the driver, in a forked child, that this connection is the parent's to close."""
        if self._conn is not None:
            self._conn._pool = None  # it need not be closed: no warning at exit

    def _rows(self, name: str, ids: Sequence[int]) -> list[tuple[Any, ...]]:
        if not ids:
            return []
        conn = self._connection()
        with RawCursor(conn, row_factory=tuple_row) as cursor:
            params = in_order(name, {"ids": array(ids)})
            text = statement(name, self._place[1]).encode()
            return cursor.execute(text, params, prepare=conn.pooling == "none").fetchall()

    def _connection(self) -> Session:
        if self._conn is not None and (not alive(self._conn) or self._conn.is_outdated):
            self.close()
        if self._conn is None:
            self._conn = self._opened()
            self._changed = self._listens(self._conn)
        if self._changed is not None:
            self._entry.put(self._conn, time.monotonic())
        return self._conn

    def _listens(self, conn: Session) -> ChangedJobs | None:
        """Have notifications sent here; return None where that is impossible or not allowed."""
        self._entry.forget()
        try:
            if not listen(conn, self._place[1]):
                return None
            self._entry.put(conn, time.monotonic())
            changed = ChangedJobs(conn, self._place[1])
        except (InsufficientPrivilege, UndefinedTable):  # or a schema of the version before
            return None
        conn.add_notify_handler(self._heard)
        return changed

    def _heard(self, _: object) -> None:
        self._is_hinted = True

    def _opened(self) -> Session:
        dsn, schema, is_pooled = self._place
        if is_pooled:
            return connect_pooled(dsn, deadline_s=PATIENCE_S + 5, epoch=self._epoch)
        return connect(
            dsn,
            name="actorq waiter",
            schema=schema,
            statement_timeout_s=PATIENCE_S,
            deadline_s=PATIENCE_S + 5,
            session=False,
            sees_all=False,
            epoch=self._epoch,
        )
