"""What a migration waits for: reported while it waits, from a second connection."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import NamedTuple

import psycopg

from actorq.english import count
from actorq.store.session.connection import Session, server_pid

TellWaiting = Callable[[str], None]

LOOK_S = 0.05
"""How often to look: at least once while a lock is waited for."""

_BLOCKERS = """
    SELECT mine.locktype, mine.mode, c.relname::text, b.pid,
        a.usename::text, a.application_name, a.state,
        extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8
    FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(%s)) b (pid)
    JOIN LATERAL (
        SELECT l.mode, l.locktype, l.relation FROM pg_catalog.pg_locks l
        WHERE l.pid = %s AND NOT l.granted LIMIT 1
    ) mine ON true
    LEFT JOIN pg_catalog.pg_class c ON c.oid = mine.relation
    LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
    ORDER BY a.xact_start
"""


class LockHolder(NamedTuple):
    """A session that holds a lock for which somebody waits."""

    locktype: str
    mode: str
    table: str | None
    pid: int
    user: str | None
    application: str | None
    state: str | None
    open_s: float | None

    def __str__(self) -> str:
        """Describe the session, and for how long its transaction has been open."""
        if self.pid == 0:
            return "a prepared transaction (see pg_prepared_xacts)"
        if self.user is None:
            return f"process {self.pid}"
        age = "" if self.open_s is None else f", its transaction is {self.open_s:.0f} s old"
        name = f"{self.application!r} " if self.application else ""
        return f"process {self.pid} ({name}of {self.user}, {self.state}{age})"

    @property
    def lock(self) -> str:
        """Return in words what is waited for."""
        if self.table is not None:
            mode = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.mode.removesuffix("Lock")).upper()
            return f"the lock {mode} on {self.table}, held by"
        if self.locktype == "advisory":
            return "the end of another actorq migrate:"
        return "the end of older transactions:"


class LockWatch:
    """A watch, from another connection, on who blocks what a connection does.

    Behind a pooler that lends its connections, sessions cannot be identified: it reports nothing.
    """

    def __init__(self, conn: Session, what: str, tell: TellWaiting) -> None:
        self._conn, self._what, self._tell = conn, what, tell
        self._pid = server_pid(conn) if conn.pooling == "none" else 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="actorq-migrate", daemon=True)
        self._told: set[tuple[str, int]] = set()
        self.seen = ""  # what was seen last, in words

    def __enter__(self) -> LockWatch:
        """Begin to watch."""
        if self._pid:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._over.set()
        if self._pid:
            self._thread.join()

    def _run(self) -> None:
        other: Session | None = None
        try:
            while not self._over.wait(LOOK_S):  # most steps are done before the first look
                other = other or self._conn.twin()
                self._look(other)
        except Exception as error:  # the step itself continues without being watched
            self._tell(f"{self._what}: cannot tell what it waits for: {error}")
        finally:
            if other is not None:
                other.close()

    def _look(self, other: psycopg.Connection[tuple[object, ...]]) -> None:
        rows = other.execute(_BLOCKERS, [self._pid, self._pid]).fetchall()
        holders = [LockHolder(*row) for row in rows]  # type: ignore[arg-type]
        if not holders:
            return
        self.seen = _in_words(holders)
        found = {(holder.lock, holder.pid) for holder in holders}
        if not found <= self._told:
            self._told |= found
            self._tell(f"{self._what} waits for {self.seen}")


def _in_words(holders: list[LockHolder]) -> str:
    shown = ", ".join(map(str, holders[:3]))
    more = f" and {count(len(holders) - 3, 'other')}" if len(holders) > 3 else ""
    return f"{holders[0].lock} {shown}{more}"
