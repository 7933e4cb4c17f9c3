"""What each job does, and what must come of it: both follow from the job's number alone.

Handlers act by it, and the checker derives from it what it has to find. `n % 3` is the kind,
a hash of n the behaviour.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS = ("each", "whole", "stream")
"""A function of one job; a function of a batch that marks nothing; a class that marks."""

MAX_ATTEMPTS = 3
CRASH_BUDGET = 3


@dataclass(frozen=True)
class Fate:
    """Say what may become of a job of some behaviour."""

    state: str
    n_failed: tuple[int, int] = (0, 0)  # at least, at most
    has_result: bool = False
    crashes: bool = False  # by itself, not only where somebody kills its process


FATES: Mapping[str, Fate] = {
    "plain": Fate("completed"),
    "result": Fate("completed", has_result=True),
    "sleep": Fate("completed"),
    "big": Fate("completed", has_result=True),
    "raise_once": Fate("completed", (0, 1)),
    "raise_always": Fate("failed", (MAX_ATTEMPTS, MAX_ATTEMPTS)),
    "retry_once": Fate("completed", (0, 1)),
    "snooze": Fate("completed"),
    "fail": Fate("failed", (1, 1)),
    "cancel_self": Fate("cancelled"),
    "bad_result": Fate("failed", (1, 1)),
    "crash_once": Fate("completed", crashes=True),
    "poison": Fate("failed", crashes=True),
    "hang_once": Fate("completed", (0, 1), crashes=True),  # alone, it may heed the limit
    "family": Fate("completed"),
    "fork": Fate("completed"),
}

# Shares per 100,000 jobs. What makes a batch of many raise or die costs a bisection, and each
# death the start of a process: those stay rare in the kind that marks nothing.
_COMMON = {
    "result": 30_000, "sleep": 6_000, "big": 60, "retry_once": 1_500, "snooze": 1_500,
    "fail": 1_000, "cancel_self": 500, "bad_result": 400,
}  # fmt: skip
_PROCESSES = {"family": 150, "fork": 150}
_EACH = _COMMON | _PROCESSES | {"raise_once": 5_000, "raise_always": 2_000}
_STREAM = _COMMON | _PROCESSES | {"raise_once": 200, "raise_always": 60}
_WHOLE = _COMMON | {"sleep": 100, "raise_once": 40, "raise_always": 20}
_DEATHS = {
    "each": {"crash_once": 60, "poison": 15, "hang_once": 15},
    "stream": {"crash_once": 60, "poison": 15, "hang_once": 15},
    "whole": {"crash_once": 15, "poison": 5},
}


class Workload:
    """Derive everything about a job from its number and the run's seed."""

    def __init__(self, seed: int, deaths: float = 1.0) -> None:
        self.seed = seed
        tables = {"each": _EACH, "whole": _WHOLE, "stream": _STREAM}
        self._tables = {
            kind: table | {name: round(n * deaths) for name, n in _DEATHS[kind].items()}
            for kind, table in tables.items()
        }

    def kind(self, n: int) -> str:
        """Return the job's kind."""
        return KINDS[n % 3]

    def draw(self, n: int, what: str, below: int) -> int:
        """Return a number below `below` that follows from the job's number."""
        digest = hashlib.blake2b(f"{self.seed} {n} {what}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % below

    def behaviour(self, n: int) -> str:
        """Return the name of what the job does."""
        at = self.draw(n, "behaviour", 100_000)
        for name, share in self._tables[self.kind(n)].items():
            at -= share
            if at < 0:
                return name
        return "plain"

    def fate(self, n: int) -> Fate:
        """Return what must become of the job."""
        return FATES[self.behaviour(n)]

    def result(self, n: int) -> Any:
        """Return the result that the job must leave; None for none."""
        match self.behaviour(n):
            case "result":
                return {"n": n, "square": n * n % 1_000_003}
            case "big":
                return f"{n} " + "x" * (64_000 + self.draw(n, "size", 200_000))
        return None

    def delay_s(self, n: int) -> float:
        """Return how long after its enqueue the job may first run: mostly at once."""
        return self.draw(n, "wait", 2_000) / 1000 if self.draw(n, "delayed", 20) == 0 else 0.0

    def priority(self, n: int) -> int:
        """Return the job's priority: mostly the usual one."""
        return self.draw(n, "level", 10) if self.draw(n, "prior", 10) == 0 else 5
