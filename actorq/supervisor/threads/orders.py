"""What the engine has ordered to be written and no settler has taken yet."""

from __future__ import annotations

from queue import Empty, SimpleQueue

from actorq.core.job.model import Settlement


class Orders:
    """The queue between the engine and its settlers, which knows how much waits in it.

    Whichever settler has a connection takes the next order: nothing waits for one that has none.
    """

    def __init__(self, max_rows: int, n_takers: int) -> None:
        self.max_rows = max_rows  # of one statement
        self._queue: SimpleQueue[Settlement | None] = SimpleQueue()
        self._n_put = 0  # rows; each of the sums is counted by one thread only
        self._n_taken = [0] * n_takers

    def put(self, settlement: Settlement) -> None:
        """Queue a settlement; for the engine's thread."""
        self._n_put += settlement.n
        self._queue.put(settlement)

    def put_back(self, settlement: Settlement, taker: int) -> None:
        """Return what was taken, for another taker."""
        self._n_taken[taker] -= settlement.n
        self._queue.put(settlement)

    def end(self) -> None:
        """Wake the first taker, which may wait here, because nothing more will come."""
        self._queue.put(None)

    def take(self, taker: int, timeout_s: float | None) -> Settlement | None:
        """Take the next settlement; None if none comes in time, or none will come any more."""
        try:
            # A get with timeout 0 reads the clock; a non-blocking get does not.
            settlement = self._queue.get(timeout_s != 0.0, timeout_s)
        except Empty:
            return None
        if settlement is None:
            if taker:
                self.end()
            return None
        self._n_taken[taker] += settlement.n
        return settlement

    def any(self) -> bool:
        """Tell whether anything waits."""
        return self.n_rows > 0

    @property
    def n_rows(self) -> int:
        """Return how many rows wait."""
        return self._n_put - sum(self._n_taken)
