"""Registering who follows or waits, so that others write and notify for them, and no longer."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from psycopg import RawCursor
from psycopg.rows import tuple_row

from actorq.store.session.connection import Session
from actorq.store.session.statements import in_order, statement

TTL_S = 60.0
"""For how long a follower counts without being heard of: then nothing is written for it."""

RENEWALS_PER_TTL = 4
"""How often it is heard of in that time."""


class Wishes(msgspec.Struct, frozen=True):
    """What a follower wants: names of jobs in changes, events of supervisors, notifications.

    `reports` has supervisors report what they are doing.
    """

    jobs: bool = False
    parts: bool = False
    hint: bool = False
    reports: bool = False


class Stamp(msgspec.Struct, frozen=True):
    """What names a schema, the time of its database, and the channels of notifications."""

    stamp: str
    now: float
    supervisors: str
    changes: str


def call(conn: Session, schema: str, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of any kind and return its rows."""
    with RawCursor(conn, row_factory=tuple_row) as cursor:
        text = statement(name, schema).encode()
        cursor.execute(text, in_order(name, params), prepare=conn.pooling == "none")
        return cursor.fetchall() if cursor.description else []


def stamp(conn: Session, schema: str) -> Stamp:
    """Return the schema's stamp."""
    (row,) = call(conn, schema, "changes_stamp")
    return Stamp(*row)


class FollowerEntry:
    """One follower's row, while there is one."""

    def __init__(self, schema: str, name: str, wishes: Wishes, ttl_s: float = TTL_S) -> None:
        self._schema, self._name, self.wishes, self._ttl_s = schema, name, wishes, ttl_s
        self._id = str(uuid.uuid4())
        self._renew_at = 0.0

    def put(self, conn: Session, now: float) -> None:
        """Register, or be heard of again if it is time to."""
        if now < self._renew_at:
            return
        wishes = msgspec.structs.asdict(self.wishes)
        call(
            conn,
            self._schema,
            "follower_put",
            id=self._id,
            name=self._name,
            ttl_s=self._ttl_s,
            **wishes,
        )
        self._renew_at = now + self._ttl_s / RENEWALS_PER_TTL

    def forget(self) -> None:
        """Register anew at the next opportunity."""
        self._renew_at = 0.0

    def remove(self, conn: Session) -> None:
        """Have nothing more written for this follower."""
        call(conn, self._schema, "follower_remove", id=self._id)
        self.forget()


def listen(conn: Session, schema: str) -> bool:
    """Listen for hints; return whether this connection can."""
    if conn.pooling == "transaction":
        return False
    conn.execute(f'LISTEN "{stamp(conn, schema).changes}"'.encode())
    return True
