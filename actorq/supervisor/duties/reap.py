"""The duty that gives back the jobs of leases that no live supervisor owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq.core.plan import inputs as i
from actorq.supervisor.duties.duty import BeatBetween, Duty
from actorq.supervisor.ends import Post

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

REAP_CHUNK = 100
LOST_BUDGET = 10
"""How often a job may lose its supervisor: that says little about the job, until it has run alone
each time from the second loss on."""

ALONE_AFTER = 2


class Reap(Duty):
    """The return of dead supervisors' jobs, in as many statements as needed.

    A dead supervisor may leave thousands of leases.
    """

    def __init__(self, every_s: float, post: Post, beat: BeatBetween) -> None:
        super().__init__(every_s)
        self._post, self._beat = post, beat

    def run(self, store: QueueStore, now: float) -> None:
        """Return the jobs of all leases without a live node."""
        self.reaped(store)

    def reaped(self, store: QueueStore) -> int:
        """Do so, and return the number of those jobs."""
        n_jobs = 0
        while True:
            reaped = store.reap(REAP_CHUNK, LOST_BUDGET, ALONE_AFTER)
            for lane in reaped.lanes:
                self._post(i.Woken(lane, behind=True))
            n_jobs += reaped.returned + reaped.failed + reaped.cancelled
            if reaped.leases < REAP_CHUNK:
                return n_jobs
            self._beat(store)
