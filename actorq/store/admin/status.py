"""How many jobs wait, run and have failed for good, by lane; what was done of late; who is there.

Census from a table of few pages are exact. From a larger table some pages are sampled at random and
their contents are scaled up: the result is an estimate, and is reported as one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from actorq.store.admin.rows import NodeStatus
from actorq.store.admin.run import Conn, placed, run, structs
from actorq.store.counters.rates import Rates, rates
from actorq.store.counters.read import Recent, recent

EXACT_PAGES = 1000
"""Pages of 8 kB: some 100,000 jobs that wait in rows of their own. They take 20 ms."""

EXACT_STORED = 4000
"""The same for jobs, some 100,000, of which nothing is looked at but whether they are there."""

SAMPLE_PAGES = 300
"""Each page is drawn or not, so their number, and with it a count, varies by 1/√300: 6 %."""

EXACT_DEAD, SAMPLE_DEAD = 250, 150
"""The same for failures, each of which is looked up among the jobs if all are read: some 4,000, in
20 ms. Without that, a sample of them is quick."""

FEW = 200
"""Lanes with no more rows than this are counted exactly even if the rest is an estimate."""

WAITING = ("n_due", "n_scheduled", "n_retrying", "n_suspect")


class LaneStatus(msgspec.Struct, frozen=True):
    """The numbers of unfinished and of dead jobs of one queue and kind.

    n_due + n_scheduled + n_suspect + n_running are all pending jobs; the retrying ones are
    among them. `waiting_estimated` says that n_due, n_scheduled, n_retrying and n_suspect are
    estimates, `dead_estimated` that n_dead is. `minute` and `hour` are None if nothing was done.
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
    minute: Rates | None = None
    hour: Rates | None = None

    @property
    def n_pending(self) -> int:
        """Return how many jobs of this lane are not final."""
        return self.n_due + self.n_scheduled + self.n_suspect + self.n_running


class FollowerStatus(msgspec.Struct, frozen=True):
    """Somebody who follows what happens: single jobs, and parts such as batches and actors.

    With `reports` it looks at what supervisors are doing. It is sent hints if `hint`, or polls.
    Unless it is heard of again it counts as gone in `left_s`.
    """

    name: str
    jobs: bool
    parts: bool
    hint: bool
    reports: bool
    since_s: float
    left_s: float


class Kept(msgspec.Struct, frozen=True):
    """What is kept for followers: changes of jobs' states, and what supervisors have told."""

    n_changes: int
    n_told: int
    bytes: int
    oldest_s: float | None
    estimated: bool = False


class Status(msgspec.Struct, frozen=True):
    """What `actorq status` shows; `n_stored` counts finished jobs too.

    `kept` is None while nobody follows.
    """

    lanes: list[LaneStatus]
    nodes: list[NodeStatus]
    n_stored: int
    stored_estimated: bool = False
    followers: list[FollowerStatus] = []
    kept: Kept | None = None


class Census(msgspec.Struct, frozen=True):
    """What waits, runs and is stored, and who is there; lanes by their ids."""

    lanes: dict[int, LaneStatus]
    nodes: list[NodeStatus]
    n_stored: int
    stored_estimated: bool


def status(conn: Conn, schema: str = "actorq") -> Status:
    """Read the counts of all lanes, what was done of late, the supervisors and the followers."""
    found, done = counts(conn, schema), recent(conn, schema)
    lanes = [_with_rates(lane, id_, done) for id_, lane in found.lanes.items()]
    followers = structs(FollowerStatus, run(conn, schema, "admin_followers"))
    kept = _kept(conn, schema) if followers else None
    return Status(lanes, found.nodes, found.n_stored, found.stored_estimated, followers, kept)


def counts(conn: Conn, schema: str) -> Census:
    """Read the counts of all lanes, and the supervisors."""
    pages = run(conn, schema, "admin_sizes")[0]
    dead_share = percent(pages["failure"], EXACT_DEAD, SAMPLE_DEAD)
    lanes = _lanes(conn, schema, percent(pages["ready"]), dead_share)
    nodes = structs(NodeStatus, run(conn, schema, "admin_nodes"))
    share = percent(pages["job"], EXACT_STORED)
    n_stored = scaled(run(conn, schema, "admin_stored", percent=share)[0]["n_stored"], share)
    return Census(lanes, nodes, n_stored, share < 100)


def lanes_now(dsn: str, schema: str) -> list[LaneStatus]:
    """Return the counts of all lanes, over a connection of its own."""
    with placed(dsn, schema) as (conn, _):
        return list(counts(conn, schema).lanes.values())


def _with_rates(lane: LaneStatus, id_: int, done: Recent) -> LaneStatus:
    hour, minute = done.hour.get(id_), done.minute.get(id_)
    return msgspec.structs.replace(
        lane,
        minute=rates(minute, done.minute_s) if minute else None,
        hour=rates(hour, done.hour_s) if hour else None,
    )


def percent(n_pages: int, exact: int | None = None, sample: int | None = None) -> float:
    """Return how many percent of a table's pages to read."""
    is_all = n_pages <= (EXACT_PAGES if exact is None else exact)
    return 100.0 if is_all else 100.0 * (SAMPLE_PAGES if sample is None else sample) / n_pages


def scaled(n: int | None, share: float) -> int:
    """Return the estimated total from a count on so many percent of the pages."""
    return round((n or 0) * 100 / share)


def _kept(conn: Conn, schema: str) -> Kept:
    pages = run(conn, schema, "admin_sizes")[0]
    changes, told = percent(pages["change"]), percent(pages["told"])
    found = run(conn, schema, "admin_kept", changes=changes, told=told)[0]
    return Kept(
        scaled(found["n_changes"], changes),
        scaled(found["n_told"], told),
        scaled(found["change_bytes"], changes) + scaled(found["told_bytes"], told),
        found["oldest_s"],
        changes < 100 or told < 100,
    )


def _lanes(
    conn: Conn, schema: str, waiting_share: float, dead_share: float
) -> dict[int, LaneStatus]:
    waiting = _counts(conn, schema, "admin_waiting", waiting_share, WAITING)
    dead = _counts(conn, schema, "admin_dead", dead_share, ("n_dead",))
    return {
        row["lane"]: _lane(row, waiting.get(row["lane"], {}), dead.get(row["lane"], {}))
        for row in run(conn, schema, "admin_lanes")
    }


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
    n_due, n_scheduled, n_retrying, n_suspect = (int(waiting.get(name) or 0) for name in WAITING)
    return LaneStatus(
        queue=row["queue"],
        kind=row["kind"],
        n_due=n_due,
        n_scheduled=n_scheduled,
        n_retrying=n_retrying,
        n_suspect=n_suspect,
        n_running=row["n_running"],
        n_batches=row["n_batches"],
        n_dead=int(dead.get("n_dead") or 0),
        oldest_due_s=None if oldest_s is None or oldest_s < 0 else oldest_s,
        next_in_s=waiting.get("next_in_s"),
        waiting_estimated=waiting.get("estimated", False),
        dead_estimated=dead.get("estimated", False),
    )
