"""Parts of settlements: what remains if some of the jobs are held back, or may only fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from msgspec.structs import replace

from actorq.core.job.model import ErrorInfo, Row, Settlement
from actorq.core.store_values import SettleReply


def meet(one: Settlement, other: Settlement) -> bool:
    """Tell whether two settlements cannot stand in one statement."""
    return one.lease == other.lease or not set(one.ids).isdisjoint(other.ids)


def some_of(done: Mapping[int, list[int]], some: Set[int]) -> dict[int, list[int]]:
    """Return the completions that are among these jobs."""
    left = {attempt: [job for job in jobs if job in some] for attempt, jobs in done.items()}
    return {attempt: jobs for attempt, jobs in left.items() if jobs}


def only(s: Settlement, some: Set[int]) -> Settlement:
    """Return the part of a settlement that concerns these jobs."""
    rows = [row for row in s.rows if row.id in some]
    return replace(s, done=some_of(s.done, some), rows=rows)


def failing(s: Settlement, bad: Set[int], error: ErrorInfo) -> Settlement:
    """Make these jobs of a settlement fail, whatever their outcome was."""
    failed = [(job, attempt) for attempt, jobs in s.done.items() for job in jobs if job in bad]
    failed += [(r.id, r.attempt) for r in s.rows if r.id in bad]
    rest = only(s, set(s.ids) - bad)
    rows = [Row(job, attempt, "failed", "failed", error=error) for job, attempt in failed]
    return replace(rest, rows=rest.rows + rows)


def without(s: Settlement, kept: Set[int], jobs: Sequence[int]) -> Settlement:
    """Remove jobs from a settlement and leave them open under the lease.

    `kept` may name jobs that the lease no longer holds, such as one kept under another lease.
    """
    kept = kept & {*s.ids}
    places = [k for k, job in enumerate(jobs) if job in kept]
    if not places:
        return s
    size = (len(jobs) + 7) // 8
    bits = bytearray((s.open_bits or b"") if not s.closes else b"").ljust(size, b"\0")
    for k in places:
        bits[k >> 3] |= 1 << (k & 7)
    return replace(only(s, set(s.ids) - kept), closes=False, open_bits=bytes(bits))


def keeping(
    reply: SettleReply, sent: Sequence[Settlement], kept: Set[int], leased: Mapping[int, object]
) -> SettleReply:
    """Return the reply with the jobs that are kept, under leases that are still as assumed."""
    kept = {*kept, *reply.kept}
    still = [job for s in sent if s.lease in leased for job in s.ids if job in kept]
    return replace(reply, kept=still)
