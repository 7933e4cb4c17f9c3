"""The claimer's thread: claims, the due question, hunger, and giving back what is not held."""

from __future__ import annotations

import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.store_values import Ask, ReadyPosition
from actorq.errors import RowRefused, StoreError, StoreUnavailable
from actorq.store.session.faults import Forbidden, TooSlow
from actorq.supervisor.threads.store_thread import Open, Post, Stopping, StoreThread

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

Order = e.Claim | e.AskDue | e.AskLeft | e.GiveBack | e.Hunger

AGAIN_S = 0.2
"""How long an order that failed waits for its next try, while others are carried out."""


class Claimer(StoreThread):
    """Carry out one order after another, in the order they were given."""

    def __init__(self, node: str, open_: Open, post: Post) -> None:
        super().__init__("claimer", open_, post)
        self._node = node
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._again: deque[Order] = deque()  # must be done, but failed
        self._again_at = 0.0  # when to try the next of them
        self._last: tuple[int, dict[int, ReadyPosition]] = (
            0,
            {},
        )  # the last claim, and where it ended

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
        for _ in range(len(self._again)):
            self._try(store, self._again.popleft())
        raise Stopping

    def _next(self) -> Order | None:
        """Wait for an order, or for the time to try one again; None: there are no more."""
        wait_s = self._again_at - time.monotonic() if self._again else None
        if wait_s is not None and wait_s <= 0:
            return self._again.popleft()
        try:
            order = self._orders.get(timeout=wait_s)
        except Empty:
            return self._again.popleft()
        return self._with_earlier(order) if isinstance(order, e.Hunger) else order

    def _with_earlier(self, later: e.Hunger) -> e.Hunger:
        """Take in what was asked before and failed: tried after this one, it would undo it."""
        for earlier in [order for order in self._again if isinstance(order, e.Hunger)]:
            self._again.remove(earlier)
            on = (earlier.on - later.off) | later.on
            later = e.Hunger(on, (earlier.off - later.on) | later.off)
        return later

    def _try(self, store: QueueStore, order: Order) -> None:
        try:
            self._carry_out(store, order)
        except StoreError as exc:
            self._failed(order, exc)

    def _carry_out(self, store: QueueStore, order: Order) -> None:
        begun = time.monotonic()
        match order:
            case e.Claim():
                reply = store.claim(self._ask(order))
                took_s = time.monotonic() - begun
                self._last = order.lease, reply.last
                self.post(i.Claimed(order.lane, order.lease, reply, took_s))
            case e.AskDue():
                dues = store.due(order.asks)
                self.post(i.DueKnown(dues, time.monotonic() - begun))
            case e.AskLeft(no, lanes):
                self.post(i.LeftKnown(no, store.left(lanes)))
            case e.GiveBack():
                store.give_back(self._node, order.lease)
            case e.Hunger():
                store.hunger(self._node, set(order.on), set(order.off))

    def _ask(self, order: e.Claim) -> Ask:
        return Ask(
            lane=order.lane,
            limit=order.limit,
            node=self._node,
            lease=order.lease,
            suspect=order.suspect,
            frontier=order.begin(*self._last),
            min_n=order.min_n,
            linger_s=order.linger_s,
        )

    def _failed(self, order: Order, exc: StoreError) -> None:
        """Answer for an order that was not carried out, as far as anybody knows."""
        match order:
            case e.Claim():
                too_much = isinstance(exc, RowRefused | TooSlow)
                self.post(i.ClaimLost(order.lane, order.lease, too_much))
            case e.AskDue():
                self.post(i.DueLost())
            case e.AskLeft(no):
                self.post(i.LeftLost(no))
            case e.GiveBack() | e.Hunger():
                if order not in self._again:
                    self._again.append(order)
                self._again_at = time.monotonic() + AGAIN_S
        if isinstance(exc, Forbidden):
            self.fatal(exc)
            raise Stopping from exc
        if isinstance(exc, StoreUnavailable):
            raise exc
        self.report(exc)
