"""Who pays when a whole batch fails: only a job that was running, or that fails alone.

Used alike for a batch that raises, breaks the one-outcome rule, dies or times out. `open_`
are the positions that have no outcome yet, `begun` those that the actor marked as running.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blame:
    """Divide the open positions of a failed batch into three kinds of fate."""

    charged: tuple[int, ...] = ()  # at most one: it failed while running, or alone
    suspects: tuple[int, ...] = ()  # one of them is to blame: they run again apart, uncharged
    innocent: tuple[int, ...] = ()  # returned, uncharged


def blame(open_: Sequence[int], begun: Sequence[int], *, certain: bool = True) -> Blame:
    """Decide who of the open positions is charged, suspected or innocent.

    One begun job is the culprit. Of several begun (an async handler) or none (a vectorised
    one) nobody is charged: they are suspects, unless only one is left to be it. If even that
    is not `certain` (a batch ran out of time, which the jobs before may have used up), the one
    runs again alone.
    """
    running = frozenset(begun)
    suspects = tuple(p for p in open_ if p in running)
    if suspects:
        innocent = tuple(p for p in open_ if p not in running)
    else:
        suspects, innocent = tuple(open_), ()
    if not suspects:
        return Blame()
    if len(suspects) == 1 and not certain:
        return Blame(suspects=suspects, innocent=innocent)
    if len(suspects) == 1:
        return Blame(charged=suspects, innocent=innocent)
    return Blame(suspects=suspects, innocent=innocent)
