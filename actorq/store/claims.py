"""Taking jobs: the claim, the question what is due, and adopting a claim whose reply was lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actorq.core.ask import Ask, Claimed, Due, DueAsk, Position
from actorq.core.model import Batch, Counts
from actorq.store.calls import Calls, array

N_PRIORITIES = 10
START: Position = (-(2**57), 0)
"""Before every run_at that anybody could mean: the year 2597 BC, and exact as a float."""


def claim(calls: Calls, ask: Ask) -> Claimed:
    """Take due jobs out of `ready` and put them under a lease, all at once."""
    us, ids = _behind(ask.frontier)
    row = calls.row(
        "claim",
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
    )
    n_taken, jobs, lens, args, notes, last, ended, n_waiting, oldest_s = row
    batch = _batch(ask.lease, ask.lane, ask.suspect, jobs, lens, args, notes) if jobs else None
    return Claimed(batch, n_taken, _positions(last, ended), n_waiting or 0, oldest_s)


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
    rows = calls.rows("adopt", node, str(n))
    if not rows:
        return None
    lane, suspect, seq, opened, jobs, ids, lens, args, notes = rows[0]
    if opened or ids != jobs:
        return None
    batch = _batch(n, lane, suspect, ids, lens, args, notes)
    batch.seq = seq
    return batch


def open_jobs(calls: Calls, node: str, n: int) -> list[int]:
    """Return the jobs that wait for their outcome under a lease; none if it is gone."""
    rows = calls.rows("adopt", node, str(n))
    return list(rows[0][5] or ()) if rows else []


def _behind(frontier: dict[int, Position]) -> tuple[list[int], list[int]]:
    places = [frontier.get(priority, START) for priority in range(N_PRIORITIES)]
    return [us for us, _ in places], [job for _, job in places]


def _batch(
    lease: int, lane: int, suspect: int, ids: list[int], lens: list[int], args: str, notes: Any
) -> Batch:
    text = f"[{args}]".encode()
    return Batch(lease, lane, suspect, ids, lens, text, _notes(ids, notes) if notes else {})


def _notes(ids: list[int], text: str) -> dict[int, Counts]:
    place = {job: k for k, job in enumerate(ids)}
    notes = {}
    for note in text.split(";"):
        job, attempt, n_failed, n_crashed, n_lost, cap = map(int, note.split(","))
        notes[place[job]] = Counts(attempt, n_failed, n_crashed, n_lost, cap or None)
    return notes


def _positions(last: str | None, ended: str | None) -> dict[int, Position]:
    places = {}
    for text in [*(ended.split(";") if ended else []), *([last] if last else [])]:
        priority, us, job = map(int, text.split(","))
        places[priority] = (us, job)
    return places
