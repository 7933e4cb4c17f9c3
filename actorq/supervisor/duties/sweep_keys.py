"""The duty that removes unique keys of final jobs; a settle leaves them, since it must be cheap."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from actorq.errors import StoreError
from actorq.store.session.faults import Forbidden
from actorq.supervisor.duties.duty import EACH_ROUND, Duty

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

SWEEP_KEYS, SWEEP_S = 1_000, 10.0
"""How many unique keys to examine, and how often. While half of them are stale, the next round
examines more: 2,000 a second."""

FIRST_KEY = ("", "")


class SweepKeys(Duty):
    """A pass through all unique keys, some at a time."""

    def __init__(self, report: Callable[[StoreError], None]) -> None:
        super().__init__(SWEEP_S)
        self._report = report
        self._key = FIRST_KEY

    def run(self, store: QueueStore, now: float) -> float | None:
        """Remove what is stale among the next keys."""
        try:
            last, n_swept = store.sweep_keys(self._key, SWEEP_KEYS)
        except Forbidden as exc:
            self._report(exc)
            return math.inf  # a role that may not sweep can do everything else
        self._key = last or FIRST_KEY
        return EACH_ROUND if 2 * n_swept >= SWEEP_KEYS else None
