"""Taking jobs: the claim, the question what is due, and adopting a claim whose reply was lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import monotonic
from typing import NamedTuple

from actorq.core.job.model import Buffer, ClaimedBatch, Counts
from actorq.core.lanes.turns import LockMode, Turns
from actorq.core.store_values import Ask, ClaimReply, Due, DueAsk, Left, ReadyPosition
from actorq.english import count
from actorq.errors import InternalError, RowRefused
from actorq.store.session.calls import Calls, Record, array
from actorq.store.session.faults import BrokenLease, Contended, translated
from actorq.store.session.statements import in_order, statement

N_PRIORITIES = 10
START: ReadyPosition = (-(2**57), 0)
"""Before every run_at that anybody could mean: the year 2597 BC, and exact as a float."""

PART_JOBS = 250
"""How many jobs come in one row. Their args are copied from buffer to buffer: while those fit into
the processor's cache that is cheap (10 kB a job, all in one row: 0.85 of the rate)."""

MAX_BYTES = 1 << 29
"""Of args in one claim, 32 times what a batch may have: what a supervisor or an actor could choke
on goes back, and the next claim asks for fewer."""

MAX_COUNTED = 10_000
"""Rows of `ready` that a count of what is left looks at, per lane and priority: a drain beside a
million scheduled jobs must not read them all to say so."""

SKIPPING = "FOR UPDATE SKIP LOCKED"


class ClaimHead(NamedTuple):
    """What each row of a claim's reply says of the claim, in the order of its columns."""

    n_taken: int
    last: bytes | None
    ended: bytes | None
    n_waiting: int | None
    oldest_s: float | None
    is_alone: bool
    n_rows: int

    @classmethod
    def of(cls, row: Record) -> ClaimHead:
        """Return what a row of a reply says of the claim."""
        return cls(*row[: len(cls._fields)])


class Part(NamedTuple):
    """Some of the jobs of a claim, or of a lease: the last columns of a row.

    `jobs` is None if they are just `ids`, which are those that are pending, by id.
    """

    k: int
    jobs: list[int] | None
    ids: list[int] | None
    lens: list[int] | None
    args: Buffer | None
    notes: bytes | None

    @classmethod
    def of(cls, rows: Iterable[Record]) -> list[Part]:
        """Return what the rows of a reply hold, in the order of the claim."""
        return sorted((cls(*row[-len(cls._fields) :]) for row in rows), key=lambda part: part.k)

    @property
    def is_whole(self) -> bool:
        """Say whether no job is gone or final."""
        return self.jobs is None or len(self.jobs) == len(self.ids or ())


def claim(calls: Calls, turns: Turns, ask: Ask) -> ClaimReply:
    """Take due jobs out of `ready` and put them under a lease.

    Raises BrokenLease if the jobs taken cannot be run as they are, or RowRefused if they are too
    much at once: then the lease stays, if it is there at all.
    """
    rows, way = _taken(calls, turns, ask)
    told = ClaimHead.of(rows[0])
    turns.brought(ask.lane, told.n_rows)
    try:
        batch = _read(calls, ask, told) if way == "in turn" else _found(calls, ask, told, rows)
    except Contended as exc:
        raise BrokenLease(f"the jobs of a claim were not to be had: {exc}") from exc
    last = _positions(told.last, told.ended)
    return ClaimReply(batch, told.n_taken, last, told.n_waiting or 0, told.oldest_s, told.n_rows)


def _taken(calls: Calls, turns: Turns, ask: Ask) -> tuple[list[Record], LockMode]:
    """Claim in the way that pays; return the reply."""
    try:
        if turns.way(ask.lane, monotonic()) == "alone":
            rows = _sent(calls, ask, alone=True)
            told = ClaimHead.of(rows[0])
            if turns.stands(ask.lane, told.is_alone, told.n_taken, monotonic()):
                return rows, "alone"
        if turns.way(ask.lane, monotonic()) == "in turn":
            return [_sent_in_turn(calls, ask)], "in turn"
    except Contended:
        turns.contested(ask.lane, monotonic())
    return _sent(calls, ask, SKIPPING), "each"


