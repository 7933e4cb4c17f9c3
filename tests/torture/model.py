"""The rules of the queue, checked against every committed transaction in commit order.

A pending job is in exactly one place: in `ready`, or open under one lease. Its row changes only
in a transaction that ends or bumps the lease it is under, or, for a cancel, takes it out of
`ready`. Nothing is assumed about how the queue does it: only rows are looked at.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.torture.counting import Counting, Counts
from tests.torture.wal import Change, Row, Transaction
from tests.torture.workload import CRASH_BUDGET, MAX_ATTEMPTS

LeaseId = tuple[str, int]
Event = tuple[int, str, int]
"""A job, what became of it, and its attempt."""

BLOCK_KEY = ("lane", "suspect", "priority", "run_at", "id")
LOST_BUDGET = 11  # the loss after the tenth fails the job


@dataclass(frozen=True)
class Violation:
    """Say which rule was broken, by which job (by number or id) and how."""

    rule: str
    text: str
    job: int | None = None


@dataclass(slots=True)
class Job:
    """Follow one job's row and its place."""

    n: int
    kind: str
    state: str = "pending"
    attempt: int = 0
    n_failed: int = 0
    n_crashed: int = 0
    n_lost: int = 0
    cancel: bool = False
    ready: int = 0
    open: int = 0  # under how many leases
    ends: list[tuple[LeaseId, str]] = field(default_factory=list)  # how it left each lease


@dataclass(slots=True)
class Lease:
    """Follow one lease."""

    open: set[int]
    jobs: list[int]
    seq: int = 0
    n_settled: int = 0
    n_crashed: int = 0


