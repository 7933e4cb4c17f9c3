"""What a settler has to write: what goes into one statement, how it is sent, what is kept.

The settler's thread and the simulator's carry out what is decided here. Outcomes stay here until
their commit is known. While one statement runs, rows for the next are gathered; if they are few,
it waits a moment for more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from actorq.core import event
from actorq.core.job.model import Settlement
from actorq.core.plan import inputs as i
from actorq.core.store_values import SettleReply
from actorq.core.writing.parts import meet, only
from actorq.core.writing.ways import WHOLE, Fault, Way, other, smaller

MAX_ROWS = 1000
"""Cost per row grows with the statement: 1,000 rows wrote 100–153 k jobs/s, 20,000 rows 48 k.
Without a limit, a settler that falls behind sends larger statements and falls further behind."""

N_SETTLERS = 2
"""The most settlers there may be; each numbers its statements in steps of this."""

GATHER_S = 0.002
ENOUGH_ROWS = 500
"""A statement that follows right after another waits briefly for this many rows, since about a
millisecond of its cost does not depend on them. That was 11 % of the rate at batches of 100. A lone
outcome never waits."""

KEPT_WAIT_S = 0.2
"""How long jobs that somebody else has locked wait for the next try."""

MEND_WAIT_S = 10.0
"""How long to wait after a failed repair, which reads all of `ready`."""

HOLD_WAIT_S = 0.5
"""How long to wait when the server refuses to write for a reason that should pass."""

LOCKED_S = 0.4
"""How long jobs may be locked by somebody before that is reported: most locks are gone by then."""

LOCKED = "another transaction holds a lock on these jobs"
ONE_TOO_SLOW = "the outcome of a single job takes too long to write"

Notice = i.Settled | event.Event
"""What the engine is told."""


def is_enough_for_two(n_rows: int, max_rows: int) -> bool:
    """Tell whether enough rows wait beside a running statement for a second settler to help."""
    return n_rows >= max_rows


class Writer:
    """The outcomes of one settler that are not known to be written."""

    def __init__(self, first_no: int = 1, max_rows: int = MAX_ROWS) -> None:
        self.no = first_no - N_SETTLERS  # number of the statement that carries what is sent
        self.way = WHOLE  # how that is sent
        self.sent: list[Settlement] = []  # their commit is not known
        self.strays: list[int] = []  # jobs that are in neither `ready` nor a lease
        self.held_up = ""  # why outcomes are not written; empty if they are
        self._is_anew = False  # sent before, by a statement that may still be running
        self._is_patient = False  # … and this one waits for that, once, for as long as it may take
        self._max_rows = max_rows
        self._gathered: list[Settlement] = []  # for the next statement
        self._n_gathered = 0
        self._later: list[Settlement] = []  # taken, but did not fit any more
        self._kept: list[tuple[float, Settlement]] = []  # when to try each again
        self._kept_since = 0.0
        self._whole: dict[int, Settlement] = {}  # lease → what a kept remainder is part of
        self._refused: set[int] = set()  # made to fail, and not reported yet
        self._ended_at = -math.inf  # when the last statement ended
        self._mend_at = -math.inf  # not before
        self._said: set[str] = set()  # reasons reported since everything was written last

    @property
    def is_empty(self) -> bool:
        """Tell whether everything that was taken is written."""
        return not (self.sent or self._gathered or self._kept or self._later)

    # Gathering

    def at_hand(self, now: float) -> Settlement | None:
        """Take back what did not fit before, or was kept for long enough."""
        if self._later:
            return self._later.pop(0)
        if self._kept and self._kept[0][0] <= now:
            return self._kept.pop(0)[1]
        return None

    def has_at_hand(self, now: float) -> bool:
        """Tell whether there is something to write that was taken before."""
        return bool(self._later) or self.idle_s(now) == 0.0

    def add(self, more: Settlement) -> bool:
        """Add a settlement to the next statement; tell whether another one may follow.

        Two may name the same job: its first lease was taken away and it was claimed again.
        """
        if not self._fits(more):
            self._later.insert(0, more)
            return False
        self._gathered.append(more)
        self._n_gathered += more.n
        return self._n_gathered < self._max_rows

    def _fits(self, more: Settlement) -> bool:
        if not self._gathered:
            return True
        is_room = self._n_gathered + more.n <= self._max_rows
        return is_room and not any(meet(more, one) for one in self._gathered)

    def patience_s(self, now: float) -> float:
        """Return how long what is gathered waits for more."""
        if not 0 < self._n_gathered < ENOUGH_ROWS:
            return 0.0
        return max(0.0, self._ended_at + GATHER_S - now)

    def idle_s(self, now: float) -> float | None:
        """Return how long there is nothing to do; None if only an order can change that."""
        due = [at for at, _ in self._kept[:1]] + [self._mend_at] * bool(self.strays)
        return max(0.0, min(due) - now) if due else None

    def begin(self) -> bool:
        """Make a numbered statement of what is gathered; tell whether there is anything to send."""
        self.sent, self._gathered, self._n_gathered = self._gathered, [], 0
        if self.sent:
            self.no += N_SETTLERS
            self.way, self._is_anew, self._is_patient = WHOLE, False, False
        return bool(self.sent)

    def hand_over(self) -> Settlement | None:
        """Give away, one by one, what was taken and never sent."""
        return self._later.pop() if self._later else None

    # Failing

    def failed(self, fault: Fault | None, reason: str) -> str:
        """Choose how to send it after a failure; return why that must wait, empty if it need not.

        What takes too long is halved: several batches by batch, of which the second half is sent
        later; a single batch by its jobs. The first time after a lost answer nothing is halved: the
        statement may have waited for the one before, which carries both halves.
        """
        if fault == "slow" and self._is_patient:
            self._is_patient = False
            return ""
        if fault == "slow" and self.way.how in ("whole", "refused") and len(self.sent) > 1:
            half = len(self.sent) // 2
            self._later = self.sent[half:] + self._later
            self.sent, self.way = self.sent[:half], WHOLE
            return ""
        way, why = self._next_way(fault, reason)
        self.way = way or WHOLE
        return "" if way else why

    def _next_way(self, fault: Fault | None, reason: str) -> tuple[Way | None, str]:
        if fault == "slow" and self.way.how != "around":
            return smaller(self.way, self.sent[0].n), ONE_TOO_SLOW
        return (other(self.way, fault, reason) if fault else None), reason

    def delayed(self, reason: str) -> list[Notice]:
        """Report why outcomes are not written, once per reason until all of them are."""
        self.held_up = reason
        if reason in self._said:
            return []
        self._said.add(reason)
        n = sum(s.n for s in self.sent) + sum(s.n for _, s in self._kept)
        return [event.SettleDelayed(n, reason)]

    # After a lost answer

    def is_written(self, written: int | None) -> bool:
        """Tell whether what was sent has committed, given the number of the last one that did.

        If it has not, it is sent again. None means that this node is dead.
        """
        if written is None or written < self.no:
            self.way, self._is_anew, self._is_patient = WHOLE, True, True
            return False
        return True

    def doubtful(self) -> list[int]:
        """Return the leases under which jobs may still be open although the statement committed.

        Its way of sending leaves jobs open, or it was sent twice and nobody knows which way was it.
        """
        return [s.lease for s in self.sent] if self.way.may_keep or self._is_anew else []

    def found(self, open_: Sequence[int], now: float) -> list[Notice]:
        """Process a lost answer: everything is written except the jobs that are still open."""
        seqs = {s.lease: s.seq + 1 for s in self.sent if not s.closes}
        reply = SettleReply({s.lease for s in self.sent}, kept=list(open_), seqs=seqs)
        return self.written(reply, now)

    # After an answer

    def written(self, reply: SettleReply, now: float) -> list[Notice]:
        """Return what to report about what is written; keep what somebody's lock held back."""
        said: list[Notice] = []
        self._ended_at = now
        if reply.missing:
            said.append(event.SettleMissed(tuple(reply.missing)))
            self.strays += reply.missing
        self._refused.update(reply.refused)
        kept = frozenset(reply.kept)
        written = [s for s in self.sent if not (kept and self._keep(s, kept, reply, now))]
        self.sent = []
        said += self._note_what_is_kept(reply, now)
        whole = [self._whole.pop(s.lease, s) for s in written]
        if whole:
            refused = self._refused_of(whole)
            said.append(i.Settled(whole, frozenset(reply.leases), dict(reply.seqs), refused))
        return said

    def _refused_of(self, whole: Sequence[Settlement]) -> frozenset[int]:
        """Take out which of these jobs were refused, including while others were still kept."""
        if not self._refused:
            return frozenset()
        refused = frozenset(job for s in whole for job in s.ids if job in self._refused)
        self._refused -= refused
        return refused

    def _keep(self, sent: Settlement, kept: frozenset[int], reply: SettleReply, now: float) -> bool:
        """Queue the part of a settlement that was held back; tell whether there was one."""
        rest = only(sent, kept)
        if not rest.done and not rest.rows:
            return False
        rest = replace(rest, seq=reply.seqs.get(sent.lease, sent.seq + 1))
        self._whole.setdefault(sent.lease, sent)
        if not self._kept and sent is self._whole[sent.lease]:
            self._kept_since = now
        self._kept.append((now + KEPT_WAIT_S, rest))
        return True

    def _note_what_is_kept(self, reply: SettleReply, now: float) -> list[Notice]:
        if not self._kept:
            self.held_up = ""
            self._said.clear()
        elif reply.reason:
            return self.delayed(reply.reason)
        elif reply.kept and now >= self._kept_since + LOCKED_S:
            return self.delayed(LOCKED)
        return []

    # Repairs

    def may_mend(self, now: float) -> bool:
        """Tell whether to put back now the jobs that are in neither `ready` nor a lease."""
        return bool(self.strays) and now >= self._mend_at

    def mended(self) -> None:
        """Record that they are back."""
        self.strays = []

    def not_mended(self, reason: str, now: float) -> list[Notice]:
        """Record that they could not be put back yet, and report it."""
        self._mend_at = now + MEND_WAIT_S
        return [event.RepairDelayed(tuple(self.strays), reason)]
