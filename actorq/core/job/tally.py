"""How many jobs came to which outcome."""

from __future__ import annotations

from dataclasses import dataclass

from actorq.core.job.model import Settlement


@dataclass(slots=True)
class Tally:
    """The number of committed outcomes; `later` counts attempts after which a job runs again."""

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
