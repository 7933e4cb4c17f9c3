"""When a lane wants to be notified of new jobs.

A notification wakes a supervisor within a millisecond, but every transaction that sends one has to
take a lock of the whole server. So a lane asks for notifications (it is *hungry*) while it has
nothing to do, and stops asking when they flood in: then it is looked at often instead. Without
notifications nobody can tell whether they would still flood in, since jobs enqueued together cause
only one. So the lane asks again now and then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

HUNGER_S = 1.0
"""A hunger flag is raised at most once a second, or its own dead rows would slow every insert."""

FLOOD_PER_S = 500
"""Notifications per second above which they cost more than looking every 5 ms."""

FLOOD_WINDOW_S = 0.1
FLOOD_LOOK_S = 0.005
"""How often to look into a lane that was flooded and still has work."""

LONGEST_WAIT_S = 10.0
"""The longest time for which a lane that is flooded repeatedly does without notifications."""

QUIET_S = 1.0
"""A flood is over when nothing has come for this long."""


@dataclass(slots=True)
class Appetite:
    """Whether a lane asks for notifications, and what came of it."""

    hungry: bool = False
    since: float = -math.inf  # when that changed last
    flooded: bool = False  # it does not ask because notifications came too fast
    wait_s: float = 0.0  # for how long it does not ask then
    came_at: float = -math.inf  # when a claim last brought something
    n_woken: int = 0  # notifications in the present window of counting
    window_at: float = -math.inf  # when that window began

    def woken(self, n: int, now: float) -> bool:
        """Count notifications; tell whether they flood in."""
        if now >= self.window_at + FLOOD_WINDOW_S:
            self.n_woken, self.window_at = 0, now
        self.n_woken += n
        return self.hungry and self.n_woken > FLOOD_PER_S * FLOOD_WINDOW_S

    def ask(self, now: float) -> None:
        """Ask for notifications."""
        self.hungry, self.flooded, self.since = True, False, now
        self.n_woken, self.window_at = 0, now

    def sate(self, now: float) -> None:
        """Do without notifications; the sooner they flooded in again, the longer."""
        lasted = now - self.since > LONGEST_WAIT_S
        wait_s = HUNGER_S if lasted else min(LONGEST_WAIT_S, 2 * self.wait_s)
        self.wait_s = max(HUNGER_S, wait_s)
        self.hungry, self.flooded, self.since = False, True, now

    def may_ask(self, now: float) -> bool:
        """Tell whether it has done without them for long enough."""
        wait_s = HUNGER_S if now >= self.came_at + QUIET_S else self.wait_s
        return now >= self.since + wait_s

    def look_soon(self, now: float) -> float:
        """Return when to look again into a lane found empty; inf: when there is a sign."""
        is_over = now >= self.came_at + QUIET_S
        return now + FLOOD_LOOK_S if self.flooded and not is_over else math.inf
