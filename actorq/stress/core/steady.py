"""Whether a load was borne: the backlog's growth, steadiness, and who was the limit."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from actorq.stress.core.figures import SentFigures, StepEnd, Window
from actorq.stress.core.spread import slope

GROWS_PER_S = 0.02
"""The backlog grows if each second adds more than this share of a second's arrivals …"""

GROWN_S = 0.05
"""… and it ends more than so many seconds' arrivals above where it began: one stall of a disk that
is made up for again is no growth."""

PEAK_S = 1.0
"""A backlog of a second's arrivals is too much, whether it grows or not."""

GENERATOR_CPU = 0.85
"""A generator that is busy for so much of the time cannot send more."""

LAG_MS = 250.0
"""If 1 job in 100 is sent so late, the arrivals are no longer those that were meant."""

BLOCKED = 0.5
"""A generator that waits for the database for this share of its time is not what is slow."""

SHORT = 0.95
"""Fewer arrivals than this share of those intended are another load."""

DRIFT = 2.0
"""The median latency of the second half may be so many times that of the first, or its half …"""

DRIFT_FLOOR_MS = 10.0
"""… unless both are below this: a wait for one look at the queue more or less is no trend."""


class Judged(NamedTuple):
    """How a step ended, and why in words."""

    end: StepEnd
    why: str


def judged(
    rate: float,
    windows: Sequence[Window],
    halves_ms: tuple[float | None, float | None],
    sent: SentFigures,
    slo_broken: str = "",
) -> Judged:
    """Judge a step by its windows behind the warm-up and the medians of its two halves.

    The generators are judged first: where they were the limit, nothing is known of the server.
    """
    return (
        _of_generator(sent)
        or _of_backlog(rate, windows)
        or (Judged("overloaded", slo_broken) if slo_broken else None)
        or _of_drift(halves_ms)
        or Judged("held", "the backlog did not grow")
    )


def _of_generator(sent: SentFigures) -> Judged | None:
    """Judge whether the arrivals were those that were meant, and if not, who held them up."""
    if sent.cpu_share >= GENERATOR_CPU:
        return _limited(f"one was busy for {sent.cpu_share:.0%} of the time")
    if sent.intended and sent.sent < SHORT * sent.intended:
        why = f"only {sent.sent:,} of {sent.intended:,} jobs could be sent in time"
    elif sent.lag_p99_ms > LAG_MS:
        why = f"1 job in 100 was sent more than {sent.lag_p99_ms:,.0f} ms late"
    else:
        return None
    if sent.database_share < BLOCKED:
        return _limited(why)
    return Judged(
        "overloaded",
        f"the database took jobs too slowly: {why}, and {sent.database_share:.0%} of the time was "
        "spent waiting for it",
    )


def _limited(why: str) -> Judged:
    return Judged("generator", f"the generator was the limit: {why}")


def _of_backlog(rate: float, windows: Sequence[Window]) -> Judged | None:
    backlog = [window.backlog for window in windows]
    if len(backlog) < 4:
        return None
    if max(backlog) > rate * PEAK_S:
        return Judged("overloaded", f"the backlog reached {max(backlog):,} jobs")
    quarter = max(1, len(backlog) // 4)
    grown = statistics.fmean(backlog[-quarter:]) - statistics.fmean(backlog[:quarter])
    per_s = slope(backlog, windows[1].at_s - windows[0].at_s)
    if per_s > GROWS_PER_S * rate and grown > max(GROWN_S * rate, 2.0):
        return Judged("overloaded", f"the backlog grew by {per_s:,.0f} jobs a second")
    return None


def _of_drift(halves_ms: tuple[float | None, float | None]) -> Judged | None:
    first, second = halves_ms
    if not first or not second or max(first, second) < DRIFT_FLOOR_MS:
        return None
    if 1 / DRIFT <= second / first <= DRIFT:
        return None
    return Judged(
        "unsteady", f"the median latency went from {first:,.1f} to {second:,.1f} ms within the step"
    )
