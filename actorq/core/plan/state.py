"""Everything that a supervisor knows: one tree of plain state, owned by one thread.

Only the modules of `actorq.core.plan` change it, one input at a time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from actorq.core.blame.quarantine import GROUPS, Quarantine, group_number
from actorq.core.counters.figures import Figures
from actorq.core.event import Event
from actorq.core.fleet.actor import ActorState, Slot
from actorq.core.fleet.batch import BatchState
from actorq.core.job.model import Settlement
from actorq.core.job.policy import KindPolicy
from actorq.core.job.tally import Tally
from actorq.core.lanes.agenda import Agenda
from actorq.core.lanes.lane import Lane
from actorq.core.plan.effects import Claim, Effect, Emit
from actorq.core.store_values import Left

Phase = Literal["running", "draining", "killing", "leaving", "finished"]

PIPE_DEPTH = 2
"""One batch runs and one waits in each actor's pipe; no more are held there."""

TEARDOWN_S = 5.0
"""How long a `teardown` may take."""

MAX_REMEMBERED = 50_000
"""For how many jobs of a kind it is remembered that they asked for a fresh process: as many as in
five of the largest batches."""


@dataclass(slots=True)
class Settings:
    """The settings that all kinds of one supervisor share; durations in seconds."""

    poll_s: float = 0.1
    grace_s: float = 30.0  # the grace time: how long running batches may go on after a stop
    part_settle_s: float = 0.5  # a settle for each job costs 360 times one for each batch
    heed_s: float = 1.0  # how long a handler may take to end once its limit has interrupted it
    notify: bool = True
    drain: bool = False  # finish when nothing is due any more
    until_final: bool = False  # … or finish when every job is final, including those due later
    limit_s: float = 3600.0  # … or after so long


@dataclass(slots=True)
class KindState:
    """What is known of one kind: its actors, and the batches that wait for one."""

    policy: KindPolicy
    slots: list[Slot]
    spare: deque[BatchState] = field(default_factory=deque)
    available: bool | None = None  # None: starting; False: its actors cannot start
    n_unwritten: int = 0  # jobs claimed and not yet settled
    n_claiming: int = 0  # batches
    tally: Tally = field(default_factory=Tally)
    restarts: dict[int, int] = field(default_factory=dict)  # job → fresh processes asked for
    quarantine: Quarantine = field(init=False)

    @property
    def name(self) -> str:
        """Return the kind's name."""
        return self.policy.name

    def __post_init__(self) -> None:
        """Start without any suspicion."""
        self.quarantine = Quarantine(self.policy.max_batch)

    def serve(self, available: bool) -> None:
        """Record whether its actors can start."""
        self.available = available

    def claim_sent(self, n_batches: int) -> None:
        """Count the batches of a claim in flight."""
        self.n_claiming += n_batches

    def claim_ended(self, n_batches: int) -> None:
        """Count the batches of a claim no longer: it was answered, or is lost."""
        self.n_claiming -= n_batches

    def took(self, n: int) -> None:
        """Count jobs that were claimed."""
        self.n_unwritten += n

    def wrote(self, n: int) -> None:
        """Count jobs off: they are settled, or belong to another supervisor now."""
        self.n_unwritten -= n

    def count(self, settlement: Settlement, refused: frozenset[int]) -> int:
        """Count what was committed; return how many of its jobs are completed."""
        return self.tally.add(settlement, refused)

    def wait(self, held: BatchState) -> None:
        """Let a batch that was just claimed wait for an actor."""
        self.spare.append(held)

    def wait_again(self, held: BatchState) -> None:
        """Let a batch that was in a pipe wait again, in the order of claims."""
        later = (k for k, h in enumerate(self.spare) if h.batch.lease > held.batch.lease)
        self.spare.insert(next(later, len(self.spare)), held)

    def next_spare(self) -> BatchState:
        """Take the batch that has waited longest."""
        return self.spare.popleft()

    def drop(self, held: BatchState) -> None:
        """Stop a batch from waiting, if it does."""
        if held in self.spare:
            self.spare.remove(held)

    def give_up_spare(self) -> list[BatchState]:
        """Take all batches that wait."""
        spare = list(self.spare)
        self.spare.clear()
        return spare

    def count_restarts(self, jobs: Sequence[int]) -> int:
        """Count one more request of each job for a fresh process; return the most by one job."""
        for id_ in jobs:
            self.restarts[id_] = self.restarts.pop(id_, 0) + 1
        while len(self.restarts) > MAX_REMEMBERED:
            del self.restarts[next(iter(self.restarts))]
        return max((self.restarts[id_] for id_ in jobs), default=0)

    def forget_restarts(self, jobs: Iterable[int]) -> None:
        """Forget how often jobs that have their outcome asked for a fresh process."""
        for id_ in jobs:
            self.restarts.pop(id_, None)


