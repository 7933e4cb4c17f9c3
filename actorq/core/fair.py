"""Which lane is served next: stride scheduling by weight, aged.

Each lane carries a pass value that grows by jobs ÷ weight as it is served; the lowest goes first.
A lane that rested rejoins at the level of the others, so that it is neither owed nor charged for
the time it had nothing to do (Waldspurger and Weihl, Stride Scheduling, 1995).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Served(Protocol):
    """Be something with a pass value."""

    pass_: float


S = TypeVar("S", bound=Served)


def pick(candidates: Iterable[S]) -> S | None:
    """Return the candidate with the lowest pass value; the first of equals; None of none."""
    return min(candidates, key=lambda c: c.pass_, default=None)


def charge(served: Served, n: int, weight: float, level: float) -> None:
    """Charge a lane for n jobs; `level` is the pass that a rested lane is lifted to."""
    served.pass_ = max(served.pass_, level) + max(n, 1) / weight
