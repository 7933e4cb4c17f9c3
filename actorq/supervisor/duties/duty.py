"""What the heart runs at intervals.

A new duty is a class in a file of its own, and a line in the heart's list. A duty that must happen
once among all supervisors locks its row FOR UPDATE SKIP LOCKED; there is no leader.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

BeatBetween = Callable[["QueueStore"], None]
"""A function that beats if it is time to; a duty calls it between two of its statements."""

EACH_ROUND = 0.0
"""The interval of a duty that decides for itself whether there is something to do."""


class Duty:
    """Something to be done every `every_s` seconds, on the heart's connection.

    `again_s` is how long to wait after a failure that is neither StoreUnavailable nor Forbidden:
    these are passed on.
    """

    due_at = 0.0  # on the clock of time.monotonic(); the heart's

    def __init__(self, every_s: float, again_s: float | None = None) -> None:
        self.every_s = every_s
        self.again_s = every_s if again_s is None else again_s

    def connected(self) -> None:
        """Start over on a new connection."""
        return

    @abstractmethod
    def run(self, store: QueueStore, now: float) -> float | None:
        """Do it; return in how many seconds it is due again (None: after `every_s`)."""
