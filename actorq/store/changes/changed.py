"""Which jobs have changed since one asked last: for who waits for a few of very many."""

from __future__ import annotations

from actorq.core.following.cursor import Cursor, Read
from actorq.core.following.feed import ChangeRow
from actorq.store.changes.feed import LIMIT, changes_after
from actorq.store.changes.followers import call
from actorq.store.session.connection import Session


class ChangedJobs:
    """The ids of jobs that came to a final state, from now on."""

    def __init__(self, conn: Session, schema: str) -> None:
        self._conn, self._schema = conn, schema
        self._cursor = Cursor("", 0.0)
        for source, parity, no in call(conn, schema, "changes_last"):
            self._cursor.series[f"{source}/{parity}"] = Read(no)

    def since(self) -> set[int] | None:
        """Return the jobs that have changed since the last call; None if that cannot be known."""
        found: set[int] = set()
        is_known = True
        while True:
            changes, dropped = changes_after(self._conn, self._schema, self._cursor)
            for gone in dropped:
                self._cursor.series_of(gone.source, gone.parity).skip(gone.no, gone.counted)
            for change in changes:
                self._cursor.take_all(change.source, change.no, change.at, ())
                found |= _ids(change)
            is_known &= not dropped and all(c.jobs is not None for c in changes if c.counts)
            if len(changes) < LIMIT:
                return found if is_known else None


def _ids(change: ChangeRow) -> set[int]:
    done, others = change.jobs or ([], [])
    ids = {id_ for _, _, some in done for id_ in some}
    return ids | {id_ for _, id_, state, *_ in others if state in ("failed", "cancelled")}
