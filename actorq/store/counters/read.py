"""Reading figures: what is folded into minutes, and what is not folded yet."""

from __future__ import annotations

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


def recent(conn: Conn, schema: str) -> Recent:
    """Read what was done in the last minute and hour, without waiting for anybody."""
    with translated(), conn.transaction():
        # One snapshot for all of it, or what is folded meanwhile would count twice or not at all.
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        clock = run(conn, schema, "clock")[0]
        folded = run(conn, schema, "minutes_since", minutes=HOUR)
        changes = run(conn, schema, "changes_unfolded", limit=MOST)
    now: datetime = clock["minute"]
    found = [
        (at, lane, f) for (at, lane, _), f in stored(tuple(r.values()) for r in folded).items()
    ]
    unfolded = ((r["minute"], r["no"], r["counts"], r["times"]) for r in changes)
    found += [(at, lane, f) for (at, lane), f in merged(unfolded).items()]
    over_s: float = clock["over_s"]
    return Recent(
        60.0 + over_s,
        60.0 * HOUR + over_s,
        _since(found, now - timedelta(minutes=1)),
        _since(found, now - timedelta(minutes=HOUR)),
    )


def _since(found: list[tuple[datetime, int, Figures]], begin: datetime) -> dict[int, Figures]:
    lanes: dict[int, Figures] = {}
    for at, lane, figures in found:
        if at >= begin:
            total = lanes.setdefault(lane, Figures())
            total.count(figures.outcomes)
            total.add(figures)
    return lanes
