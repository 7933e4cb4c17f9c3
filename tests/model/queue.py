"""What the queue has to do, in plain Python: the model that the real database is compared with.

Instants are whole microseconds of the database's clock. Where only a span is known in which an
instant must lie, `between` holds it until the database has said which one it chose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

HOUR = 3_600_000_000
MAX_ATTEMPTS = 2
CRASH_BUDGET = 2
LOST_BUDGET = 2
ALONE_AFTER = 1

Name = tuple[str, int]  # a lease: node and number
Span = tuple[int, int]
Position = tuple[int, int]


class Fate(NamedTuple):
    """Say what a supervisor reports of a job; `hours` is a delay, `group` a quarantine."""

    what: str
    hours: int = 0
    group: int = 0


@dataclass
class Job:
    """Be one job."""

    id: int
    kind: str
    n: int  # its args
    priority: int
    max_attempts: int | None
    between: Span | None
    run_at: int = 0
    state: str = "pending"
    attempt: int = 0
    n_failed: int = 0
    n_crashed: int = 0
    n_lost: int = 0
    to_cancel: bool = False
    suspect: int = 0
    lease: Name | None = None
    result: str | None = None
    failures: list[tuple[int, bool, str]] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        """Tell whether it stands in the queue."""
        return self.state == "pending" and self.lease is None

    def readable(self, now: int) -> str:
        """Return the state that a user is shown."""
        if self.state != "pending":
            return self.state
        if self.lease:
            return "running"
        if self.attempt:
            return "retrying"
        return "scheduled" if self.run_at > now else "ready"

    def failed(self, cause: str, final: bool) -> None:
        """Keep a failure in its history."""
        self.failures.append((self.attempt, final, cause))

    def end(self, state: str) -> None:
        """Reach a final state."""
        self.state, self.lease, self.suspect = state, None, 0

    def back(self, group: int, between: Span | None = None) -> None:
        """Return to the queue, at the old place unless a time is given; or end, if cancelled."""
        self.lease = None
        if self.to_cancel:
            self.end("cancelled")
        else:
            self.suspect, self.between = group, between

    def back_or_failed(self, final: bool, group: int, between: Span) -> None:
        """Return to the queue unless this was the last attempt."""
        if final:
            self.end("failed")
        else:
            self.back(group, between)


@dataclass
class Lease:
    """Be one claimed batch."""

    kind: str
    suspect: int
    jobs: list[int]
    open: set[int]
    seq: int = 0
    touched: bool = False  # settled in part


@dataclass
class Part:
    """Be what a supervisor sends about one lease, once or again."""

    node: str
    lease: int
    seq: int
    attempts: dict[int, int]
    fates: dict[int, Fate]
    open: set[int]  # those it leaves open


@dataclass
class Said:
    """Be what a settle has to answer."""

    leases: set[int] = field(default_factory=set)
    missing: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    seqs: dict[int, int] = field(default_factory=dict)


class Queue:
    """Hold jobs, leases and nodes, and do to them what the database must do."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.leases: dict[Name, Lease] = {}
        self.alive: set[str] = set()
        self.keys: dict[tuple[str, str], int] = {}
        self.keyed: dict[int, tuple[str, str]] = {}  # job → the kind and key it was enqueued under
        self.locked: set[int] = set()  # jobs on which somebody else holds a lock

    # ---- jobs come and are taken ------------------------------------------------------------

    def holder(self, kind: str, key: str) -> int | None:
        """Return the pending job that has a unique key."""
        job = self.jobs.get(self.keys.get((kind, key), 0))
        return job.id if job and job.state == "pending" else None

    def waiting(self, kind: str, suspect: int) -> list[Job]:
        """Return what stands in one group of a kind, in the order in which it is taken."""
        found = [
            job for job in self.jobs.values()
            if job.is_ready and job.kind == kind and job.suspect == suspect
        ]  # fmt: skip
        return sorted(found, key=lambda job: (job.priority, job.run_at, job.id))

    def due(
        self, kind: str, suspect: int, now: int, frontier: dict[int, Position] | None = None
    ) -> list[Job]:
        """Return what can be taken at once, behind a frontier if there is one."""
        return [
            job for job in self.waiting(kind, suspect)
            if job.run_at <= now
            and (job.run_at, job.id) > (frontier or {}).get(job.priority, (-(10**18), 0))
        ]  # fmt: skip

    def groups(self, kind: str) -> set[int]:
        """Return the quarantine groups in which somebody waits."""
        return {job.suspect for job in self.jobs.values() if job.is_ready and job.kind == kind}

    def claim(self, name: Name, kind: str, suspect: int, jobs: Sequence[Job]) -> None:
        """Put jobs under a lease."""
        if not jobs:
            return
        ids = [job.id for job in jobs]
        self.leases[name] = Lease(kind, suspect, ids, set(ids))
        for job in jobs:
            job.lease = name

    def give_back(self, name: Name, seq: int | None) -> bool:
        """Return what is open under a lease, uncharged."""
        lease = self.leases.get(name)
        if lease is None or seq not in (None, lease.seq):
            return False
        del self.leases[name]
        for id_ in lease.open:
            self.jobs[id_].back(lease.suspect)
        return True

    # ---- outcomes ---------------------------------------------------------------------------

    def matches(self, part: Part) -> bool:
        """Tell whether a lease is still what its supervisor believes it to be."""
        lease = self.leases.get((part.node, part.lease))
        return part.node in self.alive and lease is not None and lease.seq == part.seq

    def meets_lock(self, parts: Iterable[Part]) -> bool:
        """Tell whether an outcome cannot be written because somebody holds its job."""
        return any(
            id_ in self.locked and self.jobs[id_].attempt == part.attempts[id_]
            for part in parts if self.matches(part) for id_ in part.fates
        )  # fmt: skip

    def settle(self, parts: Sequence[Part], span: Span) -> Said:
        """Write outcomes; what somebody else holds stays open where anything met a lock."""
        around = self.meets_lock(parts)
        said = Said()
        for part in parts:
            if self.matches(part):
                self._settle(part, span, around, said)
        return said

    def _settle(self, part: Part, span: Span, around: bool, said: Said) -> None:
        name = part.node, part.lease
        lease = self.leases[name]
        kept = {id_ for id_ in part.fates if around and id_ in self.locked}
        said.leases.add(part.lease)
        said.kept |= kept
        for id_, fate in part.fates.items():
            job = self.jobs[id_]
            if id_ in kept:
                continue
            if job.attempt != part.attempts[id_]:
                said.missing.add(id_)
                job.lease, job.suspect = None, 0  # and whoever finds it missing puts it back
                continue
            said.refused |= {id_} if fate.what == "bad" else set()
            self._apply(job, fate, span)
        lease.open, lease.touched = part.open | kept, True
        if lease.open:
            lease.seq += 1
            said.seqs[part.lease] = lease.seq
        else:
            del self.leases[name]

    def _apply(self, job: Job, fate: Fate, span: Span) -> None:
        later = span[0] + fate.hours * HOUR, span[1] + fate.hours * HOUR
        match fate.what:
            case "done" | "result":
                job.attempt += 1
                job.end("completed")
                job.result = f"{job.n}" if fate.what == "result" else None
            case "error" | "retry":
                self._charge_failure(job, job.max_attempts or MAX_ATTEMPTS, "error", later)
            case "fail" | "bad":
                cause = "error" if fate.what == "fail" else "result"
                self._charge_failure(job, 0, cause, later)
            case "crash":
                job.attempt, job.n_crashed = job.attempt + 1, job.n_crashed + 1
                final = job.n_crashed >= CRASH_BUDGET
                job.failed("signal", final)
                job.back_or_failed(final, fate.group, later)
            case "snooze":
                job.back(0, later)
            case "return":
                job.back(fate.group)
            case "cancel":
                job.failed("error", False)
                job.end("cancelled")

    def _charge_failure(self, job: Job, limit: int, cause: str, later: Span) -> None:
        job.attempt, job.n_failed = job.attempt + 1, job.n_failed + 1
        final = job.n_failed >= limit
        job.failed(cause, final)
        job.back_or_failed(final, 0, later)

    # ---- dead nodes -------------------------------------------------------------------------

    def orphans(self) -> list[Name]:
        """Return the leases without a live node, in the order in which they are reaped."""
        return sorted(name for name in self.leases if name[0] not in self.alive)

    def reap(self, limit: int) -> tuple[int, int, int, int]:
        """Return the jobs of orphaned leases; of none of which somebody holds a job."""
        names = self.orphans()
        if self._held(names[:limit]):
            names = [name for name in names if not self._held([name])]
        counts = {"pending": 0, "failed": 0, "cancelled": 0}
        for name in names[:limit]:
            lease = self.leases.pop(name)
            for id_ in lease.open:
                self._lose(self.jobs[id_], lease)
                counts[self.jobs[id_].state] += 1
        return len(names[:limit]), counts["pending"], counts["failed"], counts["cancelled"]

    def _held(self, names: Iterable[Name]) -> bool:
        return any(self.leases[name].open & self.locked for name in names)

    def _lose(self, job: Job, lease: Lease) -> None:
        spent = job.n_lost >= LOST_BUDGET
        job.attempt, job.n_lost = job.attempt + 1, job.n_lost + 1
        if spent and not job.to_cancel:
            job.failed("lost", True)
            job.end("failed")
        else:
            alone = -1 - job.id % 2147483647
            job.back(alone if job.n_lost >= ALONE_AFTER else lease.suspect)

    # ---- people -----------------------------------------------------------------------------

    def cancel(self, ids: Iterable[int]) -> dict[str, list[int]]:
        """Cancel what waits, ask for what runs; say which jobs met which fate."""
        found: dict[str, list[int]] = {
            name: [] for name in ("cancelled", "requested", "busy", "untouched")
        }
        for id_ in sorted(set(ids)):
            job = self.jobs.get(id_)
            if job is None or job.state != "pending":
                found["untouched"].append(id_)
            elif id_ in self.locked:
                found["busy"].append(id_)
            elif job.lease:
                job.to_cancel = True
                found["requested"].append(id_)
            else:
                job.to_cancel = True
                job.end("cancelled")
                found["cancelled"].append(id_)
        return found

    def retry(self, ids: Iterable[int], span: Span) -> list[int]:
        """Give dead jobs a new life, at once and with fresh counters."""
        dead = [
            job for id_, job in sorted(self.jobs.items())
            if id_ in ids and job.state in ("failed", "cancelled")
        ]  # fmt: skip
        dead = sorted(self._with_free_keys(dead), key=lambda job: job.id)
        for job in dead:
            job.state, job.between, job.suspect, job.to_cancel = "pending", span, 0, False
            job.n_failed = job.n_crashed = job.n_lost = 0
            job.failures = [(attempt, False, cause) for attempt, _, cause in job.failures]
        return [job.id for job in dead]

    def _with_free_keys(self, dead: list[Job]) -> Iterator[Job]:
        """Choose the jobs whose unique key no pending job holds; of equal keys, the newest."""
        taken = set()
        for job in reversed(dead):
            name = self.keyed.get(job.id)
            if name is None:
                yield job
            elif self.holder(*name) is None and name not in taken:
                taken.add(name)
                self.keys[name] = job.id
                yield job

    def prune(self, states: Sequence[str]) -> int:
        """Forget finished jobs."""
        gone = [id_ for id_, job in self.jobs.items() if job.state in states]
        for id_ in gone:
            del self.jobs[id_]
        return len(gone)

    def advance(self, us: int) -> None:
        """Let time pass: everything that was to come comes sooner."""
        for job in self.jobs.values():
            job.run_at -= us
