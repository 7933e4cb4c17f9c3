"""What happened: typed events with past-tense names and flat fields. `events` has their text."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from actorq.core.job.model import Cut


class Event(msgspec.Struct, frozen=True):
    """The base class of all events."""

    @property
    def name(self) -> str:
        """Return the event's name, as in `batch_claimed`."""
        return name_of(type(self))

    def fields(self) -> dict[str, Any]:
        """Return the event as a flat dictionary."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class SupervisorStarted(Event, frozen=True):
    """A supervisor has registered its node and begins to claim."""

    node: str
    pid: int
    kinds: tuple[str, ...]


class SupervisorStopping(Event, frozen=True):
    """A supervisor has entered the next phase of its stop.

    In `draining` it waits `wait_s` for the `n_batches` that still run; in `killing` it kills them.
    `why` is empty if somebody asked for the stop, or if a drain has come to its end.
    """

    phase: str
    n_batches: int = 0
    wait_s: float = 0.0
    why: str = ""


class SupervisorHeldUp(Event, frozen=True):
    """A stop waits up to `wait_s` for the database, which takes no outcomes for this `reason`."""

    wait_s: float
    reason: str


class SupervisorStopped(Event, frozen=True):
    """A supervisor has ended; `n_unsettled` outcomes could not be written, for this `reason`.

    `short` is what else was asked for and not done; the exit code is then 1.
    """

    node: str
    n_unsettled: int
    reason: str = ""
    short: str = ""


class JobsRun(Event, frozen=True):
    """What was done in the last `period_s`; `n_later` attempts run again, `n_running` go on."""

    period_s: float
    n_completed: int
    n_failed: int
    n_cancelled: int
    n_later: int
    n_running: int


class RunEnded(Event, frozen=True):
    """What a supervisor has run in all, and what a drain has left.

    `left` holds for each kind how many due jobs are left, and why. `n_scheduled` jobs are due
    later, `n_elsewhere` are under leases of other supervisors. These counts are lower bounds
    unless `exact`, and missing unless `known`: then the database did not answer. `short` means that
    something that was asked for was not done.
    `n_died` actors have ended although nobody wanted it.
    """

    n_completed: int
    n_failed: int
    n_cancelled: int
    left: tuple[tuple[str, int, str], ...] = ()
    n_scheduled: int = 0
    n_elsewhere: int = 0
    exact: bool = True
    known: bool = True
    short: bool = False
    n_died: int = 0


class SupervisorFailed(Event, frozen=True):
    """A supervisor cannot go on, and somebody has to act."""

    error: str


class SupervisorDisowned(Event, frozen=True):
    """Others have declared this supervisor dead; it starts over as `new_node`."""

    node: str
    new_node: str


class KindAvailable(Event, frozen=True):
    """A kind has an actor that is ready for batches."""

    kind: str


class KindUnavailable(Event, frozen=True):
    """No actor of a kind can start; none of its jobs is claimed or charged."""

    kind: str
    retry_in_s: float


class KindResting(Event, frozen=True):
    """Everything that a kind runs fails alike, so no job is to blame and the kind rests."""

    kind: str
    rest_s: float
    error: str


class RetryFunctionFailed(Event, frozen=True):
    """A kind's own `retry` function raised or returned no number: the default delay applies."""

    kind: str
    error: str


class BatchLimited(Event, frozen=True):
    """Batches now have at most `limit` jobs: larger ones crashed or cannot be claimed."""

    kind: str
    limit: int


class ActorReady(Event, frozen=True):
    """An actor's process has run its `setup` and waits for batches."""

    kind: str
    slot: int


class ActorBootFailed(Event, frozen=True):
    """A handler could not be imported or set up; no job is charged for it."""

    kind: str
    slot: int
    error: str
    traceback: str


class ActorRetired(Event, frozen=True):
    """An actor ends after its present batch, for this `reason`; a fresh one takes its place."""

    kind: str
    slot: int
    reason: str


class ActorExited(Event, frozen=True):
    """An actor's process has ended; `planned` if it was stopped or replaced on purpose."""

    kind: str
    slot: int
    cause: str
    exit: str
    planned: bool


class BatchClaimed(Event, frozen=True):
    """A batch was claimed; `cut` says why it has no more jobs."""

    queue: str
    kind: str
    lease: int
    n_jobs: int
    cut: Cut


class BatchFinished(Event, frozen=True):
    """An actor has answered for every job of a batch."""

    kind: str
    slot: int
    lease: int
    n_jobs: int


class BatchFailed(Event, frozen=True):
    """A batch raised, timed out or lost its actor; `n_suspect` of its jobs run again alone."""

    kind: str
    slot: int
    lease: int
    n_jobs: int
    n_suspect: int
    cause: str
    error: str


class BatchHandedBack(Event, frozen=True):
    """A handler has given `n_jobs` jobs back, uncharged; `reason` says what it wants instead."""

    kind: str
    slot: int
    lease: int
    n_jobs: int
    reason: str


class AttemptFailed(Event, frozen=True):
    """An attempt of a job has failed; `retry_in_s` is None if it was the last one."""

    kind: str
    id: int
    attempt: int
    cause: str
    error: str
    retry_in_s: float | None


class BatchSettled(Event, frozen=True):
    """The outcomes of `n_jobs` jobs of one batch are committed."""

    kind: str
    lease: int
    n_jobs: int
    n_completed: int


class SettleDelayed(Event, frozen=True):
    """Outcomes could not be written yet; they are kept and written later."""

    n_jobs: int
    reason: str


class SettleMissed(Event, frozen=True):
    """Job rows did not take their outcome although this node held their lease."""

    ids: tuple[int, ...]


class RepairDelayed(Event, frozen=True):
    """Jobs that missed their outcome could not be made ready yet; this is tried again."""

    ids: tuple[int, ...]
    reason: str


class LeaseLost(Event, frozen=True):
    """A batch no longer belongs to this supervisor; its outcomes are dropped."""

    kind: str
    lease: int
    n_jobs: int


class LeaseFound(Event, frozen=True):
    """The database had a batch for this node that it did not hold; it was given back."""

    lease: int


class ProtocolBroken(Event, frozen=True):
    """An actor answered for a job twice, or for one it did not have; it is killed."""

    kind: str
    slot: int
    lease: int


class NodeReaped(Event, frozen=True):
    """The jobs of a dead supervisor were given back."""

    node: str
    n_jobs: int


class ConnectionLost(Event, frozen=True):
    """One duty has no database connection, for this `error`; it keeps trying to connect."""

    duty: str
    error: str


class ConnectionRestored(Event, frozen=True):
    """A lost connection is restored."""

    duty: str
    down_s: float


class DutyFailed(Event, frozen=True):
    """The database refused a statement of one duty, which will try again."""

    duty: str
    error: str


class ArgsTypeChanged(Event, frozen=True):
    """The type of a kind's args differs from the one that the database remembers."""

    kind: str
    old: str
    new: str


def name_of(event: type[Event]) -> str:
    """Return the name of a class of events, as in `batch_claimed`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower()
