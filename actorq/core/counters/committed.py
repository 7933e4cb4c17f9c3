"""Counting in memory what was committed, as settle.sql counts it in the database."""

from __future__ import annotations

from collections import Counter

from actorq.core.counters.figures import Figures, times_of
from actorq.core.job.model import Settlement


def count_done(
    done: dict[int, Figures], lane: int, settlement: Settlement, refused: frozenset[int]
) -> None:
    """Count a settlement that has committed, with the batch that it ends."""
    figures = done.get(lane)
    if figures is None:
        figures = done[lane] = Figures()
    figures.count(_outcomes(settlement, refused))
    for times in times_of([settlement]).values():
        figures.add(times)


def _outcomes(settlement: Settlement, refused: frozenset[int]) -> tuple[int, int, int, int, int]:
    """Return how many jobs came to what, as settle.sql counts them."""
    n_refused = len(refused.intersection(settlement.ids)) if refused else 0
    rows = [row for row in settlement.rows if row.id not in refused]
    states = Counter(row.state for row in rows)
    later = [row for row in rows if row.state == "pending" and row.retry_in_s is not None]
    n_retried = sum(row.error is not None for row in later)
    n_completed = settlement.n - n_refused - len(rows) + states["completed"]
    n_failed = n_refused + states["failed"]
    return n_completed, n_failed, n_retried, len(later) - n_retried, states["cancelled"]
