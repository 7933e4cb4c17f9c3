"""How many jobs wait, run and have failed for good, by lane, and which supervisors there are.

Counts from a table of few pages are exact. From a larger table some pages are sampled at random and
their contents are scaled up: the result is an estimate, and is reported as one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from actorq.store.admin.run import Conn, run, structs

EXACT_PAGES = 4000
"""Pages of 8 kB: some 100,000 jobs, or 500,000 that wait in rows of their own."""

SAMPLE_PAGES = 1000
"""Each page is drawn or not, so their number, and with it a count, varies by 1/√1000: 3 %."""

FEW = 200
"""Lanes with no more rows than this are counted exactly even if the rest is an estimate."""

WAITING = ("n_due", "n_scheduled", "n_retrying", "n_suspect")


class LaneStatus(msgspec.Struct, frozen=True):
    """The numbers of unfinished and of dead jobs of one queue and kind.

    n_due + n_scheduled + n_suspect + n_running are all pending jobs; the retrying ones are
    among them. `waiting_estimated` says that n_due, n_scheduled, n_retrying and n_suspect are
    estimates, `dead_estimated` that n_dead is.
    """

    queue: str
    kind: str
    n_due: int
    n_scheduled: int
    n_retrying: int
    n_suspect: int
    n_running: int
    n_batches: int
    n_dead: int
    oldest_due_s: float | None
    next_in_s: float | None
    waiting_estimated: bool = False
    dead_estimated: bool = False

    @property
    def n_pending(self) -> int:
        """Return how many jobs of this lane are not final."""
        return self.n_due + self.n_scheduled + self.n_suspect + self.n_running


class NodeStatus(msgspec.Struct, frozen=True):
    """A supervisor as the database knows it."""

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
        """Return whether its last sign of life is no older than its time to live."""
        return self.beat_age_s < self.ttl_s


class Status(msgspec.Struct, frozen=True):
    """What `actorq status` shows; `n_stored` counts finished jobs too."""

    lanes: list[LaneStatus]
    nodes: list[NodeStatus]
    n_stored: int
    stored_estimated: bool = False


def status(conn: Conn, schema: str = "actorq") -> Status:
    """Read the counts of all lanes and the supervisors."""
    pages = run(conn, schema, "admin_sizes")[0]
    lanes = _lanes(conn, schema, percent(pages["ready"]), percent(pages["failure"]))
    nodes = structs(NodeStatus, run(conn, schema, "admin_nodes"))
    share = percent(pages["job"])
    n_stored = scaled(run(conn, schema, "admin_stored", percent=share)[0]["n_stored"], share)
    return Status(lanes, nodes, n_stored, share < 100)


def percent(n_pages: int) -> float:
    """Return how many percent of a table's pages to read."""
    return 100.0 if n_pages <= EXACT_PAGES else 100.0 * SAMPLE_PAGES / n_pages


def scaled(n: int | None, share: float) -> int:
    """Return the estimated total from a count on so many percent of the pages."""
    return round((n or 0) * 100 / share)


def _lanes(conn: Conn, schema: str, waiting_share: float, dead_share: float) -> list[LaneStatus]:
    waiting = _counts(conn, schema, "admin_waiting", waiting_share, WAITING)
    dead = _counts(conn, schema, "admin_dead", dead_share, ("n_dead",))
    return [
        _lane(row, waiting.get(row["lane"], {}), dead.get(row["lane"], {}))
        for row in run(conn, schema, "admin_lanes")
    ]


def _counts(
    conn: Conn, schema: str, name: str, share: float, fields: Iterable[str]
) -> dict[int, dict[str, Any]]:
    """Return the counts of each lane; for lanes with few rows, exact ones replace estimates."""
    found = {
        row["lane"]: {
            **row,
            **{field: scaled(row[field], share) for field in fields},
            "estimated": share < 100,
        }
        for row in run(conn, schema, name, percent=share)
    }
    if share < 100:
        few = run(conn, schema, f"{name}_few", most=FEW)
        found |= {row["lane"]: {**row, "estimated": False} for row in few}
    return found


def _lane(row: dict[str, Any], waiting: dict[str, Any], dead: dict[str, Any]) -> LaneStatus:
    oldest_s = waiting.get("oldest_s")
    return LaneStatus(
        queue=row["queue"],
        kind=row["kind"],
        **{field: int(waiting.get(field) or 0) for field in WAITING},
        n_running=row["n_running"],
        n_batches=row["n_batches"],
        n_dead=int(dead.get("n_dead") or 0),
        oldest_due_s=None if oldest_s is None or oldest_s < 0 else oldest_s,
        next_in_s=waiting.get("next_in_s"),
        waiting_estimated=waiting.get("estimated", False),
        dead_estimated=dead.get("estimated", False),
    )
