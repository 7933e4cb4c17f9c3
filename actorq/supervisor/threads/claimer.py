"""The claimer's thread: claims, the due question, hunger, and giving back what is not held."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from msgspec.structs import replace

from actorq.core.claiming import Errands, Order
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.errors import RowRefused, StoreError, StoreUnavailable
from actorq.store.session.faults import Forbidden, TooSlow
from actorq.supervisor.ends import Post, Stopping
from actorq.supervisor.threads.store_thread import Open, StoreThread

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore


class Claimer(StoreThread):
    """Carry out one order after another, in the order they were given."""

    def __init__(self, open_: Open, post: Post) -> None:
        super().__init__("claimer", open_, post)
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._errands = Errands()

    def order(self, order: Order) -> None:
        """Queue an order."""
        self._orders.put(order)

    def stop(self) -> None:
        """Leave after the orders given so far."""
        super().stop()
        self._orders.put(None)

    def work(self, store: QueueStore) -> None:
        """Carry out orders."""
        while (order := self._next()) is not None:
            self._try(store, order)
        for _ in range(len(self._errands)):
            self._try(store, self._errands.next())
        raise Stopping

    def _next(self) -> Order | None:
        """Wait for an order, or for the time to try one again; None: there are no more."""
        wait_s = self._errands.wait_s(time.monotonic())
        if wait_s == 0.0:
            return self._errands.next()
        try:
            order = self._orders.get(timeout=wait_s)
        except Empty:
            return self._errands.next()
        return None if order is None else self._errands.with_earlier(order)

    def _try(self, store: QueueStore, order: Order) -> None:
        try:
            self._carry_out(store, order)
        except StoreError as exc:
            self._failed(order, exc)

    def _carry_out(self, store: QueueStore, order: Order) -> None:
        begun = time.monotonic()
        match order:
            case e.Claim():
                reply = store.claim(replace(order, frontier=self._errands.frontier(order)))
                took_s = time.monotonic() - begun
                self._errands.claimed(order, reply)
                self.post(i.Claimed(order.lane, order.lease, reply, took_s))
            case e.AskDue():
                dues = store.due(order.asks)
                self.post(i.DueKnown(dues, time.monotonic() - begun))
            case e.AskLeft(no, lanes):
                self.post(i.LeftKnown(no, store.left(lanes)))
            case e.GiveBack():
                store.give_back(order.lease, order.n_leases)
            case e.Hunger():
                store.hunger(set(order.on), set(order.off))

    def _failed(self, order: Order, exc: StoreError) -> None:
        """Answer for an order that was not carried out."""
        too_much = isinstance(exc, RowRefused | TooSlow)
        answer = self._errands.failed(order, time.monotonic(), too_much)
        if answer is not None:
            self.post(answer)
        if isinstance(exc, Forbidden):
            self.fatal(exc)
            raise Stopping from exc
        if isinstance(exc, StoreUnavailable):
            raise exc
        self.report(exc)
