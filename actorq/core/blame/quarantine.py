"""What failed batches have in common: one kind's memory of whom, and of what, to suspect.

A batch that fails as a whole goes into quarantine as one group, which is known to be bad. From it
the culprit is searched; the rest is set free as soon as nothing speaks against it any more.

    a group is          next claim of it             if that passes      if that fails
    bad, n jobs         half of it, or all of it     the rest is bad     what ran is bad, the
                        one by one (core.blame.cost)                           rest is set free
    bad, one job        that one                     …                   it is the culprit
    to be asked         one job (the kind is in      the kind works:     it speaks against the
                        doubt)                       search on           kind, or for itself
    set free            all: back to the fresh ones  –                   –
    a job that was      that one, alone              …                   it pays once more
    charged before

Whether any job is to blame at all is asked first, for what all of them need may be gone: a service,
a driver, a connection that the process has opened. Each failure that speaks against the kind puts
it in doubt, each batch that passes clears it.

    the kind            means                      fresh jobs           moves on
    works               the last run passed        run                  a failure: in doubt
    is in doubt         nothing passed since a     run, until two       a pass: works
                        failure                    batches have failed  three lone jobs failed
                                                                        alike: rests
    rests               nothing is claimed         wait                 time: is tried
    is tried            in fresh actors one job    wait, but for that   a pass: works; a failure
                        runs                       one                  alike: rests longer

Nobody is charged while the kind is in doubt: the verdict on a job that failed alone waits until
something passes in the same actor (then it pays), or until there is nobody else to ask (then, too).
When the kind rests instead, it returns uncharged, and all groups are set free: they come back as
batches of the usual size. If the failures go on, each rest tries another job, and one that is tried
for the second time pays: an outage costs a long queue nothing, but a short one in which every job
is bad does come to its end.

All this is lost with the process; the suspects themselves are in the database, and the number of a
group tells how many they were: another supervisor that finds them takes them for bad and goes on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from actorq.core.blame.cost import Cost
from actorq.core.job.model import ErrorInfo

ALIKE = 3
"""Jobs that must fail alone, all alike, before the kind itself is to blame."""

UNRELATED = 2
"""Fresh batches that have failed, with nothing passing, before no more of them are tried."""

REST_S, LONGEST_REST_S = 1.0, 60.0
REST_SHARE = 0.25
"""A rest is this share of how long nothing has passed, so that an outage is noticed to be over
after a quarter of its length at the latest."""

GROW_AFTER = 20
"""Batches that pass at the present limit before it grows by a tenth."""


SIZE_BITS = 4
GROUPS = 1 << (31 - SIZE_BITS)
"""Numbers of groups have 31 bits; the last of them are the logarithm of the group's size."""


def group_number(k: int, n: int) -> int:
    """Return the number of the k-th group, with 0 < k < GROUPS, of n ≤ 32,768 jobs."""
    return k << SIZE_BITS | (n - 1).bit_length()


@dataclass(slots=True, eq=False)
class Group:
    """Follow what is left of the jobs of a batch that failed."""

    n: int
    crashed: bool
    bad: bool = True  # one of them is a culprit, or the kind is
    n_asked: int = 0  # how often one of them was asked alone
    n_passed: int = 0


class Waiting(NamedTuple):
    """Name a job that failed alone and whose verdict waits."""

    lease: int
    position: int
    error: ErrorInfo
    crashed: bool
    actor: int
    at: float
    convicted: bool  # it was charged before: what it does says nothing of the kind


class Take(NamedTuple):
    """Say what to claim: of which group (0: fresh jobs), how many to a batch, and what for."""

    group: int
    limit: int
    one_by_one: bool = False
    free: bool = False  # not to be run: to be set free
    n_batches: int = 1


