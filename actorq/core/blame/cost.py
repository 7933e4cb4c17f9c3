"""What the search for a culprit costs in one kind, learned from how long its runs have taken.

There are two ways from a group that fails as a whole to the job that makes it fail:

halving     run the first half, then continue with whichever half is bad: log2(n) runs, about half
            of which fail, and a process that died of one has to be set up again
one by one  run all jobs in one process, each in its own call of the handler: the mark of the job
            that was running names the culprit; n calls and one failure

Running one by one is cheaper if the handler is quick for one job or its setup is expensive; halving
is cheaper if one call for many jobs costs hardly more than a call for one. While culprits are
frequent, fresh batches run one by one too, since a batch that dies loses the work of all its jobs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FOLLOW = 0.3
"""Weight of the latest measurement in a mean, which thus follows roughly the last ten runs."""

MEMORY = 10_000
"""The number of jobs after which an earlier culprit counts half."""


@dataclass(slots=True)
class Cost:
    """The mean durations of one kind's runs, in seconds; NaN until something was measured."""

    setup_s: float = math.nan  # from the start of a process until it is ready
    one_s: float = math.nan  # a call for one job
    each_s: float = math.nan  # a job's share of a call for many
    loss_s: float = 0.0  # what the last culprit cost besides its run: a setup, or nothing
    n_found: float = 0.0  # culprits found, and the jobs run since; both decay
    n_run: float = 0.0
    marks: bool = False  # the handler itself says which job is running

    def was_set_up(self, took_s: float) -> None:
        """Record how long a process took to become ready."""
        self.setup_s = _follow(self.setup_s, took_s)

    def ran(self, n: int, took_s: float, *, one_by_one: bool) -> None:
        """Record how long n jobs took, in one call or in n."""
        if n == 1 or one_by_one:
            self.one_s = _follow(self.one_s, took_s / n)
        else:
            self.each_s = _follow(self.each_s, took_s / n)
        self.n_run += n
        if self.n_run > MEMORY:
            self.n_run, self.n_found = self.n_run / 2, self.n_found / 2

    def found(self, *, crashed: bool) -> None:
        """Record that a single job was to blame for a failure."""
        self.n_found += 1
        self.n_run += 1
        self.loss_s = self.setup_s if crashed else 0.0

    def marked(self) -> None:
        """Record that the handler itself said which job of a batch was running."""
        self.marks = True

    def mistook(self) -> None:
        """Take back the last culprit: that job was not at fault."""
        self.n_found = max(0.0, self.n_found - 1)

    def share_s(self) -> float:
        """Return what a job of a batch takes; NaN is not known yet."""
        return self.one_s if math.isnan(self.each_s) else self.each_s

    def search_one_by_one(self, n: int, *, crashed: bool) -> bool:
        """Tell whether to search a bad group of n jobs one by one rather than by halving."""
        loss_s = self.setup_s if crashed else 0.0
        return n > 1 and self._one_by_one_s(n) <= self._halving_s(n, loss_s)  # false for NaN

    def run_one_by_one(self, n: int) -> bool:
        """Tell whether to run n fresh jobs one by one because that costs less than their culprits.

        A culprit among jobs that run together destroys the work of all of them and has to be
        searched for. Run one by one, each job costs the extra time of a call of its own.
        """
        if self.marks or not self.n_found or n < 2:
            return False
        p = self.n_found / self.n_run
        search_s = min(self._one_by_one_s(n), self._halving_s(n, self.loss_s))
        each_s = self.share_s()
        return self.one_s - each_s < p * (n * each_s + search_s)

    def _one_by_one_s(self, n: int) -> float:
        return n * self.one_s

    def _halving_s(self, n: int, loss_s: float) -> float:
        return math.log2(n) * (self.one_s + loss_s / 2) + n * self.share_s()


def _follow(mean: float, value: float) -> float:
    return value if math.isnan(mean) else mean + FOLLOW * (value - mean)
