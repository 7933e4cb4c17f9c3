"""What a supervisor does: the effects that `plan.step` returns and the engine performs."""

from __future__ import annotations

import msgspec

from actorq.core.event import Event
from actorq.core.job.model import ClaimedBatch, Cut, Settlement
from actorq.core.store_values import DueAsk, ReadyPosition


class Effect(msgspec.Struct, frozen=True):
    """The base class of all effects."""


class Claim(Effect, frozen=True):
    """A claim of up to `limit` jobs of a lane, under the given lease number.

    Several batches of that size may be claimed at once. Each has a lease of its own; their numbers
    follow the first one's.
    `after` is an earlier claim of the same lane that is not answered yet, behind whose last row
    this one begins; or 0. `one_by_one` and `free` say what becomes of the batch: each job runs in
    a call of its own, or none runs and all become fresh jobs again.
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
    """The question which lanes have something due, and when the next job will be due."""

    asks: list[DueAsk]


class AskLeft(Effect, frozen=True):
    """A count of what is left in these lanes; `no` comes back with the answer."""

    no: int
    lanes: list[int]


class GiveBack(Effect, frozen=True):
    """The uncharged return of the jobs of consecutive leases that this supervisor does not hold."""

    lease: int
    n_leases: int = 1


class Send(Effect, frozen=True):
    """A batch for an actor; `cut` says why it has no more jobs.

    With `one_by_one` the handler is called for each job, which is marked while it runs.
    """

    actor: int
    batch: ClaimedBatch
    cut: Cut
    one_by_one: bool = False


class Recall(Effect, frozen=True):
    """A request to an actor to hand a batch back unless it has begun it."""

    actor: int
    lease: int


class CancelJob(Effect, frozen=True):
    """Notice to an actor that the job at this position of its batch is to be cancelled."""

    actor: int
    lease: int
    position: int


class Spawn(Effect, frozen=True):
    """The start of an actor process; all later inputs name it by the number `actor`."""

    actor: int
    kind: str
    index: int


class StopActor(Effect, frozen=True):
    """A request to an idle actor to tear down and leave."""

    actor: int


class KillActor(Effect, frozen=True):
    """The killing of an actor's process group."""

    actor: int


class Settle(Effect, frozen=True):
    """A settlement to be written; `Settled` follows when its commit is known."""

    settlement: Settlement


class Hunger(Effect, frozen=True):
    """A change of which lanes want to be notified, and which no longer do."""

    on: frozenset[int]
    off: frozenset[int]


class Emit(Effect, frozen=True):
    """An event to be published."""

    event: Event


class Finish(Effect, frozen=True):
    """The end of the loop: everything is settled, or nothing more can be."""
