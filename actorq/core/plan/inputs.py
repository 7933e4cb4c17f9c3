"""What can happen to a supervisor: the inputs of `plan.step`, as plain values."""

from __future__ import annotations

import msgspec

from actorq.core.job.model import ErrorInfo, Position, Settlement, Verdict
from actorq.core.store_values import ClaimReply, Due, Left


class Input(msgspec.Struct, frozen=True):
    """The base class of all inputs."""


class Tick(Input, frozen=True):
    """Time has passed; `taken` is the lease of the batch that each actor has begun last.

    `running` holds the positions that an actor has marked as begun, for kinds with a time limit
    per job and for batches that run one by one.
    """

    taken: dict[int, int] = {}
    running: dict[int, tuple[int, ...]] = {}


class Claimed(Input, frozen=True):
    """A claim was answered; the statement took `took_s`."""

    lane: int
    lease: int
    reply: ClaimReply
    took_s: float


class ClaimLost(Input, frozen=True):
    """A claim has no known answer: its lease may or may not exist.

    `too_much` says that the database refused it because its result would have been too large.
    """

    lane: int
    lease: int
    too_much: bool = False


class DueKnown(Input, frozen=True):
    """The due query was answered."""

    dues: list[Due]
    took_s: float


class DueLost(Input, frozen=True):
    """The due query was not answered."""


class LeftKnown(Input, frozen=True):
    """What is left was counted, in answer to the question with this number."""

    no: int
    left: list[Left]


class LeftLost(Input, frozen=True):
    """The question with this number was not answered."""

    no: int


class Answer(Input, frozen=True, array_like=True, forbid_unknown_fields=True, tag=True):
    """What an actor says of itself or of a batch; it crosses the pipe in this form.

    Actors have the plan's own numbers, and a batch is known by its lease all the way.
    """

    actor: int


class Ready(Answer, frozen=True):
    """An actor has set up and waits for work."""


class BootFailed(Answer, frozen=True):
    """An actor could not import or set up its handler, and will exit."""

    error: ErrorInfo


class Outcomes(Answer, frozen=True):
    """Outcomes of jobs of one batch; with `last`, every job not named in any is completed."""

    lease: int
    done: list[Position] = []
    verdicts: list[Verdict] = []
    last: bool = False


class HandlerFailed(Answer, frozen=True):
    """The handler raised, or broke the one-outcome-per-job rule; `begun` are the marked jobs."""

    lease: int
    error: ErrorInfo
    begun: list[Position] = []


class HandedBack(Answer, frozen=True):
    """The handler gave back the jobs that have no outcome.

    It wants the kind to rest for `rest_s` seconds or, if that is None, a fresh process. `begun`
    are the marked jobs.
    """

    lease: int
    error: ErrorInfo
    begun: list[Position]
    rest_s: float | None = None


class Grown(Answer, frozen=True):
    """After a batch, an actor has more resident memory than its kind allows."""

    rss: int


class Returned(Answer, frozen=True):
    """An actor answered a recall: it had not begun this batch and never will."""

    lease: int


class ActorDied(Input, frozen=True):
    """An actor's process group is gone, and all its answers have been delivered.

    `taken` is the lease of the batch that it had begun and not answered, 0 for none.
    """

    actor: int
    error: ErrorInfo
    taken: int
    begun: list[int]


class Settled(Input, frozen=True):
    """A settle is known to have committed, for all its jobs.

    `applied` are the leases whose fence matched; what was sent for any other lease is void.
    `seqs` holds the sequence number of each lease that is still open. `refused` are jobs that
    failed because the database takes no other outcome of theirs.
    """

    settlements: list[Settlement]
    applied: frozenset[int]
    seqs: dict[int, int] = {}
    refused: frozenset[int] = frozenset()


class Woken(Input, frozen=True):
    """Somebody enqueued into this lane, or gave jobs back to it; `n` notifications at once."""

    lane: int
    n: int = 1
    behind: bool = False  # jobs were given back: they may lie behind the frontier
    mine: bool = True  # this supervisor is to take them; others only check that somebody has


class Listening(Input, frozen=True):
    """Notifications arrive from now on, or no longer: their connection was made, or lost."""

    on: bool


class CancelAsked(Input, frozen=True):
    """Somebody wants to cancel a job that is under this lease."""

    lease: int
    job: int


class Beaten(Input, frozen=True):
    """A heartbeat was answered: the leases that the database listed for this node at `asked_at`."""

    leases: frozenset[int]
    asked_at: float


class StopAsked(Input, frozen=True):
    """Somebody asked for a stop; each further request skips a phase."""
