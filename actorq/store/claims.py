"""Taking jobs: the claim, the question what is due, and adopting a claim whose reply was lost."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from time import monotonic
from typing import Any

from psycopg import Pipeline

from actorq.core.ask import Ask, Claimed, Due, DueAsk, Position
from actorq.core.model import Batch, Counts
from actorq.errors import InternalError
from actorq.store.calls import Calls, array
from actorq.store.faults import BrokenLease, Contended, translated
from actorq.store.statements import statement

N_PRIORITIES = 10
START: Position = (-(2**57), 0)
"""Before every run_at that anybody could mean: the year 2597 BC, and exact as a float."""


MANY = 200
"""Rows from which on taking turns pays: it saves some 0.6 µs a row and costs 0.1 ms."""

SKIPPING = "FOR UPDATE SKIP LOCKED"
CONTESTED_S = 1.0
"""How long a lane's rows are locked one by one after somebody else's lock was in the way."""


class Turns:
    """Know the lanes in which claims should take turns: those that last brought many jobs."""

    def __init__(self) -> None:
        self._from: dict[int, float] = {}  # lane → when turns may be taken again

    def are_taken(self, lane: int, now: float) -> bool:
        """Tell whether to take turns."""
        return now >= self._from.get(lane, inf)

    def brought(self, lane: int, n_taken: int) -> None:
        """Note what a claim has brought."""
        if n_taken < MANY:
            self._from.pop(lane, None)
        else:
            self._from.setdefault(lane, 0.0)

    def contested(self, lane: int, now: float) -> None:
        """Note that somebody else held a lock for too long."""
        self._from[lane] = now + CONTESTED_S


def claim(calls: Calls, turns: Turns, ask: Ask) -> Claimed:
    """Take due jobs out of `ready` and put them under a lease, all at once.

    Raises BrokenLease if the jobs taken cannot be run as they are: then the lease stays.
    """
    reply = None
    # psycopg built for an old libpq, before 14, cannot send two statements at once.
    if turns.are_taken(ask.lane, monotonic()) and Pipeline.is_supported():
        reply = _in_turn(calls, turns, ask)
    if reply is None:
        reply = _at_once(calls, ask)
    turns.brought(ask.lane, reply.n_taken)
    return reply


def _at_once(calls: Calls, ask: Ask) -> Claimed:
    """Claim with a lock per row, which nobody waits for."""
    with translated():
        row = calls.raw(text(calls.schema, SKIPPING), parameters(ask)).fetchone()
    if row is None:
        raise InternalError("the claim returned no row")
    n_taken, ids, jobs, lens, args, notes, *told = row
    batch = _batch(ask.lease, ask.lane, ask.suspect, ids, lens, args, notes) if ids else None
    if batch and jobs:
        _order(batch, jobs)
    return _claimed(batch, n_taken, told)


def _in_turn(calls: Calls, turns: Turns, ask: Ask) -> Claimed | None:
    """Claim without a lock per row; None if somebody else's lock is in the way.

    The jobs themselves, which is half of the work, are read when the next one has its turn.
    """
    turn = statement("claim_turn", calls.schema), [str(ask.lane)]
    take = text(calls.schema), parameters(ask, read=False)
    read = statement("adopt", calls.schema), [ask.node, str(ask.lease)]
    try:
        with translated():
            row, leased = calls.raw_pair(turn, take, read)
    except Contended:
        turns.contested(ask.lane, monotonic())
        return None
    if row is None:
        raise InternalError("the claim returned no row")
    batch = _adopted(ask.lease, leased)
    if row[0] and batch is None:
        raise BrokenLease("a claimed job, or the lease, is gone by now: what is left goes back")
    return _claimed(batch, row[0], row[6:])


def _claimed(batch: Batch | None, n_taken: int, told: Sequence[Any]) -> Claimed:
    last, ended, n_waiting, oldest_s = told
    return Claimed(batch, n_taken, _positions(last, ended), n_waiting or 0, oldest_s)


def text(schema: str, lock: str = "") -> str:
    """Return the claim; with no `lock` it may be sent only by who has the lane's turn."""
    return statement("claim", schema).replace("{lock}", lock)


