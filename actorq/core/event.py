"""What happened: typed events with past-tense names and flat fields; the text is elsewhere."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from actorq.core.job.model import Cut


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
    """Say which phase of its stop a supervisor has entered.

    In `draining` it waits `wait_s` for `n_batches` that run, in `killing` it ends them. `why` is
    empty where somebody asked for the stop, or where a drain has come to its end. `held_up` is why
    the database takes no outcomes, where it waits `wait_s` for that.
    """

    phase: str
    n_batches: int = 0
    wait_s: float = 0.0
    why: str = ""
    held_up: str = ""


class SupervisorStopped(Event, frozen=True):
    """Say that a supervisor is done; `n_unsettled` outcomes could not be written, and why.

    `short` is what else was not done that was asked for: the exit code is 1 then.
    """

    node: str
    n_unsettled: int
    reason: str = ""
    short: str = ""


class JobsRun(Event, frozen=True):
    """Say what was done in the last `period_s`; `n_later` attempts run again, `n_running` go on."""

    period_s: float
    n_completed: int
    n_failed: int
    n_cancelled: int
    n_later: int
    n_running: int


class RunEnded(Event, frozen=True):
    """Say what a supervisor has run in all, and what a drain has left.

    `left` has for each kind how many due jobs are left, and why. `n_scheduled` are due later,
    `n_elsewhere` are under other supervisors' leases. They are at least so many if not `exact`,
    and not `known` if the database did not answer. `short`: what was asked for is not done.
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
    """Say why a supervisor cannot go on: somebody must act."""

    error: str


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
    retry_in_s: float


class KindResting(Event, frozen=True):
    """Say that everything a kind runs fails alike: no job's own fault; it rests for a while."""

    kind: str
    rest_s: float
    error: str


class RetryFunctionFailed(Event, frozen=True):
    """Say that a kind's own `retry` raised or returned no number: the default delay serves."""

    kind: str
    error: str


class BatchLimited(Event, frozen=True):
    """Say that batches are now at most `limit` jobs: larger ones crashed or cannot be claimed."""

    kind: str
    limit: int


class ActorReady(Event, frozen=True):
    """Say that an actor's process has run its `setup` and waits for batches."""

    kind: str
    slot: int


class ActorBootFailed(Event, frozen=True):
    """Say that a handler could not be imported or set up; no job is charged for it."""

    kind: str
    slot: int
    error: str
    traceback: str


class ActorRetired(Event, frozen=True):
    """Say why an actor ends after the batch it has begun; a fresh one takes its place."""

    kind: str
    slot: int
    reason: str


class ActorExited(Event, frozen=True):
    """Say how an actor's process ended; `planned` is a stop or a recycling."""

    kind: str
    slot: int
    cause: str
    exit: str
    planned: bool


class BatchClaimed(Event, frozen=True):
    """Say that a batch was claimed, and what cut it."""

    queue: str
    kind: str
    lease: int
    n_jobs: int
    cut: Cut


class BatchFinished(Event, frozen=True):
    """Say that an actor has answered for every job of a batch."""

    kind: str
    slot: int
    lease: int
    n_jobs: int


class BatchFailed(Event, frozen=True):
    """Say that a batch raised, timed out or lost its actor; `n_suspect` jobs run again alone."""

    kind: str
    slot: int
    lease: int
    n_jobs: int
    n_suspect: int
    cause: str
    error: str


class BatchHandedBack(Event, frozen=True):
    """Say that a handler gave `n_jobs` jobs back, uncharged, and what it wants instead."""

    kind: str
    slot: int
    lease: int
    n_jobs: int
    reason: str


class JobFailed(Event, frozen=True):
    """Say that an attempt failed; `retry_in_s` is None where it was the last one."""

    kind: str
    id: int
    attempt: int
    cause: str
    error: str
    retry_in_s: float | None


class BatchSettled(Event, frozen=True):
    """Say that the outcomes of `n_jobs` jobs of one batch are committed."""

    kind: str
    lease: int
    n_jobs: int
    n_completed: int


class SettleDelayed(Event, frozen=True):
    """Say that outcomes could not be written yet; they are kept and tried again."""

    n_jobs: int
    reason: str


class SettleMissed(Event, frozen=True):
    """Say that job rows did not take their outcome although their lease was this node's."""

    ids: tuple[int, ...]


class RepairDelayed(Event, frozen=True):
    """Say that jobs which missed their outcome could not be made ready yet; it is tried again."""

    ids: tuple[int, ...]
    reason: str


class LeaseLost(Event, frozen=True):
    """Say that a batch is no longer this supervisor's; its outcomes are dropped."""

    kind: str
    lease: int
    n_jobs: int


class LeaseFound(Event, frozen=True):
    """Say that the database had a batch for this node that it did not hold: given back."""

    lease: int


class ProtocolBroken(Event, frozen=True):
    """Say that an actor answered for a job twice, or for one it did not have; it is killed."""

    kind: str
    slot: int
    lease: int


class NodeReaped(Event, frozen=True):
    """Say that a dead supervisor's jobs were given back."""

    node: str
    n_jobs: int


class ConnectionLost(Event, frozen=True):
    """Say why one duty has no database connection; it is being made, or made again."""

    duty: str
    error: str


class ConnectionRestored(Event, frozen=True):
    """Say that a lost connection is back."""

    duty: str
    down_s: float


class DutyFailed(Event, frozen=True):
    """Say that the database refused a statement of one duty, which is tried again."""

    duty: str
    error: str


class ArgsTypeChanged(Event, frozen=True):
    """Say that a kind's args have another type than the database remembers."""

    kind: str
    old: str
    new: str


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
