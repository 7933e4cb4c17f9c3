"""What one seed means: options drawn from it, written out in full where a seed fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Literal, get_args

from msgspec.structs import replace

from actorq.core.job.policy import KindPolicy

GOOD = ("ok",)
FAULTY = ("error", "error1", "retry1", "snooze1", "fail", "cancel", "result")
RAISING = ("raise", "raise1")
CRASHING = ("crash", "crash1", "crash2", "dup")
HANGING = ("hang", "hang1", "late")
ASKING = ("restart", "restart1", "rest1")

CHARGED = frozenset(
    (*FAULTY, *RAISING, *CRASHING, *HANGING, *ASKING)
) - {"snooze1", "cancel", "result", "restart1", "rest1"}  # fmt: skip
"""What a job has to do in order to be charged for anything but a lost supervisor."""

RETRY = (0.05, 0.1)
RENEWAL = 1 << 40
FOR_EVER_S = 1000.0
"""Longer than a world without a drain is played."""


Mode = Literal["each", "vector", "async"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(slots=True)
class KindPlan:
    policy: KindPolicy
    lanes: list[int]
    mode: Mode
    stream: bool
    job_s: float  # what one job takes
    n_bad_boots: int = 0  # so many starts fail
    broken: bool = False  # every start fails
    down_until: float = 0.0  # everything it runs fails alike

    @property
    def hurried(self) -> bool:
        """Tell whether a batch of good jobs can run into its time limit."""
        limit = self.policy.batch_timeout_s
        return limit is not None and limit <= self.batch_s

    @property
    def batch_s(self) -> float:
        """Return what a full batch of good jobs takes."""
        return self.job_s * self.policy.max_batch


@dataclass(slots=True)
class JobPlan:
    id: int
    lane: int
    at: float  # committed then
    run_at: float
    priority: int
    does: str
    max_attempts: int | None = None


@dataclass(slots=True)
class Scenario:
    seed: int
    kinds: list[KindPlan] = field(default_factory=list)
    jobs: list[JobPlan] = field(default_factory=list)
    n_supervisors: int = 1
    poll_s: float = 0.1
    grace_s: float = 1.0
    notify: bool = True
    drain: bool = False
    until_final: bool = False  # … until nothing is to be run any more, due later or not
    limit_s: float = 3600.0  # … or after so long
    latency_s: float = 0.002  # of a statement, at most
    boot_s: float = 0.1
    part_settle_s: float = 0.5
    beat_s: float = 0.5
    ttl_s: float = 1.5
    # faults, as chances per statement or instants, until `calm_at`
    calm_at: float = 0.0
    lost_claims: float = 0.0
    lost_settles: float = 0.0
    kept: float = 0.0  # settles that meet somebody's lock
    settle_rows: int = 1000  # of one statement
    slow_rows: int = 1000  # a settle of more rows takes too long
    refused: set[int] = field(default_factory=set)  # jobs that may not complete
    lost_notes: float = 0.0  # notifications
    outages: list[tuple[float, float]] = field(default_factory=list)
    actor_kills: list[float] = field(default_factory=list)
    deaths: list[float] = field(default_factory=list)  # of a supervisor
    burials: list[float] = field(default_factory=list)  # of a supervisor that lives
    stops: list[tuple[float, int]] = field(default_factory=list)  # (at, supervisor)
    cancels: list[tuple[float, int]] = field(default_factory=list)  # (at, job)
    late_recalls: bool = False
    late_steps: float = 0.0  # how many inputs wait for the next one, as a chance
    downs: list[tuple[float, float]] = field(default_factory=list)  # all that runs fails alike
    breaks: list[float] = field(default_factory=list)  # what actors hold is broken: till replaced
    break_one: bool = False  # … in one actor of each kind only
    retires: list[float] = field(default_factory=list)  # some actor is to be replaced

    @property
    def calm(self) -> bool:
        """Tell whether nothing ever takes a lease away or kills an actor from outside."""
        return not (self.deaths or self.burials or self.lost_claims or self.outages)

    @property
    def prompt(self) -> bool:
        """Tell whether a supervisor knows of every job that comes in behind its frontier."""
        late = any(job.at > job.run_at for job in self.jobs)
        return self.calm and self.n_supervisors == 1 and not (late or self.lost_settles)

    @property
    def plain(self) -> bool:
        """Tell whether every job is looked for once, in order, and found at once."""
        still = not (
            self.stops or self.cancels or self.actor_kills or self.retires or self.lost_settles
        )
        return (
            self.calm and still and self.n_supervisors == 1 and not self.kept
            and all(job.does in ("ok", "result") for job in self.jobs)
            and not any(k.n_bad_boots or k.broken or k.hurried or k.down_until for k in self.kinds)
        )  # fmt: skip

    def kind_of(self, lane: int) -> KindPlan:
        return next(kind for kind in self.kinds if lane in kind.lanes)


def draw(seed: int) -> Scenario:
    """Draw a scenario: mostly small, and with only a few kinds of trouble at once."""
    r = Random(seed)
    s = Scenario(seed)
    s.poll_s = r.choice((0.05, 0.1, 0.1, 0.25, 1.0))
    s.notify = r.random() < 0.7
    s.latency_s = r.choice((0.0005, 0.002, 0.002, 0.02))
    s.part_settle_s = r.choice((0.02, 0.02, 0.5))
    s.boot_s = r.choice((0.0, 0.05, 0.2))
    lane = 0
    for n in range(r.choice((1, 1, 1, 2, 3))):
        lanes = list(range(lane + 1, lane + 1 + r.choice((1, 1, 1, 2))))
        lane = lanes[-1]
        s.kinds.append(_kind(r, n, lanes))
    _trouble(r, s)
    _jobs(r, s, lane)
    if r.random() < 0.25:
        n = r.randint(1, 2)
        s.cancels = [(r.uniform(0, 1.0), r.randint(1, len(s.jobs))) for _ in range(n)]
    if s.drain:
        _drain(Random(f"drain {seed}"), s)
    _renewal(Random(seed + RENEWAL), s)
    _writing(Random(f"writing {seed}"), s)
    s.late_steps = Random(f"late {seed}").choice((0.0, 0.0, 0.3, 0.8))
    return s


def _writing(r: Random, s: Scenario) -> None:
    """Choose what settlers meet, by dice of its own."""
    s.settle_rows = r.choice((1000, 1000, 1000, 6, 2))
    if r.random() < 0.15:
        s.slow_rows = r.choice((1, 2, 4))
    if r.random() < 0.1:
        s.refused = {r.randint(1, len(s.jobs)) for _ in range(2)}


def _renewal(r: Random, s: Scenario) -> None:
    """Choose when actors are replaced, by dice of its own: older seeds keep their meaning."""
    if r.random() < 0.15:
        s.retires = sorted(r.uniform(0.0, s.calm_at) for _ in range(r.randint(1, 4)))
    if r.random() < 0.15:
        for job in r.sample(s.jobs, min(len(s.jobs), r.randint(1, 2))):
            job.does = r.choice(ASKING)
    for kind in s.kinds:
        if r.random() < 0.1:
            kind.policy = replace(kind.policy, max_batches=r.choice((1, 2, 5)))


def _drain(r: Random, s: Scenario) -> None:
    """Draw what only a drain knows, from numbers of its own: those of old seeds stay theirs."""
    s.until_final = r.random() < 0.4
    s.limit_s = r.choice((0.3, 3.0, 30.0, 30.0))
    for kind in s.kinds:
        if r.random() < 0.15:
            kind.down_until = r.choice((0.5, 2.0, 5.0, FOR_EVER_S))


def _kind(r: Random, n: int, lanes: list[int]) -> KindPlan:
    max_batch = r.choice((1, 2, 3, 4, 8))
    linger_s = r.choice((0.0, 0.0, 0.0, 0.03, 0.2))
    min_batch = r.randint(1, max_batch) if linger_s and r.random() < 0.5 else 1
    policy = KindPolicy(
        name=f"k{n}",
        max_batch=max_batch,
        min_batch=min_batch,
        linger_s=linger_s,
        actors=r.choice((1, 1, 2, 3)),
        weight=r.choice((0.5, 1.0, 3.0)),
        batch_timeout_s=r.choice((None, 0.3)),
        max_attempts=r.choice((1, 2, 3)),
        crash_budget=r.choice((1, 2, 3)),
        retry=RETRY,
    )
    mode = r.choice(MODES)
    job_s = r.choice((0.0, 0.001, 0.01, 0.05))
    return KindPlan(policy, lanes, mode, r.random() < 0.3, job_s)


def _trouble(r: Random, s: Scenario) -> None:
    """Choose at most a few of the faults, and their instants."""
    s.calm_at = r.choice((0.3, 1.0, 2.0))

    def instants(most: int) -> list[float]:
        return sorted(r.uniform(0.0, s.calm_at) for _ in range(r.randint(1, most)))

    if r.random() < 0.15:
        s.n_supervisors = r.choice((2, 2, 3))
    if r.random() < 0.15:
        s.lost_claims = r.choice((0.1, 0.5))
    if r.random() < 0.15:
        s.lost_settles = r.choice((0.1, 0.5))
    if r.random() < 0.1:
        s.kept = 0.3
    if r.random() < 0.2:
        s.lost_notes = 0.5
    if r.random() < 0.1:
        s.outages = [(at, at + r.choice((0.02, 0.3, 1.0))) for at in instants(2)]
    if r.random() < 0.15:
        s.actor_kills = instants(3)
    if r.random() < 0.1:
        s.deaths = instants(2)
    if r.random() < 0.08:
        s.burials = instants(1)
    if r.random() < 0.3:
        s.grace_s = r.choice((0.0, 0.1, 1.0))
        s.stops = [(at, 0) for at in instants(3)]
    elif r.random() < 0.2:
        s.drain = True
    s.late_recalls = r.random() < 0.2
    for kind in s.kinds:
        if r.random() < 0.1:
            kind.n_bad_boots = r.randint(1, 3)
        elif s.drain and r.random() < 0.1:
            kind.broken = True


def _jobs(r: Random, s: Scenario, n_lanes: int) -> None:
    n = r.choice((1, 3, 5, 8, 12, 12, 20, 30))
    mix = r.choice((GOOD, GOOD, FAULTY, RAISING, CRASHING, HANGING, FAULTY + RAISING + CRASHING))
    bad = r.choice((0.05, 0.1, 0.5)) if mix in (FAULTY, RAISING) else r.choice((0.05, 0.1))
    spread = r.choice((0.0, 0.0, 0.5, 1.5))
    delayed = r.choice((0.0, 0.0, 0.3))
    late = r.choice((0.0, 0.0, 0.0, 0.2))
    for id_ in range(1, n + 1):
        lane = r.randint(1, n_lanes)
        kind = s.kind_of(lane)
        at = r.uniform(0.0, spread)
        run_at = at
        if r.random() < delayed:
            run_at = at + r.uniform(0.0, 1.0)
        elif r.random() < late:
            run_at = max(0.0, at - r.uniform(0.0, 0.5))
        does = r.choice(mix) if r.random() < bad else "ok"
        if does in HANGING and kind.policy.batch_timeout_s is None:
            does = "slow"
        limit = r.choice((1, 4)) if r.random() < 0.1 else None
        s.jobs.append(JobPlan(id_, lane, at, run_at, r.choice((5, 5, 5, 1, 9)), does, limit))