def _sent(calls: Calls, ask: Ask, lock: str = "", alone: bool = False) -> list[Record]:
    """Send a claim that brings the jobs along."""
    with translated():
        rows = calls.direct(text(calls.schema, lock), parameters(ask, alone=alone))
    if not rows:
        raise InternalError("the claim returned no row")
    return rows


def _sent_in_turn(calls: Calls, ask: Ask) -> Record:
    """Claim without a lock per row, after the claims whose turn is earlier.

    The jobs themselves, which is half of the work, are read when the next one has its turn.
    """
    turn = statement("claim_turn", calls.schema), in_order("claim_turn", {"lane": str(ask.lane)})
    take = text(calls.schema), parameters(ask, read=False)
    with translated():
        row = calls.together(turn, take)
    if row is None:
        raise InternalError("the claim returned no row")
    return row


def _read(calls: Calls, ask: Ask, told: ClaimHead) -> ClaimedBatch | None:
    """Return the jobs of a claim that did not bring them along."""
    batch = adopt(calls, ask.node, ask.lease) if told.n_taken else None
    if told.n_taken and batch is None:
        raise BrokenLease("a claimed job, or the lease, is gone by now: what is left goes back")
    return batch


def _found(calls: Calls, ask: Ask, told: ClaimHead, rows: Sequence[Record]) -> ClaimedBatch | None:
    """Return the jobs that a claim brought along; those gone or final leave the lease."""
    parts = Part.of(rows)
    batch = _batch(ask.lease, ask.lane, ask.suspect, parts)
    if batch.n < told.n_taken:
        _trim(calls, ask, batch.ids, {job for part in parts for job in part.jobs or ()})
    return batch if batch.n else None


def _trim(calls: Calls, ask: Ask, ids: list[int], taken: set[int]) -> None:
    """Leave only these of the jobs taken under the lease; raise where others are to run."""
    if calls.rows("pending_jobs", ids=array(sorted(taken.difference(ids)))):
        raise BrokenLease(
            f"a claim took jobs of another kind or queue out of lane {ask.lane}, where a restore "
            "may have put them: each goes back into its own. Look with: actorq doctor"
        )
    if calls.row("lease_trim", node=ask.node, lease=str(ask.lease), ids=array(ids)) != (1,):
        raise BrokenLease("a claimed job, and the lease, are gone by now")


def text(schema: str, lock: str = "") -> str:
    """Return the claim; with no `lock` it may be sent only by who has or takes the turn."""
    return statement("claim", schema).replace("{lock}", lock)


def parameters(ask: Ask, read: bool = True, alone: bool = False) -> list[str]:
    """Return the claim's parameters; without `read` it brings no jobs along."""
    us, ids = _behind(ask.frontier)
    params = {
        "lane": str(ask.lane),
        "suspect": str(ask.suspect),
        "limit": str(ask.limit),
        "node": ask.node,
        "lease": str(ask.lease),
        "behind_us": array(us),
        "behind_id": array(ids),
        "min_n": str(ask.min_n),
        "linger_s": str(ask.linger_s),
        "brings": "true" if read else "false",
        "takes_turn": "true" if alone else "false",
        "part_jobs": str(PART_JOBS),
    }
    return in_order("claim", params)


def due(calls: Calls, asks: Sequence[DueAsk]) -> list[Due]:
    """Ask for every lane at once what is due and when the next job is."""
    behind = [_behind(ask.frontier) for ask in asks]
    lanes = array(ask.lane for ask in asks)
    us = array(u for pair in behind for u in pair[0])
    ids = array(i for pair in behind for i in pair[1])
    rows = calls.rows("due", lanes=lanes, behind_us=us, behind_id=ids)
    return [Due(*row) for row in rows]


