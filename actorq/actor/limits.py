"""Time limits inside an actor: the soft end, an exception raised in the handler itself.

Python code is interrupted wherever it stands and its process lives on. Native code that does
not return is not reached by this; the supervisor kills the process a little later.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from actorq.core.model import Cause

SOONEST_S = 1e-6  # zero would disarm the timer


class TimedOut(Exception):
    """Be raised in a handler whose job has taken longer than `job_timeout_s`."""


class BatchTimedOut(TimedOut):
    """Be raised in a handler whose batch has taken longer than `batch_timeout_s`."""


def cause_of(error: BaseException) -> Cause:
    """Return what an exception out of a handler is recorded as."""
    return "timeout" if isinstance(error, TimedOut) else "error"


class Limits:
    """Keep the limits that hold at the moment, outermost first; one timer serves them all."""

    def __init__(self) -> None:
        self._held: list[tuple[float, TimedOut]] = []
        self._handler: Any = None
        self._others: float | None = None  # when the timer that we have borrowed was to ring

    @contextmanager
    def within(self, limit_s: float | None, error: TimedOut) -> Iterator[None]:
        """Raise `error` in the body if it takes longer; in the main thread only."""
        if limit_s is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        if not self._held:
            self._borrow()
        self._held.append((time.monotonic() + limit_s, error))
        try:
            self._arm()
            yield
        finally:
            self._held.pop()
            if self._held:
                self._arm()
            else:
                self._give_back()

    def _borrow(self) -> None:
        """Take the process's one timer; somebody may have set it, a test runner for instance."""
        left_s = signal.getitimer(signal.ITIMER_REAL)[0]
        self._others = (time.monotonic() + left_s) if left_s else None
        self._handler = signal.signal(signal.SIGALRM, self._ring)

    def _give_back(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        if self._others is not None:
            left_s = max(SOONEST_S, self._others - time.monotonic())
            signal.setitimer(signal.ITIMER_REAL, left_s)

    def _arm(self) -> None:
        now = time.monotonic()
        waits = [max(SOONEST_S, deadline - now) for deadline, _ in self._held]
        signal.setitimer(signal.ITIMER_REAL, min(waits, default=0.0))

    def _ring(self, *_: object) -> None:
        now = time.monotonic()
        for deadline, error in self._held:
            if now >= deadline:
                raise error
        self._arm()
