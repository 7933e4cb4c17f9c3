"""Which lanes need attention now, and when the next one will, without asking all of them.

The lanes themselves report every change here (see `core.lanes.lane`), so that a step costs the same
with ten idle lanes as with ten thousand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Generic, Protocol, TypeVar


class Listed(Protocol):
    """Something that an agenda lists: a lane."""

    kind: str
    look_at: float
    n_claiming: int
    is_due: bool
    pass_: float

    def fall_due(self) -> None:
        """Record that it is worth looking into it now."""


L = TypeVar("L", bound=Listed)

SLACK = 64
"""Up to this many dead entries are never worth a sweep."""


class LazyHeap:
    """A heap of lanes by key, whose dead entries are skipped when they come to the top.

    An entry is dead if `is_live` says so for its key and its lane's number. When there are more
    entries than twice the live ones at the last sweep, the dead ones are swept out: otherwise a
    lane that changes its key again and again would fill the memory.
    """

    __slots__ = ("entries", "is_live", "most")

    def __init__(self, is_live: Callable[[float, int], bool]) -> None:
        self.entries: list[tuple[float, int]] = []
        self.is_live = is_live
        self.most = SLACK

    def push(self, key: float, no: int) -> None:
        """Add a lane under a key; its entries under other keys are dead by now."""
        heappush(self.entries, (key, no))
        if len(self.entries) > self.most:
            self.entries = [entry for entry in set(self.entries) if self.is_live(*entry)]
            heapify(self.entries)
            self.most = 2 * len(self.entries) + SLACK

    def first(self) -> tuple[float, int] | None:
        """Return the least live key, and its lane's number."""
        entries = self.entries
        while entries and not self.is_live(*entries[0]):
            heappop(entries)
        return entries[0] if entries else None


@dataclass(slots=True, eq=False)
class KindLanes(Generic[L]):
    """The lanes of one kind by their state, each by its number."""

    due: LazyHeap  # those worth a look now, by pass value: the lowest is served next
    n: int = 0
    n_hungry: int = 0
    stirred: dict[int, L] = field(default_factory=dict)
    wanted: dict[int, L] = field(default_factory=dict)  # their frontier is wanted
    nonempty: dict[int, L] = field(default_factory=dict)
    delayed: dict[int, L] = field(default_factory=dict)  # a job is known that becomes due later
    quiet: dict[int, L] = field(default_factory=dict)  # had nothing to do, and are not hungry yet

    def asked(self, no: int) -> None:
        """Record that a quiet lane has become hungry, or is no longer quiet."""
        del self.quiet[no]


class Agenda(Generic[L]):
    """All lanes of one supervisor: which are due, and when the next will be.

    A lane is due if its `look_at` has come and no claim of it is in flight.
    """

    def __init__(self) -> None:
        self.now = -math.inf
        self.lanes: list[L] = []
        self.kinds: dict[str, KindLanes[L]] = {}
        self.n_due = 0
        self.n_claiming = 0
        self.suspected: dict[int, L] = {}  # lanes with groups in quarantine
        self.gathering: dict[int, L] = {}
        self.flooding: dict[int, L] = {}
        self._timed = LazyHeap(self._is_waiting)
        self._due_kinds: dict[str, KindLanes[L]] = {}

    def of_kind(self, name: str) -> KindLanes[L]:
        """Return what is known of one kind's lanes."""
        if name not in self.kinds:
            self.kinds[name] = KindLanes(LazyHeap(self._is_due))
        return self.kinds[name]

    def add(self, lane: L) -> int:
        """List a lane; return its number, by which equals are ordered."""
        self.lanes.append(lane)
        self.of_kind(lane.kind).n += 1
        return len(self.lanes) - 1

    def advance(self, now: float) -> None:
        """Let the lanes fall due whose time has come; each step begins with this."""
        self.now = now
        entries = self._timed.entries
        while entries and entries[0][0] <= now:
            at, no = heappop(entries)
            if self._is_waiting(at, no):
                self._fall_due(no)

    def schedule(self, at: float, no: int) -> None:
        """Remember when to look into a lane."""
        if at <= self.now:
            self._fall_due(no)
        else:
            self._timed.push(at, no)

    def next_at(self) -> float:
        """Return when the next lane falls due, as far as is known."""
        first = self._timed.first()
        return math.inf if first is None else first[0]

    def served_next(self) -> list[L]:
        """Return, for each kind with due lanes, the lane whose turn it is."""
        found = []
        for name, of_kind in list(self._due_kinds.items()):
            first = of_kind.due.first()
            if first is None:
                del self._due_kinds[name]
            else:
                found.append(self.lanes[first[1]])
        return found

    def is_due(self, name: str) -> bool:
        """Tell whether any lane of a kind is due."""
        return self.kinds[name].due.first() is not None

    def any_waits(self) -> bool:
        """Tell whether some lane has nothing to do: it is neither due nor being claimed."""
        return len(self.lanes) > self.n_due + self.n_claiming

    def take_flooding(self) -> list[L]:
        """Return the lanes that got too many notifications since the last call."""
        flooding = list(self.flooding.values())
        self.flooding.clear()
        return flooding

    def _fall_due(self, no: int) -> None:
        lane = self.lanes[no]
        lane.fall_due()
        self.n_due += 1
        of_kind = self._due_kinds[lane.kind] = self.kinds[lane.kind]
        of_kind.due.push(lane.pass_, no)

    def _is_waiting(self, at: float, no: int) -> bool:
        lane = self.lanes[no]
        return lane.look_at == at and not lane.is_due and not lane.n_claiming

    def _is_due(self, pass_: float, no: int) -> bool:
        lane = self.lanes[no]
        return lane.is_due and lane.pass_ == pass_
