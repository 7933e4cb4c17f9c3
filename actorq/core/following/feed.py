"""From what one look into the database brings to events in an order that is right for each job.

Every event of a job can only be committed after the one before it, so that whoever sees an event
sees all earlier ones of that job. Within one look, the order is that of the statements' times. If a
series has more than a look brings, nothing later than what it did bring is told yet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from actorq.core.following.cursor import Cursor
from actorq.core.following.events import OUTCOMES, FollowedEvent, Gap, JobEvent, SupervisorEvent

LaneName = tuple[str, str]
"""Queue and kind."""

_PLACES = {name: k for k, name in enumerate([*OUTCOMES, "requeued"])}
"""The place of each change of a job in what a cursor keeps of a change that is read in part."""


class ChangeRow(msgspec.Struct, frozen=True):
    """A change as it was read; `jobs` is None if nobody followed then."""

    source: str
    no: int
    at: float
    counts: list[tuple[int, int, int, int, int, int]]
    jobs: tuple[list[Any], list[Any]] | None

    @property
    def parity(self) -> int:
        """Return which of its source's series it belongs to."""
        return self.no % 2

    def lanes(self) -> set[int]:
        """Return the lanes of its jobs."""
        named = {row[0] for rows in self.jobs or () for row in rows}
        return named | {number for number, *_ in self.counts}


class DroppedRow(msgspec.Struct, frozen=True):
    """How far a series was dropped, and what all its dropped changes counted."""

    source: str
    parity: int
    no: int
    at: float
    counted: list[int]


class ToldRow(msgspec.Struct, frozen=True):
    """The `n` events of a node up to the number `no`."""

    node: str
    no: int
    n: int
    at: float
    events: list[tuple[float, str, dict[str, Any]]]


class Look(msgspec.Struct, frozen=True):
    """What one look has brought, at most `limit` changes of each series."""

    changes: Sequence[ChangeRow]
    dropped: Sequence[DroppedRow] = ()
    told: Sequence[ToldRow] = ()
    limit: int = 10**9


def in_order(look: Look) -> list[ChangeRow]:
    """Return the changes that can be told now, in the order in which they are told."""
    until = _complete_until(look)
    known = [change for change in look.changes if change.at <= until]
    return sorted(known, key=lambda change: (change.at, change.source, change.no))


def _complete_until(look: Look) -> float:
    """Return the time up to which this look has brought everything."""
    found: dict[tuple[str, int], list[ChangeRow]] = {}
    for change in look.changes:
        found.setdefault((change.source, change.parity), []).append(change)
    cut = (rows[-1].at for rows in found.values() if len(rows) >= look.limit)
    return min(cut, default=math.inf)


def told(cursor: Cursor, look: Look, lane: Callable[[int], LaneName]) -> Iterator[FollowedEvent]:
    """Yield the events of a look, and move the cursor behind each before it is yielded."""
    for dropped in look.dropped:
        yield from _gap(cursor, dropped)
    for change in in_order(look):
        yield from _change(cursor, change, lane)
    for row in sorted(look.told, key=lambda row: (row.at, row.node, row.no)):
        yield from _told(cursor, row)


def _gap(cursor: Cursor, dropped: DroppedRow) -> Iterator[FollowedEvent]:
    source, parity = dropped.source, dropped.parity
    if dropped.no <= cursor.series_of(source, parity).no:
        return
    missed = cursor.skip(source, dropped.no, parity, dropped.counted)
    if any(missed):
        yield Gap(_at(dropped.at), dropped.source, _named(missed))


def _change(
    cursor: Cursor, change: ChangeRow, lane: Callable[[int], LaneName]
) -> Iterator[FollowedEvent]:
    source, no = change.source, change.no
    if no <= cursor.series_of(source, change.parity).no:
        return
    taken = cursor.part_of(source, no)
    events = list(_of_change(change, cursor.since, lane))[sum(taken) :]
    for event in events[:-1]:
        assert isinstance(event, JobEvent)
        taken[_PLACES[event.state]] += 1
        yield event
    cursor.take_all(source, no, change.at, (numbers for _, *numbers in change.counts))
    yield from events[-1:]


def _of_change(
    change: ChangeRow, since: float, lane: Callable[[int], LaneName]
) -> Iterator[FollowedEvent]:
    at = _at(change.at)
    if change.jobs is None:
        missed = [sum(numbers) for numbers in zip(*(c[1:] for c in change.counts), strict=True)]
        if any(missed) and change.at > since:
            yield Gap(at, change.source, _named(missed))
        return
    done, others = change.jobs
    for number, attempt, ids in done:
        queue, kind = lane(number)
        for id_ in ids:
            yield JobEvent(at, id_, kind, queue, "completed", attempt)
    for number, id_, state, attempt, retry_in_s in others:
        queue, kind = lane(number)
        yield JobEvent(at, id_, kind, queue, state, attempt, retry_in_s)


def _told(cursor: Cursor, row: ToldRow) -> Iterator[FollowedEvent]:
    read = cursor.told.get(row.node, 0)
    first = row.no - row.n + 1
    if row.n == 0:  # only a mark: before it, nothing was numbered that nobody has told
        cursor.hear(row.node, max(row.no, read))
    if row.no <= read or row.n == 0:
        return
    if first > read + 1:
        cursor.hear(row.node, first - 1)
        yield Gap(_at(row.at), row.node, {}, first - 1 - read)
    for number, (at, name, fields) in enumerate(row.events, first):
        if number > read:
            cursor.hear(row.node, number)
            yield SupervisorEvent(_at(at), row.node, number, name, fields)


def _named(numbers: Iterable[int]) -> dict[str, int]:
    return {name: n for name, n in zip(OUTCOMES, numbers, strict=True) if n}


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
