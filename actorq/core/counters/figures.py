"""What is counted of outcomes and of batches that have ended, per lane."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from actorq.core.counters import histogram
from actorq.core.counters.histogram import Histogram
from actorq.core.job.model import Settlement


class Times(msgspec.Struct, rename={"n_batches": "b", "waited": "w", "ran": "r", "sizes": "s"}):
    """The figures of some batches of one lane that have ended.

    `waited` and `ran` count jobs: how long each had been due when it was claimed, and how long its
    batch ran. `sizes` counts batches by their number of jobs, `cuts` by why they had no more.
    """

    n_batches: int = 0
    waited: Histogram = {}
    ran: Histogram = {}
    sizes: dict[int, int] = {}
    cuts: dict[str, int] = msgspec.field(default_factory=dict, name="c")

    def add(self, more: Times) -> None:
        """Add the figures of other batches."""
        self.n_batches += more.n_batches
        histogram.add(self.waited, more.waited)
        histogram.add(self.ran, more.ran)
        histogram.add(self.sizes, more.sizes)
        for cut, n in more.cuts.items():
            self.cuts[cut] = self.cuts.get(cut, 0) + n


class Figures(Times):
    """The same, and how many jobs came to which outcome."""

    n_completed: int = 0
    n_failed: int = 0
    n_retried: int = 0
    n_snoozed: int = 0
    n_cancelled: int = 0

    def count(self, counts: Iterable[int]) -> None:
        """Add numbers of outcomes, in the order of `change.counts`."""
        n_completed, n_failed, n_retried, n_snoozed, n_cancelled = counts
        self.n_completed += n_completed
        self.n_failed += n_failed
        self.n_retried += n_retried
        self.n_snoozed += n_snoozed
        self.n_cancelled += n_cancelled

    @property
    def outcomes(self) -> tuple[int, int, int, int, int]:
        """Return the numbers of outcomes, in the order of `change.counts`."""
        return (
            self.n_completed,
            self.n_failed,
            self.n_retried,
            self.n_snoozed,
            self.n_cancelled,
        )

    @property
    def n_outcomes(self) -> int:
        """Return how many attempts have ended."""
        return sum(self.outcomes)


def times_of(settlements: Iterable[Settlement]) -> dict[int, Times]:
    """Return the figures of the batches that end with these settlements, by lane."""
    found: dict[int, Times] = {}
    for ended in (s.ended for s in settlements if s.closes and s.ended is not None):
        times = found.get(ended.lane)
        if times is None:
            times = found[ended.lane] = Times()
        times.n_batches += 1
        histogram.add(times.waited, ended.waited)
        histogram.add(times.ran, {histogram.bucket(ended.ran_s): ended.n_jobs})
        times.sizes[ended.n_jobs] = times.sizes.get(ended.n_jobs, 0) + 1
        times.cuts[ended.cut] = times.cuts.get(ended.cut, 0) + 1
    return found
