"""The database of the simulator: a few dictionaries with the real rules of fence and counting.

Every method is one statement: it happens at one instant, or not at all. Time comes in µs.
"""

from __future__ import annotations

from bisect import insort
from typing import Any

from actorq.core.job.model import ClaimedBatch, Counts, Row, Settlement
from actorq.core.plan.effects import Claim
from actorq.core.store_values import ClaimReply, Due, DueAsk, Left, SettleReply
from tests.support.done import pairs

READY = (0, 0)
"""The place of a job that is in `ready`; any other place is the lease that holds it."""

LOST_BUDGET, ALONE_AFTER = 10, 2


class Violation(Exception):
    """Something happened that never may."""


class Job:
    __slots__ = (
        "attempt", "cancelled_at", "id", "lane", "max_attempts", "n_crashed", "n_failed",
        "n_finals", "n_lost", "place", "priority", "put_at", "run_at", "state",
    )  # fmt: skip

    def __init__(self, id_: int, lane: int, priority: int, run_at: int) -> None:
        self.id, self.lane, self.priority, self.run_at = id_, lane, priority, run_at
        self.state, self.place = "pending", READY
        self.attempt = self.n_failed = self.n_crashed = self.n_lost = self.n_finals = 0
        self.max_attempts: int | None = None
        self.cancelled_at: int | None = None
        self.put_at = run_at

    def counts(self) -> Counts | None:
        if not self.attempt and self.max_attempts is None:
            return None
        return Counts(self.attempt, self.n_failed, self.n_crashed, self.n_lost, self.max_attempts)


class Lease:
    __slots__ = ("ids", "lane", "open", "seq", "suspect")

    def __init__(self, lane: int, suspect: int, ids: list[int]) -> None:
        self.lane, self.suspect, self.ids = lane, suspect, ids
        self.open, self.seq = set(range(len(ids))), 0


