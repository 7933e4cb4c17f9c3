"""What happened: typed events, and the one subscriber that turns them into log lines.

The engine emits an event after the fact (after the commit, for what the database knows). Names
are in the past tense, fields are flat, and the only text about them stands in this file. A
subscriber is any callable that takes an event. It runs in the engine's own thread, so it has
to be quick; whatever it raises is logged and otherwise ignored.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

import msgspec

from actorq.escape import escape

log = logging.getLogger("actorq")


class Event(msgspec.Struct, frozen=True):
    """Be the parent of every event."""

    @property
    def name(self) -> str:
        """Return the event's name, as in `batch_claimed`."""
        return _snake(type(self).__name__)

    def fields(self) -> dict[str, Any]:
        """Return the event as a flat dictionary."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class SupervisorStarted(Event, frozen=True):
    """Say that a supervisor has registered its node and will claim."""

    node: str
    pid: int
    kinds: tuple[str, ...]


class SupervisorStopping(Event, frozen=True):
    """Say which phase of its stop a supervisor has entered, and why."""

    phase: str
    reason: str


class SupervisorStopped(Event, frozen=True):
    """Say that a supervisor is done; `n_unsettled` outcomes could not be written."""

    node: str
    n_unsettled: int


class SupervisorDisowned(Event, frozen=True):
    """Say that others have declared this supervisor dead; it starts over under `new_node`."""

    node: str
    new_node: str


class KindAvailable(Event, frozen=True):
    """Say that a kind has an actor that is ready for batches."""

    kind: str


class KindUnavailable(Event, frozen=True):
    """Say that no actor of a kind can start; none of its jobs is claimed or charged."""

    kind: str
    error: str
    retry_in_s: float


class ActorStarted(Event, frozen=True):
    """Say that an actor's process has run its `setup` and is ready."""

    kind: str
    slot: int
    pid: int
    took_s: float


class ActorExited(Event, frozen=True):
    """Say how an actor's process ended; `planned` is a stop or a recycling."""

    kind: str
    slot: int
    pid: int
    exit: str
    planned: bool


class BatchClaimed(Event, frozen=True):
    """Say that a batch was claimed, and what cut it."""

    queue: str
    kind: str
    lease: int
    n_jobs: int
    cut: str


class BatchFinished(Event, frozen=True):
    """Say that an actor has answered for every job of a batch."""

    kind: str
    slot: int
    lease: int
    n_jobs: int
    took_s: float


class BatchFailed(Event, frozen=True):
    """Say that a batch raised, timed out or lost its actor; `n_suspect` jobs run again alone."""

    kind: str
    slot: int
    lease: int
    n_jobs: int
    n_suspect: int
    cause: str
    error: str


class JobFailed(Event, frozen=True):
    """Say that an attempt failed; `retry_in_s` is None where it was the last one."""

    kind: str
    id: int
    attempt: int
    cause: str
    error: str
    retry_in_s: float | None


class Settled(Event, frozen=True):
    """Say that one statement has written the outcomes of `n_jobs` jobs."""

    n_jobs: int
    n_batches: int
    took_s: float


class SettleDelayed(Event, frozen=True):
    """Say that outcomes could not be written yet; they are kept and tried again."""

    n_jobs: int
    reason: str


class SettleMissed(Event, frozen=True):
    """Say that job rows did not take their outcome although their lease was this node's."""

    ids: tuple[int, ...]


class LeaseLost(Event, frozen=True):
    """Say that a batch is no longer this supervisor's; its outcomes are dropped."""

    kind: str
    lease: int
    n_jobs: int


class NodeReaped(Event, frozen=True):
    """Say that a dead supervisor's jobs were given back."""

    node: str
    n_jobs: int


class ConnectionLost(Event, frozen=True):
    """Say that the database connection of one duty is gone; it is being made again."""

    duty: str
    error: str


class ConnectionRestored(Event, frozen=True):
    """Say that a lost connection is back."""

    duty: str
    down_s: float


class ArgsTypeChanged(Event, frozen=True):
    """Say that a kind's args have another type than the database remembers."""

    kind: str
    old: str
    new: str


Subscriber = Callable[[Event], object]


class Events:
    """Hand every event to every subscriber; the log is one unless told otherwise."""

    def __init__(self, *subscribers: Subscriber) -> None:
        self._subscribers: list[Subscriber] = list(subscribers) or [LogLines()]

    def subscribe(self, subscriber: Subscriber) -> None:
        """Add a callable; it sees the events from now on."""
        self._subscribers.append(subscriber)

    def emit(self, event: Event) -> None:
        """Tell all subscribers; never raises because of one of them."""
        for subscriber in self._subscribers:
            try:
                subscriber(event)
            except (Exception, SystemExit):
                log.exception("a subscriber failed on %s: %r", event.name, subscriber)


DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

LINES: dict[type[Event], tuple[int, str]] = {
    SupervisorStarted: (INFO, "supervisor started: node {node}, pid {pid}, kinds {kinds}"),
    SupervisorStopping: (INFO, "supervisor stopping ({reason}): {phase}"),
    SupervisorStopped: (INFO, "supervisor stopped: node {node}"),
    SupervisorDisowned: (
        ERROR,
        "node {node} was declared dead by others: its work is dropped, going on as {new_node}",
    ),
    KindAvailable: (INFO, "kind {kind} available"),
    KindUnavailable: (ERROR, "kind {kind} unavailable, next try in {retry_in_s} s: {error}"),
    ActorStarted: (INFO, "actor {kind}/{slot} started: pid {pid}, after {took_s} s"),
    ActorExited: (WARNING, "actor {kind}/{slot} exited: pid {pid}, {exit}"),
    BatchClaimed: (DEBUG, "batch {lease} claimed: {n_jobs} of {kind} in {queue}, cut by {cut}"),
    BatchFinished: (DEBUG, "batch {lease} finished: {n_jobs} of {kind}/{slot} in {took_s} s"),
    BatchFailed: (
        WARNING,
        "batch {lease} failed ({cause}): {n_jobs} of {kind}/{slot}, {n_suspect} suspect: {error}",
    ),
    JobFailed: (
        ERROR,
        "job {id} of {kind} failed for good at attempt {attempt} ({cause}): {error}",
    ),
    Settled: (DEBUG, "settled {n_jobs} jobs of {n_batches} batches in {took_s} s"),
    SettleDelayed: (WARNING, "settle delayed, {n_jobs} outcomes kept: {reason}"),
    SettleMissed: (ERROR, "outcomes refused by job rows that had changed: ids {ids}"),
    LeaseLost: (WARNING, "lease {lease} lost: outcomes of {n_jobs} jobs of {kind} are dropped"),
    NodeReaped: (WARNING, "node {node} reaped: {n_jobs} jobs given back"),
    ConnectionLost: (WARNING, "connection lost ({duty}): {error}"),
    ConnectionRestored: (INFO, "connection restored ({duty}) after {down_s} s"),
    ArgsTypeChanged: (WARNING, "args of kind {kind} changed their type: {old} before, {new} now"),
}

_RETRIED = (
    "job {id} of {kind} failed at attempt {attempt} ({cause}), next in {retry_in_s} s: {error}"
)
_UNSETTLED = (
    "supervisor stopped: node {node}; {n_unsettled} OUTCOMES WERE NOT WRITTEN,"
    " their jobs will run again"
)


def line(event: Event) -> tuple[int, str]:
    """Return the log level and the text of an event, safe to print."""
    level, text = LINES[type(event)]
    match event:
        case JobFailed(retry_in_s=float() | int()):
            level, text = WARNING, _RETRIED
        case SupervisorStopped(n_unsettled=n) if n:
            level, text = ERROR, _UNSETTLED
        case ActorExited(planned=True):
            level = INFO
    return level, text.format(**{k: _shown(v) for k, v in event.fields().items()})


class LogLines:
    """Write events to the logger `actorq`, bounded for each type of event and kind.

    A service that is down can fail thousands of jobs a second; past `max_per_s` lines of one
    type and kind the rest of that second is only counted, and the count is logged.
    """

    def __init__(self, max_per_s: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_per_s = max_per_s
        self._clock = clock
        self._windows: dict[tuple[str, str], tuple[int, int]] = {}  # → second, lines in it

    def __call__(self, event: Event) -> None:
        """Log one event."""
        level = LINES[type(event)][0]
        if level == DEBUG and not log.isEnabledFor(DEBUG):
            return
        if self._admits(event):
            level, text = line(event)
            log.log(level, "%s", text, extra={"actorq_event": event})

    def _admits(self, event: Event) -> bool:
        key = (event.name, getattr(event, "kind", ""))
        second = int(self._clock())
        since, n = self._windows.get(key, (second, 0))
        if since != second:
            if n > self._max_per_s:
                log.warning("%s %s: %d more lines left out", *key, n - self._max_per_s)
            since, n = second, 0
        self._windows[key] = (since, n + 1)
        return n < self._max_per_s


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, tuple):
        more = f", and {len(value) - 10} more" if len(value) > 10 else ""
        return escape(", ".join(map(str, value[:10])), 500) + more
    return escape(str(value), 500)
