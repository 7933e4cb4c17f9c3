"""What looking for a culprit costs in one kind, learned from what its runs have taken.

Two ways lead from a group that fails as a whole to the job it fails of:

halving     run the first half, then go on in whichever half is bad: log2(n) runs, of which every
            second fails, and a process that died of it has to be set up again
one by one  run all jobs in one process, each in a call of its own: the mark of the one that was
            running names the culprit; n calls, and one failure

Where the handler is quick for one job, or its set-up is dear, the second is cheaper; where one call
for many jobs costs hardly more than one for one job, the first is. While culprits are frequent,
fresh batches are run one by one as well: a batch that dies takes the work of all its jobs along.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FOLLOW = 0.3
"""How fast a mean follows what was measured last: that of the last ten runs, roughly."""

MEMORY = 10_000
"""After how many jobs the culprits found before count half."""


@dataclass(slots=True)
class Cost:
    """Hold means of what one kind's runs took, in seconds; NaN is not measured yet."""

    setup_s: float = math.nan  # from the start of a process until it is ready
    one_s: float = math.nan  # a call for one job
    each_s: float = math.nan  # a job's share of a call for many
    loss_s: float = 0.0  # what the last culprit cost beside its run: a set-up, or nothing
    n_found: float = 0.0  # culprits, and the jobs run meanwhile; both fade
    n_run: float = 0.0
    marks: bool = False  # the handler says itself which job is running

    def was_set_up(self, took_s: float) -> None:
        """Take in how long a process took to be ready."""
        self.setup_s = _follow(self.setup_s, took_s)

    def ran(self, n: int, took_s: float, *, one_by_one: bool) -> None:
        """Take in how long n jobs took, in one call or in n."""
        if n == 1 or one_by_one:
            self.one_s = _follow(self.one_s, took_s / n)
        else:
            self.each_s = _follow(self.each_s, took_s / n)
        self.n_run += n
        if self.n_run > MEMORY:
            self.n_run, self.n_found = self.n_run / 2, self.n_found / 2

    def found(self, *, crashed: bool) -> None:
        """Take in that one job was to blame for a failure."""
        self.n_found += 1
        self.n_run += 1
        self.loss_s = self.setup_s if crashed else 0.0

    def marked(self) -> None:
        """Note that the handler has said itself which job of a batch was running."""
        self.marks = True

    def mistook(self) -> None:
        """Take back that one job was to blame: it was not its fault."""
        self.n_found = max(0.0, self.n_found - 1)

    def share_s(self) -> float:
        """Return what a job of a batch takes; NaN is not known yet."""
        return self.one_s if math.isnan(self.each_s) else self.each_s

    def search_one_by_one(self, n: int, *, crashed: bool) -> bool:
        """Tell whether to run the n jobs of a bad group one by one rather than halve it."""
        loss_s = self.setup_s if crashed else 0.0
        return n > 1 and self._one_by_one_s(n) <= self._halving_s(n, loss_s)  # false for NaN

    def run_one_by_one(self, n: int) -> bool:
        """Tell whether to run n fresh jobs one by one, for that costs less than their culprits.

        Each culprit among jobs that run together takes the work of all of them along and has to
        be searched for; one by one, each job costs the rest of a call more.
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
