"""Sights for tests: kinds, supervisors and actors in any number."""

from __future__ import annotations

from typing import Any

from actorq.core.report import ActorReport, GroupReport, KindReport, NodeReport, Report
from actorq.store.admin.rows import NodeStatus
from actorq.store.admin.status import LaneStatus
from actorq.store.counters.rates import Rates
from actorq.top.values import DatabaseFacts, RecentFailure, SeenReport, Sight


def rates(per_s: float = 250.0, **given: Any) -> Rates:
    fields = {
        "period_s": 60.0, "n_completed": 0, "n_failed": 0, "n_retried": 0, "n_snoozed": 0,
        "n_cancelled": 0, "completed_per_s": per_s, "failed_per_s": 0.5, "retried_per_s": 0.0,
        "wait_p50_s": 0.002, "wait_p99_s": 0.015, "run_p50_s": 0.2, "run_p99_s": 1.5,
        "n_batches": 10, "mean_batch": 100.0, "cuts": {"full": 9, "idle": 1},
    }  # fmt: skip
    return Rates(**{**fields, **given})


def lane(kind: str, n_due: int = 0, queue: str = "default", **given: Any) -> LaneStatus:
    return LaneStatus(queue, kind, n_due, 0, 0, 0, 0, 0, 0, None, None, minute=rates(), **given)


def node(n: int, **given: Any) -> NodeStatus:
    fields = {
        "node": f"{n:08d}-0000", "host": "vm", "pid": 100 * n, "up_s": 60.0, "beat_age_s": 1.0,
        "ttl_s": 30.0, "n_batches": 2, "n_running": 200,
    }  # fmt: skip
    return NodeStatus(**{**fields, **given})


def actor(pid: int, kind: str = "embed", slot: int = 0, **given: Any) -> ActorReport:
    fields = {"doing": "running", "since_s": 0.4, "lease": 7, "n_jobs": 100, "cpu_s": 1.0}
    return ActorReport(kind, slot, pid, pid, **{**fields, **given})


def kind(name: str = "embed", **given: Any) -> KindReport:
    fields = {
        "doing": "available", "resting_s": 0.0, "fault": "", "max_batch": 100, "limit": 100,
        "n_waiting": 0, "n_verdicts": 0, "groups": list[GroupReport](),
    }  # fmt: skip
    return KindReport(name, **{**fields, **given})


def seen(
    *actors: ActorReport, kinds: tuple[KindReport, ...] = (), cpu_s: float = 1.0
) -> SeenReport:
    report = Report("running", 0, list(kinds or (kind(),)), [], list(actors))
    return SeenReport(0.1, NodeReport(report, cpu_s, 45.0))


DATABASE = DatabaseFacts("18.6", "jobs", 5, 100, 2.5, 400, 1e9, 1000.0, True, "reader")


def sight(**given: Any) -> Sight:
    fields = {
        "at": 10.0, "clock": "12:00:00", "lanes": [lane("embed", 7), lane("thumbnail", 900)],
        "nodes": [node(1)], "n_stored": 5000, "reports": {node(1).node: seen(actor(101))},
        "failures": list[RecentFailure](), "database": DATABASE, "notes": list[str](),
    }  # fmt: skip
    return Sight(**{**fields, **given})