@dataclass(slots=True)
class Question:
    """The lanes for which the answer *nothing is due* to a due query is conclusive.

    A lane is removed as soon as anything happens to it, because the answer may be older.
    """

    unbounded: set[int]  # asked from the head of their index
    bounded: set[int]  # asked from their frontier, or had none yet: nothing lies behind it
    idle: bool  # asked when nothing was claimed or held, and nothing has happened since


@dataclass(slots=True)
class View:
    """The whole state of one supervisor."""

    settings: Settings
    kinds: dict[str, KindState]
    lanes: dict[int, Lane]
    agenda: Agenda[Lane]
    random: Random
    phase: Phase = "running"
    stop_at: float = math.inf  # when the phase ends at the latest
    began_at: float = math.inf  # the time of the first step
    impatient: bool = False  # asked to stop again while batches ran
    n_cut: int = 0  # batches that were running when the stop killed their actor
    n_died: int = 0  # actors that were ready, and whose end nobody had planned
    reasons: dict[str, str] = field(default_factory=dict)  # kind → why its due jobs are left
    left: list[Left] | None = None  # what a drain leaves; None: not counted since the last change
    left_asked: bool = False
    left_no: int = 0  # number of the last question for it
    left_at: float = 0.0  # when to ask for it next
    told: Tally = field(default_factory=Tally)  # the totals as last reported
    told_at: float = 0.0
    tell_at: float = 0.0
    done: dict[int, Figures] | None = None  # lane → what was committed; None: nobody asks for it
    actors: dict[int, ActorState] = field(default_factory=dict)
    held: dict[int, BatchState] = field(default_factory=dict)  # by lease number
    claims: dict[int, tuple[Claim, float]] = field(default_factory=dict)  # in flight, since when
    stepped_at: float = -math.inf  # the time of the last step
    due_asked: Question | None = None  # None: no question is out
    due_at: float = 0.0  # when to ask next, if a lane has nothing to do
    due_by: float = 0.0  # when to ask next in any case
    due_last: float = -math.inf  # when it was last asked
    due_wait_s: float = 0.0  # interval between due queries; grows while all is quiet
    listening: bool = False  # notifications can arrive
    returns: list[float] = field(default_factory=list)  # a heap: when suspects will be due
    checked: bool = False  # asked while all was idle, and nothing was due and no suspects
    start_at: float = 0.0  # when the next empty slot wants an actor
    hunger_at: float = 0.0  # when to look for hungry lanes next
    level: float = 0.0  # the pass value of the lane served last
    troubled: set[str] = field(default_factory=set)  # kinds that rest, or whose verdicts wait
    renew: set[int] = field(default_factory=set)  # actors to be replaced by fresh ones
    early: dict[int, list[int]] = field(default_factory=dict)  # lease in flight → its cancels
    next_lease: int = 1
    next_actor: int = 1
    released: dict[int, float] = field(default_factory=dict)  # ended leases, for stale beats
    out: list[Effect] = field(default_factory=list)

    def do(self, effect: Effect) -> None:
        """Add an effect to what this step returns."""
        self.out.append(effect)

    def emit(self, event: Event) -> None:
        """Add an event to what this step returns."""
        self.out.append(Emit(event))

    def stir(self, lane: Lane, *, behind: bool = True) -> None:
        """Record that something may be due in a lane, whatever was known or asked before."""
        lane.stir(behind=behind)
        self.outdate(lane)

    def outdate(self, lane: Lane) -> None:
        """Discard what the due query has said, or will say, about this lane being empty.

        The count of what is left is discarded as well, but not while the supervisor leaves: then
        it claims nothing any more, and asks for no other count.
        """
        self.checked = False
        if self.phase != "leaving":
            self.left, self.left_asked, self.left_at = None, False, 0.0
        if self.due_asked is not None:
            self.due_asked.unbounded.discard(lane.id)
            self.due_asked.idle = False

    def ask_soon(self, wait_s: float, now: float) -> None:
        """Ask what is due after `wait_s`, and at the usual interval from then on."""
        self.due_wait_s = self.settings.poll_s
        self.due_at = min(self.due_at, now + wait_s)

    def astir(self, kind: KindState) -> bool:
        """Tell whether anything of a kind is under way or in quarantine."""
        suspected = any(lane.kind == kind.name for lane in self.agenda.suspected.values())
        if suspected or kind.n_claiming:
            return True
        return any(held.kind == kind.name and not held.idle for held in self.held.values())

    def claiming(self, lease: int) -> bool:
        """Tell whether a claim in flight may have made this lease."""
        return any(lease in claim.leases for claim, _ in self.claims.values())

    def group(self, n: int = 1) -> int:
        """Draw a number for a new quarantine group of n jobs that failed together."""
        return group_number(self.random.randrange(1, GROUPS), n)

    def ready_actors(self, kind: KindState) -> Iterator[ActorState]:
        """Yield the actors of a kind that can be given work."""
        for slot in kind.slots:
            actor = self.actors.get(slot.actor) if slot.actor is not None else None
            if actor and actor.ready and not actor.killed_for and not actor.leaving:
                yield actor
