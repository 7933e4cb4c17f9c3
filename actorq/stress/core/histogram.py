"""Percentiles of durations, told only where they mean something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from actorq.core.counters.histogram import Histogram, add, quantiles_s, total

MIN_ABOVE = 10
"""No percentile is told with fewer values above it: chance alone would decide it."""

PERCENTS = {"p50_ms": 50.0, "p90_ms": 90.0, "p99_ms": 99.0, "p999_ms": 99.9}


def merged(histograms: Iterable[Mapping[int, int]]) -> Histogram:
    """Return the sum of histograms."""
    made: Histogram = {}
    for histogram in histograms:
        add(made, histogram)
    return made


def percentiles_ms(histogram: Mapping[int, int]) -> dict[str, float | None]:
    """Return p50, p90, p99 and p99.9 in ms; None where fewer than MIN_ABOVE values lie above."""
    n = total(histogram)
    found = quantiles_s(histogram, (percent / 100 for percent in PERCENTS.values()))
    return {
        name: round(s * 1000, 3) if s is not None and n * (100 - p) / 100 >= MIN_ABOVE else None
        for (name, p), s in zip(PERCENTS.items(), found, strict=True)
    }
