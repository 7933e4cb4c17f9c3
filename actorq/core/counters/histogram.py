"""Histograms of durations in fixed logarithmic buckets, so that any two can be added.

Bucket b holds durations up to γ^b microseconds, with γ = 1.02/0.98: any value of a bucket is within
2 % of the one that stands for it. That is the mapping of DDSketch (Masson, Rim and Lee, VLDB 2019).
From a microsecond to an hour there are 550 buckets, of which a histogram names those it uses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

LOG_GAMMA = math.log(1.02 / 0.98)
"""claim.sql has the same number."""

Histogram = dict[int, int]
"""Bucket → how many."""


def bucket(seconds: float) -> int:
    """Return the bucket of a duration; durations below a microsecond share the first one."""
    us = seconds * 1e6
    return math.ceil(math.log(us) / LOG_GAMMA) if us > 1.0 else 0


def seconds_of(bucket: int) -> float:
    """Return the duration that stands for a bucket: within 2 % of everything in it."""
    return 1e-6 * math.exp((bucket - 0.5) * LOG_GAMMA) if bucket > 0 else 1e-6


def add(to: Histogram, more: Mapping[int, int]) -> None:
    """Add a histogram to another."""
    for one, n in more.items():
        to[one] = to.get(one, 0) + n


def total(histogram: Mapping[int, int]) -> int:
    """Return how many values a histogram holds."""
    return sum(histogram.values())


def quantiles_s(histogram: Mapping[int, int], at: Iterable[float]) -> list[float | None]:
    """Return the durations below which these shares of all values lie; None if there are none."""
    n, ordered = total(histogram), sorted(histogram.items())
    return [_quantile_s(ordered, share * n) if n else None for share in at]


def _quantile_s(ordered: list[tuple[int, int]], rank: float) -> float:
    seen = 0
    for one, n in ordered:
        seen += n
        if seen >= rank:
            return seconds_of(one)
    return seconds_of(ordered[-1][0])
