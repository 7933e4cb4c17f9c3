"""Which lane is served next: stride scheduling by weight, with a limited lag.

Each lane has a pass value that grows by jobs ÷ weight as it is served; the lowest is served first.
No lane may lag more than a few batches behind the others: a lane that rested, or had no room, is
neither owed nor charged for that time (Waldspurger and Weihl, Stride Scheduling, 1995).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Served(Protocol):
    """Something with a pass value, and a number of its own."""

    no: int
    pass_: float


S = TypeVar("S", bound=Served)


def order(candidates: Iterable[S]) -> list[S]:
    """Return the candidates with the lowest pass value first; equals by their number."""
    return sorted(candidates, key=lambda c: (c.pass_, c.no))


def join(served: Served, level: float, slack: float) -> float:
    """Lift a lane that lags more than `slack` behind; return the level once it is served."""
    served.pass_ = max(served.pass_, level - slack)
    return max(level, served.pass_)


def charge(served: Served, n: int, weight: float) -> None:
    """Charge a lane for n jobs."""
    served.pass_ += max(n, 1) / weight
