"""Reading figures: what is folded into minutes, and what is not folded yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from actorq.core.counters.figures import Figures
from actorq.store.admin.run import Conn, run
from actorq.store.counters.fold import merged, stored
from actorq.store.session.faults import translated

HOUR = 60
MOST = 100_000
"""How many changes that are not folded are read of each source at most: more than a fold that
runs every ten seconds leaves in any case but one, that no supervisor has run since."""


class Recent(msgspec.Struct, frozen=True):
    """The figures of each lane, by its id, since the beginnings of two minutes.

    `minute` covers the last full minute and what is over of the present one, `minute_s` in all,
    `hour` the sixty minutes before the present one and that, `hour_s` in all.
    """

    minute_s: float
    hour_s: float
    minute: dict[int, Figures]
    hour: dict[int, Figures]


class Minutes(msgspec.Struct, frozen=True):
    """Figures by minute and lane, each of which may come several times.

    `now` is the beginning of the present minute, of which `over_s` are over.
    """

    now: datetime
    over_s: float
    found: list[tuple[datetime, int, Figures]]


def recent(conn: Conn, schema: str) -> Recent:
    """Read what was done in the last minute and hour, without waiting for anybody."""
    read = by_minute(conn, schema, lambda now: now - timedelta(minutes=HOUR))
    return Recent(
        60.0 + read.over_s,
        60.0 * HOUR + read.over_s,
        _since(read.found, read.now - timedelta(minutes=1)),
        _since(read.found, read.now - timedelta(minutes=HOUR)),
    )


def by_minute(conn: Conn, schema: str, since: Callable[[datetime], datetime]) -> Minutes:
    """Read the figures of all minutes since what `since` makes of the present one."""
    with translated(), conn.transaction():
        # One snapshot for all of it, or what is folded meanwhile would count twice or not at all.
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        clock = run(conn, schema, "clock")[0]
        now: datetime = clock["minute"]
        begin = since(now)
        minutes = round((now - begin) / timedelta(minutes=1))
        folded = run(conn, schema, "minutes_since", minutes=minutes)
        changes = run(conn, schema, "changes_unfolded", limit=MOST)
    found = [
        (at, lane, f) for (at, lane, _), f in stored(tuple(r.values()) for r in folded).items()
    ]
    unfolded = ((r["minute"], r["no"], r["counts"], r["times"]) for r in changes)
    found += [(at, lane, f) for (at, lane), f in merged(unfolded).items() if at >= begin]
    return Minutes(now, clock["over_s"], found)


def _since(found: list[tuple[datetime, int, Figures]], begin: datetime) -> dict[int, Figures]:
    lanes: dict[int, Figures] = {}
    for at, lane, figures in found:
        if at >= begin:
            total = lanes.setdefault(lane, Figures())
            total.count(figures.outcomes)
            total.add(figures)
    return lanes
