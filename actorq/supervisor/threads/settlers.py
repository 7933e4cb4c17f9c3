"""One settler, and a second one while there is more to write than it can write.

During a third of the time that a settle takes, its connection waits: for the disk, for a processor,
for the next statement. A second connection uses that time, and a second processor: one supervisor
writes a fifth more. If there are other supervisors, these have settlers too, and second ones only
get in their way: four supervisors on two cores wrote a tenth less.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from actorq.core import event
from actorq.core.job.model import Settlement
from actorq.core.writing.writer import MAX_ROWS, N_SETTLERS, is_enough_for_two
from actorq.supervisor.ends import Post
from actorq.supervisor.threads.orders import Orders
from actorq.supervisor.threads.settler import Settler, nobody
from actorq.supervisor.threads.store_thread import Open


class SecondSettler(Settler):
    """A settler that takes orders only while a whole statement's rows wait beside a running one."""

    def __init__(
        self,
        open_: Open,
        post: Post,
        orders: Orders,
        is_alone: Callable[[], bool],
        hint: Callable[[], None],
    ) -> None:
        super().__init__(open_, post, orders, 2, hint)
        self._is_alone = is_alone
        self._bell = threading.Event()

    def ring(self) -> None:
        """Signal that something was ordered."""
        self._bell.set()

    def stop(self) -> None:
        """Leave after what was taken so far; the first settler writes the rest, if it can."""
        self.stopping.set()
        self._bell.set()

    def needed(self) -> bool:
        """Tell whether there is work for two."""
        return is_enough_for_two(self._orders.n_rows, self._orders.max_rows) and self._is_alone()

    def _gather(self) -> bool:
        while not (self.needed() or self.stopping.is_set()):
            now = time.monotonic()
            if self._writer.has_at_hand(now):
                break
            self._bell.wait(self._writer.idle_s(now))
            self._bell.clear()
        return super()._gather()

    def _idle_s(self) -> float:
        return 0.0


class Settlers:
    """Both settlers as one to the engine; they never write the same lease at the same time.

    The engine orders nothing more for a lease before it knows what became of the last order.
    """

    def __init__(
        self,
        open_: Open,
        post: Post,
        max_rows: int = MAX_ROWS,
        is_alone: Callable[[], bool] = lambda: True,
        hint: Callable[[], None] = nobody,
    ) -> None:
        """Make both; `is_alone` tells whether this supervisor is the only one.

        `hint` is called after each statement of which somebody wants to be notified.
        """
        self._post = post
        self._orders = Orders(max_rows, N_SETTLERS)
        self._first = Settler(open_, post, self._orders, 1, hint)
        self._second = SecondSettler(open_, post, self._orders, is_alone, hint)
        self._wants_second = True

    def start(self) -> None:
        """Start the first one; the second one starts when it is needed."""
        self._first.start()

    @property
    def ident(self) -> int | None:
        """Return the first one's thread id, None if it was not started."""
        return self._first.ident

    def order(self, settlement: Settlement) -> None:
        """Queue a settlement."""
        one_waits = self._wants_second and self._second.needed()
        self._orders.put(settlement)
        if one_waits:
            self._start_second()
            self._second.ring()

    def _start_second(self) -> None:
        """Start the second one, once."""
        if self._second.ident is not None:
            return
        try:
            self._second.start()
        except RuntimeError as exc:  # no more threads: one settler can write everything, too
            self._wants_second = False
            self._post(event.ConnectionLost(self._second.duty, str(exc)))

    def stop(self) -> None:
        """Ask both to leave after what was ordered so far."""
        self._first.stop()
        self._second.stop()

    @property
    def held_up(self) -> str:
        """Return why outcomes cannot be written, empty if they can."""
        return self._first.held_up or self._second.held_up

    def abandon(self) -> None:
        """Ask both to leave at once: nobody waits any longer for what they could not write."""
        self._first.abandon()
        self._second.abandon()

    def join(self, timeout: float) -> None:
        """Wait until both have left."""
        deadline = time.monotonic() + timeout
        for settler in (self._first, self._second):
            if settler.ident is not None:
                settler.join(max(0.0, deadline - time.monotonic()))
