"""One (queue, kind) pair as a supervisor sees it: all of its flags, and everything that sets one.

Nothing else writes to a lane. Each method reports to the agenda what others have to find without
asking every lane.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from actorq.core.lanes import fair
from actorq.core.lanes.agenda import Agenda, KindLanes
from actorq.core.lanes.frontier import Frontier
from actorq.core.lanes.notifications import FLOOD_LOOK_S, Appetite
from actorq.core.store_values import ClaimReply

HELD_S = 0.005
"""Minimum pause after a claim that `min_batch` held back. Jobs that have waited long enough and are
still not taken are locked by somebody, and would otherwise be claimed in a tight loop."""

MEAN_WEIGHT = 0.2
"""How fast the mean bytes per job follow the last batch: over five batches, roughly."""


@dataclass(slots=True, eq=False)
class Lane:
    """What is known of the part of `ready` that belongs to one (queue, kind) pair.

    flag            means                 set by                       cleared by
    stirred         something may have    `stir`: a wake-up, a due     `fresh_sent` (not of one
                    come since the last   answer, a lost claim, a      ahead); `found_nothing`
                    claim was sent        quick retry
    behind          … behind the          the same; by a due answer    the same
                    frontier              only if that looked there
    empty           nothing is due        `found_nothing`; `looked`,   `stir`
                                          an unbounded claim that
                                          was short, if nothing has
                                          stirred meanwhile
    frontier.wanted look from the head    `want`: whatever stirs, but  an unbounded look, by claim
                    as soon as allowed    a due answer; `behind` at a  or due query
                                          claim's answer; a bounded
                                          claim that came back short
    gathers         `look_at` is put off, `gather`: a wake-up or a     `fresh_sent`
                    so that others may    due answer while no actor
                    join what is there    is idle; a claim that
                                          `min_batch` held back
    flush           the next claim takes  `let_go`: a drain that has   `fresh_sent`
                    what is there         nothing else to wait for
    is_due          `look_at` has come,   `fall_due`, by the agenda    whatever changes `look_at`,
                    no claim in flight                                 a claim that is sent
    suspect_turn    the next claim is of  `fresh_sent`                 `suspects_sent`
                    suspects, if it can
    View.checked    the due query has     its answer, asked when       a claim that is sent, `stir`,
                    found nothing at all  nothing was claimed or held  a suspect that returns

    `look_at` is when a claim is worthwhile. Only `look_by` and `later` bring it nearer, only a
    claim that is sent and a look that finds nothing put it off; inf means *nothing is known to be
    there*. A look finds nothing if it begins at the head: an unbounded claim that was short, or
    the due query. `empty` of all lanes and `View.checked` together end a drain.
    """

    id: int
    queue: str
    kind: str
    weight: float
    agenda: Agenda[Lane]
    no: int = field(init=False)  # by which equals are ordered
    of_kind: KindLanes[Lane] = field(init=False)
    frontier: Frontier = field(default_factory=Frontier)
    appetite: Appetite = field(default_factory=Appetite)
    n_claiming: int = 0
    look_at: float = 0.0
    is_due: bool = False
    gathers: bool = False
    flush: bool = False
    next_at: float = math.inf  # when the next known delayed job is due
    stirred: bool = False
    behind: bool = False
    empty: bool = False
    suspects: deque[int] = field(default_factory=deque)  # quarantine groups that wait
    suspect_turn: bool = True
    mean_bytes: float = 4096.0  # of args per job, a moving mean; a cautious guess at first
    measured: bool = False
    pass_: float = 0.0

    def __post_init__(self) -> None:
        """Register with the agenda, as a lane that was never looked into."""
        self.no = self.agenda.add(self)
        self.of_kind = self.agenda.of_kind(self.kind)
        self.of_kind.nonempty[self.no] = self.of_kind.wanted[self.no] = self
        self._place()

    # ---- signs that something may be there ----

    def stir(self, *, behind: bool = True) -> None:
        """Record that something may be due, perhaps behind the frontier."""
        self.stirred, self.empty = True, False
        self.behind = self.behind or behind
        self.of_kind.stirred[self.no] = self.of_kind.nonempty[self.no] = self

    def want(self) -> None:
        """Make the next look begin at the head, as soon as the ration allows."""
        self.frontier.wanted = True
        self.of_kind.wanted[self.no] = self

    def woken(self, n: int, now: float) -> None:
        """Count notifications."""
        if self.appetite.woken(n, now):
            self.agenda.flooding[self.no] = self

    def look_by(self, at: float) -> None:
        """Look at this instant at the latest."""
        if at < self.look_at:
            self.look_at = at
            if not self.is_due:  # else it is earlier by now, no more
                self._place()

    def gather(self, until: float, now: float) -> None:
        """Look at `until` at the latest; if that is not now, others may join the batch."""
        self._gathers(until > now)
        self.look_by(until)

    def later(self, at: float) -> None:
        """Remember that a job becomes due."""
        if at < self.next_at:
            self.next_at = at
            self.of_kind.delayed[self.no] = self
        self.look_by(at)

    def let_go(self, now: float) -> None:
        """Claim at once what is there, however few jobs that are."""
        self.flush = True
        self.look_by(now)

    def suspect(self, groups: Iterable[int]) -> None:
        """Remember quarantine groups that wait to be claimed."""
        for group in groups:
            if group not in self.suspects:
                self.suspects.append(group)
                self.agenda.suspected[self.no] = self

    def fall_due(self) -> None:
        """Become due for a claim; the agenda decides when."""
        self.is_due = True

    # ---- claims, and what they find ----

    def suspects_sent(self, group: int, level: float, slack: float) -> float:
        """Record a claim of a quarantine group; return the level of passes once it is served."""
        self.suspects.remove(group)
        if not self.suspects:
            del self.agenda.suspected[self.no]
        self.suspect_turn = False
        return self._sent(level, slack)

    def fresh_sent(self, level: float, slack: float, now: float, *, ahead: bool) -> float:
        """Record a claim of fresh jobs; return the level of passes once it is served."""
        if self.gathers:
            self._gathers(False)
        self.flush, self.suspect_turn = False, True
        if self.stirred and not ahead:
            self._calm()
        if self.next_at <= now:
            self.next_at = math.inf
            del self.of_kind.delayed[self.no]
        self.look_at = self.next_at
        return self._sent(level, slack)

    def answered(self, n: int | None = None) -> None:
        """Record that a claim is no longer in flight, and charge the n jobs that it brought."""
        if n is not None:
            fair.charge(self, n, self.weight)
        self.n_claiming -= 1
        self.agenda.n_claiming -= not self.n_claiming
        self._place()
        self._rests()

    def looked(
        self,
        reply: ClaimReply,
        now: float,
        *,
        limit: int,
        linger_s: float,
        took_s: float,
        unbounded: bool,
    ) -> None:
        """Learn from a claim of fresh jobs when to send the next one, and where it begins."""
        short, wanted = reply.n_taken < limit, self.frontier.wanted
        self.frontier.claimed(reply.last, short, unbounded, took_s, now)
        if self.behind or self.frontier.wanted != wanted:
            self._wanted(self.frontier.wanted or self.behind)
        if reply.n_taken:
            self.appetite.came_at = now
        if reply.oldest_s is not None:  # there are some, but fewer than `min_batch`
            self.gather(now + max(linger_s - reply.oldest_s, HELD_S), now)
        elif not short:
            self.look_by(now)
        elif not unbounded:
            self.look_by(self.frontier.allowed_at())
        elif not self.stirred:
            self._is_empty()
        if short:
            self.look_by(self.appetite.look_soon(now))

    def found_nothing(self, took_s: float, now: float) -> None:
        """Record that a due query has looked from the head and found nothing."""
        self.frontier.looked(took_s, now)
        self._wanted(self.frontier.wanted)
        self._calm()
        self._is_empty()
        self.look_at = min(self.next_at, self.appetite.look_soon(now))
        self._place()
        self._rests()

    def measure(self, lens: Sequence[int]) -> None:
        """Update the mean bytes of args per job; a comma follows each."""
        mean = sum(lens) / len(lens) + 1
        self.mean_bytes += (MEAN_WEIGHT if self.measured else 1.0) * (mean - self.mean_bytes)
        self.mean_bytes, self.measured = max(self.mean_bytes, mean / 2), True

    def take_to_be(self, mean_bytes: float) -> None:
        """Assume that the args of each job have this size."""
        self.mean_bytes, self.measured = mean_bytes, True

    # ---- notifications ----

    def wants_to_be_woken(self, now: float) -> bool | None:
        """Tell whether notifications would help now; None: not before it was claimed again."""
        # A flooded lane is looked at all the time, so being due at this moment means little.
        flooded = self.appetite.flooded
        idle = not self.frontier.busy if flooded else self.look_at > now and not self.n_claiming
        return self.appetite.may_ask(now) if idle else None

    def be_woken(self, now: float) -> None:
        """Ask for notifications."""
        self.appetite.ask(now)
        self.of_kind.n_hungry += 1

    def be_sated(self, now: float) -> None:
        """Do without notifications for a while, and look often instead."""
        self.appetite.sate(now)
        self.of_kind.n_hungry -= 1
        self.look_by(now + FLOOD_LOOK_S)
        self._rests()

    # ---- what is reported to the agenda ----

    def _sent(self, level: float, slack: float) -> float:
        self.agenda.n_claiming += not self.n_claiming
        self.n_claiming += 1
        self._place()
        return fair.join(self, level, slack)

    def _place(self) -> None:
        """Take the place that `look_at` and the claims in flight require."""
        self.agenda.n_due -= self.is_due
        self.is_due = False
        if not self.n_claiming and self.look_at < math.inf:
            self.agenda.schedule(self.look_at, self.no)

    def _rests(self) -> None:
        if not self.appetite.hungry:
            self.of_kind.quiet[self.no] = self

    def _calm(self) -> None:
        self.stirred = self.behind = False
        self.of_kind.stirred.pop(self.no, None)

    def _is_empty(self) -> None:
        self.empty = True
        self.of_kind.nonempty.pop(self.no, None)

    def _wanted(self, wanted: bool) -> None:
        self.frontier.wanted = wanted
        if wanted:
            self.of_kind.wanted[self.no] = self
        else:
            self.of_kind.wanted.pop(self.no, None)

    def _gathers(self, gathers: bool) -> None:
        self.gathers = gathers
        if gathers:
            self.agenda.gathering[self.no] = self
        else:
            self.agenda.gathering.pop(self.no, None)
