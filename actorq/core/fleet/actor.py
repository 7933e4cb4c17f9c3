"""One actor process and the slot that it occupies: all state of both, and all that changes it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from actorq.core.fleet.batch import BatchState
from actorq.core.restart import renewal_delay_s, restart_delay_s


@dataclass(slots=True, eq=False)
class ActorState:
    """What is known of one actor process."""

    id: int
    kind: str
    index: int
    born_at: float = 0.0
    ready: bool = False
    held: list[BatchState] = field(default_factory=list)  # in its pipe, oldest first
    killed_for: Literal["", "timeout", "stop", "protocol"] = ""
    killed_lease: int = 0  # the batch that it is killed for; 0: none, or everything that it runs
    killed_job: bool = False  # the running job exceeded its own time limit, not the batch's
    ready_at: float = math.inf
    n_sent: int = 0  # batches
    leaving: bool = False  # told to leave; it gets no more batches
    leave_by: float = math.inf  # when it is killed if its teardown is not over by then
    used: bool = False  # it has been sent a batch
    free_at: float = 0.0  # when it last answered for one
    passed_at: float = -math.inf
    failed_at: float = -math.inf  # … in a way that speaks against it, or against all
    failed_like: str = ""
    failed_job: int = 0  # 0: a batch of several

    def set_up(self, now: float) -> None:
        """Mark the actor as ready for work."""
        self.ready, self.ready_at = True, now

    def sent(self, held: BatchState) -> None:
        """Add a batch to those in its pipe."""
        self.used = True
        self.n_sent += 1
        self.held.append(held)

    def rid_of(self, held: BatchState) -> None:
        """Remove a batch from its pipe: it was answered, or comes back."""
        self.held.remove(held)

    def answered(self, held: BatchState, now: float) -> None:
        """Remove a batch that was answered; there is room again."""
        self.held.remove(held)
        self.free_at = now

    def leave(self) -> None:
        """Give it no more batches."""
        self.leaving = True

    def leave_at(self, at: float) -> None:
        """Set the time by which its teardown must be over."""
        self.leave_by = at

    def killed(
        self,
        why: Literal["timeout", "stop", "protocol"],
        lease: int = 0,
        *,
        job: bool = False,
    ) -> None:
        """Remember why it is killed and whose fault that is; see the fields."""
        self.killed_for, self.killed_job = why, self.killed_job or job
        self.killed_lease = lease or self.killed_lease

    def passed(self, now: float) -> None:
        """Record that a job has passed in it."""
        self.passed_at = now

    def failed(self, like: str, job: int, now: float) -> None:
        """Record a failure that may be this process's own fault."""
        if self.failed_like != like or self.passed_at > self.failed_at:
            self.failed_like, self.failed_job, self.failed_at = like, job, now

    def is_worse(self, like: str, job: int, passed_at: float) -> bool:
        """Tell whether different jobs fail alike in it while something has passed elsewhere."""
        again = self.failed_like == like and self.passed_at < self.failed_at
        return again and not (job and job == self.failed_job) and passed_at > self.failed_at


@dataclass(slots=True)
class Slot:
    """A place for one actor: who occupies it, and how often its actors have died."""

    index: int
    actor: int | None = None
    n_deaths: int = 0  # consecutive, without one finished batch
    n_bad_starts: int = 0  # consecutive: it died before it was ready
    n_restarts: int = 0  # consecutive processes that the handler asked for
    start_at: float = 0.0

    def seat(self, actor: int) -> None:
        """Give the slot to an actor."""
        self.actor = actor

    def set_up(self) -> None:
        """Record that its actor is ready."""
        self.n_bad_starts = 0

    def answered(self) -> None:
        """Record that its actor has finished a batch."""
        self.n_deaths = 0

    def passed(self) -> None:
        """Record that its actor has completed all jobs of a batch."""
        self.n_restarts = 0

    def restart(self) -> None:
        """Count one more fresh process that its handler asked for."""
        self.n_restarts += 1

    def vacate(self, now: float) -> None:
        """Empty the slot; another actor may start at once."""
        self.actor, self.start_at = None, now

    def died(self, *, ready: bool, planned: bool, named: bool) -> None:
        """Count a death and delay the next start, unless a single job was blamed for it."""
        self.n_bad_starts += not (ready or planned)
        if planned:
            self.start_at += renewal_delay_s(self.n_restarts)
        elif not named:
            self.n_deaths += 1
            self.start_at += restart_delay_s(self.n_deaths, ready)
