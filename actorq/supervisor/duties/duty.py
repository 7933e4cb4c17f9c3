"""What the heart runs at intervals.

A new duty is a class in a file of its own, and a line in the heart's list. A duty that must happen
once among all supervisors locks its row FOR UPDATE SKIP LOCKED: nobody is the leader.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

BeatBetween = Callable[["QueueStore"], None]
"""Beats if it is time to: what a duty calls between two of its statements."""

EACH_ROUND = 0.0
"""The interval of a duty that decides by itself whether there is something to do."""


class Duty:
    """Something that is to be done every `every_s` seconds, on the heart's connection.

    `again_s` is how long to wait after a failure; StoreUnavailable and Forbidden are not survived.
    """

    due_at = 0.0  # on the clock of time.monotonic(); the heart's

    def __init__(self, every_s: float, again_s: float | None = None) -> None:
        self.every_s = every_s
        self.again_s = every_s if again_s is None else again_s

    def connected(self) -> None:
        """Begin anew on a new connection."""
        return

    @abstractmethod
    def run(self, store: QueueStore, now: float) -> float | None:
        """Do it; return in how many seconds it is due again, None: after `every_s`."""
