"""What was done of late in each lane, as people and monitors want it: rates and quantiles."""

from __future__ import annotations

import msgspec

from actorq.core.counters.figures import Figures
from actorq.core.counters.histogram import quantiles_s

QUANTILES = (0.5, 0.99)


class Rates(msgspec.Struct, frozen=True):
    """What became of the jobs of a queue and kind in the last `period_s`, and in which batches.

    Attempts that failed and run again are `retried`. `wait` is for how long jobs had been due when
    they were claimed, `run` how long their batches ran: the durations below which a half, and 99
    of 100, of these jobs are, to within 2 %; None if no batch has ended. `cuts` counts batches by
    why they had no more jobs.
    """

    period_s: float
    n_completed: int
    n_failed: int
    n_retried: int
    n_snoozed: int
    n_cancelled: int
    completed_per_s: float
    failed_per_s: float
    retried_per_s: float
    wait_p50_s: float | None
    wait_p99_s: float | None
    run_p50_s: float | None
    run_p99_s: float | None
    n_batches: int
    mean_batch: float | None
    cuts: dict[str, int]


def rates(figures: Figures, period_s: float) -> Rates:
    """Return the rates of what was counted in a period."""
    wait_p50_s, wait_p99_s = quantiles_s(figures.waited, QUANTILES)
    run_p50_s, run_p99_s = quantiles_s(figures.ran, QUANTILES)
    n_jobs = sum(size * n for size, n in figures.sizes.items())
    return Rates(
        round(period_s, 3),
        *figures.outcomes,
        completed_per_s=_per_s(figures.n_completed, period_s),
        failed_per_s=_per_s(figures.n_failed, period_s),
        retried_per_s=_per_s(figures.n_retried, period_s),
        wait_p50_s=wait_p50_s,
        wait_p99_s=wait_p99_s,
        run_p50_s=run_p50_s,
        run_p99_s=run_p99_s,
        n_batches=figures.n_batches,
        mean_batch=n_jobs / figures.n_batches if figures.n_batches else None,
        cuts=dict(sorted(figures.cuts.items(), key=lambda cut: -cut[1])),
    )


def _per_s(n: int, period_s: float) -> float:
    return round(n / period_s, 4)