def parameters(ask: Ask, read: bool = True) -> list[str]:
    """Return the claim's parameters; without `read` it brings no jobs along."""
    us, ids = _behind(ask.frontier)
    return [
        str(ask.lane),
        str(ask.suspect),
        ask.key,
        str(ask.limit),
        ask.node,
        str(ask.lease),
        array(us),
        array(ids),
        str(ask.min_n),
        str(ask.linger_s),
        "true" if read else "false",
    ]


def due(calls: Calls, asks: Sequence[DueAsk]) -> list[Due]:
    """Ask for every lane at once what is due and when the next job is."""
    behind = [_behind(ask.frontier) for ask in asks]
    us = [u for pair in behind for u in pair[0]]
    ids = [i for pair in behind for i in pair[1]]
    rows = calls.rows("due", array(ask.lane for ask in asks), array(us), array(ids))
    return [Due(*row) for row in rows]


def adopt(calls: Calls, node: str, n: int) -> Batch | None:
    """Return the batch of a claim whose reply was lost, or None if it cannot be run as it is.

    A lease that was settled in part, or of which a job is gone, can only be given back.
    """
    with translated():
        row = calls.raw(statement("adopt", calls.schema), [node, str(n)]).fetchone()
    return _adopted(n, row)


def _adopted(n: int, row: tuple[Any, ...] | None) -> Batch | None:
    if row is None:
        return None
    lane, suspect, seq, opened, jobs, ids, lens, args, notes = row
    if opened or not ids or (jobs and len(jobs) != len(ids)):
        return None
    batch = _batch(n, lane, suspect, ids, lens, args, notes)
    batch.seq = seq
    if jobs:
        _order(batch, jobs)
    return batch


def open_jobs(calls: Calls, node: str, n: int) -> list[int]:
    """Return the jobs that wait for their outcome under a lease; none if it is gone."""
    row = next(iter(calls.rows("adopt", node, str(n))), None)
    if row is None:
        return []
    jobs, ids = row[4], row[5] or []
    left = set(ids)
    return [job for job in jobs if job in left] if jobs else ids


def _behind(frontier: dict[int, Position]) -> tuple[list[int], list[int]]:
    places = [frontier.get(priority, START) for priority in range(N_PRIORITIES)]
    return [us for us, _ in places], [job for _, job in places]


def _order(batch: Batch, jobs: list[int]) -> None:
    """Bring a batch, which came by id, into the order of the claim."""
    found, start = {}, 1
    for k, (job, n) in enumerate(zip(batch.ids, batch.lens, strict=True)):
        found[job] = k, batch.args[start : start + n]
        start += n + 1
    old = [found[job] for job in jobs]
    where = {k: place for place, (k, _) in enumerate(old)}
    batch.ids, batch.lens = jobs, [len(text) for _, text in old]
    batch.args = b"[%b]" % b",".join([text for _, text in old])
    batch.notes = {where[k]: counts for k, counts in batch.notes.items()}


def _batch(
    lease: int, lane: int, suspect: int, ids: list[int], lens: list[int], args: bytes, notes: Any
) -> Batch:
    counts = _notes(ids, notes) if notes else {}
    return Batch(lease, lane, suspect, ids, lens, b"[%b]" % args, counts)


def _notes(ids: list[int], text: bytes) -> dict[int, Counts]:
    place = {job: k for k, job in enumerate(ids)}
    notes = {}
    for note in text.split(b";"):
        job, attempt, n_failed, n_crashed, n_lost, cap = map(int, note.split(b","))
        notes[place[job]] = Counts(attempt, n_failed, n_crashed, n_lost, cap or None)
    return notes


def _positions(last: bytes | None, ended: bytes | None) -> dict[int, Position]:
    places = {}
    for text in [*(ended.split(b";") if ended else []), *([last] if last else [])]:
        priority, us, job = map(int, text.split(b","))
        places[priority] = (us, job)
    return places
