"""What one kind remembers of its failed batches: whom to suspect, the jobs or the kind itself.

A batch that fails as a whole enters quarantine as one group, which is known to be bad. The group is
searched for the culprit; the other jobs are set free as soon as nothing speaks against them.

    a group is          next claim of it             if that passes      if that fails
    bad, n jobs         half of it, or all of it     the rest is bad     what ran is bad, the
                        one by one (core.blame.cost)                     rest is set free
    bad, one job        that one                     …                   it is the culprit
    to be tested        one job (the kind is in      the kind works:     evidence against the
                        doubt)                       search on           kind, or for it
    set free            all of it: they become       –                   –
                        fresh jobs again
    a job that was      that one, alone              …                   it pays once more
    charged before

Before any job is blamed, the kind itself is tested, since something that all its jobs need may be
unavailable: a service, a driver, a connection that the process opened. A failure that speaks
against the kind puts it in doubt; a batch that passes clears it.

    the kind            means                      fresh jobs           moves on
    works               the last run passed        run                  a failure: in doubt
    is in doubt         nothing passed since a     run, until two       a pass: works
                        failure                    batches have failed  three lone jobs failed
                                                                        alike: rests
    rests               nothing is claimed         wait                 time: is tried
    is tried            in fresh actors one job    wait, except for     a pass: works; a failure
                        runs                       that one             alike: rests longer

Nobody is charged while the kind is in doubt. The verdict on a job that failed alone waits until
something passes in the same actor, or until no other job is left to test; then the job pays. If
the kind rests instead, the job returns uncharged, and all groups are set free and come back as
batches of the usual size. If the failures continue, each rest tries another job, and a job that is
tried a second time pays. So an outage costs a long queue nothing, but a short queue in which every
job is bad still comes to its end.

All this is lost with the process. The suspects themselves are in the database, and the number of a
group encodes its size, so another supervisor that finds them treats them as bad and continues.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from actorq.core.blame.cost import Cost
from actorq.core.job.model import ErrorInfo

ALIKE = 3
"""How many jobs must fail alone, all alike, before the kind itself is to blame."""

UNRELATED = 2
"""How many fresh batches may fail, with nothing passing, before no more of them are tried."""

REST_S, LONGEST_REST_S = 1.0, 60.0
REST_SHARE = 0.25
"""The length of a rest as a share of the time since anything passed: so the end of an outage is
noticed after at most a quarter of its length."""

GROW_AFTER = 20
"""How many batches must pass at the present limit before it grows by a tenth."""


SIZE_BITS = 4
GROUPS = 1 << (31 - SIZE_BITS)
"""Group numbers have 31 bits, the lowest of which hold the logarithm of the group's size."""


def group_number(k: int, n: int) -> int:
    """Return the number of the k-th group, with 0 < k < GROUPS, of n ≤ 32,768 jobs."""
    return k << SIZE_BITS | (n - 1).bit_length()


@dataclass(slots=True, eq=False)
class Group:
    """What is left of the jobs of a batch that failed."""

    n: int
    crashed: bool
    bad: bool = True  # one of them is a culprit, or the kind is
    n_asked: int = 0  # how often one of them was tested alone
    n_passed: int = 0


class Waiting(NamedTuple):
    """A job that failed alone and whose verdict waits."""

    lease: int
    position: int
    error: ErrorInfo
    crashed: bool
    actor: int
    at: float
    convicted: bool  # it was charged before: its failure says nothing about the kind


class Take(NamedTuple):
    """What to claim: from which group (0: fresh jobs), how many jobs to a batch, and why."""

    group: int
    limit: int
    one_by_one: bool = False
    free: bool = False  # the jobs are set free rather than run
    n_batches: int = 1


