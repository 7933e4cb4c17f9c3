"""Figures to make reports of, as a test would have found them."""

from __future__ import annotations

from typing import Any

from actorq.core.counters.histogram import bucket
from actorq.stress.core.figures import (
    AuditFigures,
    CountedFigures,
    KneeFigures,
    LatencyFigures,
    Sample,
    SentFigures,
    StepFigures,
    StressReport,
    Window,
)
from actorq.stress.core.histogram import percentiles_ms
from actorq.stress.core.plan import StressPlan


def latencies(n: int = 5000, ms: float = 2.0) -> LatencyFigures:
    """Return n durations spread around some milliseconds, with a tail."""
    histogram: dict[int, int] = {}
    for k in range(n):
        place = bucket(ms / 1000 * (0.6 + k / n) * (8 if k % 97 == 0 else 1))
        histogram[place] = histogram.get(place, 0) + 1
    return LatencyFigures(
        n=n, percentiles=percentiles_ms(histogram), max_ms=ms * 13, histogram=histogram
    )


def audit(n: int = 4000, **changes: Any) -> AuditFigures:
    """Return an audit that found all n jobs completed, with these changes."""
    found = {
        "sent": n, "found": n, "final": n, "completed": n, "failed": 0, "cancelled": 0, "lost": 0,
        "unfinished": 0, "duplicates": 0, "wrong_state": 0, "wrong_results": 0, "ran_again": 0,
        "attempts": {1: n},
    }  # fmt: skip
    return AuditFigures(**{**found, **changes})


def step(rate: float | None = 1000.0, n_windows: int = 40, **changes: Any) -> StepFigures:
    """Return a step that was borne, with these changes; without a rate it is a drain."""
    n = int((rate or 1000.0) * 4)
    per = n // n_windows
    made: dict[str, Any] = {
        "name": "drain" if rate is None else f"1: {rate:,.0f} jobs/s",
        "role": "drain" if rate is None else "double",
        "loop": "closed" if rate is None else "open",
        "rate": rate,
        "seconds": 4.0,
        "begun_s": 1.0,
        "end": "held",
        "why": "the backlog did not grow",
        "achieved": rate or 5000.0,
        "sent": SentFigures(intended=n, sent=n, skipped=0, late=0),
        "latency": latencies(),
        "waiting": latencies(ms=1.0),
        "running": latencies(ms=0.2),
        "stages_ms": {"send": 0.1, "enqueue": 1.0, "wait": 0.5, "dispatch": 0.4, "run": 0.1,
                      "settle": 2.0},
        "windows": [Window(k / 10, per, per, per) for k in range(n_windows)],
        "audit": audit(n),
        "counted": CountedFigures(table=n, polling=n, events=n),
    }  # fmt: skip
    return StepFigures(**{**made, **changes})


def sample(at_s: float) -> Sample:
    """Return what one second brought."""
    return Sample(
        at_s=at_s,
        arrived_per_s=1000.0,
        settled_per_s=990.0,
        backlog=10,
        oldest_s=0.01,
        batch_mean=12.0,
        busy_share=0.4,
        cpu={"generators": 0.1, "supervisors": 0.3, "actors": 0.1, "server": 0.9},
        memory_mb={"generators": 30.0, "supervisors": 40.0, "actors": 50.0, "server": 200.0},
        commits_per_s=300.0,
        wal_bytes_per_job=400.0,
        dead_tuples=1000,
        waits={"CPU": 1, "IO:WalSync": 1},
    )


def report(steps: list[StepFigures] | None = None, **changes: Any) -> StressReport:
    """Return the report of a search that found its knee, with these changes."""
    found = steps or [
        step(None),
        *(step(rate) for rate in (1000.0, 2000.0, 4000.0)),
        step(2000.0, name="5: 2,000 jobs/s (0.5 × knee)", role="curve"),
    ]
    made: dict[str, Any] = {
        "plan": StressPlan(),
        "manifest": {"date": "2026-01-01 00:00 UTC", "versions": {"actorq": "0"}},
        "steps": found,
        "samples": [sample(float(n)) for n in range(30)],
        "knee": KneeFigures(
            rate=4000.0,
            broken_at=4500.0,
            generator_limited=False,
            sentence="The knee lies between 4,000 jobs/s, which were borne, and 4,500.",
        ),
        "half_knee": {"n": 1, "rate": 2000.0, "p50_ms": 2.0, "p99_ms": 9.0,
                      "p99_ms_interval": None},
        "faults": [],
        "slo": [],
        "findings": [],
        "unseen": [],
        "seconds": 60.0,
    }  # fmt: skip
    return StressReport(**{**made, **changes})
