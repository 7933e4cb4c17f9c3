"""One actor process and the place it sits in: what is known of them, and all that changes that."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from actorq.core.fleet.batch import BatchState
from actorq.core.restart import renewal_delay_s, restart_delay_s


@dataclass(slots=True, eq=False)
class ActorState:
    """Follow one actor process."""

    id: int
    kind: str
    index: int
    born_at: float = 0.0
    ready: bool = False
    held: list[BatchState] = field(default_factory=list)  # in its pipe, oldest first
    killed_for: Literal["", "timeout", "stop", "protocol"] = ""
    killed_lease: int = 0  # the batch that it is killed for; 0: none, or all that it runs
    killed_job: bool = False  # the running job had used up its own time, not the batch's
    ready_at: float = math.inf
    n_sent: int = 0  # batches
    leaving: bool = False  # told to leave; it gets nothing more
    leave_by: float = math.inf  # when it is killed if its teardown is still not over
    used: bool = False  # it was sent a batch
    free_at: float = 0.0  # when it had last answered for one
    passed_at: float = -math.inf
    failed_at: float = -math.inf  # … in a way that speaks against it, or against all
    failed_like: str = ""
    failed_job: int = 0  # 0: a batch of several

    def set_up(self, now: float) -> None:
        """Be ready for work."""
        self.ready, self.ready_at = True, now

    def sent(self, held: BatchState) -> None:
        """Have a batch more in the pipe."""
        self.used = True
        self.n_sent += 1
        self.held.append(held)

    def rid_of(self, held: BatchState) -> None:
        """Have one less: it was answered, or comes back."""
        self.held.remove(held)

    def answered(self, held: BatchState, now: float) -> None:
        """Have room again."""
        self.held.remove(held)
        self.free_at = now

    def leave(self) -> None:
        """Get nothing more."""
        self.leaving = True

    def leave_at(self, at: float) -> None:
        """Have so long for the teardown."""
        self.leave_by = at

    def killed(
        self,
        why: Literal["timeout", "stop", "protocol"],
        lease: int = 0,
        *,
        job: bool = False,
    ) -> None:
        """Remember why it is killed, and whose fault it is; see the fields."""
        self.killed_for, self.killed_job = why, self.killed_job or job
        self.killed_lease = lease or self.killed_lease

    def passed(self, now: float) -> None:
        """Note that a job has passed in it."""
        self.passed_at = now

    def failed(self, like: str, job: int, now: float) -> None:
        """Note a failure that may be this process's own."""
        if self.failed_like != like or self.passed_at > self.failed_at:
            self.failed_like, self.failed_job, self.failed_at = like, job, now

    def is_worse(self, like: str, job: int, passed_at: float) -> bool:
        """Tell whether it fails alike with one and another, while something passed elsewhere."""
        again = self.failed_like == like and self.passed_at < self.failed_at
        return again and not (job and job == self.failed_job) and passed_at > self.failed_at


@dataclass(slots=True)
class Slot:
    """Follow one place for an actor: who sits there, and how often they died."""

    index: int
    actor: int | None = None
    n_deaths: int = 0  # in a row, without one finished batch
    n_bad_starts: int = 0  # in a row: it died before it was ready
    n_restarts: int = 0  # that its handler asked for, in a row
    start_at: float = 0.0

    def seat(self, actor: int) -> None:
        """Give the place to an actor."""
        self.actor = actor

    def set_up(self) -> None:
        """Note that its actor is ready."""
        self.n_bad_starts = 0

    def answered(self) -> None:
        """Note that its actor has finished a batch."""
        self.n_deaths = 0

    def passed(self) -> None:
        """Note that its actor has done a batch to the end."""
        self.n_restarts = 0

    def restart(self) -> None:
        """Count one more process that its handler wants fresh."""
        self.n_restarts += 1

    def vacate(self, now: float) -> None:
        """Be empty; another may start at once."""
        self.actor, self.start_at = None, now

    def died(self, *, ready: bool, planned: bool, named: bool) -> None:
        """Count a death, and put the next start off; not if one job was named for it."""
        self.n_bad_starts += not (ready or planned)
        if planned:
            self.start_at += renewal_delay_s(self.n_restarts)
        elif not named:
            self.n_deaths += 1
            self.start_at += restart_delay_s(self.n_deaths, ready)
