"""What several steps have found together: at half of the knee, and for the bounds of the SLO."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import Any

from actorq.stress.core.figures import KneeFigures, QueueFigures, StepFigures
from actorq.stress.core.histogram import merged, percentiles_ms
from actorq.stress.core.plan import StressPlan
from actorq.stress.core.spread import interval


def line_of(step: StepFigures) -> str:
    """Return one step as a line for the terminal."""
    p50, p99 = step.p("p50_ms"), step.p("p99_ms")
    latency = "" if step.loop == "closed" else f"  p50 {ms(p50)}  p99 {ms(p99)}"
    return (
        f"{step.loop} loop, {step.name}: {step.achieved:,.0f} jobs/s settled{latency}"
        f"  {step.end}: {step.why}"
    )


def ms(value: float | None) -> str:
    """Return milliseconds for people; too few values give none."""
    return "–" if value is None else f"{value:,.1f} ms"


def half_knee(steps: Sequence[StepFigures], rng: random.Random) -> dict[str, Any]:
    """Return the figures at half of the knee: the medians of its repeats, with their intervals."""
    repeats = [s for s in steps if s.role == "curve" and "(0.5 × knee)" in s.name]
    steady = [s for s in repeats if s.end in ("held", "overloaded")]
    made: dict[str, Any] = {"n": len(steady), "rate": steady[0].rate if steady else None}
    for name in ("p50_ms", "p99_ms"):
        values = [value for s in steady if (value := s.p(name)) is not None]
        made[name] = round(statistics.median(values), 3) if values else None
        made[f"{name}_interval"] = interval(values, rng)
    return made


def found_of(
    steps: Sequence[StepFigures], knee: KneeFigures | None, half: dict[str, Any]
) -> dict[str, float | None]:
    """Return what bounds of the SLO are compared with.

    Latency is that at half of the knee where a knee was searched for; else the worst of all steps.
    """
    audits = [step.audit for step in steps]
    made: dict[str, float | None] = {
        "lost": sum(a.lost for a in audits),
        "duplicates": sum(a.duplicates for a in audits),
        "failed": sum(a.failed for a in audits),
        "unfinished": sum(a.unfinished for a in audits),
        "knee_jobs_per_s": knee.rate if knee and not knee.generator_limited else None,
    }
    drains = [step.achieved for step in steps if step.loop == "closed" and step.end == "held"]
    made["drain_jobs_per_s"] = max(drains, default=None)
    chosen = [s for s in steps if s.loop == "open" and s.latency is not None]
    if knee is not None:
        chosen = [s for s in chosen if s.role == "curve" and "(0.5 × knee)" in s.name]
    for name in ("p50_ms", "p90_ms", "p99_ms", "p999_ms"):
        made[name] = max((v for s in chosen if (v := s.p(name)) is not None), default=None)
    if knee is not None:
        made |= {name: half[name] for name in ("p50_ms", "p99_ms")}
    made["max_ms"] = max((s.latency.max_ms for s in chosen if s.latency), default=None)
    return made


def queues_of(plan: StressPlan, steps: Sequence[StepFigures]) -> list[QueueFigures]:
    """Return the queues of a plan side by side, by rate; empty if it has only one."""
    found: dict[tuple[float, str], list[dict[int, int]]] = {}
    for step in steps:
        for queue, latency in step.queues.items():
            if step.rate is not None:
                found.setdefault((step.rate, queue), []).append(latency.histogram)
    if len({kind.queue for kind in plan.kinds}) < 2:
        return []
    return [_queue(plan, rate, queue, each) for (rate, queue), each in sorted(found.items())]


def _queue(
    plan: StressPlan, rate: float, queue: str, histograms: list[dict[int, int]]
) -> QueueFigures:
    whole = merged(histograms)
    ways = {
        "polling only" if serving.poll_only else "LISTEN and polling"
        for serving in plan.supervisors
        if not serving.queues or queue in serving.queues
    }
    return QueueFigures(
        rate=rate,
        queue=queue,
        served_by=" and ".join(sorted(ways)),
        n=sum(whole.values()),
        **percentiles_ms(whole),
    )
