"""The settler's thread: writes everything that has arrived since the last statement began.

Outcomes stay here until their commit is known. While one statement runs, the next one's rows
gather; few rows wait a moment for more.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from actorq.core import event
from actorq.core.job.model import Settlement
from actorq.core.plan import inputs as i
from actorq.core.store_values import SettleReply
from actorq.errors import RowRefused, StoreError, StoreUnavailable
from actorq.store.queue.settles import some_of
from actorq.store.session.faults import Contended, Forbidden, LockTimeout, OnHold, TooSlow
from actorq.supervisor.threads.orders import Orders
from actorq.supervisor.threads.store_thread import Open, Post, Stopping, StoreThread

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

MAX_ROWS = 1000
"""Cost per row grows with the statement: 1,000 rows wrote 100–153 k jobs/s, 20,000 rows 48 k; an
uncapped settle falls behind, grows, and falls behind further."""

N_SETTLERS = 2
"""How many there may be, each of which numbers its statements in steps of this."""

GATHER_S = 0.002
ENOUGH_ROWS = 500
"""A statement right after another waits so long for so many rows: about a millisecond of its cost
does not depend on them. At batches of 100 that was 11 % of the rate; a lone outcome never waits."""

KEPT_WAIT_S = 0.2
"""How long jobs that somebody else has locked wait for the next try."""

MEND_WAIT_S = 10.0
"""How long to wait after a repair that failed: it goes through all of `ready`."""

HOLD_WAIT_S = 0.5
"""How long to wait when the server refuses to write for a reason that should pass."""

LOCKED_S = 0.4
"""How long jobs may be locked by somebody before that is told: most locks are gone by then."""

LOCKED = "another transaction holds a lock on these jobs"


class Settler(StoreThread):
    """Write settlements, in the order they came, each exactly once."""

    def __init__(
        self, node: str, open_: Open, post: Post, orders: Orders, first_no: int = 1
    ) -> None:
        super().__init__("settler" if first_no == 1 else f"settler {first_no}", open_, post)
        self._node = node
        self._orders = orders
        self._taker = first_no - 1
        self._later: list[Settlement] = []  # taken, but did not fit any more
        self._pending: list[Settlement] = []  # sent, commit not known
        self._ended_at = -math.inf  # when the last one ended
        self._no = first_no - N_SETTLERS  # of the statement that carries them
        self._around = False  # that statement may have left jobs open
        self._kept: list[tuple[float, Settlement]] = []  # try again from then on
        self._strays: list[int] = []  # jobs that are in neither `ready` nor a lease
        self._mend_at = -math.inf  # not before
        self._whole: dict[int, Settlement] = {}  # lease → what a kept remainder is part of
        self._kept_since = 0.0
        self._said: set[str] = set()  # reasons told since everything was written last
        self._abandoned = False
        self.held_up = ""  # why outcomes are not written, if they are not

    def abandon(self) -> None:
        """Leave, whatever has not been written: nobody waits for it any longer."""
        self._abandoned = True
        self.stop()

    def stop(self) -> None:
        """Leave after the settlements given so far."""
        super().stop()
        self._orders.end()

    def busy(self) -> bool:
        """Tell whether outcomes are waiting to be written."""
        if self._abandoned:
            return False
        return bool(self._pending or self._kept or self._later) or self._orders.any()

    def work(self, store: QueueStore) -> None:
        """Write whatever arrives."""
        try:
            self._work(store)
        finally:
            self._leave_the_rest()

    def _leave_the_rest(self) -> None:
        """Let another settler write what has not been sent: this one may get no connection."""
        while self._later and not self.stopping.is_set():
            self._orders.put_back(self._later.pop(), self._taker)

    def _work(self, store: QueueStore) -> None:
        if self._pending:
            self._resolve(store)
        while not self._abandoned:
            self._pending = self._gather()
            if self._pending:
                self._no += N_SETTLERS
                self._write(store)
            elif self.stopping.is_set() and not self.busy():
                raise Stopping
            if self._strays and time.monotonic() >= self._mend_at:
                self._mend(store)
        raise Stopping

    def _gather(self) -> list[Settlement]:
        """Wait for a settlement, then take all that fit into one statement with it.

        Two may name the same job: its first lease was taken away and it has been claimed again.
        """
        first = self._at_hand() or self._take(self._idle_s())
        if first is None:
            return []
        taken, n = [first], first.n
        until = self._ended_at + GATHER_S
        while n < self._orders.max_rows:
            more = self._at_hand()
            if more is None and n < ENOUGH_ROWS:
                more = self._take(max(0.0, until - time.monotonic()))
            if more is None:
                break
            if n + more.n > self._orders.max_rows or any(_meet(more, one) for one in taken):
                self._later.insert(0, more)
                break
            taken.append(more)
            n += more.n
        return taken

    def _at_hand(self) -> Settlement | None:
        """Take what is there without waiting."""
        if self._later:
            return self._later.pop(0)
        if self._kept and self._kept[0][0] <= time.monotonic():
            return self._kept.pop(0)[1]
        return self._take(0.0)

    def _idle_s(self) -> float | None:
        """Return how long there may be nothing to do."""
        due = [at for at, _ in self._kept[:1]] + [self._mend_at] * bool(self._strays)
        if due:
            return max(0.0, min(due) - time.monotonic())
        return 0.0 if self.stopping.is_set() else None

    def _take(self, timeout_s: float | None) -> Settlement | None:
        return self._orders.take(self._taker, timeout_s)

    def _write(self, store: QueueStore) -> None:
        """Write what is pending until it is known to be written."""
        while self._pending and not self._abandoned:
            try:
                reply = self._send(store)
            except StoreUnavailable as exc:
                if isinstance(exc, OnHold):  # then only another server may be able to write
                    time.sleep(HOLD_WAIT_S)
                self._delayed(exc)
                raise
            except StoreError as exc:
                self._delayed(exc)
                if isinstance(exc, Forbidden):
                    self.fatal(exc)
                    raise Stopping from exc
                time.sleep(HOLD_WAIT_S)
            else:
                self._ended_at = time.monotonic()
                self._report(reply)

    def _send(self, store: QueueStore) -> SettleReply:
        """Send what is pending in the cheapest way that the database accepts."""
        sent = self._node, self._no, self._pending
        self._around = False
        try:
            return self._send_whole(store)
        except LockTimeout:
            self._around = True
            return store.settle_around_locks(*sent)
        except TooSlow:
            if len(self._pending) == 1:
                return self._send_part(store)
        half = len(self._pending) // 2
        self._later = self._pending[half:] + self._later
        self._pending = self._pending[:half]
        return self._send(store)

    def _send_whole(self, store: QueueStore) -> SettleReply:
        """Send what is pending to a database that may refuse some, but holds nothing locked."""
        sent = self._node, self._no, self._pending
        try:
            return store.settle(*sent)
        except RowRefused as exc:
            self._around = True  # jobs may be left that can neither complete nor fail
            return store.settle_refused(*sent, str(exc))

    def _send_part(self, store: QueueStore) -> SettleReply:
        """Send half of a batch that takes too long, or half of that; the rest is sent after it."""
        n = self._pending[0].n
        self._around = True
        while n > 1:
            n //= 2
            with suppress(TooSlow):
                return store.settle_first(self._node, self._no, self._pending, n)
        raise TooSlow("the outcome of a single job takes too long to write")

    def _resolve(self, store: QueueStore) -> None:
        """Find out whether the statement whose reply was lost had committed."""
        written = store.settle_no(self._node, self._no)
        if written is None or written < self._no:
            self._write(store)
            return
        open_ = [store.open_jobs(self._node, s.lease) for s in self._pending if self._around]
        kept = [job for jobs in open_ for job in jobs]
        self._report(SettleReply({s.lease for s in self._pending}, kept=kept))

    def _mend(self, store: QueueStore) -> None:
        """Put jobs back whose lease has gone while their row did not match: nobody else would."""
        try:
            store.mend(self._strays)
        except (Contended, TooSlow) as exc:  # somebody is still at it, or `ready` is very long
            self._mend_at = time.monotonic() + MEND_WAIT_S
            self.post(event.RepairDelayed(tuple(self._strays), str(exc)))
        else:
            self._strays = []

    def _delayed(self, exc: StoreError) -> None:
        self._is_held_up(str(exc))

    def _is_held_up(self, reason: str) -> None:
        """Say why outcomes are not written, once for each reason until all of them are."""
        self.held_up = reason
        if reason not in self._said:
            self._said.add(reason)
            n = sum(s.n for s in self._pending) + sum(s.n for _, s in self._kept)
            self.post(event.SettleDelayed(n, reason))

    def _note_what_is_kept(self, reply: SettleReply) -> None:
        if not self._kept:
            self.held_up = ""
            self._said.clear()
        elif reply.reason:
            self._is_held_up(reply.reason)
        elif reply.kept and time.monotonic() >= self._kept_since + LOCKED_S:
            self._is_held_up(LOCKED)

    def _report(self, reply: SettleReply) -> None:
        """Tell the engine what is written, and keep what somebody's lock held back."""
        if reply.missing:
            self.post(event.SettleMissed(tuple(reply.missing)))
            self._strays += reply.missing
        kept = frozenset(reply.kept)
        written = [s for s in self._pending if not (kept and self._keep(s, kept, reply))]
        self._pending = []
        self._note_what_is_kept(reply)
        whole = [self._whole.pop(s.lease, s) for s in written]
        if whole:
            refused = frozenset(reply.refused)
            self.post(i.Settled(whole, frozenset(reply.leases), dict(reply.seqs), refused))

    def _keep(self, sent: Settlement, kept: frozenset[int], reply: SettleReply) -> bool:
        """Queue the part of a settlement that was held back; tell whether there was one."""
        done = some_of(sent.done, kept)
        rows = [row for row in sent.rows if row.id in kept]
        if not done and not rows:
            return False
        seq = reply.seqs.get(sent.lease, sent.seq + 1)
        rest = Settlement(sent.lease, seq, done, rows, sent.closes, sent.open_bits)
        self._whole.setdefault(sent.lease, sent)
        if not self._kept and sent is self._whole[sent.lease]:
            self._kept_since = time.monotonic()
        self._kept.append((time.monotonic() + KEPT_WAIT_S, rest))
        return True


def _meet(one: Settlement, other: Settlement) -> bool:
    """Tell whether two settlements cannot stand in one statement."""
    return one.lease == other.lease or not set(one.ids).isdisjoint(other.ids)
