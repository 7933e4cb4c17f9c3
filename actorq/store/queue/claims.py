"""Taking jobs: the claim, reading what is leased, and the question what is due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from time import monotonic
from typing import NamedTuple

from actorq.core.job.model import Buffer, ClaimedBatch, Counts
from actorq.core.lanes.claim_turns import LockMode, Turns
from actorq.core.plan.effects import Claim
from actorq.core.store_values import ClaimReply, Due, DueAsk, Left, ReadyPosition
from actorq.english import count
from actorq.errors import InternalError, RowRefused
from actorq.store.session.calls import Calls, Record, array
from actorq.store.session.faults import BrokenLease, Contended, translated
from actorq.store.session.statements import in_order, statement

N_PRIORITIES = 10
START: ReadyPosition = (-(2**57), 0)
"""Before every run_at that anybody could mean: the year 2597 BC, and exact as a float."""

PART_JOBS = 250
"""How many jobs come in one row. Their args are copied several times, which is cheap while a row
fits into the processor's cache: with 10 kB a job and all jobs in one row, the rate was 0.85 of that
with this number."""

MAX_BYTES = 1 << 29
"""Most bytes of args in one batch, 32 times what a batch may be set to. A larger one could exhaust
the memory, so it goes back whole, and the next claim asks for fewer jobs."""

MAX_COUNTED = 10_000
"""Most rows of `ready` that are read to count what is left, per lane and priority: a drain that
leaves a million scheduled jobs must not read them all to say so."""

SKIPPING = "FOR UPDATE SKIP LOCKED"


class ClaimHead(NamedTuple):
    """The columns with which each row of a claim's reply describes the claim as a whole."""

    n_taken: int
    last: bytes | None
    ended: bytes | None
    n_waiting: int | None
    oldest_s: float | None
    is_alone: bool
    n_rows: int
    waited: bytes | None

    @classmethod
    def of(cls, row: Record) -> ClaimHead:
        """Return what a row of a reply says of the claim."""
        return cls(*row[: len(cls._fields)])


class Part(NamedTuple):
    """Some of the jobs of a claim, or of a lease: the last columns of a row.

    `ids` are those that are pending, ordered by id. `jobs` are all of them in the order of the
    claim, or None if that would be the same.
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


def claim(calls: Calls, turns: Turns, node: str, ask: Claim) -> ClaimReply:
    """Take due jobs out of `ready` and put them under leases.

    Raises BrokenLease if the jobs taken cannot be run as they are, or RowRefused if a batch is too
    large. The leases then stay, if they exist at all, and the caller gives them back.
    """
    rows, way = _taken(calls, turns, node, ask)
    told = ClaimHead.of(rows[0])
    turns.brought(ask.lane, told.n_rows)
    try:
        if not told.n_taken:
            batches = []
        elif way == "in turn":
            batches = _read(calls, node, ask, told)
        else:
            batches = _found(calls, node, ask, told, rows)
    except Contended as exc:
        raise BrokenLease(f"the jobs of a claim were not to be had: {exc}") from exc
    last = _positions(told.last, told.ended)
    return ClaimReply(
        batches,
        told.n_taken,
        last,
        told.n_waiting or 0,
        told.oldest_s,
        told.n_rows,
        _waited(told.waited, told.n_taken),
    )


def _taken(calls: Calls, turns: Turns, node: str, ask: Claim) -> tuple[list[Record], LockMode]:
    """Claim in the way that costs least; return the reply."""
    try:
        if turns.way(ask.lane, monotonic()) == "alone":
            rows = _sent(calls, node, ask, alone=True)
            told = ClaimHead.of(rows[0])
            if turns.stands(ask.lane, told.is_alone, told.n_taken, monotonic()):
                return rows, "alone"
        if turns.way(ask.lane, monotonic()) == "in turn":
            return [_sent_in_turn(calls, node, ask)], "in turn"
    except Contended:
        turns.contested(ask.lane, monotonic())
    return _sent(calls, node, ask, SKIPPING), "each"


def _sent(calls: Calls, node: str, ask: Claim, lock: str = "", alone: bool = False) -> list[Record]:
    """Send a claim that brings the jobs along."""
    with translated():
        rows = calls.direct(text(calls.schema, lock), parameters(node, ask, alone=alone))
    if not rows:
        raise InternalError("the claim returned no row")
    return rows


def _sent_in_turn(calls: Calls, node: str, ask: Claim) -> Record:
    """Claim without a lock per row, after the claims whose turn is earlier.

    The jobs themselves are read afterwards, while the next claim has its turn: that is half of the
    work.
    """
    turn = statement("claim_turn", calls.schema), in_order("claim_turn", {"lane": str(ask.lane)})
    take = text(calls.schema), parameters(node, ask, read=False)
    with translated():
        row = calls.together(turn, take)
    if row is None:
        raise InternalError("the claim returned no row")
    return row


def _read(calls: Calls, node: str, ask: Claim, told: ClaimHead) -> list[ClaimedBatch]:
    """Return the jobs of a claim that did not bring them along."""
    n_leases = -(-told.n_taken // ask.limit)
    batches = read(calls, node, ask.lease, n_leases)
    if len(batches) < n_leases:
        raise BrokenLease("a claimed job, or its lease, is gone by now: what is left goes back")
    return batches


def _found(
    calls: Calls, node: str, ask: Claim, told: ClaimHead, rows: Sequence[Record]
) -> list[ClaimedBatch]:
    """Return the jobs that a claim brought along; those gone or final leave their lease."""
    batches = []
    for lease, parts in groupby(Part.of(rows), lambda part: ask.lease + part.k // ask.limit):
        batch = _found_under(calls, node, ask, told, lease, list(parts))
        if batch.n:
            batches.append(batch)
    return batches


def _found_under(
    calls: Calls, node: str, ask: Claim, told: ClaimHead, lease: int, parts: list[Part]
) -> ClaimedBatch:
    """Return the jobs of one lease that a claim brought along."""
    batch = _batch(lease, ask.lane, ask.suspect, parts)
    if batch.n < min(ask.limit, told.n_taken - ask.limit * (lease - ask.lease)):
        taken = {job for part in parts for job in part.jobs or ()}
        _trim(calls, node, ask, batch, taken)
    return batch


def _trim(calls: Calls, node: str, ask: Claim, batch: ClaimedBatch, taken: set[int]) -> None:
    """Leave only the batch's jobs of those taken under its lease; raise where others are to run."""
    if calls.rows("pending_jobs", ids=array(sorted(taken.difference(batch.ids)))):
        raise BrokenLease(
            f"a claim took jobs of another kind or queue out of lane {ask.lane}, where a restore "
            "may have put them: each goes back into its own. Look with: actorq doctor"
        )
    ids = array(batch.ids)
    if calls.row("lease_trim", node=node, lease=str(batch.lease), ids=ids) != (1,):
        raise BrokenLease("a claimed job, and the lease, are gone by now")


