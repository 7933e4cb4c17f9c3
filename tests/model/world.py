"""The real database as the state machine sees it: what to call, and what there is to compare."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psycopg

import actorq
from actorq.core.job import settle
from actorq.core.job.model import ClaimedBatch, Counts, ErrorInfo, Row, Settlement, Verdict
from actorq.core.job.policy import KindPolicy
from actorq.core.store_values import NodeInfo, SettleReply
from actorq.errors import RowRefused
from actorq.store.admin import doctor
from actorq.store.queue.queue import QueueStore
from actorq.store.session.faults import LockTimeout
from tests.model.queue import CRASH_BUDGET, HOUR, MAX_ATTEMPTS, Fate, Job, Lease, Part, Queue
from tests.store.kit import NOBODY, as_node

KINDS = ("a", "b")
LOCK_TIMEOUT_S = 0.01
TABLES = ("job", "ready", "lease", "node", "change", "series", "result", "failure", "unique_key")
POLICY = KindPolicy(
    name="a", max_attempts=MAX_ATTEMPTS, crash_budget=CRASH_BUDGET, retry=HOUR / 1e6
)
DIED = ErrorInfo("Signal", "SIGSEGV", "", "signal")
NO = ErrorInfo("ValueError", "no")
JOBS = """
    SELECT coalesce(json_agg(json_build_array(
        j.id, j.kind, j.args -> 'n', j.priority, j.max_attempts,
        CASE WHEN j.finalized_at IS NULL THEN (extract(epoch FROM j.run_at) * 1000000)::int8 END,
        j.state, j.attempt, j.n_failed, j.n_crashed, j.n_lost, j.cancel_at IS NOT NULL, r.value
    )), '[]')
    FROM actorq.jobs j LEFT JOIN actorq.result r ON r.job = j.id
"""
READY = """
    SELECT coalesce(json_agg(json_build_array(
        r.id, l.kind, r.suspect, r.priority, (extract(epoch FROM r.run_at) * 1000000)::int8
    ) ORDER BY r.id), '[]')
    FROM actorq.queued r JOIN actorq.lane l ON l.id = r.lane
"""
LEASES = """
    SELECT coalesce(json_agg(json_build_array(l.node, l.n, a.kind, l.suspect, l.seq, l.jobs, ARRAY(
        SELECT u.id FROM unnest(l.jobs) WITH ORDINALITY u (id, k)
        WHERE l.open IS NULL OR get_bit(l.open, u.k - 1) = 1 ORDER BY u.id
    )) ORDER BY l.node, l.n), '[]')
    FROM actorq.lease l JOIN actorq.lane a ON a.id = l.lane
"""
FAILURES = """
    SELECT coalesce(json_agg(
        json_build_array(f.job, f.attempt, f.final, f.cause) ORDER BY f.job, f.id
    ), '[]')
    FROM actorq.failure f
