"""How a settle is sent, and how it is sent after a failure: each way costs more than the last."""

from __future__ import annotations

from typing import Literal

import msgspec

Fault = Literal["refused", "locked", "slow"]
"""What another way can help against: a value that cannot be stored, somebody else's lock, the
statement's time limit."""


class Way(msgspec.Struct, frozen=True):
    """A way to send a settle.

    `whole` writes all of it and is the cheapest. `refused` searches for the jobs that the database
    refuses for this `reason`. `around` leaves out what somebody has locked. `first` writes no
    more than `n` jobs.
    """

    how: Literal["whole", "refused", "around", "first"]
    n: int = 0
    reason: str = ""

    @property
    def may_keep(self) -> bool:
        """Tell whether jobs that were sent to be written may stay open."""
        return self.how != "whole"


WHOLE, AROUND = Way("whole"), Way("around")


def smaller(way: Way, n_jobs: int) -> Way | None:
    """Return how to write half of a batch that took too long; None if it was a single job."""
    n = (way.n if way.how == "first" else n_jobs) // 2
    return Way("first", n) if n else None


def other(way: Way, fault: Fault, reason: str) -> Way | None:
    """Return how to write all of it in spite of a fault; None if no way helps now."""
    if fault == "refused" and way.how == "whole":
        return Way("refused", reason=reason)
    if fault == "locked" and way.how in ("whole", "refused"):
        return AROUND
    return None