def text(schema: str, lock: str = "") -> str:
    """Return the claim's text; without a `lock` only a claim that takes its turn may use it."""
    return statement("claim", schema).replace("{lock}", lock)


def parameters(node: str, ask: Claim, read: bool = True, alone: bool = False) -> list[str]:
    """Return the claim's parameters; without `read` it brings no jobs along."""
    us, ids = _behind(ask.frontier)
    params = {
        "lane": str(ask.lane),
        "suspect": str(ask.suspect),
        "limit": str(ask.n_jobs),
        "size": str(max(1, ask.limit)),
        "node": node,
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


def read(calls: Calls, node: str, lease: int, n_leases: int = 1) -> list[ClaimedBatch]:
    """Return the batches of leases that follow one another, if they can be run as they are.

    One that was settled in part, or of which a job is gone, can only be given back.
    """
    batches = []
    rows = sorted(_leased(calls, node, lease, n_leases), key=lambda row: row[0])
    for head, group in groupby(rows, lambda row: row[:5]):
        n, lane, suspect, seq, opened = head
        parts = Part.of(group)
        if opened or not all(part.is_whole for part in parts):
            continue
        batch = _batch(n, lane, suspect, parts)
        batch.seq = seq
        if batch.n:
            batches.append(batch)
    return batches


def open_jobs(calls: Calls, node: str, n: int) -> list[int]:
    """Return the jobs that wait for their outcome under a lease; none if it is gone."""
    found: list[int] = []
    for part in Part.of(_leased(calls, node, n, 1)):
        ids = set(part.ids or ())
        found += [job for job in part.jobs or part.ids or () if job in ids]
    return found


def _leased(calls: Calls, node: str, lease: int, n_leases: int) -> list[Record]:
    last = str(lease + n_leases - 1)
    params = {"node": node, "lease": str(lease), "last": last, "part_jobs": str(PART_JOBS)}
    with translated():
        return calls.direct(statement("lease_read", calls.schema), in_order("lease_read", params))


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
    """Bring jobs that came ordered by id into the order of the claim, but for those gone."""
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


def _waited(text: bytes | None, n_taken: int) -> dict[int, int]:
    """Return how many jobs had been due for how long; what the claim put back is not counted."""
    found: dict[int, int] = {}
    for part in sorted(text.split(b";"), key=_bucket, reverse=True) if text else []:
        n = min(int(part.split(b",")[1]), n_taken - sum(found.values()))
        if n:
            found[_bucket(part)] = n
    return found


def _bucket(part: bytes) -> int:
    return int(part.split(b",")[0])


def _positions(last: bytes | None, ended: bytes | None) -> dict[int, ReadyPosition]:
    places = {}
    for text in [*(ended.split(b";") if ended else []), *([last] if last else [])]:
        priority, us, job = map(int, text.split(b","))
        places[priority] = (us, job)
    return places
