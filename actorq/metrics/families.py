"""The metrics of what was done, made of figures: names, units and buckets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import TypeVar

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from actorq.core.counters.figures import Figures
from actorq.core.counters.histogram import seconds_of

QueueKind = tuple[str, str]
"""Queue and kind."""

LABELS = ("kind", "queue")

SECONDS = tuple(mantissa * 10.0**power for power in range(-4, 4) for mantissa in (1.0, 2.5, 5.0))
"""Upper bounds of classic buckets, from 0.1 ms to over an hour."""

JOBS = tuple(float(mantissa * 10**power) for power in range(5) for mantissa in (1, 2, 5))
"""The same for numbers of jobs."""

OUTCOMES = (
    ("completed", "Jobs that were completed."),
    ("failed", "Jobs that failed for good."),
    ("retried", "Attempts that failed and whose jobs run again."),
    ("snoozed", "Attempts that put their job off."),
    ("cancelled", "Jobs that were cancelled."),
)

Names = TypeVar("Names", bound=tuple[str, ...])
"""A value for each label."""

Weighted = Mapping[float, int]
"""Value → how often."""


def done(figures: Mapping[QueueKind, Figures]) -> Iterator[Metric]:
    """Yield what became of jobs and batches; every lane has a sample of each, be it 0."""
    for place, (name, text) in enumerate(OUTCOMES):
        values = {lane: float(each.outcomes[place]) for lane, each in figures.items()}
        yield counter(f"actorq_jobs_{name}", text, values)
    yield _cuts(figures)
    yield _histogram(
        "actorq_job_wait_seconds",
        "How long jobs had been due when they were claimed, to within 2 %.",
        {lane: _in_seconds(each.waited) for lane, each in figures.items()},
        SECONDS,
    )
    yield _histogram(
        "actorq_job_run_seconds",
        "How long the batches of jobs ran, counted for each job, to within 2 %.",
        {lane: _in_seconds(each.ran) for lane, each in figures.items()},
        SECONDS,
    )
    yield _histogram(
        "actorq_batch_jobs",
        "How many jobs batches had.",
        {
            lane: {float(size): n for size, n in each.sizes.items()}
            for lane, each in figures.items()
        },
        JOBS,
    )


def counter(name: str, text: str, values: Mapping[QueueKind, float]) -> Metric:
    """Return a counter with a sample for each queue and kind."""
    family = CounterMetricFamily(name, text, labels=LABELS)
    for (queue, kind), value in values.items():
        family.add_metric([kind, queue], value)
    return family


def gauge(name: str, text: str, values: Mapping[QueueKind, float]) -> Metric:
    """Return a gauge with a sample for each queue and kind."""
    family = GaugeMetricFamily(name, text, labels=LABELS)
    for (queue, kind), value in values.items():
        family.add_metric([kind, queue], value)
    return family


def labelled(name: str, text: str, labels: Iterable[str], values: Mapping[Names, float]) -> Metric:
    """Return a gauge with other labels."""
    family = GaugeMetricFamily(name, text, labels=tuple(labels))
    for names, value in values.items():
        family.add_metric(list(names), value)
    return family


def buckets(values: Weighted, bounds: tuple[float, ...]) -> list[tuple[str, float]]:
    """Return the cumulated counts of values up to each bound, and of all."""
    counts = [0] * (len(bounds) + 1)
    for value, n in values.items():
        counts[bisect_left(bounds, value)] += n
    names = [*map(_bound, bounds), "+Inf"]
    return list(zip(names, map(float, accumulate(counts)), strict=True))


def _bound(bound: float) -> str:
    """Return a bound as Prometheus writes it, so that no rounding makes another name of it."""
    return repr(float(f"{bound:.6g}"))


def _in_seconds(histogram: Mapping[int, int]) -> Weighted:
    return {seconds_of(bucket): n for bucket, n in histogram.items()}


def _cuts(figures: Mapping[QueueKind, Figures]) -> Metric:
    family = CounterMetricFamily(
        "actorq_batches",
        "Batches that have ended, by why they had no more jobs.",
        labels=(*LABELS, "cut"),
    )
    for (queue, kind), each in figures.items():
        for cut, n in sorted(each.cuts.items()):
            family.add_metric([kind, queue, cut], n)
    return family


def _histogram(
    name: str, text: str, lanes: Mapping[QueueKind, Weighted], bounds: tuple[float, ...]
) -> Metric:
    family = HistogramMetricFamily(name, text, labels=LABELS)
    for (queue, kind), values in lanes.items():
        total = sum(value * n for value, n in values.items())
        family.add_metric([kind, queue], buckets(values, bounds), total)
    return family
