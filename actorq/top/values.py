"""What is seen at one instant, and what that says together with what was seen before."""

from __future__ import annotations

import msgspec

from actorq.core.report import NodeReport
from actorq.store.admin.rows import NodeStatus
from actorq.store.admin.status import LaneStatus


class DatabaseFacts(msgspec.Struct, frozen=True):
    """How the database is doing; None for what this `role` may not see."""

    version: str
    database: str
    n_connections: int
    max_connections: int
    oldest_snapshot_s: float | None
    n_dead: int | None
    wal_bytes: float
    now_s: float
    sees_all: bool
    role: str


class RecentFailure(msgspec.Struct, frozen=True):
    """An attempt that has failed: what was blamed, and for what."""

    job: int
    kind: str
    attempt: int
    final: bool
    cause: str
    type: str
    age_s: float


class SeenReport(msgspec.Struct, frozen=True):
    """What a supervisor has reported, so many seconds ago."""

    age_s: float
    node: NodeReport


class Sight(msgspec.Struct, frozen=True):
    """Everything that was seen at one instant; `at` is on the clock of time.monotonic().

    `notes` say what could not be read, and what to do about it.
    """

    at: float
    clock: str
    lanes: list[LaneStatus]
    nodes: list[NodeStatus]
    n_stored: int
    reports: dict[str, SeenReport]
    failures: list[RecentFailure]
    database: DatabaseFacts
    notes: list[str] = []


class PerSecond(msgspec.Struct, frozen=True):
    """What happens a second: CPU seconds by process, and bytes of WAL; None if not known yet."""

    cpu: dict[int, float]
    wal_bytes: float | None


def per_second(before: Sight | None, now: Sight) -> PerSecond:
    """Return what has happened a second since an earlier sight."""
    if before is None:
        return PerSecond({}, None)
    cpu: dict[int, float] = {}
    for node in now.nodes:
        seen, earlier = now.reports.get(node.node), before.reports.get(node.node)
        if seen is None or earlier is None:
            continue
        # Reports are not as old as the sights that they are seen in.
        over_s = (now.at - seen.age_s) - (before.at - earlier.age_s)
        if over_s > MIN_S:
            then = cpu_of(node.pid, earlier.node)
            cpu |= {
                pid: (used - then[pid]) / over_s
                for pid, used in cpu_of(node.pid, seen.node).items()
                if pid in then and used >= then[pid]
            }
    took_s = now.database.now_s - before.database.now_s
    wal = now.database.wal_bytes - before.database.wal_bytes
    return PerSecond(cpu, wal / took_s if took_s > MIN_S and wal >= 0 else None)


MIN_S = 0.2
"""Over less than that, the kernel's hundredths of a second say nothing."""


def cpu_of(supervisor: int, report: NodeReport) -> dict[int, float]:
    """Return the CPU seconds that a supervisor and its actors have used, by process."""
    used = {supervisor: report.cpu_s, **{a.pid: a.cpu_s for a in report.report.actors}}
    return {pid: cpu_s for pid, cpu_s in used.items() if cpu_s is not None and pid}
