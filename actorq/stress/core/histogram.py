"""Durations counted in logarithmic buckets of a fixed layout, so that any two histograms add up.

Bucket k holds what lies above γ^(k-1) and up to γ^k microseconds, γ = 1.02/0.98: whatever is read
from it is within 2 % of what was counted (the relative-error sketch of Masson and others, VLDB
2019, without its collapsing).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

GAMMA = 1.02 / 0.98
LN_GAMMA = math.log(GAMMA)
MIN_ABOVE = 10
"""No percentile is told with fewer values above it: chance alone would decide it."""

PERCENTS = {"p50_ms": 50.0, "p90_ms": 90.0, "p99_ms": 99.0, "p999_ms": 99.9}

Histogram = Mapping[int, int]
"""How many values each bucket holds, by its number."""


def bucket_of(us: float) -> int:
    """Return the bucket of a duration in microseconds; what is below 1 is in bucket 0."""
    return max(0, math.ceil(math.log(us) / LN_GAMMA)) if us > 1.0 else 0


def value_of(bucket: int) -> float:
    """Return the microseconds that stand for a bucket, at most 2 % from each of its values."""
    return 2.0 * GAMMA**bucket / (GAMMA + 1.0)


def merged(histograms: Iterable[Histogram]) -> dict[int, int]:
    """Return the sum of histograms."""
    total: dict[int, int] = {}
    for histogram in histograms:
        for bucket, n in histogram.items():
            total[bucket] = total.get(bucket, 0) + n
    return total


def percentile_us(histogram: Histogram, percent: float) -> float | None:
    """Return the value that `percent` of all do not exceed, in µs; None of none."""
    n = sum(histogram.values())
    rank, seen = max(1, math.ceil(n * percent / 100)), 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= rank:
            return value_of(bucket)
    return None


def percentiles_ms(histogram: Histogram) -> dict[str, float | None]:
    """Return p50, p90, p99 and p99.9 in ms; None where fewer than MIN_ABOVE values lie above."""
    n = sum(histogram.values())
    made: dict[str, float | None] = {}
    for name, percent in PERCENTS.items():
        us = percentile_us(histogram, percent)
        above = n * (100 - percent) / 100
        made[name] = round(us / 1000, 3) if us is not None and above >= MIN_ABOVE else None
    return made
