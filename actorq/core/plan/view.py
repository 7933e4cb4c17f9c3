"""All that a supervisor knows: one tree of plain state, owned by one thread.

Only `actorq.core.plan.plan*` changes it, one input at a time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from actorq.core.blame.quarantine import GROUPS, Quarantine, group_number
from actorq.core.event import Event
from actorq.core.job.model import FRESH, ClaimedBatch, Counts, Cut, Row
from actorq.core.job.policy import KindPolicy
from actorq.core.job.tally import Tally
from actorq.core.lanes.frontier import Frontier
from actorq.core.plan.effects import Claim, Effect, Emit
from actorq.core.store_values import Left

Phase = Literal["running", "draining", "killing", "leaving", "finished"]

PIPE_DEPTH = 2
"""One batch running and one waiting in each actor's pipe; nothing is hoarded beyond."""

LEAVE_S = 5.0
"""How long a `teardown` may take."""


@dataclass(slots=True)
class Settings:
    """Hold what is the same for all kinds of one supervisor; durations in seconds."""

    poll_s: float = 0.1
    grace_s: float = 30.0
    part_settle_s: float = 0.5  # a settle per job costs 360 × one per batch
    heed_s: float = 1.0  # how long a handler may take to end after its limit has interrupted it
    notify: bool = True
    drain: bool = False  # finish when nothing is due any more
    until_final: bool = False  # … when nothing is to be run any more, due later or not
    limit_s: float = 3600.0  # … or after so long


@dataclass(slots=True, eq=False)
class BatchState:
    """Follow one leased batch from its claim to the commit of its last outcome."""

    batch: ClaimedBatch
    kind: str
    cut: Cut
    unwritten: int  # jobs whose outcome is not known to be committed
    claimed_at: float = 0.0
    actor: int | None = None  # whose pipe it is in
    taken_at: float | None = None
    running: tuple[int, ...] = ()  # positions begun, as last seen; followed only under a limit
    running_since: float = math.inf
    told: set[int] = field(default_factory=set)  # positions that have an outcome
    done: list[int] = field(default_factory=list)  # plain completions not yet written
    rows: list[Row] = field(default_factory=list)  # other outcomes not yet written
    since: float = math.inf  # when the first of those came
    finished: bool = False  # every job has its outcome
    writing: bool = False  # a settlement of it is on its way
    recalled: bool = False
    one_by_one: bool = False  # its actor runs each job in a call of its own
    sent_at: float = 0.0
    verdict_waits: bool = False  # on the one job that failed alone; see core.blame.quarantine
    cancels: list[int] = field(default_factory=list)  # positions somebody wants cancelled

    def counts(self, position: int) -> Counts:
        """Return the counters of the job at a position."""
        return self.batch.notes.get(position, FRESH)

    @property
    def idle(self) -> bool:
        """Tell whether all that is left of it is a verdict that waits."""
        return self.verdict_waits and not (self.writing or self.rows or self.done)

    def left(self) -> list[int]:
        """Return the positions that have no outcome yet, in order."""
        return [p for p in range(self.batch.n) if p not in self.told]


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


@dataclass(slots=True)
class Lane:
    """Follow one (queue, kind) pair: what is known of its part of `ready`.

    flag            means                 set by                       cleared by
    stirred         something may have    a wake-up, a due answer, a   a claim of fresh jobs that
                    come since then       lost claim, a quick retry    is sent (not one ahead); a
                                                                       look that found nothing
    behind          … behind the          the same; by a due answer    the same
                    frontier              only if that looked there
    empty           nothing is due        such a look, if nothing      whatever sets `stirred`
                                          has stirred meanwhile
    frontier.wanted look from the head    what sets `stirred`, but a   an unbounded look, by claim
                    as soon as allowed    due answer; `behind` at a    or due query
                                          claim's answer; a bounded
                                          claim that came back short
    View.checked    the due query has     its answer, asked when       a claim that is sent, `stir`,
                    found nothing at all  nothing was claimed or held  a suspect that returns

    A look that found nothing is one from the head: an unbounded claim that was short, or the due
    query. `empty` of all lanes and `View.checked` together end a drain.
    """

    id: int
    queue: str
    kind: str
    weight: float
    frontier: Frontier = field(default_factory=Frontier)
    n_claiming: int = 0
    look_at: float = 0.0  # when a claim is worth its while; inf: nothing known to be there
    gathers: bool = False  # … is later than now, so that others may join what is there
    flush: bool = False  # the next claim takes what is there, however few
    next_at: float = math.inf  # when the next delayed job that is known of is due
    stirred: bool = False  # something may have come since the last claim was sent
    behind: bool = False  # … and stand behind the frontier
    empty: bool = False  # an unbounded look found nothing due, and nothing came since
    suspects: deque[int] = field(default_factory=deque)  # quarantine groups waiting
    suspect_turn: bool = True  # quarantine and fresh batches take turns
    mean_bytes: float = 4096.0  # of args per job, moving; until measured, a cautious guess
    measured: bool = False
    pass_: float = 0.0
    hungry: bool = False
    hunger_at: float = -math.inf  # when that was last changed
    flooded: bool = False  # … because notifications came too fast
    hunger_wait_s: float = 0.0  # how long it stays off then
    came_at: float = -math.inf  # when a claim last brought something
    n_woken: int = 0  # notifications in the present window
    window_at: float = -math.inf  # when that began