class Table:
    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.ready: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        self.leases: dict[tuple[int, int], Lease] = {}
        self.nodes: set[int] = set()
        self.settled: dict[tuple[int, int], int] = {}  # (node, settler) → number of its last settle
        self.hungry: set[tuple[int, int]] = set()  # (lane, node)
        self.n_pending = 0

    # ---- rows ----

    def insert(self, job: Job) -> None:
        self.jobs[job.id] = job
        self.n_pending += 1
        insort(self.ready.setdefault((job.lane, 0), []), (job.priority, job.run_at, job.id))

    def _put_back(self, job: Job, suspect: int, now: int) -> None:
        job.place, job.put_at = READY, max(job.run_at, now)
        rows = self.ready.setdefault((job.lane, suspect), [])
        insort(rows, (job.priority, job.run_at, job.id))

    def _finish(self, job: Job, state: str) -> None:
        if job.state != "pending" or job.n_finals:
            raise Violation(f"job {job.id} ends as {state} though it ended as {job.state}")
        job.state, job.n_finals = state, 1
        self.n_pending -= 1

    def due_rows(self, lane: int, now: int) -> list[tuple[int, int]]:
        """Return (suspect, put_at) of every due job of a lane."""
        found = []
        for (lane_, suspect), rows in self.ready.items():
            if lane_ == lane:
                found += [(suspect, self.jobs[r[2]].put_at) for r in rows if r[1] <= now]
        return found

    # ---- statements ----

    def claim(self, node: int, ask: Claim, now: int) -> ClaimReply:
        rows = self.ready.get((ask.lane, ask.suspect), [])
        bounds = ask.frontier
        there = [
            r for r in rows
            if r[1] <= now and (r[0] not in bounds or (r[1], r[2]) > bounds[r[0]])
        ]  # fmt: skip
        if ask.min_n > 1:
            oldest = max((now - r[1] for r in there), default=None)
            if oldest is None or (len(there) < ask.min_n and oldest < ask.linger_s * 1e6):
                return ClaimReply([], 0, {}, len(there), None if oldest is None else oldest / 1e6)
        taken = there[: ask.n_jobs]
        if not taken:
            return ClaimReply([], 0, {})
        for row in taken:
            rows.remove(row)
        ids = [r[2] for r in taken]
        parts = [ids[start : start + ask.limit] for start in range(0, len(ids), ask.limit)]
        batches = [
            self._lease(node, ask, n, part) for n, part in zip(ask.leases, parts, strict=False)
        ]
        return ClaimReply(batches, len(ids), {r[0]: (r[1], r[2]) for r in taken})

    def _lease(self, node: int, ask: Claim, n: int, ids: list[int]) -> ClaimedBatch:
        self.leases[node, n] = Lease(ask.lane, ask.suspect, ids)
        notes = {}
        for p, id_ in enumerate(ids):
            job = self.jobs[id_]
            if job.place != READY:
                raise Violation(f"job {id_} is in ready and in lease {job.place}")
            job.place = (node, n)
            counts = job.counts()
            if counts is not None:
                notes[p] = counts
        return ClaimedBatch(n, ask.lane, ask.suspect, ids, [2] * len(ids), [], notes)

    def due(self, asks: list[DueAsk], now: int) -> list[Due]:
        return [self._due(ask, now) for ask in asks]

    def _due(self, ask: DueAsk, now: int) -> Due:
        due, next_at, bounds = False, None, ask.frontier
        for priority, run_at, id_ in self.ready.get((ask.lane, 0), ()):
            if run_at > now:
                next_at = run_at if next_at is None else min(next_at, run_at)
            elif priority not in bounds or (run_at, id_) > bounds[priority]:
                due = True
        suspects = [
            suspect for (lane, suspect), rows in self.ready.items()
            if lane == ask.lane and suspect and any(r[1] <= now for r in rows)
        ]  # fmt: skip
        return Due(ask.lane, due, None if next_at is None else (next_at - now) / 1e6, suspects)

    def left(self, lanes: list[int], now: int) -> list[Left]:
        return [self._left(lane, now) for lane in lanes]

    def _left(self, lane: int, now: int) -> Left:
        at = [r[1] for (lane_, _), rows in self.ready.items() if lane_ == lane for r in rows]
        later = [run_at for run_at in at if run_at > now]
        leases = {key: lease for key, lease in self.leases.items() if lease.lane == lane}
        held = sum(len(lease.open) for lease in leases.values())
        orphaned = any(node not in self.nodes for node, _ in leases)
        next_in_s = (min(later) - now) / 1e6 if later else None
        return Left(lane, len(at) - len(later), len(later), held, orphaned, next_in_s)

    def settle_no(self, node: int, like: int) -> int | None:
        """Return the number of a settler's last settle, None if its node is dead."""
        return self.settled.get((node, like % 2), 0) if node in self.nodes else None

    def leased(self, node: int, sent: list[Settlement]) -> dict[int, list[int]]:
        """Return the jobs of each lease that is still what is believed of it."""
        found = {s.lease: self.leases.get((node, s.lease)) for s in sent}
        return {
            s.lease: lease.ids
            for s in sent
            if (lease := found[s.lease]) is not None and lease.seq == s.seq
        }

    def open_jobs(self, node: int, n: int) -> list[int]:
        lease = self.leases.get((node, n))
        return [lease.ids[p] for p in sorted(lease.open)] if lease else []

    def settle(self, node: int, no: int, sent: list[Settlement], now: int) -> SettleReply:
        """Apply what the fence lets through."""
        ids = [job for s in sent for job in s.ids]
        if len(set(ids)) < len(ids) or len({s.lease for s in sent}) < len(sent):
            raise Violation("a settle names a job or a lease twice")
        if (self.settle_no(node, no) or 0) >= no or node not in self.nodes:
            return SettleReply(set())
        self.settled[node, no % 2] = no
        applied, seqs = set[int](), dict[int, int]()
        for s in sent:
            lease = self.leases.get((node, s.lease))
            if lease is None or lease.seq != s.seq:
                continue
            applied.add(s.lease)
            self._close_or_bump(node, s, lease, seqs)
            for id_, attempt in pairs(s.done):
                self._apply(node, s.lease, lease, Row(id_, attempt, "completed"), now)
            for row in s.rows:
                self._apply(node, s.lease, lease, row, now)
        return SettleReply(applied, seqs=seqs)

    def _close_or_bump(self, node: int, s: Settlement, lease: Lease, seqs: dict[int, int]) -> None:
        told = set(s.ids)
        still = {p for p in lease.open if lease.ids[p] not in told}
        if len(told) != s.n:
            raise Violation(f"a settlement names a job twice: {s}")
        if not told <= {lease.ids[p] for p in lease.open}:
            raise Violation(f"a settlement names jobs that are not open: {s}")
        if s.closes:
            if still:
                raise Violation(f"lease {s.lease} closes with jobs that have no outcome: {s}")
            del self.leases[node, s.lease]
            return
        bits = s.open_bits or b""
        if {p for p in range(len(lease.ids)) if bits[p >> 3] >> (p & 7) & 1} != still:
            raise Violation(f"the open bits of lease {s.lease} are not its open jobs")
        lease.open, lease.seq = still, lease.seq + 1
        seqs[s.lease] = lease.seq

    def _apply(self, node: int, n: int, lease: Lease, row: Row, now: int) -> None:
        job = self.jobs[row.id]
        if job.place != (node, n):
            raise Violation(f"lease {node, n} writes job {row.id}, which is in {job.place}")
        if job.attempt != row.attempt or job.state != "pending":
            raise Violation(f"job {row.id} of lease {node, n} does not match its row: {row}")
        job.attempt += row.charge != "none" or row.state == "completed"
        job.n_failed += row.charge == "failed"
        job.n_crashed += row.charge == "crashed"
        if row.state != "pending":
            self._finish(job, row.state)
        elif job.cancelled_at is not None:
            self._finish(job, "cancelled")
        else:
            if row.retry_in_s is not None:
                job.run_at = now + int(row.retry_in_s * 1e6)
            self._put_back(job, row.suspect, now)

    def give_back(self, node: int, n: int, now: int) -> None:
        lease = self.leases.pop((node, n), None)
        for p in sorted(lease.open) if lease else ():
            job = self.jobs[lease.ids[p]]  # type: ignore[union-attr]
            if job.cancelled_at is not None:
                self._finish(job, "cancelled")
            else:
                self._put_back(job, lease.suspect, now)  # type: ignore[union-attr]

    def beat(self, node: int) -> frozenset[int] | None:
        if node not in self.nodes:
            return None
        return frozenset(n for node_, n in self.leases if node_ == node)

    def reap(self, now: int) -> set[int]:
        """Return what no live node owns; tells in which lanes."""
        lanes = set()
        for key in [key for key in self.leases if key[0] not in self.nodes]:
            lease = self.leases.pop(key)
            lanes.add(lease.lane)
            for p in sorted(lease.open):
                self._lose(self.jobs[lease.ids[p]], lease.suspect, now)
        return lanes

    def _lose(self, job: Job, suspect: int, now: int) -> None:
        job.attempt += 1
        job.n_lost += 1
        if job.cancelled_at is not None:
            self._finish(job, "cancelled")
        elif job.n_lost > LOST_BUDGET:
            self._finish(job, "failed")
        else:
            self._put_back(job, -1 - job.id if job.n_lost >= ALONE_AFTER else suspect, now)

    def cancel(self, job: Job, now: int) -> Any:
        """Cancel a waiting job; returns the place of one that is leased."""
        if job.state != "pending":
            return None
        job.cancelled_at = now
        for (lane, _), rows in self.ready.items():
            row = (job.priority, job.run_at, job.id)
            if lane == job.lane and row in rows:
                rows.remove(row)
                self._finish(job, "cancelled")
                return None
        return job.place
