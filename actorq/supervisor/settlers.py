"""One settler, and a second one while there is more to write than it can.

For a third of the time that a settle takes, its connection waits: for the disk, for a processor,
for the next statement. A second connection uses that, and a second processor: one supervisor writes
a fifth more. Where there are others they have settlers, too, and a second one of each is only in
their way: four supervisors on two cores wrote a tenth less.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from actorq.core.model import Settlement
from actorq.supervisor.settler import Settler


class Settlers:
    """Be one settler to the engine; what the two write at once has no lease in common.

    The engine orders nothing more for a lease before it knows what became of the last order.
    """

    def __init__(self, make: Callable[[int], Settler], is_alone: Callable[[], bool]) -> None:
        """Take what makes a settler, given the number of its first statement.

        `is_alone` tells whether this supervisor is the only one.
        """
        self._make, self._is_alone = make, is_alone
        self._first = make(1)
        self._second: Settler | None = None

    def start(self) -> None:
        """Start the first one; the second one starts when it is needed."""
        self._first.start()

    @property
    def ident(self) -> int | None:
        """Return the first one's thread, None if it was not started."""
        return self._first.ident

    def order(self, settlement: Settlement) -> None:
        """Queue a settlement where less waits, with the first one if in doubt."""
        waiting = self._first.n_statements
        if not waiting or not self._is_alone():
            self._first.order(settlement)
            return
        if self._second is None:
            self._second = self._make(2)
            self._second.start()
        settler = self._second if self._second.n_statements < waiting else self._first
        settler.order(settlement)

    def stop(self) -> None:
        """Ask both to leave after what was ordered so far."""
        for settler in self._all():
            settler.stop()

    def join(self, timeout: float) -> None:
        """Wait until both have left."""
        deadline = time.monotonic() + timeout
        for settler in self._all():
            settler.join(max(0.0, deadline - time.monotonic()))

    def _all(self) -> list[Settler]:
        return [self._first] if self._second is None else [self._first, self._second]