"""
ALL = f"SELECT ({JOBS}), ({READY}), ({LEASES}), ({FAILURES})".encode()


class World:
    """Hold the connections of supervisors, clients, an administrator and an observer."""

    def __init__(self, dsn: str) -> None:
        self.store = QueueStore.connect(
            dsn, name="model", node=NOBODY, lock_timeout_s=LOCK_TIMEOUT_S
        )
        self.app = actorq.App(dsn)
        self.kinds = {name: self.app.kind(name) for name in KINDS}
        self.conn = psycopg.connect(dsn, autocommit=True)
        for table in TABLES:  # shrinking a file takes a lock that would look like somebody else's
            self.conn.execute(f"ALTER TABLE actorq.{table} SET (vacuum_truncate = off)".encode())
        self.conn.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S * 1000:g}ms'".encode())
        self.conn.execute("SET actorq.own = 'on'")
        self.user = psycopg.connect(dsn)
        found = self.store.lanes([("default", name) for name in KINDS])
        self.lanes = {kind: lane for (_, kind), lane in found.items()}

    def close(self) -> None:
        """Close every connection."""
        self.store.close()
        self.app.close()
        self.user.close()
        self.conn.close()

    def empty(self) -> None:
        """Begin anew. TRUNCATE would cost all statements their plans."""
        self.user.rollback()
        deletes = "; ".join(f"DELETE FROM actorq.{table}" for table in TABLES)
        text = f"SET session_replication_role = replica; {deletes}; RESET session_replication_role"
        self.conn.execute(text.encode())

    def now(self) -> int:
        """Return the instant that it is for the database."""
        row = self.conn.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8")
        return int(row.fetchall()[0][0])

    def register(self, n: int) -> str:
        """Register a node and return its id, which sorts by its number."""
        node = str(uuid.UUID(int=n))
        self.store.register(NodeInfo(node, "host", n))
        return node

    def lock(self, ids: Iterable[int]) -> None:
        """Hold a lock on jobs as a user's transaction does, until `unlock`."""
        text = "SELECT FROM actorq.job WHERE id = ANY (%s) ORDER BY id FOR UPDATE"
        self.user.execute(text, [sorted(ids)])

    def unlock(self) -> None:
        """End the user's transaction."""
        self.user.commit()

    def advance(self, us: int) -> None:
        """Make everything that is to come come sooner."""
        for table in ("job", "ready"):
            text = f"UPDATE actorq.{table} SET run_at = run_at - %s * interval '1 microsecond'"
            self.conn.execute(text.encode(), [us])

    def settle(self, node: str, no: int, sent: list[Settlement]) -> SettleReply:
        """Write outcomes in the cheapest way that the database accepts."""
        store = as_node(self.store, node)
        with suppress(LockTimeout):
            try:
                return store.settle(no, sent)
            except RowRefused as refused:
                return store.settle_refused(no, sent, str(refused))
        return store.settle_around_locks(no, sent)

    def compare(self, queue: Queue, now: int) -> None:
        """Assert that the database holds what the model holds, and nothing else."""
        jobs, ready, leases, failures = self.conn.execute(ALL).fetchall()[0]
        place = {row[0]: row[5] for row in jobs}
        for job in queue.jobs.values():
            if job.between and place.get(job.id):
                assert job.between[0] <= place[job.id] <= job.between[1], f"run_at of {job}"
                job.run_at, job.between = place[job.id], None
        assert sorted(jobs) == [_job(job, now) for _, job in sorted(queue.jobs.items())]
        waiting = sorted((job for job in queue.jobs.values() if job.is_ready), key=lambda j: j.id)
        assert ready == [[j.id, j.kind, j.suspect, j.priority, j.run_at] for j in waiting]
        assert leases == [_lease(name, lease) for name, lease in sorted(queue.leases.items())]
        assert failures == [
            [job.id, *failure] for _, job in sorted(queue.jobs.items()) for failure in job.failures
        ]
        assert doctor.strays(self.conn) == {}


def _job(job: Job, now: int) -> list[Any]:
    result = None if job.result is None else json.loads(job.result)
    run_at = job.run_at if job.state == "pending" else None  # then nobody looks at it any more
    return [
        job.id, job.kind, job.n, job.priority, job.max_attempts, run_at, job.readable(now),
        job.attempt, job.n_failed, job.n_crashed, job.n_lost, job.to_cancel, result,
    ]  # fmt: skip


def _lease(name: tuple[str, int], lease: Lease) -> list[Any]:
    return [*name, lease.kind, lease.suspect, lease.seq, lease.jobs, sorted(lease.open)]


def settlement(part: Part, batch: ClaimedBatch, queue: Queue) -> Settlement:
    """Return what a supervisor sends for a part, made by the rules that it goes by."""
    done: dict[int, list[int]] = {}
    rows = []
    for id_, fate in part.fates.items():
        counts = batch.notes.get(batch.ids.index(id_), Counts())
        if fate.what == "done":
            done.setdefault(counts.attempt, []).append(id_)
        else:
            rows.append(_row(id_, counts, fate, queue.jobs[id_].n))
    bits = bytearray((batch.n + 7) // 8)
    for k, id_ in enumerate(batch.ids):
        bits[k >> 3] |= (id_ in part.open) << (k & 7)
    open_bits = bytes(bits) if part.open else None
    return Settlement(part.lease, part.seq, done, rows, not part.open, open_bits)


def _row(id_: int, counts: Counts, fate: Fate, n: int) -> Row:
    match fate.what:
        case "crash":
            return settle.crashed_attempt(id_, counts, DIED, POLICY, 0.0, fate.group)
        case "return":
            return settle.returned(id_, counts, fate.group)
        case "result" | "bad":
            text = f"{n}" if fate.what == "result" else "{"
            verdict = Verdict(0, "result", result=text.encode())
        case "snooze" | "retry" as what:
            verdict = Verdict(0, what, after_s=fate.hours * HOUR / 1e6)
        case "error" | "fail" | "cancel" as what:
            verdict = Verdict(0, what, error=NO)
        case _:
            raise AssertionError(fate)
    return settle.row_of(verdict, id_, counts, POLICY, 0.0)
