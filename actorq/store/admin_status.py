"""How much waits, runs and has died, by lane, and who is there to work on it."""

from __future__ import annotations

import msgspec

from actorq.store.admin import Conn, run, structs

MAX_LOOKED_UP = 500_000
"""Above so many waiting jobs the retrying ones are not counted: it takes a look at each job."""


class LaneStatus(msgspec.Struct, frozen=True):
    """Count the unfinished jobs and the dead letters of one queue and kind.

    n_due + n_scheduled + n_suspect + n_running are all pending jobs; the retrying ones are
    among them.
    """

    queue: str
    kind: str
    n_due: int
    n_scheduled: int
    n_retrying: int | None
    n_suspect: int
    n_running: int
    n_batches: int
    n_dead: int
    oldest_due_s: float | None
    next_in_s: float | None

    @property
    def n_pending(self) -> int:
        """Return how many jobs of this lane are not final."""
        return self.n_due + self.n_scheduled + self.n_suspect + self.n_running


class NodeStatus(msgspec.Struct, frozen=True):
    """Describe a supervisor as the database knows it."""

    node: str
    host: str
    pid: int
    up_s: float
    beat_age_s: float
    ttl_s: float
    n_batches: int
    n_running: int

    @property
    def alive(self) -> bool:
        """Return whether it has given a sign of life within its time to live."""
        return self.beat_age_s < self.ttl_s


class Status(msgspec.Struct, frozen=True):
    """Hold what `actorq status` shows."""

    lanes: list[LaneStatus]
    nodes: list[NodeStatus]
    n_stored: int  # an estimate, finished jobs included


def status(conn: Conn, schema: str = "actorq", max_looked_up: int = MAX_LOOKED_UP) -> Status:
    """Read the counts of all lanes and the supervisors."""
    lanes = structs(LaneStatus, run(conn, schema, "admin_lanes", max_looked_up))
    nodes = structs(NodeStatus, run(conn, schema, "admin_nodes"))
    n_stored = run(conn, schema, "admin_stored")[0]["n_stored"]
    return Status(lanes, nodes, max(n_stored, sum(lane.n_pending for lane in lanes)))
