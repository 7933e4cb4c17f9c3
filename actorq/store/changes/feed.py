"""The connection of one follower: its looks into the changes, and its waits for more."""

from __future__ import annotations

import time
from typing import Any, cast

import msgspec

from actorq.core.following.cursor import N_OUTCOMES, Cursor, Read, parsed
from actorq.core.following.feed import ChangeRow, DroppedRow, LaneName, Look, ToldRow
from actorq.errors import ConfigError
from actorq.store.changes.followers import FollowerEntry, Wishes, call, listen, stamp
from actorq.store.session.calls import array, text_array
from actorq.store.session.connection import Session, connect, connect_pooled
from actorq.store.session.epoch import Epoch

LIMIT = 200
"""How many changes of each series one look brings: some 200,000 events at most."""

PATIENCE_S = 20.0

_COUNTS = msgspec.json.Decoder(list[tuple[int, int, int, int, int, int]])
_JOBS = msgspec.json.Decoder(tuple[list[Any], list[Any]])
_EVENTS = msgspec.json.Decoder(list[tuple[float, str, dict[str, Any]]])


class ChangeFeed:
    """What one follower asks; the driver's own errors are passed on.

    After one, `open` opens another connection, and the cursor is as good as before.
    """

    def __init__(self, dsn: str, schema: str, *, pooler: bool, name: str, wishes: Wishes) -> None:
        self._dsn, self._schema, self._pooler = dsn, schema, pooler
        self._registration = FollowerEntry(schema, name, wishes)
        self._conn: Session | None = None
        self._lanes: dict[int, LaneName] = {}
        self.is_notified = False

    def open(self) -> None:
        """Connect if there is no connection, and register."""
        if self._conn is None:
            self._conn = self._connected()
            try:
                self._introduce(self._conn)
            except BaseException:
                self.drop()
                raise

    def _introduce(self, conn: Session) -> None:
        self._registration.forget()
        self.renew()
        wishes = self._registration.wishes
        if wishes.parts:
            call(conn, self._schema, "follow_announce")
        self.is_notified = wishes.hint and listen(conn, self._schema)

    def _connected(self) -> Session:
        if self._pooler:
            return connect_pooled(self._dsn, deadline_s=PATIENCE_S, epoch=Epoch())
        return connect(
            self._dsn,
            name="actorq follower",
            schema=self._schema,
            statement_timeout_s=PATIENCE_S,
            deadline_s=PATIENCE_S + 5,
            session=False,
            sees_all=False,
        )

    @property
    def conn(self) -> Session:
        """Return the connection, which is open."""
        if self._conn is None:
            self.open()
        return cast("Session", self._conn)

    def renew(self) -> None:
        """Be heard of, so that changes go on to be written for this follower."""
        self._registration.put(self.conn, time.monotonic())

    def begin(self, since: str | None) -> Cursor:
        """Return where to begin: at the present, or where somebody has stopped reading.

        Raises ConfigError for a cursor of another schema.
        """
        found = stamp(self.conn, self._schema)
        if since is not None:
            cursor = parsed(since)
            if cursor.schema != found.stamp:
                raise ConfigError(
                    f"since: this cursor is of another database or schema (made at "
                    f"{cursor.schema[:40]}, the schema {self._schema!r} here at {found.stamp}): "
                    "follow without a cursor from now on"
                )
            return cursor
        cursor = Cursor(found.stamp, found.now, found.now)
        for source, parity, no, dropped, counts in call(self.conn, self._schema, "changes_now"):
            read = cursor.series[f"{source}/{parity}"] = Read(no, list(dropped or [0] * N_OUTCOMES))
            for change in msgspec.json.decode(counts) if counts else []:
                for _, *numbers in change:
                    read.count(numbers)
        cursor.told = dict(call(self.conn, self._schema, "told_now"))
        return cursor

    def look(self, cursor: Cursor) -> Look:
        """Read what has come behind the cursor."""
        changes, dropped = changes_after(self.conn, self._schema, cursor)
        for number in {number for change in changes for number in change.lanes()}:
            self.lane(number)  # known from now on: what is told needs no connection
        told = self._told(cursor) if self._registration.wishes.parts else []
        return Look(changes, dropped, told, LIMIT)

    def _told(self, cursor: Cursor) -> list[ToldRow]:
        rows = call(
            self.conn,
            self._schema,
            "told_after",
            nodes=text_array(cursor.told),
            nos=array(cursor.told.values()),
            limit=LIMIT,
        )
        return [ToldRow(node, no, n, at, _EVENTS.decode(text)) for node, no, n, at, text in rows]

    def lane(self, number: int) -> LaneName:
        """Return the queue and the kind of a lane; empty ones if it is gone."""
        if number not in self._lanes:
            found = call(self.conn, self._schema, "lanes_named")
            self._lanes = {id_: (queue, kind) for id_, queue, kind in found}
        return self._lanes.setdefault(number, ("", ""))

    def wait(self, timeout_s: float) -> bool:
        """Wait for a notification, if there can be one; return whether one came."""
        if not self.is_notified:
            time.sleep(timeout_s)
            return False
        return bool(list(self.conn.notifies(timeout=timeout_s, stop_after=1)))

    def drop(self) -> None:
        """Give up a connection that is lost."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def close(self) -> None:
        """Say that nobody follows any more, and close the connection."""
        try:
            if self._conn is not None and not self._conn.closed:
                self._registration.remove(self._conn)
        finally:
            self.drop()


def changes_after(
    conn: Session, schema: str, cursor: Cursor
) -> tuple[list[ChangeRow], list[DroppedRow]]:
    """Return the changes behind a cursor, and how far others were dropped that it has not read."""
    names = [key.rsplit("/", 1) for key in cursor.series]
    rows = call(
        conn,
        schema,
        "changes_after",
        sources=text_array(source for source, _ in names),
        parities=array(int(parity) for _, parity in names),
        nos=array(read.no for read in cursor.series.values()),
        limit=LIMIT,
    )
    changes, gone = [], []
    for source, parity, no, at, counts, jobs, dropped in rows:
        if dropped is not None:
            gone.append(DroppedRow(source, parity, no, at, dropped))
            continue
        named = None if jobs is None else _JOBS.decode(jobs)
        changes.append(ChangeRow(source, no, at, _COUNTS.decode(counts), named))
    return changes, gone
