"""One (queue, kind) pair as a supervisor sees it: every flag of it, and all that sets one.

Nobody else writes to a lane. What others have to find without asking every lane, each method
reports to the agenda.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from actorq.core.lanes import fair
from actorq.core.lanes.agenda import Agenda, KindLanes
from actorq.core.lanes.appetite import FLOOD_LOOK_S, Appetite
from actorq.core.lanes.frontier import Frontier
from actorq.core.store_values import ClaimReply

HELD_S = 0.005
"""The least wait after a claim that `min_batch` held back: jobs that have waited long enough and
are still not taken are locked by somebody."""

MEAN_WEIGHT = 0.2
"""How fast the mean bytes per job follow the last batch: five batches, roughly."""


@dataclass(slots=True, eq=False)
class Lane:
    """Follow one (queue, kind) pair: what is known of its part of `ready`.

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

    `look_at` is when a claim is worth its while: only `look_by` and `later` bring it nearer, only
    a claim that is sent and a look that finds nothing put it off; inf is *nothing known to be
    there*. A look that found nothing is one from the head: an unbounded claim that was short, or
    the due query. `empty` of all lanes and `View.checked` together end a drain.
    """

    id: int
    queue: str
    kind: str
    weight: float
    agenda: Agenda[Lane]
    no: int = field(init=False)  # its place among equals
    of_kind: KindLanes[Lane] = field(init=False)
    frontier: Frontier = field(default_factory=Frontier)
    appetite: Appetite = field(default_factory=Appetite)
    n_claiming: int = 0
    look_at: float = 0.0
    is_due: bool = False
    gathers: bool = False
    flush: bool = False
    next_at: float = math.inf  # when the next delayed job that is known of is due
    stirred: bool = False
    behind: bool = False
    empty: bool = False
    suspects: deque[int] = field(default_factory=deque)  # quarantine groups waiting
    suspect_turn: bool = True
    mean_bytes: float = 4096.0  # of args per job, moving; until measured, a cautious guess
    measured: bool = False
    pass_: float = 0.0

    def __post_init__(self) -> None:
        """Be listed, as one that was never looked into."""
        self.no = self.agenda.add(self)
        self.of_kind = self.agenda.of_kind(self.kind)
        self.of_kind.nonempty[self.no] = self.of_kind.wanted[self.no] = self
        self._place()

    # ---- signs that something may be there ----

    def stir(self, *, behind: bool = True) -> None:
        """Note that something may be due, and stand behind the frontier."""
        self.stirred, self.empty = True, False
        self.behind = self.behind or behind
        self.of_kind.stirred[self.no] = self.of_kind.nonempty[self.no] = self

    def want(self) -> None:
        """Have the next look begin at the head, as soon as the ration allows."""
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
        """Look then at the latest; if that is not at once, so that others may join."""
        self._gathers(until > now)
        self.look_by(until)

    def later(self, at: float) -> None:
        """Remember that a job becomes due."""
        if at < self.next_at:
            self.next_at = at
            self.of_kind.delayed[self.no] = self
        self.look_by(at)

    def let_go(self, now: float) -> None:
        """Claim at once what is there, however few."""
        self.flush = True
        self.look_by(now)

    def suspect(self, groups: Iterable[int]) -> None:
        """Remember quarantine groups that wait to be claimed."""
        for group in groups:
            if group not in self.suspects:
                self.suspects.append(group)
                self.agenda.suspected[self.no] = self

    def fall_due(self) -> None:
        """Be one of those that are worth a claim; the agenda says when."""
        self.is_due = True

    # ---- claims, and what they find ----

    def suspects_sent(self, group: int, level: float, slack: float) -> float:
        """Note a claim of a quarantine group; returns the level of pass values with it served."""
        self.suspects.remove(group)
        if not self.suspects:
            del self.agenda.suspected[self.no]
        self.suspect_turn = False
        return self._sent(level, slack)

    def fresh_sent(self, level: float, slack: float, now: float, *, ahead: bool) -> float:
        """Note a claim of fresh jobs; returns the level of pass values with it served."""
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
        """Note that a claim is no longer in flight; it is charged for the n jobs it brought."""
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
        """Learn from a claim of fresh jobs when to send the next, and where it is to begin."""
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
        """Note that a due query has looked from the head, and nothing is there."""
        self.frontier.looked(took_s, now)
        self._wanted(self.frontier.wanted)
        self._calm()
        self._is_empty()
        self.look_at = min(self.next_at, self.appetite.look_soon(now))
        self._place()
        self._rests()

    def measure(self, lens: Sequence[int]) -> None:
        """Follow how many bytes of args a job has; a comma follows each."""
        mean = sum(lens) / len(lens) + 1
        self.mean_bytes += (MEAN_WEIGHT if self.measured else 1.0) * (mean - self.mean_bytes)
        self.mean_bytes, self.measured = max(self.mean_bytes, mean / 2), True

    def take_to_be(self, mean_bytes: float) -> None:
        """Take the args of each job to be so large."""
        self.mean_bytes, self.measured = mean_bytes, True

    # ---- notifications ----

    def wants_to_be_woken(self, now: float) -> bool | None:
        """Tell whether notifications would help by now; None: not before it was claimed again."""
        # A flooded lane is looked at all the time: that it is due at this moment means little.
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
        """Stand where `look_at` and the claims in flight want it."""
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
