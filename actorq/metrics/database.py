"""The metrics of a database, for where no supervisor can be scraped, or none runs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta

from prometheus_client.core import Metric

from actorq.core.counters.figures import Figures
from actorq.dsn import masked
from actorq.errors import ActorqError
from actorq.metrics.families import done, gauge, labelled
from actorq.metrics.server import Health
from actorq.metrics.supervisor import waiting
from actorq.metrics.totals import Totals
from actorq.store.admin.status import Census, counts
from actorq.store.counters.read import by_minute
from actorq.store.session.connection import Session

FRESH_S = 1.0
"""Scrapes within so long get the same answer."""

LONGEST = timedelta(hours=24)
"""How far back figures are read if nobody has scraped for long; minutes are kept a bit longer."""

OpenPlace = Callable[[], AbstractContextManager[tuple[Session, str]]]
"""A function that opens a connection, and tells the schema."""


class DatabaseSource:
    """A database that is scraped."""

    def __init__(self, place: OpenPlace) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._totals = Totals()
        self._read_at = float("-inf")
        self._metrics: list[Metric] = []
        self._error = ""

    def collect(self) -> Iterable[Metric]:
        """Return all metrics; where the database cannot be read, only that it is so."""
        with self._lock:
            self._refresh()
            up = labelled(
                "actorq_database_up", "Whether the database answers.", (), {(): not self._error}
            )
            return [up] if self._error else [up, *self._metrics]

    def health(self) -> Health:
        """Return whether the database can be read."""
        with self._lock:
            self._refresh()
            return Health(not self._error, [self._error] if self._error else [])

    def _refresh(self) -> None:
        if time.monotonic() < self._read_at + FRESH_S:
            return
        try:
            with self._place() as (conn, schema):
                self._metrics = list(self._read(conn, schema))
            self._error = ""
        except ActorqError as error:
            self._error = masked(str(error))
        self._read_at = time.monotonic()

    def _read(self, conn: Session, schema: str) -> Iterator[Metric]:
        found = counts(conn, schema)
        names = {lane_id: (lane.queue, lane.kind) for lane_id, lane in found.lanes.items()}
        figures = {name: Figures() for name in names.values()}
        for lane, total in self._done(conn, schema).items():
            if lane in names:
                figures[names[lane]] = total
        yield from done(figures)
        lanes = list(found.lanes.values())
        yield from waiting(lanes)
        running = {(x.queue, x.kind): float(x.n_running) for x in lanes}
        yield gauge("actorq_jobs_running", "Jobs under leases.", running)
        yield from _rest(found)

    def _done(self, conn: Session, schema: str) -> dict[int, Figures]:
        read = by_minute(conn, schema, lambda now: max(self._totals.since(now), now - LONGEST))
        return self._totals.take(read.now, read.found)


def _rest(found: Census) -> Iterator[Metric]:
    alive = Counter("alive" if node.alive else "silent" for node in found.nodes)
    states = {(state,): float(alive[state]) for state in ("alive", "silent")}
    yield labelled("actorq_supervisors", "Supervisors by sign of life.", ("state",), states)
    text = "Jobs stored, finished ones included; some percent off if there are many."
    yield labelled("actorq_jobs_stored", text, (), {(): float(found.n_stored)})
