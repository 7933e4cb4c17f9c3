"""How many jobs came to which outcome, and the lines that say so. Part of `actorq.core.plan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actorq.core import event

if TYPE_CHECKING:
    from actorq.core.job.model import Settlement
    from actorq.core.plan.view import View

TELL_S = 60.0
"""How often a supervisor says how many jobs it has run."""


@dataclass(slots=True)
class Tally:
    """Count what is committed; `later` are attempts after which a job runs again later."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    later: int = 0

    def add(self, settlement: Settlement, refused: frozenset[int]) -> int:
        """Count a settlement; return how many of its jobs are completed.

        `refused` are jobs that failed because the database takes no other outcome of theirs.
        """
        rows = [row for row in settlement.rows if row.id not in refused]
        n_refused = len(refused.intersection(settlement.ids)) if refused else 0
        states = [row.state for row in rows]
        completed = settlement.n - n_refused - len(rows) + states.count("completed")
        self.completed += completed
        self.failed += n_refused + states.count("failed")
        self.cancelled += states.count("cancelled")
        self.later += sum(row.retry_in_s is not None for row in rows if row.state == "pending")
        return completed

    def since(self, before: Tally) -> Tally:
        """Return what was added since an earlier count."""
        return Tally(
            self.completed - before.completed,
            self.failed - before.failed,
            self.cancelled - before.cancelled,
            self.later - before.later,
        )


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
    """Say once a minute what was done in it, unless nothing was and nothing runs."""
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
