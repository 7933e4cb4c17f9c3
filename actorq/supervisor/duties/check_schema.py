"""The duty that notices a contract of the schema with which our code cannot continue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq.supervisor.duties.duty import Duty

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore


class CheckSchema(Duty):
    """A look at which code the schema requires; SchemaMismatch ends the supervisor in order."""

    def run(self, store: QueueStore, now: float) -> float | None:
        """Look once."""
        store.check_version()
        return None
