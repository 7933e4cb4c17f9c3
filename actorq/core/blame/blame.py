"""Which jobs to blame when a whole batch fails: one that was running, or one that fails alone.

The same rules serve a batch that raises, breaks the one-outcome rule, dies or times out. `open_`
holds the positions that have no outcome yet, `begun` those that the actor marked as running.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blame:
    """The open positions of a failed batch, divided by what becomes of their jobs."""

    charged: tuple[int, ...] = ()  # at most one: it failed while running, or alone
    suspects: tuple[int, ...] = ()  # one of them is the culprit: they run again apart, uncharged
    innocent: tuple[int, ...] = ()  # returned, uncharged


def blame(open_: Sequence[int], begun: Sequence[int], *, certain: bool = True) -> Blame:
    """Decide which of the open positions are charged, suspected or innocent.

    If exactly one job had begun, it is the culprit. If several had (an async handler) or none is
    known to (a vectorised one), nobody is charged and all of these are suspects, unless only one
    job is left that it can have been. If even that is not `certain`, because the earlier jobs of
    the batch may have used up its time, that job runs again alone.
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