@dataclass(slots=True)
class Quarantine:
    """What is known of one kind's suspects and of the kind itself."""

    max_batch: int
    groups: dict[int, Group] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    limit: int = 0  # jobs per batch; starts at max_batch
    n_passed: int = 0  # consecutive batches that passed at this limit
    n_unrelated: int = 0  # fresh batches that failed since anything passed
    waiting: list[Waiting] = field(default_factory=list)
    passed_at: float = -math.inf
    state: Literal["", "resting", "tried"] = ""  # empty: it works, or is in doubt
    fault: str = ""  # what a failure must match to be the kind's own, while it rests or is tried
    asked: set[int] = field(default_factory=set)  # jobs that have failed alone since then
    since: float = math.inf  # since when nothing has passed
    rest_until: float = -math.inf
    n_rests: int = 0  # consecutive rests

    def __post_init__(self) -> None:
        """Start with the limit that the user has set."""
        self.limit = self.max_batch

    # ---- the kind ----

    @property
    def in_doubt(self) -> bool:
        """Tell whether something speaks against the kind and nothing has passed since."""
        return not math.isinf(self.since)

    def doubt(self, now: float) -> None:
        """Record a failure that speaks against the kind."""
        self.since = min(self.since, now)

    def alike(self, error: ErrorInfo) -> int:
        """Count the lone jobs that have failed in this way since anything passed."""
        since = [w for w in self.waiting if w.at > self.passed_at and not w.convicted]
        return sum(likeness(w.error) == likeness(error) for w in since)

    def is_fault(self, error: ErrorInfo) -> bool:
        """Tell whether this is the failure for which the kind rests or is tried."""
        return bool(self.state) and likeness(error) == self.fault

    def rest(self, error: ErrorInfo, now: float) -> float:
        """Let the kind rest, longer the longer nothing has passed; return for how many seconds."""
        self.since = min(self.since, now)
        rest_s = min(LONGEST_REST_S, max(REST_S, REST_SHARE * (now - self.since)))
        self.state, self.fault, self.rest_until = "resting", likeness(error), now + rest_s
        self.n_rests += 1
        self.n_unrelated = 0
        for group in self.groups.values():
            group.bad = False
        return rest_s

    def rest_by_wish(self, rest_s: float, now: float) -> None:
        """Let the kind rest because its handler asked for it; nothing speaks against its jobs."""
        self.rest_until = max(self.rest_until, now + rest_s)
        self.n_rests += 1

    def try_again(self) -> None:
        """End the rest: one job is to be tried."""
        self.state = "tried"

    def acquit(self) -> None:
        """End the trial after a failure that is not the kind's own: it no longer rests."""
        self.state = ""

    def unrelated(self, now: float) -> None:
        """Record that a fresh batch has failed, which speaks against the kind."""
        self.n_unrelated += 1
        self.doubt(now)

    def blame_behind(self, job: int) -> None:
        """Remember that a job failed alone while the kind was being tried."""
        self.asked.add(job)

    def await_verdict(self, waiting: Waiting) -> None:
        """Postpone the verdict on a job."""
        self.waiting.append(waiting)

    def judge(self, due: Iterable[Waiting]) -> list[Waiting]:
        """Remove those whose verdict is given now from those that wait, and return them."""
        ended = list(due)
        self.waiting = [waiting for waiting in self.waiting if waiting not in ended]
        return ended

    def works(self, now: float) -> None:
        """Record that a job has passed; one that passes during a rest had begun before it."""
        if self.state != "resting":
            self.state, self.fault, self.since, self.n_unrelated = "", "", math.inf, 0
            self.passed_at, self.n_rests = now, 0
            self.asked.clear()

    def passed(self, group: int, n: int, now: float) -> bool:
        """Record that all jobs of a batch have their outcome; tell whether the limit changed."""
        self.works(now)
        return self._passed_of(group, n) if group else self._grow(n)

    # ---- its groups ----

    def is_bad(self, number: int) -> bool:
        """Tell whether a group is known to contain a culprit."""
        return number in self.groups and self.groups[number].bad

    def put(self, number: int, n: int, error: ErrorInfo) -> None:
        """Record that n jobs failed together and form a group now."""
        self.groups[number] = Group(n, error.cause in ("signal", "exit", "oom"))

    def failed(self, number: int, n: int) -> bool:
        """Record that n jobs of a group failed; tell whether that was to be expected.

        The rest of the group is no longer suspected.
        """
        group = self.groups.get(number)
        if group is None:
            return False
        expected = group.bad and n > 1
        group.n, group.bad = group.n - n, False
        if group.n <= 0:
            del self.groups[number]
        return expected

    def came_short(self, number: int, n: int) -> None:
        """Record that a claim brought all n jobs that were left of a group."""
        if n and number in self.groups:
            self.groups[number].n = n
        else:
            self.groups.pop(number, None)

    def _passed_of(self, number: int, n: int) -> bool:
        group = self.groups.get(number)
        if group is None:
            return False
        group.n, group.n_passed = group.n - n, group.n_passed + n
        if group.n > 0:
            return False
        del self.groups[number]
        if not (group.bad and group.crashed) or group.n_passed < 2:
            return False
        # It died as a whole but passed in parts: the memory that its jobs need adds up.
        self.limit, self.n_passed = max(1, min(self.limit, (group.n_passed + 1) // 2)), 0
        return True

    def _grow(self, n: int) -> bool:
        if self.limit >= self.max_batch or n < self.limit:
            return False
        self.n_passed += 1
        if self.n_passed < GROW_AFTER:
            return False
        self.n_passed = 0
        self.limit = min(self.max_batch, self.limit + max(1, self.limit // 10))
        return True

    # ---- what to run next ----

    def to_free(self, numbers: Iterable[int]) -> Take | None:
        """Choose a group that nothing speaks against any more."""
        for number in numbers:
            group = self.groups.get(number)
            if group is not None and not group.bad and (self.state or not self.in_doubt):
                return Take(number, self.max_batch, free=True)
        return None

    def next_of(self, numbers: Sequence[int]) -> Take:
        """Choose the group to run next, and how much of it.

        While the kind is in doubt, jobs are tested one at a time, from batches as unrelated as
        possible. Otherwise the smallest bad group is next, since its culprit is nearly found.
        """
        for number in numbers:
            self._adopt(number)
        known = [number for number in numbers if number in self.groups]
        if self.in_doubt or self.state:
            number = min(known or numbers, key=self._asked)
            if number in self.groups:
                self.groups[number].n_asked += 1
            return Take(number, 1)
        if not known:
            return Take(numbers[0], self.max_batch)
        number = min(known, key=lambda number: self.groups[number].n)
        group = self.groups[number]
        if self.cost.search_one_by_one(group.n, crashed=group.crashed):
            return Take(number, group.n, one_by_one=True)
        return Take(number, (group.n + 1) // 2)

    def _adopt(self, number: int) -> None:
        """Treat a group that another supervisor made as bad; its size is known only roughly."""
        exponent = number & ((1 << SIZE_BITS) - 1)
        if number > 0 and exponent and number not in self.groups:
            self.groups[number] = Group(min(1 << exponent, self.max_batch), crashed=False)

    def _asked(self, number: int) -> tuple[int, int]:
        group = self.groups.get(number)
        return (group.n_asked, -group.n) if group else (0, 0)


def likeness(error: ErrorInfo) -> str:
    """Return what two failures must share to count as the same failure."""
    what = error.message if error.type == "ActorDied" else ""
    return f"{error.cause} {error.type} {what}"
