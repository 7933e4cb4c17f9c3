"""The duty that vacuums `ready` after many rows have been deleted from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from actorq.supervisor.duties.duty import EACH_ROUND, Duty

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

VACUUM_AFTER = 50_000
"""How many rows are deleted from `ready` before this node vacuums it, since autovacuum naps for a
minute. As many rows are deleted as jobs are settled."""

VACUUM_FACTOR = 50
"""A vacuum may take 1/50 of the time, because it reads the index of the whole backlog and all dead
rows that a snapshot keeps. With 2,000,000 waiting it took 40 ms of CPU, with as many kept 110 ms:
after every 50,000 rows that was up to 22 % of a core."""

CALM = 1_000
"""If fewer jobs than this are settled between two rounds, a rush is over. Its last dead rows must
not wait for their vacuum, because every look at the head of the index passes them."""


class Vacuum(Duty):
    """The vacuum of `ready`, controlled by how many jobs were settled so far."""

    def __init__(self, n_settled: Callable[[], int]) -> None:
        super().__init__(EACH_ROUND)
        self._n_settled = n_settled
        self._n_seen = self._n_vacuumed = 0  # … at the last round, and at the last vacuum
        self._vacuum_at = 0.0

    def run(self, store: QueueStore, now: float) -> None:
        """Vacuum if enough rows are gone, and the last vacuum is long ago or a rush is over."""
        n_settled = self._n_settled()
        is_calm, self._n_seen = n_settled - self._n_seen < CALM, n_settled
        is_soon = now < self._vacuum_at and not is_calm
        if n_settled - self._n_vacuumed < VACUUM_AFTER or is_soon:
            return
        self._n_vacuumed = n_settled
        begun = time.monotonic()
        try:
            store.vacuum_ready()
        finally:
            ended = time.monotonic()
            self._vacuum_at = ended + VACUUM_FACTOR * (ended - begun)