def left(calls: Calls, lanes: Sequence[int]) -> list[Left]:
    """Count what is not final in some lanes, by no more rows than are needed to say *many*."""
    return [Left(*row) for row in calls.rows("left", lanes=array(lanes), most=str(MAX_COUNTED))]


def adopt(calls: Calls, node: str, n: int) -> ClaimedBatch | None:
    """Return the batch of a claim whose reply was lost, or None if it cannot be run as it is.

    A lease that was settled in part, or of which a job is gone, can only be given back.
    """
    rows = _leased(calls, node, n)
    if not rows:
        return None
    lane, suspect, seq, opened = rows[0][:4]
    parts = Part.of(rows)
    if opened or not all(part.is_whole for part in parts):
        return None
    batch = _batch(n, lane, suspect, parts)
    batch.seq = seq
    return batch if batch.n else None


def open_jobs(calls: Calls, node: str, n: int) -> list[int]:
    """Return the jobs that wait for their outcome under a lease; none if it is gone."""
    found: list[int] = []
    for part in Part.of(_leased(calls, node, n)):
        ids = set(part.ids or ())
        found += [job for job in part.jobs or part.ids or () if job in ids]
    return found


def _leased(calls: Calls, node: str, n: int) -> list[Record]:
    params = {"node": node, "lease": str(n), "part_jobs": str(PART_JOBS)}
    with translated():
        return calls.direct(statement("adopt", calls.schema), in_order("adopt", params))


def _behind(frontier: dict[int, ReadyPosition]) -> tuple[list[int], list[int]]:
    places = [frontier.get(priority, START) for priority in range(N_PRIORITIES)]
    return [us for us, _ in places], [job for _, job in places]


def _batch(lease: int, lane: int, suspect: int, parts: Iterable[Part]) -> ClaimedBatch:
    """Return the jobs that are there; without any, n is 0."""
    batch = ClaimedBatch(lease, lane, suspect, [], [], [], {})
    for _, jobs, ids, lens, args, notes in parts:
        if ids is None or lens is None or args is None:
            continue
        if jobs:
            ids, lens, args = _ordered(jobs, ids, lens, args)
        if notes:
            batch.notes |= _notes(ids, batch.n, notes)
        batch.ids += ids
        batch.lens += lens
        batch.args.append(args)
    _check(batch)
    return batch


def _check(batch: ClaimedBatch) -> None:
    if len(set(batch.ids)) != batch.n:
        raise BrokenLease("a claim took a job that stood in `ready` twice: its jobs go back")
    size = sum(batch.lens)
    if size > MAX_BYTES:
        raise RowRefused(
            f"a claim took {count(batch.n, 'job')} with {size:,} bytes of args: they go back"
        )


def _ordered(
    jobs: list[int], ids: list[int], lens: list[int], args: Buffer
) -> tuple[list[int], list[int], bytes]:
    """Bring what came by id into the order of the claim; those that did not come are left out."""
    found, start = {}, 0
    for job, n in zip(ids, lens, strict=True):
        found[job] = args[start : start + n]
        start += n + 1
    there = [job for job in jobs if job in found]
    texts = [found[job] for job in there]
    return there, [len(text) for text in texts], b",".join(texts)


def _notes(ids: list[int], first: int, text: bytes) -> dict[int, Counts]:
    place = {job: k for k, job in enumerate(ids, first)}
    notes = {}
    for note in text.split(b";"):
        job, attempt, n_failed, n_crashed, n_lost, cap = map(int, note.split(b","))
        notes[place[job]] = Counts(attempt, n_failed, n_crashed, n_lost, cap or None)
    return notes


def _positions(last: bytes | None, ended: bytes | None) -> dict[int, ReadyPosition]:
    places = {}
    for text in [*(ended.split(b";") if ended else []), *([last] if last else [])]:
        priority, us, job = map(int, text.split(b","))
        places[priority] = (us, job)
    return places
