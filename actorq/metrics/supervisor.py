"""The metrics and the health of a supervisor, most of which it tells from memory."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue

from prometheus_client.core import CounterMetricFamily, InfoMetricFamily, Metric

from actorq.core import event
from actorq.core.counters.figures import Figures
from actorq.core.report import Report
from actorq.dsn import masked
from actorq.logs import logger
from actorq.metrics.families import QueueKind, done, gauge, labelled
from actorq.metrics.server import Health
from actorq.store.admin.status import LaneStatus
from actorq.supervisor.asked import Told

ANSWER_S = 1.0
"""How long the supervisor's loop may take to answer, before it counts as stuck."""

WAITING_S = 15.0
"""How often to count what waits, while somebody scrapes: that is a query of the whole backlog."""

DOING = ("loading", "idle", "running", "resting", "stopping")
KIND_DOING = ("starting", "available", "doubted", "resting", "unavailable")

Ask = Callable[[Callable[[Told], object]], None]
Count = Callable[[], list[LaneStatus]]


class SupervisorSource:
    """A supervisor that is scraped: what it does, what it has done, and what waits for it."""

    def __init__(self, ask: Ask, count: Count) -> None:
        self._ask = ask
        self._waiting = WaitingCounts(count)
        self._last: Told | None = None
        self._lost: dict[str, tuple[float, str]] = {}  # duty → since when, and why

    def hear(self, happened: event.Event) -> None:
        """Remember which connections are lost; called in the supervisor's own thread."""
        match happened:
            case event.ConnectionLost(duty, error):
                self._lost.setdefault(duty, (time.monotonic(), masked(error)))
            case event.ConnectionRestored(duty):
                self._lost.pop(duty, None)
            case event.SupervisorStarted():
                self._lost.clear()

    def collect(self) -> Iterable[Metric]:
        """Return all metrics; what was last known where the supervisor does not answer."""
        told = self._told() or self._last
        if told is None:
            return []
        return [
            *done(_every_lane(told)),
            *_of(told.node, told.report),
            *self._connections(),
            *waiting(self._waiting.lanes(), {(x.queue, x.kind) for x in told.report.lanes}),
        ]

    def health(self) -> Health:
        """Return whether the loop answers, its connections work and all its kinds are available."""
        told = self._told()
        if told is None:
            text = f"the supervisor's loop has not answered within {ANSWER_S:g} s"
            return Health(False, [text, *self._lost_texts()])
        report, reasons = told.report, self._lost_texts()
        if report.phase != "running":
            reasons.append(f"the supervisor stops: {report.phase}")
        reasons += [
            f"kind {kind.kind}: {kind.doing}"
            for kind in report.kinds
            if kind.doing in ("starting", "unavailable")
        ]
        kinds = {kind.kind: kind.doing for kind in report.kinds}
        facts = {"node": told.node, "phase": report.phase, "kinds": kinds}
        return Health(not reasons, reasons, facts)

    def _told(self) -> Told | None:
        answer: SimpleQueue[Told] = SimpleQueue()
        self._ask(answer.put)
        try:
            self._last = answer.get(timeout=ANSWER_S)
        except Empty:
            return None
        return self._last

    def _lost_texts(self) -> list[str]:
        now = time.monotonic()
        return [
            f"no connection to the database for {now - since:.1f} s ({duty}): {error}"
            for duty, (since, error) in list(self._lost.items())
        ]

    def _connections(self) -> Iterator[Metric]:
        yield labelled(
            "actorq_database_up",
            "Whether all of this supervisor's connections to the database work.",
            (),
            {(): float(not self._lost)},
        )


def _every_lane(told: Told) -> dict[QueueKind, Figures]:
    """Return the figures of all lanes, also of those in which nothing was done yet."""
    lanes = {(lane.queue, lane.kind): Figures() for lane in told.report.lanes}
    return lanes | told.done


def _of(node: str, report: Report) -> Iterator[Metric]:
    yield InfoMetricFamily("actorq_supervisor", "The node of this supervisor.", {"node": node})
    running = {(x.queue, x.kind): float(x.n_running) for x in report.lanes}
    yield gauge("actorq_jobs_running", "Jobs under leases of this supervisor.", running)
    leases = {(x.queue, x.kind): float(x.n_batches) for x in report.lanes}
    yield gauge("actorq_batches_held", "Batches under leases of this supervisor.", leases)
    yield _actors(report)
    deaths = CounterMetricFamily("actorq_actor_deaths", "Actors that ended unplanned.")
    deaths.add_metric([], report.n_died)
    yield deaths
    states = {
        (kind.kind, state): float(kind.doing == state)
        for kind in report.kinds
        for state in KIND_DOING
    }
    yield labelled("actorq_kind", "In which state a kind is.", ("kind", "state"), states)
    suspects = {(x.kind,): float(sum(group.n for group in x.groups)) for x in report.kinds}
    yield labelled("actorq_jobs_suspected", "Jobs in quarantine.", ("kind",), suspects)
    limits = {(x.kind,): float(x.limit) for x in report.kinds}
    yield labelled("actorq_batch_limit_jobs", "Jobs of a batch at most now.", ("kind",), limits)


def _actors(report: Report) -> Metric:
    found = Counter[tuple[str, str]]((actor.kind, actor.doing) for actor in report.actors)
    values = {
        (kind.kind, doing): float(found[kind.kind, doing])
        for kind in report.kinds
        for doing in DOING
    }
    return labelled("actorq_actors", "Actors by what they do.", ("kind", "state"), values)


def waiting(lanes: list[LaneStatus], served: set[QueueKind] | None = None) -> Iterator[Metric]:
    """Yield what waits in the whole database; of these lanes only, if they are given."""
    shown = [x for x in lanes if served is None or (x.queue, x.kind) in served]
    values = {
        (x.kind, x.queue, state): float(getattr(x, f"n_{state}"))
        for x in shown
        for state in ("due", "scheduled", "suspect")
    }
    text = "Jobs that wait, in the whole database; some percent off if there are many."
    yield labelled("actorq_jobs_waiting", text, ("kind", "queue", "state"), values)
    dead = {(x.queue, x.kind): float(x.n_dead) for x in shown}
    yield gauge("actorq_jobs_dead", "Dead letters, in the whole database.", dead)
    oldest = {(x.queue, x.kind): x.oldest_due_s or 0.0 for x in shown}
    yield gauge("actorq_oldest_due_seconds", "For how long a job has been due at most.", oldest)


class WaitingCounts:
    """What waits, counted in a thread of its own: no scrape waits long for the database."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._next_at = 0.0
        self._lanes: list[LaneStatus] = []

    def lanes(self) -> list[LaneStatus]:
        """Return what was counted last; nothing if that has failed."""
        with self._lock:
            if time.monotonic() >= self._next_at and self._thread is None:
                self._thread = threading.Thread(target=self._refresh, name="waiting", daemon=True)
                self._thread.start()
            thread = self._thread
        if thread is not None:
            thread.join(ANSWER_S)
        return self._lanes

    def _refresh(self) -> None:
        try:
            self._lanes = self._count()
        except Exception as error:
            self._lanes = []
            logger("actorq").warning("metrics: what waits is not known: %s", masked(str(error)))
        self._next_at = time.monotonic() + WAITING_S
        self._thread = None