@dataclass(slots=True)
class Quarantine:
    """Remember, for one kind, what it knows of its suspects and of itself."""

    max_batch: int
    groups: dict[int, Group] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    limit: int = 0  # jobs per batch; set to max_batch at the start
    n_passed: int = 0  # batches in a row that passed at this limit
    n_unrelated: int = 0  # fresh batches that failed since anything passed
    waiting: list[Waiting] = field(default_factory=list)
    passed_at: float = -math.inf
    state: Literal["", "resting", "tried"] = ""  # nothing of the kind: works, or is in doubt
    fault: str = ""  # what a failure must be like to be the kind's own, while it rests or is tried
    asked: set[int] = field(default_factory=set)  # jobs that have failed alone since then
    since: float = math.inf  # when it began that nothing passes
    rest_until: float = -math.inf
    n_rests: int = 0  # in a row

    def __post_init__(self) -> None:
        """Begin with the limit that the user has set."""
        self.limit = self.max_batch

    # ---- the kind ----

    @property
    def in_doubt(self) -> bool:
        """Tell whether something failed that speaks against the kind, and nothing passed since."""
        return not math.isinf(self.since)

    def doubt(self, now: float) -> None:
        """Note a failure that speaks against the kind."""
        self.since = min(self.since, now)

    def alike(self, error: ErrorInfo) -> int:
        """Count the lone jobs that have failed like this since anything passed."""
        since = [w for w in self.waiting if w.at > self.passed_at and not w.convicted]
        return sum(likeness(w.error) == likeness(error) for w in since)

    def is_fault(self, error: ErrorInfo) -> bool:
        """Tell whether this failure is the one for which the kind rests or is tried."""
        return bool(self.state) and likeness(error) == self.fault

    def rest(self, error: ErrorInfo, now: float) -> float:
        """Let the kind rest, longer the longer nothing passes; returns for how many seconds."""
        self.since = min(self.since, now)
        rest_s = min(LONGEST_REST_S, max(REST_S, REST_SHARE * (now - self.since)))
        self.state, self.fault, self.rest_until = "resting", likeness(error), now + rest_s
        self.n_rests += 1
        self.n_unrelated = 0
        for group in self.groups.values():
            group.bad = False
        return rest_s

    def rest_by_wish(self, rest_s: float, now: float) -> None:
        """Let the kind rest because its handler wants it to; nothing speaks against its jobs."""
        self.rest_until = max(self.rest_until, now + rest_s)
        self.n_rests += 1

    def try_again(self) -> None:
        """End the rest: one job is to be tried."""
        self.state = "tried"

    def acquit(self) -> None:
        """Note a failure while the kind was tried that is not its own: it rests no longer."""
        self.state = ""

    def unrelated(self, now: float) -> None:
        """Note that a fresh batch has failed, which speaks against the kind."""
        self.n_unrelated += 1
        self.doubt(now)

    def blame_behind(self, job: int) -> None:
        """Remember that a job has failed alone while the kind was tried."""
        self.asked.add(job)

    def await_verdict(self, waiting: Waiting) -> None:
        """Put the verdict on a job off."""
        self.waiting.append(waiting)

    def judge(self, due: Iterable[Waiting]) -> list[Waiting]:
        """Take those whose verdict is given now out of those that wait."""
        ended = list(due)
        self.waiting = [waiting for waiting in self.waiting if waiting not in ended]
        return ended

    def works(self, now: float) -> None:
        """Note that a job has passed; while the kind rests it had begun before."""
        if self.state != "resting":
            self.state, self.fault, self.since, self.n_unrelated = "", "", math.inf, 0
            self.passed_at, self.n_rests = now, 0
            self.asked.clear()

    def passed(self, group: int, n: int, now: float) -> bool:
        """Note that all jobs of a batch have their outcome; tell whether the limit changed."""
        self.works(now)
        return self._passed_of(group, n) if group else self._grow(n)

    # ---- its groups ----

    def is_bad(self, number: int) -> bool:
        """Tell whether a group is known to hold a culprit."""
        return number in self.groups and self.groups[number].bad

    def put(self, number: int, n: int, error: ErrorInfo) -> None:
        """Note that n jobs failed together and are a group now."""
        self.groups[number] = Group(n, error.cause in ("signal", "exit", "oom"))

    def failed(self, number: int, n: int) -> bool:
        """Note that n jobs of a group failed; tell whether that was to be expected.

        What is left of it is suspected no longer.
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
        """Note that a claim brought all n jobs that were left of a group."""
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
        # It died as a whole, and all of it passed in parts: memory adds up.
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

        In doubt, jobs are asked one at a time, of batches that have to do with each other as little
        as possible. Otherwise the smallest bad group is next: its culprit is nearly found.
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
        """Take a group that another supervisor has made for bad; its size is known roughly."""
        exponent = number & ((1 << SIZE_BITS) - 1)
        if number > 0 and exponent and number not in self.groups:
            self.groups[number] = Group(min(1 << exponent, self.max_batch), crashed=False)

    def _asked(self, number: int) -> tuple[int, int]:
        group = self.groups.get(number)
        return (group.n_asked, -group.n) if group else (0, 0)


def likeness(error: ErrorInfo) -> str:
    """Return what two failures must share to count as the same one."""
    what = error.message if error.type == "ActorDied" else ""
    return f"{error.cause} {error.type} {what}"
