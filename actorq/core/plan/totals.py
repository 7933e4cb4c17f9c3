"""What a supervisor has run, over all kinds, and the events that report it.

Part of `actorq.core.plan`.
"""

from __future__ import annotations

from actorq.core import event
from actorq.core.job.tally import Tally
from actorq.core.plan.state import View

TELL_S = 60.0
"""How often a supervisor says how many jobs it has run."""


def total(view: View) -> Tally:
    """Return the sum over all kinds."""
    tallies = [kind.tally for kind in view.kinds.values()]
    return Tally(
        sum(t.completed for t in tallies),
        sum(t.failed for t in tallies),
        sum(t.cancelled for t in tallies),
        sum(t.later for t in tallies),
    )


def tell(view: View, now: float) -> None:
    """Report once a minute what was done in it, unless nothing was and nothing runs."""
    if now < view.tell_at:
        return
    sums, n_running = total(view), sum(kind.n_unwritten for kind in view.kinds.values())
    news = sums.since(view.told)
    if view.tell_at > 0 and (news != Tally() or n_running):
        took_s = now - view.told_at
        view.emit(
            event.JobsRun(
                took_s, news.completed, news.failed, news.cancelled, news.later, n_running
            )
        )
    view.told, view.told_at, view.tell_at = sums, now, now + TELL_S
