"""What a claimer decides: where a claim begins, and which orders are tried again, and when.

The claimer's thread and the simulator's carry out what is decided here.
"""

from __future__ import annotations

from collections import deque

from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.store_values import ClaimReply, ReadyPosition

Order = e.Claim | e.AskDue | e.AskLeft | e.GiveBack | e.Hunger

AGAIN_S = 0.2
"""How long an order that failed waits for its next try, while others are carried out."""


class Errands:
    """Orders that must be carried out although they failed, and where the last claim ended."""

    def __init__(self) -> None:
        self._again: deque[Order] = deque()
        self._again_at = 0.0  # when to try the next one
        self._last_lease = 0
        self._ended: dict[int, ReadyPosition] = {}  # where the last claim ended

    def __len__(self) -> int:
        return len(self._again)

    def wait_s(self, now: float) -> float | None:
        """Return how long to wait for a new order before an old one is tried again."""
        return max(0.0, self._again_at - now) if self._again else None

    def next(self) -> Order:
        """Take the order that is to be tried again first."""
        return self._again.popleft()

    def with_earlier(self, order: Order) -> Order:
        """Merge earlier failed wishes for notifications; tried later, they would undo this one."""
        if not isinstance(order, e.Hunger):
            return order
        for earlier in [one for one in self._again if isinstance(one, e.Hunger)]:
            self._again.remove(earlier)
            on = (earlier.on - order.off) | order.on
            order = e.Hunger(on, (earlier.off - order.on) | order.off)
        return order

    def frontier(self, order: e.Claim) -> dict[int, ReadyPosition]:
        """Return where a claim begins: behind the last one, if it was ordered to follow that."""
        return order.begin(self._last_lease, self._ended)

    def claimed(self, order: e.Claim, reply: ClaimReply) -> None:
        """Record where a claim has ended."""
        self._last_lease, self._ended = order.lease, reply.last

    def failed(self, order: Order, now: float, too_much: bool = False) -> i.Input | None:
        """Return the answer for an order that was not carried out, as far as anybody knows.

        Nobody waits for an answer to the other orders: they are tried until they succeed.
        """
        match order:
            case e.Claim():
                return i.ClaimLost(order.lane, order.lease, too_much)
            case e.AskDue():
                return i.DueLost()
            case e.AskLeft(no):
                return i.LeftLost(no)
            case e.GiveBack() | e.Hunger():
                if order not in self._again:
                    self._again.append(order)
                self._again_at = now + AGAIN_S
                return None
