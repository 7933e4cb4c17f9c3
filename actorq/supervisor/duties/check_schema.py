"""Sees that a contract of the schema has been begun which our code cannot go on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq.supervisor.duties.duty import Duty

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore


class CheckSchema(Duty):
    """Look what code the schema asks for; SchemaMismatch ends the supervisor in order."""

    def run(self, store: QueueStore, now: float) -> float | None:
        """Look once."""
        store.check_version()
        return None
