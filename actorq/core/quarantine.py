"""What the parts of failed batches have in common: one kind's memory while it bisects.

Bisection finds the job that fails alone. Two findings need more than one part to see:

the batch's fault    Every part fails with the same error, down to three jobs that fail alone,
                     taken from different corners, and none passes: no job is to blame, but
                     what they all need (a service, a driver, a model file). All are charged
                     once and the kind rests.
memory adds up       A batch kills its process, and both its halves pass: nobody is to blame,
                     the batch was too large. The kind's batches get smaller, and slowly grow
                     again.

This is lost with the process; the suspects themselves are in the database, so that another
supervisor goes on bisecting and merely needs some more runs for these two findings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from actorq.core.model import ErrorInfo

ALIKE = 3
"""Jobs that must fail alone, all alike, before the batch itself is to blame."""

REST_S, LONGEST_REST_S = 1.0, 60.0
GROW_AFTER = 20
"""Batches that pass at the present limit before it grows by a tenth."""


@dataclass(slots=True, eq=False)
class Root:
    """Follow the fresh batch that the parts were cut from."""

    error: str
    n_alone: int = 0
    mixed: bool = False  # a part passed, or failed in another way: not the batch's fault

    def is_fault(self, error: str) -> bool:
        """Tell whether enough jobs have failed alone in the very same way."""
        return error == self.error and not self.mixed and self.n_alone >= ALIKE


@dataclass(slots=True, eq=False)
class Split:
    """Follow the two halves of one batch that failed."""

    root: Root
    n: int
    crashed: bool
    n_passed: int = 0


@dataclass(slots=True)
class Quarantine:
    """Remember, for one kind, what its suspect groups are parts of."""

    max_batch: int
    parts: dict[int, tuple[Split, int]] = field(default_factory=dict)  # group → split, its size
    limit: int = 0  # jobs per batch; set to max_batch at the start
    n_passed: int = 0  # batches in a row that passed at this limit
    fault: str = ""  # the error that everything fails with, while nothing passes
    n_rests: int = 0  # in a row
    rest_until: float = -math.inf
    deeper: bool = False  # the last suspects failed again: go on with their parts

    def __post_init__(self) -> None:
        """Begin with the limit that the user has set."""
        self.limit = self.max_batch

    def is_fault(self, group: int, error: ErrorInfo) -> bool:
        """Tell whether this failure is everybody's: nobody's job, but the kind's own trouble."""
        key = likeness(error)
        if key == self.fault:
            return True
        part = self.parts.get(group)
        return part is not None and part[0].root.is_fault(key)

    def rest(self, error: ErrorInfo, now: float) -> float:
        """Let the kind rest, longer each time; returns for how many seconds."""
        self.fault = likeness(error)
        rest_s = min(LONGEST_REST_S, REST_S * 2 ** min(self.n_rests, 16))
        self.n_rests += 1
        self.rest_until = now + rest_s
        return float(rest_s)

    def split(self, group: int, error: ErrorInfo, n: int, parts: dict[int, int]) -> None:
        """Note that a batch of n failed and was cut into parts: group → size."""
        root = self._failed(group, error) or Root(likeness(error))
        made = Split(root, n, crashed=error.cause in ("signal", "exit", "oom"))
        for part, size in parts.items():
            self.parts[part] = made, size
        self.deeper = True

    def alone(self, group: int, error: ErrorInfo) -> None:
        """Note that one job failed by itself."""
        root = self._failed(group, error)
        if root is not None:
            root.n_alone += 1
        self.deeper = False

    def _failed(self, group: int, error: ErrorInfo) -> Root | None:
        part = self.parts.pop(group, None)
        if part is None:
            return None
        root = part[0].root
        root.mixed = root.mixed or root.error != likeness(error)
        return root

    def passed(self, group: int, n: int) -> bool:
        """Note that all jobs of a batch have their outcome; tell whether the limit changed."""
        self.fault, self.n_rests, self.deeper = "", 0, False
        part = self.parts.pop(group, None)
        if part is None:
            return self._grow(n)
        split = part[0]
        split.root.mixed = True
        split.n_passed += 1
        if not split.crashed or split.n_passed < 2:
            return False
        self.limit, self.n_passed = max(1, min(self.limit, (split.n + 1) // 2)), 0
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

    def next_of(self, groups: Sequence[int]) -> int:
        """Choose the group to run next: the parts of what just failed, else the largest.

        So the way to the first job that fails alone is short, and the next ones are looked
        for far away from it.
        """
        if self.deeper:
            return groups[-1]
        return max(groups, key=self._size)

    def _size(self, group: int) -> int:
        part = self.parts.get(group)
        return part[1] if part else 1


def likeness(error: ErrorInfo) -> str:
    """Return what two failures must share to count as the same one."""
    what = error.message if error.type == "ActorDied" else ""
    return f"{error.cause} {error.type} {what}"
