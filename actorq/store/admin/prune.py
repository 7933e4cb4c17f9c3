"""Delete finished jobs, in ranges of ids, each in a transaction of its own.

What a prune leaves in a place (65,536 ids) is remembered. If nothing has changed there since, and
nothing has become old enough, the next prune skips the place without reading a job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from actorq.core.job.states import PRUNABLE, PRUNED_BY_DEFAULT
from actorq.store.admin.change import check_states
from actorq.store.admin.jobs import LAST
from actorq.store.admin.rows import Picked
from actorq.store.admin.run import Conn, run, structs

STRETCH = 10_000
ENDS = ("completed_s", "cancelled_s", "failed_s")


class Pruned(msgspec.Struct, frozen=True):
    """The numbers of jobs that were examined, deleted, and kept because somebody refers to them."""

    n_looked: int
    n_deleted: int
    n_kept: int

    def with_(self, more: Pruned) -> Pruned:
        """Return the sum of this range and another."""
        return Pruned(
            self.n_looked + more.n_looked,
            self.n_deleted + more.n_deleted,
            self.n_kept + more.n_kept,
        )


class Wanted(msgspec.Struct, frozen=True):
    """Which finished jobs to delete; `keeps`: somebody's foreign key may forbid it."""

    states: list[str]
    older_than_s: float
    kind: str | None
    keeps: bool


def prune(
    conn: Conn,
    schema: str = "actorq",
    *,
    states: Sequence[str] = PRUNED_BY_DEFAULT,
    older_than_s: float = 0.0,
    kind: str | None = None,
    limit: int | None = None,
) -> Iterator[Pruned]:
    """Delete finished jobs, yielding the result of each range; a pending job is never deleted.

    This proceeds by id, and ends at the first range whose jobs were all made too recently, since
    later ones finished later. Jobs to which somebody else's foreign key refers are kept.
    """
    check_states(states, PRUNABLE)
    keeps = any(key["keeps"] for key in run(conn, schema, "admin_references"))
    wanted = Wanted(list(states), older_than_s, kind, keeps)
    walk = Walk(conn, schema, wanted, LAST if limit is None else limit)
    idle_as = {"states": wanted.states, "older_than_s": older_than_s}
    marked = run(conn, schema, "admin_idle_places", **idle_as)
    idle = {row["place"] for row in marked}
    after = -LAST
    while not walk.ended:
        first = run(conn, schema, "admin_next", after=after)[0]["id"]
        if first is None:
            return
        place = first >> 16
        if place not in idle:
            yield from walk.place(place)
        after = (place + 1 << 16) - 1


class Walk:
    """One pass over the places: what it may still delete, and whether it is over."""

    def __init__(self, conn: Conn, schema: str, wanted: Wanted, limit: int) -> None:
        self._conn = conn
        self._schema = schema
        self._wanted = wanted
        self._left = limit
        self.ended = limit <= 0

    def place(self, place: int) -> Iterator[Pruned]:
        """Prune one place, and remember what is left if all of it was seen."""
        after, until = (place << 16) - 1, (place + 1 << 16) - 1
        rows: list[Picked] = []
        n_kept = 0
        while not self.ended and (row := self._pick(after, until)).last is not None:
            done = self._stretch(row)
            yield done
            n_kept += done.n_kept
            rows.append(row)
            after = row.last
            self.ended = row.young or self._left <= 0
        if rows and not self.ended and not n_kept and all(row.settled for row in rows):
            self._mark(place, rows)

    def _pick(self, after: int, until: int) -> Picked:
        w = self._wanted
        rows = run(
            self._conn,
            self._schema,
            "admin_prune_pick",
            after=after,
            stretch=STRETCH,
            states=w.states,
            older_than_s=w.older_than_s,
            kind=w.kind,
            limit=self._left,
            until=until,
        )
        return structs(Picked, rows)[0]

    def _stretch(self, row: Picked) -> Pruned:
        doomed, kept = self._unreferenced(row.ids) if self._wanted.keeps else (row.ids, 0)
        n = self._delete(doomed) if doomed else 0
        self._left -= n
        return Pruned(STRETCH, n, kept)

    def _delete(self, ids: list[int]) -> int:
        states = self._wanted.states
        rows = run(self._conn, self._schema, "admin_prune", ids=ids, states=states)
        return int(rows[0]["n_deleted"])

    def _unreferenced(self, ids: list[int]) -> tuple[list[int], int]:
        """Return the jobs that nobody refers to, and the number of the others."""
        rows = run(self._conn, self._schema, "admin_referenced", ids=ids)
        kept = {row["id"] for row in rows}
        return [job for job in ids if job not in kept], len(kept)

    def _mark(self, place: int, rows: list[Picked]) -> None:
        run(
            self._conn,
            self._schema,
            "admin_prune_mark",
            place=place,
            n_pending=sum(row.n_pending for row in rows),
            looked_s=rows[0].looked_s,
            **{end: _least(getattr(row, end) for row in rows) for end in ENDS},
        )


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
