"""What a supervisor does: the effects that `plan.step` returns and the engine performs."""

from __future__ import annotations

import msgspec

from actorq.core.event import Event
from actorq.core.job.model import ClaimedBatch, Cut, Settlement
from actorq.core.store_values import DueAsk, ReadyPosition


class Effect(msgspec.Struct, frozen=True):
    """Be the parent of every effect."""


class Claim(Effect, frozen=True):
    """Claim up to `limit` jobs of a lane under the lease number given.

    Several batches of so many jobs may be claimed at once. Each has a lease of its own: the others
    are numbered from the first on.
    `after` is a claim of the same lane that is not answered yet, or 0: begin behind its last row.
    `one_by_one` and `free` say what is to become of the batch: each job runs in a call of its own,
    or none runs and all return to the fresh jobs.
    """

    lane: int
    lease: int
    limit: int
    suspect: int = 0
    frontier: dict[int, ReadyPosition] = {}
    min_n: int = 1
    linger_s: float = 0.0
    after: int = 0
    one_by_one: bool = False
    free: bool = False
    n_batches: int = 1

    @property
    def n_jobs(self) -> int:
        """Return how many jobs may be taken in all."""
        return self.limit * self.n_batches

    @property
    def leases(self) -> range:
        """Return the numbers of the leases that the claim may make."""
        return range(self.lease, self.lease + self.n_batches)

    def begin(self, last: int, ended: dict[int, ReadyPosition]) -> dict[int, ReadyPosition]:
        """Return where to begin, given the last claim on the same connection and its end."""
        return self.frontier | ended if self.after == last else self.frontier


class AskDue(Effect, frozen=True):
    """Ask which lanes have something due, and when the next will be."""

    asks: list[DueAsk]


class AskLeft(Effect, frozen=True):
    """Count what is left of these lanes; `no` comes back with the answer."""

    no: int
    lanes: list[int]


class GiveBack(Effect, frozen=True):
    """Return the jobs of leases that this supervisor does not hold, uncharged.

    There may be several, which follow one another.
    """

    lease: int
    n_leases: int = 1


class Send(Effect, frozen=True):
    """Send a batch to an actor; `cut` says why it was cut where it was.

    `one_by_one` asks for a call of the handler for each job, marked while it runs.
    """

    actor: int
    batch: ClaimedBatch
    cut: Cut
    one_by_one: bool = False


class Recall(Effect, frozen=True):
    """Ask an actor to hand a batch back unless it has begun it."""

    actor: int
    lease: int


class CancelJob(Effect, frozen=True):
    """Tell an actor that the job at this position of its batch is to be cancelled."""

    actor: int
    lease: int
    position: int


class Spawn(Effect, frozen=True):
    """Start an actor process; `actor` is the number all later inputs name it by."""

    actor: int
    kind: str
    index: int


class StopActor(Effect, frozen=True):
    """Ask an idle actor to tear down and leave."""

    actor: int


class KillActor(Effect, frozen=True):
    """Kill an actor's process group."""

    actor: int


class Settle(Effect, frozen=True):
    """Write a settlement; `Settled` follows when the commit is known."""

    settlement: Settlement


class Hunger(Effect, frozen=True):
    """Declare which lanes want to be notified, and which no longer do."""

    on: frozenset[int]
    off: frozenset[int]


class Emit(Effect, frozen=True):
    """Publish an event."""

    event: Event


class Finish(Effect, frozen=True):
    """End the loop: everything is settled, or nothing more can be."""