@dataclass(slots=True)
class KindState:
    """Follow one kind: its actors, and the batches that wait for one."""

    policy: KindPolicy
    slots: list[Slot]
    lanes: list[int]
    spare: deque[BatchState] = field(default_factory=deque)
    available: bool | None = None  # None: starting; False: its actors cannot start
    n_unwritten: int = 0  # jobs claimed and not yet settled
    n_claiming: int = 0
    tally: Tally = field(default_factory=Tally)
    restarts: dict[int, int] = field(default_factory=dict)  # job → fresh processes asked for
    quarantine: Quarantine = field(init=False)

    @property
    def name(self) -> str:
        """Return the kind's name."""
        return self.policy.name

    def __post_init__(self) -> None:
        """Begin without any suspicion."""
        self.quarantine = Quarantine(self.policy.max_batch)


@dataclass(slots=True)
class Question:
    """Remember of a due query which lanes an answer of *nothing* is conclusive for.

    It no longer is as soon as anything happens to the lane: the answer may be older.
    """

    unbounded: set[int]  # asked from the head of their index
    bounded: set[int]  # asked from their frontier, or before they had one: nothing is behind it
    idle: bool  # asked when nothing was claimed or held, and nothing has happened since


@dataclass(slots=True)
class View:
    """Hold the whole state of one supervisor."""

    settings: Settings
    kinds: dict[str, KindState]
    lanes: dict[int, Lane]
    random: Random
    phase: Phase = "running"
    stop_at: float = math.inf  # when the phase ends at the latest
    began_at: float = math.inf  # the first step
    impatient: bool = False  # asked to stop again while batches ran
    n_cut: int = 0  # batches that were running when the stop killed their actor
    reasons: dict[str, str] = field(default_factory=dict)  # kind → why its due jobs are left
    left: list[Left] | None = None  # what a drain leaves; None: not counted since the last change
    left_asked: bool = False
    left_no: int = 0  # of the last question for it
    left_at: float = 0.0  # when to ask next
    told: Tally = field(default_factory=Tally)  # what was run when that was last said
    told_at: float = 0.0
    tell_at: float = 0.0
    actors: dict[int, ActorState] = field(default_factory=dict)
    held: dict[int, BatchState] = field(default_factory=dict)  # by lease number
    claims: dict[int, tuple[Claim, float]] = field(default_factory=dict)  # in flight, since when
    stepped_at: float = -math.inf  # the time of the last step: what was due then has been done
    due_asked: Question | None = None  # None: no question is out
    due_at: float = 0.0  # when to ask next, if a lane has nothing to do
    due_by: float = 0.0  # when to ask next in any case
    due_last: float = -math.inf  # when it was last asked
    due_wait_s: float = 0.0  # how long until it is asked again, growing while all is quiet
    listening: bool = False  # notifications can arrive
    returns: list[float] = field(default_factory=list)  # a heap: when suspects will be due
    checked: bool = False  # asked when all was idle, it found nothing due and no suspects
    start_at: float = 0.0  # when the next empty slot wants an actor
    hunger_at: float = 0.0  # when to look for hungry lanes next
    level: float = 0.0  # the pass value of the lane served last
    troubled: set[str] = field(default_factory=set)  # kinds that rest, or owe verdicts
    renew: set[int] = field(default_factory=set)  # actors that are to be replaced by fresh ones
    early: dict[int, list[int]] = field(default_factory=dict)  # claim in flight → jobs to cancel
    next_lease: int = 1
    next_actor: int = 1
    released: dict[int, float] = field(default_factory=dict)  # leases ended, for stale beats
    out: list[Effect] = field(default_factory=list)

    def do(self, effect: Effect) -> None:
        """Add an effect to what this step returns."""
        self.out.append(effect)

    def emit(self, event: Event) -> None:
        """Add an event to what this step returns."""
        self.out.append(Emit(event))

    def stir(self, lane: Lane, *, behind: bool = True) -> None:
        """Note that something may be due in a lane, whatever was known or asked before."""
        lane.stirred, lane.empty = True, False
        lane.behind = lane.behind or behind
        self.outdate(lane)

    def outdate(self, lane: Lane) -> None:
        """Discard what the due query has said, or will say, of this lane being empty."""
        self.checked = self.left_asked = False
        self.left, self.left_at = None, 0.0
        if self.due_asked is not None:
            self.due_asked.unbounded.discard(lane.id)
            self.due_asked.idle = False

    def ask_soon(self, wait_s: float, now: float) -> None:
        """Ask what is due after `wait_s`, and at the usual pace from then on."""
        self.due_wait_s = self.settings.poll_s
        self.due_at = min(self.due_at, now + wait_s)

    def astir(self, kind: KindState) -> bool:
        """Tell whether anything of a kind is under way, or waits in quarantine."""
        if any(self.lanes[id_].suspects or self.lanes[id_].n_claiming for id_ in kind.lanes):
            return True
        return any(held.kind == kind.name and not held.idle for held in self.held.values())

    def group(self, n: int = 1) -> int:
        """Draw a number for a new quarantine group of n jobs that failed together."""
        return group_number(self.random.randrange(1, GROUPS), n)

    def ready_actors(self, kind: KindState) -> Iterator[ActorState]:
        """Yield the actors of a kind that can be given work."""
        for slot in kind.slots:
            actor = self.actors.get(slot.actor) if slot.actor is not None else None
            if actor and actor.ready and not actor.killed_for and not actor.leaving:
                yield actor
