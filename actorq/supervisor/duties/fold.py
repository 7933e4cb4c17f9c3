"""The duty that folds what settles have counted into figures per minute."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from actorq.errors import StoreError
from actorq.store.session.faults import Forbidden
from actorq.supervisor.duties.duty import Duty

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

FOLD_S = 10.0
"""How often to fold while this supervisor settles. A busy one makes some 300 changes a second, and
what is not folded is read by whoever asks for figures."""

IDLE_ROUNDS = 6
"""An idle supervisor folds once a minute, what others have left."""


class FoldCounters(Duty):
    """The folding of all supervisors' changes, whoever comes first."""

    def __init__(self, n_settled: Callable[[], int], report: Callable[[StoreError], None]) -> None:
        super().__init__(FOLD_S)
        self._n_settled, self._report = n_settled, report
        self._n_seen, self._n_idle = 0, 0

    def run(self, store: QueueStore, now: float) -> float | None:
        """Fold, unless this supervisor has nothing and has looked a short while ago."""
        n_settled = self._n_settled()
        if n_settled == self._n_seen and self._n_idle < IDLE_ROUNDS:
            self._n_idle += 1
            return None
        self._n_seen, self._n_idle = n_settled, 0
        try:
            store.fold()
        except Forbidden as exc:
            self._report(exc)
            return math.inf  # a role that may not fold can do everything else
        return None
