"""Where in the index of `ready` the next claim of a lane begins.

The head of that index fills with dead entries, which vacuum cannot remove while somebody holds a
snapshot. A bounded claim therefore begins at the last row of the claim before it. An unbounded one
begins at the head and finds what was committed late or given back; it is rationed by its cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from actorq.core.store_values import ReadyPosition

UNBOUNDED_EVERY_S = 1.0
"""How often to look at the head at least: an endless backlog would otherwise hide what lies before
the frontier forever."""

COST_FACTOR = 20
"""Unbounded looks may take at most 1/20 of the time. One took 38 ms behind 200 k dead entries; at a
hundred wake-ups a second that would be four cores."""


BUSY_FACTOR = 100
"""With a backlog and no hint, at most 1/100 of the time may be spent looking behind the frontier;
1/20 slowed a drain of 200,000 jobs beside a held snapshot."""


@dataclass(slots=True)
class Frontier:
    """The last position claimed per priority, and when to look behind it."""

    last: dict[int, ReadyPosition] = field(default_factory=dict)
    wanted: bool = True  # something may lie behind: look as soon as the ration allows
    busy: bool = False  # the last claim brought as many as it asked for
    ended_at: float = -math.inf  # end of the last unbounded look
    took_s: float = 0.0  # how long it took
    fastest_s: float = math.inf  # the fastest claim so far, of any kind

    def allowed_at(self) -> float:
        """Return the first instant at which the ration allows an unbounded look.

        The fastest claim's duration stands for the round trip to the database, which is no cost.
        """
        factor = BUSY_FACTOR if self.busy and not self.wanted else COST_FACTOR
        return self.ended_at + factor * max(0.0, self.took_s - self.fastest_s)

    def unbounded(self, now: float) -> bool:
        """Tell whether the next look should begin at the head of the index."""
        if not self.last:
            return True
        routine = now >= self.ended_at + UNBOUNDED_EVERY_S
        return now >= self.allowed_at() and (self.wanted or routine)

    def bounds(self, now: float) -> dict[int, ReadyPosition]:
        """Return the position at which to begin per priority; empty means the head."""
        return {} if self.unbounded(now) else dict(self.last)

    def looked(self, took_s: float, now: float) -> None:
        """Account for an unbounded look that found all there was to find."""
        self.fastest_s = min(self.fastest_s, took_s)
        self.ended_at, self.took_s, self.wanted = now, took_s, False

    def claimed(
        self,
        last: dict[int, ReadyPosition],
        short: bool,
        unbounded: bool,
        took_s: float,
        now: float,
    ) -> None:
        """Move to the last rows of a claim; an unbounded claim moves back as well as forth."""
        self.last.update(last)
        self.busy = not short
        self.fastest_s = min(self.fastest_s, took_s)
        if unbounded:
            self.looked(took_s, now)
        elif short:
            self.wanted = True
