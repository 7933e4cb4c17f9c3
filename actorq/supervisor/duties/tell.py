"""The duty that writes this supervisor's events into the database while somebody follows them."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from actorq.core.event import Event
from actorq.errors import StoreError
from actorq.store.session.faults import Forbidden
from actorq.supervisor.duties.duty import EACH_ROUND, Duty

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

MOST_KEPT = 20_000
"""How many events wait to be written. A small batch makes five, and there may be thousands of these
a second: what does not fit is missed by the followers, who learn how many that were."""

MOST_AT_ONCE = 2_000
MARK_S = 60.0
"""How often it is written up to which number there are events, also if there are none."""

EventRow = tuple[float, str, dict[str, object]]
"""The time since the epoch, the name, the fields."""


class EventBuffer:
    """The events that are not written yet, each with its number; empty while nobody follows.

    The engine's thread adds, the heart's takes.
    """

    def __init__(self) -> None:
        self.is_wanted: bool | None = None  # the first beat finds out
        self._no = 0  # of the last event
        self._kept: deque[tuple[int, EventRow]] = deque(maxlen=MOST_KEPT)

    def want(self, is_wanted: bool) -> None:
        """Keep events from now on, or forget those that are kept."""
        self.is_wanted = is_wanted
        if not is_wanted:
            self._kept.clear()

    def __call__(self, event: Event) -> None:
        """Keep an event, if somebody follows."""
        if self.is_wanted is not False:
            self._no += 1
            self._kept.append((self._no, (time.time(), event.name, event.fields())))

    @property
    def told_no(self) -> int:
        """Return the number of the last event that is not kept any more."""
        return self._kept[0][0] - 1 if self._kept else self._no

    def taken(self) -> tuple[int, list[EventRow]]:
        """Take the next events, whose numbers follow one another; return that of the last too."""
        rows: list[EventRow] = []
        no = 0
        while self._kept and len(rows) < MOST_AT_ONCE:
            if rows and self._kept[0][0] != no + 1:
                break
            no, row = self._kept.popleft()
            rows.append(row)
        return no, rows


class TellEvents(Duty):
    """The writing of what was kept, twice a second."""

    def __init__(self, buffer: EventBuffer, report: Callable[[StoreError], None]) -> None:
        super().__init__(EACH_ROUND)
        self._buffer, self._report = buffer, report
        self._mark_at = 0.0

    def run(self, store: QueueStore, now: float) -> float | None:
        """Write the events that there are; and now and then, how many there have been."""
        if not self._buffer.is_wanted:
            self._mark_at = 0.0
            return None
        try:
            if now >= self._mark_at:
                self._mark_at = now + MARK_S
                store.tell(self._buffer.told_no, [])
            tell(store, self._buffer)
        except Forbidden as exc:
            self._report(exc)
            return math.inf  # a role that may not tell can do everything else
        return None


def tell(store: QueueStore, buffer: EventBuffer) -> None:
    """Write everything that is kept."""
    while True:
        no, rows = buffer.taken()
        if not rows:
            return
        store.tell(no, rows)
