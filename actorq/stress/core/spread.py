"""Medians, and how far chance may have moved them."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence

RESAMPLES = 2000
CONFIDENCE = 0.95


def interval(values: Sequence[float], rng: random.Random) -> tuple[float, float] | None:
    """Return the bootstrap interval of the median at 95 %; None of fewer than three values.

    It is made of the medians of 2000 samples drawn from the values with replacement (Efron 1979).
    """
    if len(values) < 3:
        return None
    medians = sorted(
        statistics.median(rng.choices(values, k=len(values))) for _ in range(RESAMPLES)
    )
    edge = int(RESAMPLES * (1 - CONFIDENCE) / 2)
    return medians[edge], medians[-1 - edge]


def slope(ys: Sequence[float], step: float = 1.0) -> float:
    """Return the least-squares slope of evenly spaced values, `step` apart."""
    n = len(ys)
    if n < 2:
        return 0.0
    mid, mean = (n - 1) / 2, sum(ys) / n
    along = sum((x - mid) ** 2 for x in range(n))
    return sum((x - mid) * (y - mean) for x, y in enumerate(ys)) / along / step
