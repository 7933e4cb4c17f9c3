"""What happened: where events go, one subscriber of which writes them into the log.

The engine emits an event after the fact; for what the database knows, that is after the commit.
Names are in the past tense, fields are flat; `log_lines` has what the log says of them. A
subscriber is any callable that takes an event. It runs in the engine's own thread, so it has to
be quick; whatever it raises is logged and otherwise ignored.
"""

from __future__ import annotations

from collections.abc import Callable

from actorq.core.event import (
    ActorBootFailed,
    ActorExited,
    ActorReady,
    ActorRetired,
    ArgsTypeChanged,
    AttemptFailed,
    BatchClaimed,
    BatchFailed,
    BatchFinished,
    BatchHandedBack,
    BatchLimited,
    BatchSettled,
    ConnectionLost,
    ConnectionRestored,
    DutyFailed,
    Event,
    JobsRun,
    KindAvailable,
    KindResting,
    KindUnavailable,
    LeaseFound,
    LeaseLost,
    NodeReaped,
    ProtocolBroken,
    RepairDelayed,
    RetryFunctionFailed,
    RunEnded,
    SettleDelayed,
    SettleMissed,
    SupervisorDisowned,
    SupervisorFailed,
    SupervisorHeldUp,
    SupervisorStarted,
    SupervisorStopped,
    SupervisorStopping,
    name_of,
)
from actorq.events.log_lines import LINES, LogLines, line
from actorq.logs import logger

__all__ = [
    "ActorBootFailed",
    "ActorExited",
    "ActorReady",
    "ActorRetired",
    "ArgsTypeChanged",
    "AttemptFailed",
    "BatchClaimed",
    "BatchFailed",
    "BatchFinished",
    "BatchHandedBack",
    "BatchLimited",
    "BatchSettled",
    "ConnectionLost",
    "ConnectionRestored",
    "DutyFailed",
    "Event",
    "Events",
    "JobsRun",
    "KindAvailable",
    "KindResting",
    "KindUnavailable",
    "LeaseFound",
    "LeaseLost",
    "NodeReaped",
    "ProtocolBroken",
    "RepairDelayed",
    "RetryFunctionFailed",
    "RunEnded",
    "SettleDelayed",
    "SettleMissed",
    "Subscriber",
    "SupervisorDisowned",
    "SupervisorFailed",
    "SupervisorHeldUp",
    "SupervisorStarted",
    "SupervisorStopped",
    "SupervisorStopping",
    "line",
]  # fmt: skip

Subscriber = Callable[[Event], object]


class Events:
    """The distribution of events to subscribers, one of which is the log unless told otherwise."""

    def __init__(self, *subscribers: Subscriber) -> None:
        self._subscribers: list[Subscriber] = list(subscribers) or [LogLines()]

    def subscribe(self, subscriber: Subscriber) -> None:
        """Add a callable, which sees all events from now on; TypeError for anything else."""
        if not callable(subscriber):
            raise TypeError(
                f"subscribe({subscriber!r}): give a function of one event; which ones it cares "
                "for it decides by isinstance(event, actorq.events.AttemptFailed), say"
            )
        self._subscribers.append(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Remove a callable; ValueError if it was not added."""
        self._subscribers.remove(subscriber)

    def emit(self, event: Event) -> None:
        """Call all subscribers; never raises because of one of them."""
        for subscriber in self._subscribers:
            try:
                subscriber(event)
            except BaseException:  # SystemExit, or an outcome raised by a handler's code
                logger("actorq").exception("a subscriber failed on %s: %r", event.name, subscriber)


def names() -> frozenset[str]:
    """Return the names of all events, as a follower's `states` may contain them."""
    return frozenset(name_of(event) for event in LINES)
