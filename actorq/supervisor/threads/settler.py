"""The settler's thread: it writes everything that has arrived since the last statement began.

`actorq.core.writing` decides what goes into a statement, how it is sent and what is kept of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from actorq.core.job.model import Settlement
from actorq.core.store_values import SettleReply
from actorq.core.writing.ways import Fault
from actorq.core.writing.writer import HOLD_WAIT_S, Notice, Writer
from actorq.errors import RowRefused, StoreError, StoreUnavailable
from actorq.store.session.faults import Contended, Forbidden, LockTimeout, OnHold, TooSlow
from actorq.supervisor.ends import Post, Stopping
from actorq.supervisor.threads.orders import Orders
from actorq.supervisor.threads.store_thread import Open, StoreThread

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

FAULTS: tuple[tuple[type[StoreError], Fault], ...] = (
    (RowRefused, "refused"),
    (LockTimeout, "locked"),
    (TooSlow, "slow"),
)


def nobody() -> None:
    """Notify nobody."""


class Settler(StoreThread):
    """The thread that writes settlements, in the order they came, each exactly once."""

    def __init__(
        self,
        open_: Open,
        post: Post,
        orders: Orders,
        first_no: int = 1,
        hint: Callable[[], None] = nobody,
    ) -> None:
        super().__init__("settler" if first_no == 1 else f"settler {first_no}", open_, post)
        self._orders, self._hint = orders, hint
        self._taker = first_no - 1
        self._writer = Writer(first_no, orders.max_rows)
        self._abandoned = False

    @property
    def held_up(self) -> str:
        """Return why outcomes are not written; empty if they are."""
        return self._writer.held_up

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
        return not self._abandoned and (not self._writer.is_empty or self._orders.any())

    def work(self, store: QueueStore) -> None:
        """Write whatever arrives."""
        try:
            self._work(store)
        finally:
            self._leave_the_rest()

    def _leave_the_rest(self) -> None:
        """Let another settler write what is not sent, since this one may get no connection."""
        while not self.stopping.is_set() and (rest := self._writer.hand_over()):
            self._orders.put_back(rest, self._taker)

    def _work(self, store: QueueStore) -> None:
        writer = self._writer
        if writer.sent:
            self._resolve(store)
        while not self._abandoned:
            if self._gather():
                self._write(store)
            elif self.stopping.is_set() and not self.busy():
                raise Stopping
            if writer.may_mend(time.monotonic()):
                self._mend(store)
        raise Stopping

    def _gather(self) -> bool:
        """Wait for a settlement, then take as many more as fit into one statement."""
        more = self._at_hand() or self._take(self._idle_s())
        while more is not None and self._writer.add(more):
            more = self._at_hand() or self._take(self._writer.patience_s(time.monotonic()))
        return self._writer.begin()

    def _at_hand(self) -> Settlement | None:
        """Take what is there without waiting."""
        return self._writer.at_hand(time.monotonic()) or self._take(0.0)

    def _idle_s(self) -> float | None:
        """Return how long there may be nothing to do."""
        idle_s = self._writer.idle_s(time.monotonic())
        return 0.0 if idle_s is None and self.stopping.is_set() else idle_s

    def _take(self, timeout_s: float | None) -> Settlement | None:
        return self._orders.take(self._taker, timeout_s)

    def _write(self, store: QueueStore) -> None:
        """Write what is sent until it is known to be written."""
        while self._writer.sent and not self._abandoned:
            try:
                reply = self._send(store)
            except StoreUnavailable as exc:
                if isinstance(exc, OnHold):  # only another server may be able to write
                    time.sleep(HOLD_WAIT_S)
                self._say(self._writer.delayed(str(exc)))
                raise
            except StoreError as exc:
                self._failed(exc)
            else:
                self._take_in(store, reply)

    def _take_in(self, store: QueueStore, reply: SettleReply) -> None:
        if reply.hint:
            self._hint()
        if reply.is_repeated:  # the statement whose answer was lost has committed after all
            self._find(store)
        else:
            self._say(self._writer.written(reply, time.monotonic()))

    def _failed(self, exc: StoreError) -> None:
        """Send it in another way, or after a while."""
        fault = next((name for type_, name in FAULTS if isinstance(exc, type_)), None)
        reason = self._writer.failed(fault, str(exc))
        if not reason:
            return
        self._say(self._writer.delayed(reason))
        if isinstance(exc, Forbidden):
            self.fatal(exc)
            raise Stopping from exc
        time.sleep(HOLD_WAIT_S)

    def _send(self, store: QueueStore) -> SettleReply:
        """Send a settle in the way that was chosen."""
        way = self._writer.way
        sent = self._writer.no, self._writer.sent
        match way.how:
            case "whole":
                return store.settle(*sent)
            case "refused":
                return store.settle_refused(*sent, way.reason)
            case "around":
                return store.settle_around_locks(*sent)
            case "first":
                return store.settle_first(*sent, way.n)

    def _resolve(self, store: QueueStore) -> None:
        """Find out whether the statement whose reply was lost had committed."""
        writer = self._writer
        if writer.is_written(store.settle_no(writer.no)):
            self._find(store)
        else:
            self._write(store)

    def _find(self, store: QueueStore) -> None:
        """Find out what a statement that is known to have committed has left open."""
        writer = self._writer
        open_ = [store.open_jobs(lease) for lease in writer.doubtful()]
        self._say(writer.found([job for jobs in open_ for job in jobs], time.monotonic()))

    def _mend(self, store: QueueStore) -> None:
        """Put back jobs whose lease is gone but whose row did not match: nobody else would."""
        try:
            store.mend(self._writer.strays)
        except (Contended, TooSlow) as exc:  # somebody has them, or `ready` is very long
            self._say(self._writer.not_mended(str(exc), time.monotonic()))
        else:
            self._writer.mended()

    def _say(self, said: Iterable[Notice]) -> None:
        for one in said:
            self.post(one)
