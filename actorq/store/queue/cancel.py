"""Cancelling jobs: at once if they wait, by request if they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import RawCursor

from actorq.store.session.calls import array
from actorq.store.session.connection import unit
from actorq.store.session.faults import Contended, LockTimeout, translated
from actorq.store.session.statements import in_order, statement

CHUNK = 1000
OWN = "SELECT pg_catalog.set_config('actorq.own', 'on', true)"
"""Sets a mark in a transaction of any connection: the schema's guard then allows state changes."""

TRIES = 5
"""More deadlocks in a row than this are caused by somebody else, and the caller should see them."""


class Cancelled(msgspec.Struct, frozen=True):
    """What became of the named jobs: `untouched` are already final, or do not exist.

    `requested` are running: their supervisors were notified, and they are cancelled unless they
    finish first. `busy` are locked by somebody else: try again.
    """

    cancelled: list[int]
    requested: list[int]
    busy: list[int]
    untouched: list[int]

    def with_(self, more: Cancelled) -> Cancelled:
        """Return the sum of this answer and another."""
        return Cancelled(
            self.cancelled + more.cancelled,
            self.requested + more.requested,
            self.busy + more.busy,
            self.untouched + more.untouched,
        )


def cancel(
    conn: psycopg.Connection[object], ids: Sequence[int], schema: str = "actorq"
) -> Cancelled:
    """Cancel jobs, a thousand per transaction; those that are busy one by one afterwards.

    A transaction that holds several jobs never waits for somebody else's job. Two may still need
    each other's blocks of `ready`: the victim of that deadlock starts its thousand again.
    """
    order = sorted(set(ids))
    found = Cancelled([], [], [], [])
    for start in range(0, len(order), CHUNK):
        found = found.with_(_cancel_some(conn, schema, order[start : start + CHUNK]))
    busy = list(found.busy)
    found.busy.clear()
    for job in busy:
        found = found.with_(_cancel_patiently(conn, schema, job))
    return found


def _cancel_some(conn: psycopg.Connection[object], schema: str, ids: list[int]) -> Cancelled:
    n_tries = 0
    while True:
        try:
            with translated(), unit(conn):
                return _cancel(RawCursor(conn), schema, ids)
        except Contended as exc:
            n_tries += 1
            if isinstance(exc, LockTimeout) or n_tries == TRIES:
                raise


def _cancel_patiently(conn: psycopg.Connection[object], schema: str, job: int) -> Cancelled:
    cursor = RawCursor(conn)
    try:
        with translated(), unit(conn):
            text = statement("cancel_wait", schema).encode()
            cursor.execute(text, in_order("cancel_wait", {"id": job}))
            return _cancel(cursor, schema, [job])
    except LockTimeout:
        return Cancelled([], [], [job], [])


def _cancel(cursor: RawCursor[Any], schema: str, ids: list[int]) -> Cancelled:
    def run(name: str, some: Sequence[int]) -> list[int]:
        text = statement(name, schema).encode()
        params = in_order(name, {"ids": array(some)})
        return [row[0] for row in cursor.execute(text, params).fetchall()]

    cursor.execute(OWN)
    marked = sorted(run("cancel_mark", ids))
    rest = sorted(set(ids) - set(marked))
    busy = sorted(run("pending_jobs", rest)) if rest else []
    taken = sorted(_take(cursor, schema, marked))
    running = sorted(set(marked) - set(taken))
    if running:
        run("cancel_tell", running)
    return Cancelled(taken, running, busy, sorted(set(rest) - set(busy)))


def _take(cursor: RawCursor[Any], schema: str, ids: list[int]) -> list[int]:
    """Cancel those jobs that wait, even if somebody has just taken a part of their block."""
    text, taken, left = statement("cancel_take", schema).encode(), list[int](), ids
    while left:
        params = in_order("cancel_take", {"ids": array(left)})
        ((gone, again),) = cursor.execute(text, params).fetchall()
        taken += gone
        left = sorted(set(left).difference(gone)) if again else []
    return taken
