"""The plots of the report: which figures go into which chart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from actorq.core.counters.histogram import LOG_GAMMA, seconds_of
from actorq.stress.core.figures import LatencyFigures, Sample, StepFigures, StressReport
from actorq.stress.report.charts import Axis, ChartSeries, Mark, bars, chart
from actorq.stress.report.svg import Markup
from actorq.stress.report.tables import figure

MAX_STEPS = 40
"""More steps are not drawn one by one; they are in the table."""

SMALL = 150.0
PERCENTS = ("p50_ms", "p90_ms", "p99_ms", "p999_ms")
DENSITY_BUCKETS = 6
"""So many neighbouring buckets are drawn as one: a quarter of the value is fine enough for eyes."""

DENSITY_FACTOR = math.exp(LOG_GAMMA * DENSITY_BUCKETS)

MAX_CURVES = 6
SPIKED = ("wal_bytes_per_job",)
"""What is a hundred times higher in a second in which hardly a job was settled."""

ROLES = ("generators", "supervisors", "actors", "server", "follower")


def over_time(steps: Sequence[StepFigures]) -> list[Markup]:
    """Return throughput and backlog over time for each step."""
    return [_step(step) for step in steps[:MAX_STEPS]]


def _step(step: StepFigures) -> Markup:
    windows, x = step.windows, Axis("seconds")
    width_s = windows[1].at_s if len(windows) > 1 else 1.0
    arrived = [(w.at_s, w.arrived / width_s) for w in windows]
    settled = [(w.at_s, w.settled / width_s) for w in windows]
    rates = [ChartSeries("arrived", 1, arrived, "dashed"), ChartSeries("settled", 0, settled)]
    if step.loop == "closed":
        rates = rates[1:]
    backlog = [ChartSeries("backlog", 2, [(w.at_s, w.backlog) for w in windows], "area")]
    marks = [] if step.fault_at_s is None else [Mark(step.fault_at_s, "fault", dashed=True)]
    return figure(
        f"{step.loop} loop, {step.name}",
        chart(f"jobs per second in {step.name}", x, Axis("jobs/s"), rates, marks, SMALL),
        chart(f"backlog in {step.name}", x, Axis("backlog, jobs"), backlog, marks, SMALL),
        caption=f"{step.end}: {step.why}",
    )


def against_rate(report: StressReport) -> Markup:
    """Return latency against rate, with the knee marked."""
    steps = sorted(undisturbed(report.steps), key=lambda step: step.rate or 0.0)
    series = [
        ChartSeries(
            name.replace("_ms", "").replace("p999", "p99.9"),
            n,
            [(step.rate, value) for step in steps if step.rate and (value := step.p(name))],
            "dots",
        )
        for n, name in enumerate(PERCENTS)
    ]
    marks = []
    if report.knee and report.knee.rate:
        marks.append(Mark(report.knee.rate, "knee"))
    if report.knee and report.knee.broken_at:
        word = "generator's limit" if report.knee.generator_limited else "not borne"
        marks.append(Mark(report.knee.broken_at, word, dashed=True))
    return figure(
        "Latency against rate",
        chart(
            "latency against rate", Axis("jobs/s intended", log=True),
            Axis("ms, intended instant to outcome", log=True), series, marks, 280.0,
        ),
        caption="Steps that were not borne are drawn too: there the figure only grows with the "
        "length of the step.",
    )  # fmt: skip


def distributions(report: StressReport) -> list[Markup]:
    """Return how latency is spread, on logarithmic axes."""
    chosen = _chosen(report.steps)
    made = [_tails(chosen)]
    if half := _half(report.steps):
        made.append(_density(half))
    return made


def _chosen(steps: Sequence[StepFigures]) -> list[StepFigures]:
    """Return a few steps of different rates, those of the curve before all others."""
    seen: dict[float, StepFigures] = {}
    for step in sorted(
        undisturbed(steps), key=lambda s: s.role in ("curve", "given"), reverse=True
    ):
        if step.rate and step.latency:
            seen.setdefault(step.rate, step)
    return sorted(list(seen.values())[:MAX_CURVES], key=lambda step: step.rate or 0.0)


def _half(steps: Sequence[StepFigures]) -> StepFigures | None:
    """Return the step at half of the knee, else the one in the middle."""
    halves = [step for step in steps if "(0.5 × knee)" in step.name and step.latency]
    there = halves or _chosen(steps)
    return there[len(there) // 2] if there else None


def _tails(steps: Sequence[StepFigures]) -> Markup:
    series = [
        ChartSeries(f"{step.rate:,.0f} jobs/s", n, tail(step.latency))
        for n, step in enumerate(steps)
        if step.latency
    ]
    return figure(
        "The tail: which share of jobs took longer",
        chart(
            "share of jobs that took longer", Axis("ms", log=True),
            Axis("share of jobs", log=True, high=1.0), series, height=260.0,
        ),
        caption="Both axes are logarithmic; each line ends at its slowest job but nine.",
    )  # fmt: skip


def tail(latency: LatencyFigures) -> list[tuple[float, float]]:
    """Return for each duration in ms the share of jobs above it, while ten or more are."""
    points, above = [], latency.n
    for bucket, n in sorted(latency.histogram.items()):
        above -= n
        if above >= 10:
            points.append((seconds_of(bucket) * 1000, above / latency.n))
    return points


def _density(step: StepFigures) -> Markup:
    parts = (("latency", step.latency), ("waiting for a handler", step.waiting),
             ("running in its batch", step.running))  # fmt: skip
    series = [
        ChartSeries(name, n, density(figures)) for n, (name, figures) in enumerate(parts) if figures
    ]
    return figure(
        f"What a job's time consists of at {step.rate:,.0f} jobs/s",
        chart("share of jobs by duration", Axis("ms", log=True), Axis("% of jobs"), series,
              height=260.0),
        caption=f"Each point counts the jobs within a factor of {DENSITY_FACTOR:.2f}.",
    )  # fmt: skip


def density(figures: LatencyFigures) -> list[tuple[float, float]]:
    """Return for durations in ms the percentage of jobs that are near them."""
    grouped: Counter[int] = Counter()
    for bucket, n in figures.histogram.items():
        grouped[bucket // DENSITY_BUCKETS] += n
    first, last = min(grouped), max(grouped)
    return [
        (seconds_of(group * DENSITY_BUCKETS) * 1000, grouped[group] / figures.n * 100)
        for group in range(first - 1, last + 2)
        if group >= 0
    ]


def undisturbed(steps: Sequence[StepFigures]) -> list[StepFigures]:
    """Return the steps of the open loop in which no fault was made."""
    return [step for step in steps if step.loop == "open" and step.role != "fault"]


# ---- failures and resources -----------------------------------------------------------------


def failures(report: StressReport) -> Markup:
    """Return the failed attempts by kind of failure."""
    causes: Counter[str] = Counter()
    for step in report.steps:
        causes.update(step.audit.causes)
    return figure("Failed attempts by kind of failure",
                  bars("failed attempts by cause", causes.most_common(12)))  # fmt: skip


def resources(samples: Sequence[Sample]) -> list[Markup]:
    """Return what was used over time, by role."""
    x = Axis("seconds")
    cpu = _by_role([(s.at_s, s.cpu) for s in samples])
    memory = _by_role([(s.at_s, s.memory_mb) for s in samples])
    made = [
        figure("CPU by role", chart("cores in use by role", x, Axis("cores"), cpu)),
        figure("Memory by role", chart("own memory by role", x, Axis("MB"), memory),
               caption="Without what processes share, such as the server's buffers."),
    ]  # fmt: skip
    for title, unit, name in (
        ("Commits", "commits/s", "commits_per_s"),
        ("Statements", "statements/s", "statements_per_s"),
        ("WAL", "bytes of WAL per settled job", "wal_bytes_per_job"),
        ("Batches", "jobs per batch, mean", "batch_mean"),
        ("Actors at work", "share of their time", "busy_share"),
        ("Oldest job that waits", "seconds", "oldest_s"),
        ("Dead rows", "rows", "dead_tuples"),
    ):
        points = [(s.at_s, float(v)) for s in samples if (v := getattr(s, name)) is not None]
        series = [ChartSeries(title, 0, points)]
        y = Axis(unit, log=name in SPIKED)
        made.append(figure(title, chart(title.lower(), x, y, series, height=180.0)))
    return [*made, _waits(samples)]


def _by_role(values: Sequence[tuple[float, Mapping[str, float]]]) -> list[ChartSeries]:
    return [
        ChartSeries(role, n, [(at_s, each.get(role, 0.0)) for at_s, each in values])
        for n, role in enumerate(ROLES)
        if any(role in each for _, each in values)
    ]


def _waits(samples: Sequence[Sample]) -> Markup:
    waits: Counter[str] = Counter()
    for sample in samples:
        waits.update(sample.waits)
    return figure(
        "What sessions at work waited for",
        bars("sessions seen by what they waited for", waits.most_common(8)),
        caption="How often each was seen, at one look a second; CPU is no wait.",
    )
