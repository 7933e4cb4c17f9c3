"""How long a queue needed to be as it was before a fault."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from actorq.stress.core.figures import Window

USUAL = 2.0
"""Recovered is a backlog of at most twice what was usual before the fault …"""

FLOOR_S = 0.2
"""… or of a fifth of a second's arrivals, if that is more …"""

STAYS_S = 0.5
"""… for half a second: between two bursts it may pass by."""


def recovered_s(
    windows: Sequence[Window], fault_at_s: float, until_s: float, rate: float
) -> float | None:
    """Return how long after the fault the backlog was usual again, for good; None if it was not.

    0 where it never was unusual. What comes after `until_s`, when nothing arrives any more, proves
    nothing.
    """
    before = [w.backlog for w in windows if w.at_s < fault_at_s]
    after = [w for w in windows if fault_at_s <= w.at_s < until_s]
    if not after:
        return None
    usual = max(USUAL * statistics.median(before or [0]), FLOOR_S * rate)
    unusual = [w.at_s for w in after if w.backlog > usual]
    if not unusual:
        return 0.0
    width_s = after[1].at_s - after[0].at_s if len(after) > 1 else 0.0
    back_s = unusual[-1] + width_s
    return None if back_s + STAYS_S > until_s else round(back_s - fault_at_s, 2)


def recovery_text(back_s: float | None) -> str:
    """Return in words how long it took."""
    if back_s is None:
        return "the backlog was not as before until the end of the step"
    return f"the backlog was as before after {back_s:.1f} s" if back_s else "the backlog never grew"