class Model:
    """Replay the history; `violations` is what was wrong with it."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.by_number: dict[int, int] = {}
        self.blocks: dict[tuple[str | None, ...], list[int]] = {}  # rows of `ready`
        self.leases: dict[LeaseId, Lease] = {}
        self.made: dict[LeaseId, int] = {}  # every lease there ever was → jobs settled under it
        self.sizes: dict[LeaseId, int] = {}
        self.alive: set[str] = set()
        self.dead: set[str] = set()
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self.counting = Counting(self.break_)
        self.events: dict[Event, int] = {}  # → the place of the change that tells of it
        self._keys: dict[tuple[str, str], int] = {}

    def break_(self, rule: str, text: str, job: int | None = None) -> None:
        """Note a violation."""
        self.violations.append(Violation(rule, text, job))

    def replay(self, transactions: Iterable[Transaction]) -> None:
        """Take in the whole history."""
        for transaction in transactions:
            _Step(self, transaction).take()

    def unique(self, row: Row) -> None:
        """Check that a key is taken over only from a job that no longer waits."""
        key = row["kind"] or "", row["key"] or ""
        job = int(row["job"] or 0)
        before = self._keys.get(key)
        self._keys[key] = job
        if before not in (None, job) and self.jobs[before or 0].state == "pending":
            self.break_("unique", f"key {key} taken from job {before}, which waits, by {job}", job)


class _Step:
    """Take in one transaction."""

    def __init__(self, model: Model, transaction: Transaction) -> None:
        self.m, self.t = model, transaction
        self.settling: set[str] = set()
        self.released: dict[int, LeaseId] = {}
        self.touched: set[int] = set()
        self.taken: set[int] = set()  # left `ready` in this transaction
        self.updated: set[int] = set()
        self.buried: set[str] = set()
        self.became: Counts = Counter()
        self.n_uncharged = 0
        self.by_table: dict[str, list[Change]] = defaultdict(list)
        for change in transaction.changes:
            self.by_table[change.table].append(change)

    def take(self) -> None:
        """Apply the changes room by room, then look where each job that was touched is."""
        rooms: list[tuple[str, Callable[[Change], None]]] = [
            ("change", self._numbered), ("node", self._node), ("job", self._job_made),
            ("ready", self._ready), ("lease", self._lease), ("job", self._job_changed),
            ("unique_key", self._unique_key),
        ]  # fmt: skip
        for table, room in rooms:
            for change in self.by_table.get(table, ()):
                room(change)
        self._leave_leases()
        for id_ in self.touched:
            self._placed(id_)
        where = f"transaction {self.t.xid}"
        self.m.counting.take(self.by_table, self.became, self.n_uncharged, where)
        self.m.alive -= self.buried
        self.m.dead |= self.buried

    def _break(self, rule: str, text: str, job: int | None = None) -> None:
        self.m.break_(rule, f"{text} (transaction {self.t.xid})", job)

    def _numbered(self, change: Change) -> None:
        """Note which node's settle this is, if it is one."""
        node = change.row["source"] or ""
        if change.verb == "INSERT" and node != str(uuid.UUID(int=0)):  # … that of no settle
            self.settling.add(node)
            if node not in self.m.alive:
                self._break("stale_applied", f"node {node} settles though it is dead")

    def _node(self, change: Change) -> None:
        node = change.row["id"] or ""
        if change.verb == "INSERT":
            if node in self.m.dead or node in self.m.alive:
                self._break("illegal", f"node {node} came back")
            self.m.alive.add(node)
        elif change.verb == "DELETE":
            self.buried.add(node)

    def _job_made(self, change: Change) -> None:
        if change.verb != "INSERT":
            return
        id_, args = int(change.row["id"] or 0), json.loads(change.row["args"] or "{}")
        n = args["n"]
        if id_ in self.m.jobs or n in self.m.by_number:
            self._break("duplicated", f"job {n} was enqueued twice", id_)
        self.m.jobs[id_] = Job(n, change.row["kind"] or "")
        self.m.by_number[n] = id_
        self.touched.add(id_)

    def _ready(self, change: Change) -> None:
        """Follow a row, which is a block of jobs; only its key is told when it is deleted."""
        first = int(change.row["id"] or 0)
        key = tuple(change.row.get(name) for name in BLOCK_KEY)
        if change.verb == "INSERT":
            ids = [int(i) for i in (change.row.get("jobs") or "{}")[1:-1].split(",") if i]
            self.m.blocks[key] = ids = ids or [first]
            for id_ in ids:
                self._came_or_went(id_, 1)
        elif change.verb == "DELETE":
            for id_ in self.m.blocks.pop(key, [first]):
                self._came_or_went(id_, -1)
                self.taken.add(id_)
        else:
            self._break("illegal", f"a row of `ready` was updated: job {first}", first)

    def _came_or_went(self, id_: int, n: int) -> None:
        job = self.m.jobs.get(id_)
        if job is None:
            self._break("illegal", f"`ready` names job {id_}, which does not exist", id_)
            return
        self.touched.add(id_)
        job.ready += n

    # ---- leases ---------------------------------------------------------------------------

    def _lease(self, change: Change) -> None:
        key = change.row["node"] or "", int(change.row["n"] or 0)
        if change.verb == "INSERT":
            self._lease_made(key, change.row)
        elif key not in self.m.leases:
            self._break("illegal", f"lease {key} changed though there is none")
        elif change.verb == "UPDATE":
            self._lease_bumped(key, change.row)
        else:
            self._release(key, set(self.m.leases[key].open))
            del self.m.leases[key]

    def _lease_made(self, key: LeaseId, row: Row) -> None:
        if key in self.m.made:
            self._break("illegal", f"lease {key} was used before")
        ids = [int(i) for i in (row["jobs"] or "{}")[1:-1].split(",") if i]
        if len(set(ids)) != len(ids) or not ids:
            self._break("illegal", f"lease {key} names a job twice, or none")
        self.m.made[key], self.m.sizes[key] = 0, len(ids)
        self.m.leases[key] = Lease(set(ids), ids)
        for id_ in ids:
            if id_ not in self.taken:
                self._break("illegal", f"lease {key} has job {id_}, which was not ready", id_)
            self.m.jobs[id_].open += 1
            self.touched.add(id_)

    def _lease_bumped(self, key: LeaseId, row: Row) -> None:
        lease = self.m.leases[key]
        seq = int(row["seq"] or 0)
        if seq != lease.seq + 1:
            self._break("illegal", f"lease {key} went from seq {lease.seq} to {seq}")
        lease.seq = seq
        bits = bytes.fromhex((row["open"] or "\\x")[2:])
        still = {j for k, j in enumerate(lease.jobs) if bits[k >> 3] >> (k & 7) & 1}
        if not still <= lease.open:
            self._break("illegal", f"lease {key} opened jobs again: {still - lease.open}")
        self._release(key, lease.open - still)

    def _release(self, key: LeaseId, ids: set[int]) -> None:
        lease = self.m.leases[key]
        lease.open -= ids
        for id_ in ids:
            self.m.jobs[id_].open -= 1
            self.released[id_] = key
            self.touched.add(id_)

    def _how(self, key: LeaseId, is_charged: bool) -> str:
        """Say who ended a lease: a settle of its node, its node otherwise, or a reaper.

        A supervisor that was declared dead may learn of it only after a claim, and gives back what
        it has not begun: that charges nobody, and is told from a reaper by it. Where the job had
        begun all the same, the checker finds a run that nothing explains.
        """
        node = key[0]
        if node in self.settling:
            return "settled"
        return "reaped" if node not in self.m.alive and is_charged else "given back"

    # ---- jobs -----------------------------------------------------------------------------

    def _job_changed(self, change: Change) -> None:
        id_ = int(change.row["id"] or 0)
        if change.verb == "INSERT":
            return
        job = self.m.jobs.get(id_)
        if change.verb == "DELETE" or job is None:
            self._break("illegal", f"job {id_} was deleted", id_)
            return
        self.touched.add(id_)
        new = _seen(job, change.row)
        if job.state != "pending":
            rule = "settled_twice" if new.state != "pending" else "illegal"
            self._break(rule, f"job {id_} was {job.state} and changed to {new.state}", id_)
        self._check_change(id_, job, new)
        self._note(id_, job, new)
        self.updated.add(id_)
        _take_over(job, new)

    def _note(self, id_: int, old: Job, new: Job) -> None:
        """Note what became of a job: followers are told so, and it is counted."""
        became = new.state
        if new.state == "pending":
            self.n_uncharged += new.attempt == old.attempt
            if new.attempt == old.attempt:
                return
            became = "retried"
        self.became[new.kind, became] += 1
        # The change of this transaction is taken in after its jobs.
        self.m.events[id_, became, new.attempt] = len(self.m.counting.changes)

    def _check_change(self, id_: int, old: Job, new: Job) -> None:
        d_attempt = new.attempt - old.attempt
        deltas = (
            new.n_failed - old.n_failed,
            new.n_crashed - old.n_crashed,
            new.n_lost - old.n_lost,
        )
        key = self.released.get(id_)
        if new.state == old.state and not d_attempt and not any(deltas) and key is None:
            return  # only a wish to cancel it
        if key is None and not (new.state == "cancelled" and id_ in self.taken):
            text = f"job {id_} became {new.state}, attempt {new.attempt}, without its lease"
            self._break("stale_applied", text, id_)
            return
        if not legal(new.state, d_attempt, deltas):
            text = f"job {id_} became {new.state}: attempt {d_attempt:+}, counters {deltas}"
            self._break("illegal", text, id_)
        if new.n_failed > MAX_ATTEMPTS or new.n_crashed > CRASH_BUDGET or new.n_lost > LOST_BUDGET:
            self._break("illegal", f"job {id_} is beyond its limits: {new}", id_)
        if key is not None:
            self._check_fence(id_, key, new.state, d_attempt, deltas)

    def _check_fence(
        self, id_: int, key: LeaseId, state: str, d_attempt: int, deltas: tuple[int, int, int]
    ) -> None:
        how = self._how(key, d_attempt != 0 or any(deltas))
        if how == "settled":
            self.m.made[key] += 1
            self._check_blame(id_, key, deltas[1])
        ok = {
            "settled": deltas[2] == 0,
            "given back": d_attempt == 0 and state in ("pending", "cancelled"),
            "reaped": deltas[2] == 1,
        }
        if not ok[how]:
            self._break("illegal", f"job {id_} was {how} with counters {deltas}", id_)
        charged = "outcome" if d_attempt or state != "pending" else "uncharged"
        self.m.jobs[id_].ends.append((key, charged if how == "settled" else how))

    def _check_blame(self, id_: int, key: LeaseId, crashed: int) -> None:
        """One death of a process is charged to one job at most."""
        lease = self.m.leases.get(key)
        before = lease.n_crashed if lease else self.m.counts[f"crashed {key}"]
        if crashed and before:
            self._break("blame", f"job {id_} is the second to be charged for one death", id_)
        if lease:
            lease.n_crashed += crashed
        elif crashed:
            self.m.counts[f"crashed {key}"] += crashed

    def _unique_key(self, change: Change) -> None:
        if change.verb != "DELETE":
            self.m.unique(change.row)

    def _leave_leases(self) -> None:
        for id_, key in self.released.items():
            if id_ not in self.updated:
                self._break("nowhere", f"job {id_} left lease {key} without an outcome", id_)

    def _placed(self, id_: int) -> None:
        job = self.m.jobs[id_]
        wanted = 1 if job.state == "pending" else 0
        if job.ready + job.open != wanted:
            text = (
                f"job {id_} is {job.state}, in `ready` {job.ready} times, leased {job.open} times"
            )
            self._break("nowhere" if job.ready + job.open < wanted else "two_places", text, id_)


def legal(state: str, d_attempt: int, deltas: tuple[int, int, int]) -> bool:
    """Tell whether a job's row may change so: attempt rises with each charge and nothing else."""
    charges = sum(deltas)
    if min(deltas) < 0 or charges > 1:
        return False
    if state == "completed":
        return d_attempt == 1 and charges == 0
    if state == "failed":
        return d_attempt == 1 and charges == 1
    return d_attempt == charges


def _seen(old: Job, row: Row) -> Job:
    return Job(
        old.n,
        old.kind,
        row["state"] or "",
        int(row["attempt"] or 0),
        int(row["n_failed"] or 0),
        int(row["n_crashed"] or 0),
        int(row["n_lost"] or 0),
        row["cancel_at"] is not None,
    )


def _take_over(job: Job, new: Job) -> None:
    job.state, job.attempt, job.cancel = new.state, new.attempt, new.cancel
    job.n_failed, job.n_crashed, job.n_lost = new.n_failed, new.n_crashed, new.n_lost
