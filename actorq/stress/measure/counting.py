"""How many jobs of a step became final, by different ways of finding that out."""

from __future__ import annotations

import threading
from typing import Protocol

from actorq.stress.core.polled import Counting, Polled, counted, move_to, moved
from actorq.stress.measure.looks import LookSession
from actorq.stress.measure.place import StressPlace


class FinalJobs(Protocol):
    """A way of counting the jobs of a step that became final."""

    name: str

    def begin(self) -> None:
        """Begin a step: no job is there."""

    def finish(self, expected: int, wait_s: float) -> int | None:
        """Return how many jobs of the step are final, None if that could not be found out.

        Whoever hears of it later than others may wait for the expected number.
        """

    def close(self) -> None:
        """Stop following."""


class FinalByPolling:
    """The count of somebody who polls: it never looks twice at what it has seen to be final."""

    name = "polling"

    def __init__(self, place: StressPlace) -> None:
        self._looks = LookSession(place)
        self._state = Counting()
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Begin a step."""
        with self._lock:
            self._state = Counting()

    def count(self) -> int:
        """Poll once, and return how many jobs are final."""
        with self._lock:
            return self._count()

    def finish(self, expected: int, wait_s: float) -> int:
        """Poll once more."""
        return self.count()

    def _count(self) -> int:
        row = self._looks.one("stress_polled", low=self._state.low)
        poll = Polled(**row)
        n, to = counted(self._state, poll), move_to(self._state, poll)
        self._state = moved(self._state, poll, to, 0 if to is None else self._between(to))
        return n

    def _between(self, to: int) -> int:
        row = self._looks.one("stress_final_below", low=self._state.low, high=to)
        return int(row["n_final"])

    def close(self) -> None:
        """Close its session."""
        self._looks.close()
