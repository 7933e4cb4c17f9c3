"""Where in `ready`'s index the next claim of a lane begins.

The head of that index fills with dead entries, which vacuum cannot remove while somebody holds
a snapshot. A bounded claim therefore begins at the last row of the claim before it; an unbounded
one begins at the head, finds what was committed late or given back, and is rationed by its cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from actorq.core.store_values import ReadyPosition

UNBOUNDED_EVERY_S = 1.0
"""A backlog that never ends would starve what lies behind the frontier for ever."""

COST_FACTOR = 20
"""An unbounded look may take at most 1/20 of the time: 38 ms each was measured behind 200 k dead
entries, which at a hundred wake-ups a second would be four cores."""


BUSY_FACTOR = 100
"""One that nothing asks for, 1/100 where there is a backlog anyway: 1/20 was felt by a drain of
200,000 jobs beside a held snapshot."""


@dataclass(slots=True)
class Frontier:
    """Hold the last position claimed per priority, and when to look behind it."""

    last: dict[int, ReadyPosition] = field(default_factory=dict)
    wanted: bool = True  # something may lie behind: look as soon as the ration allows
    busy: bool = False  # the last claim brought all it asked for
    ended_at: float = -math.inf  # end of the last unbounded look
    took_s: float = 0.0  # how long it took
    fastest_s: float = math.inf  # any claim so far

    def allowed_at(self) -> float:
        """Return the first instant at which the ration allows an unbounded look.

        The fastest claim stands for the way to the database and back, which is no cost.
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
        """Return the position to begin at per priority; empty is the head."""
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
