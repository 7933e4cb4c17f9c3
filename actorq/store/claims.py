"""Taking jobs: the claim, the question what is due, and adopting a claim whose reply was lost."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from time import monotonic
from typing import Any, Literal

from actorq.core.ask import Ask, Claimed, Due, DueAsk, Position
from actorq.core.model import Batch, Counts
from actorq.errors import InternalError
from actorq.store.calls import Calls, array
from actorq.store.faults import BrokenLease, Contended, translated
from actorq.store.statements import statement

N_PRIORITIES = 10
START: Position = (-(2**57), 0)
"""Before every run_at that anybody could mean: the year 2597 BC, and exact as a float."""

SOME, MANY = 50, 200
"""Rows of `ready`, each of them a block, from which on taking turns pays, alone and with others. It
saves 54 bytes of WAL and some 0.6 µs a row; waiting for one's turn costs 0.1 ms."""

SKIPPING = "FOR UPDATE SKIP LOCKED"
CONTESTED_S = 1.0
"""How long to keep to another way of claiming after somebody else was in the way."""

Way = Literal["each", "alone", "in turn"]
"""How to claim: with a lock for each row, with the turn if nobody has it, or waiting for it."""


class Turns:
    """Know how to claim from each lane: turns are for those that last brought many rows.

    A turn is a lane's advisory lock, held by one claim until its transaction ends. Who has it need
    not lock the rows of `ready` one by one before it deletes them: other claims with turns wait.
    Those without skip what is locked, and may be met all the same: each way is safe beside all.
    """

    def __init__(self) -> None:
        self._brought: dict[int, int] = {}  # lane → how many rows its last claim has brought
        self._shared: dict[int, float] = {}  # … until when somebody else's turns are likely
        self._locked: dict[int, float] = {}  # … and until when somebody's lock on a row is

    def way(self, lane: int, now: float) -> Way:
        """Return how to claim."""
        n = self._brought.get(lane, 0)
        if n < SOME or now < self._locked.get(lane, -inf):
            return "each"
        if now >= self._shared.get(lane, -inf):
            return "alone"
        return "in turn" if n >= MANY else "each"

    def brought(self, lane: int, n_rows: int) -> None:
        """Note how many rows a claim has brought."""
        self._brought[lane] = n_rows

    def met(self, lane: int, now: float) -> None:
        """Note that somebody else claims from the lane."""
        self._shared[lane] = now + CONTESTED_S

    def contested(self, lane: int, now: float) -> None:
        """Note that somebody else held a lock for too long."""
        self._locked[lane] = now + CONTESTED_S


def claim(calls: Calls, turns: Turns, ask: Ask) -> Claimed:
    """Take due jobs out of `ready` and put them under a lease, all at once.

    Raises BrokenLease if the jobs taken cannot be run as they are: then the lease stays.
    """
    reply = None
    try:
        if turns.way(ask.lane, monotonic()) == "alone":
            reply = _alone(calls, turns, ask)
        if reply is None and turns.way(ask.lane, monotonic()) == "in turn":
            reply = _in_turn(calls, ask)
    except Contended:
        turns.contested(ask.lane, monotonic())
    if reply is None:
        reply = _claimed_by(_sent(calls, ask, SKIPPING), ask)
    turns.brought(ask.lane, reply.n_rows)
    return reply


def _alone(calls: Calls, turns: Turns, ask: Ask) -> Claimed | None:
    """Claim if nobody else's turn is in the way; None if it is and nothing was taken."""
    row = _sent(calls, ask, alone=True)
    n_taken, is_alone = row[0], row[-2]
    if not is_alone:
        turns.met(ask.lane, monotonic())
    return _claimed_by(row, ask) if is_alone or n_taken else None


def _sent(calls: Calls, ask: Ask, lock: str = "", alone: bool = False) -> tuple[Any, ...]:
    """Send a claim that brings the jobs along."""
    with translated():
        row = calls.direct(text(calls.schema, lock), parameters(ask, alone=alone))
    if row is None:
        raise InternalError("the claim returned no row")
    return row


def _claimed_by(row: tuple[Any, ...], ask: Ask) -> Claimed:
    n_taken, ids, jobs, lens, args, notes, *told = row
    batch = _batch(ask.lease, ask.lane, ask.suspect, ids, lens, args, notes) if ids else None
    if batch and jobs:
        _order(batch, jobs)
    return _claimed(batch, n_taken, told)


def _in_turn(calls: Calls, ask: Ask) -> Claimed:
    """Claim without a lock per row, after the claims whose turn is earlier.

    The jobs themselves, which is half of the work, are read when the next one has its turn.
    """
    turn = statement("claim_turn", calls.schema), [str(ask.lane)]
    take = text(calls.schema), parameters(ask, read=False)
    with translated():
        row = calls.together(turn, take)
    if row is None:
        raise InternalError("the claim returned no row")
    batch = adopt(calls, ask.node, ask.lease) if row[0] else None
    if row[0] and batch is None:
        raise BrokenLease("a claimed job, or the lease, is gone by now: what is left goes back")
    return _claimed(batch, row[0], row[6:])


def _claimed(batch: Batch | None, n_taken: int, told: Sequence[Any]) -> Claimed:
    last, ended, n_waiting, oldest_s, _, n_rows = told
    return Claimed(batch, n_taken, _positions(last, ended), n_waiting or 0, oldest_s, n_rows)


def text(schema: str, lock: str = "") -> str:
    """Return the claim; with no `lock` it may be sent only by who has or takes the turn."""
    return statement("claim", schema).replace("{lock}", lock)


def parameters(ask: Ask, read: bool = True, alone: bool = False) -> list[str]:
    """Return the claim's parameters; without `read` it brings no jobs along."""
    us, ids = _behind(ask.frontier)
    return [
        str(ask.lane),
        str(ask.suspect),
        str(ask.limit),
        ask.node,
        str(ask.lease),
        array(us),
        array(ids),
        str(ask.min_n),
        str(ask.linger_s),
        "true" if read else "false",
        "true" if alone else "false",
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
        row = calls.direct(statement("adopt", calls.schema), [node, str(n)])
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
