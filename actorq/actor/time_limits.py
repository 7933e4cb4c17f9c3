"""Time limits inside an actor: an exception is raised in the handler itself.

Python code is interrupted wherever it is, and its process lives on. Native code that does not
return is not interrupted by this; the supervisor kills the process a little later.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import Any

import msgspec

from actorq.actor.texts import describe
from actorq.core.job.model import Cause, ErrorInfo
from actorq.core.job.outcome import leaves

SOONEST_S = 1e-6  # zero would disarm the timer

OWN = "actorq.actor."
OUTBOX = "actorq.actor.outbox"
AGAIN_S = 0.001
"""How soon to try again to interrupt a handler that was in code of ours."""


def _nothing() -> None:
    """Do nothing."""


class TimedOut(BaseException):
    """The exception raised in a handler whose job has taken longer than `job_timeout_s`.

    It is not an Exception: `except Exception` around one job must not take the end of its
    whole batch for an error of that job. Catch it to clean up, and raise it again.
    """


class BatchTimedOut(TimedOut):
    """The exception raised in a handler whose batch has taken longer than `batch_timeout_s`."""


def cause_of(error: BaseException) -> Cause:
    """Return the cause under which a handler's exception is recorded."""
    return "timeout" if any(isinstance(e, TimedOut) for e in leaves(error)) else "error"


def failure_of(error: BaseException, fatal: tuple[type[BaseException], ...] = ()) -> ErrorInfo:
    """Return a handler's exception as a failure; it is final if its type is a fatal one."""
    final = all(isinstance(leaf, fatal) for leaf in leaves(error))
    return msgspec.structs.replace(describe(error, cause_of(error)), final=final)


class Limit:
    """A limit that raises an error in the body, and again at its end if the body caught it.

    `rang` is called just before.
    """

    def __init__(
        self,
        limits: Limits,
        limit_s: float,
        error: TimedOut,
        rang: Callable[[], None],
    ) -> None:
        self.error, self.rang, self.has_rung = error, rang, False
        self.deadline = math.inf
        self._limits, self._limit_s = limits, limit_s

    def __enter__(self) -> Limit:
        self.deadline = time.monotonic() + self._limit_s
        self._limits.begin(self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._limits.end(self)
        caught = error is None or cause_of(error) != "timeout"
        if self.has_rung and caught:
            raise self.error from error


class Limits:
    """The limits in force, outermost first; one timer serves them all."""

    def __init__(self) -> None:
        self._held: list[Limit] = []
        self._handler: Any = None
        self._others: float | None = None  # when the timer that we have borrowed was to ring

    def within(
        self, limit_s: float | None, error: TimedOut, rang: Callable[[], None] = _nothing
    ) -> AbstractContextManager[object]:
        """Limit the time of a body; in the main thread only."""
        if limit_s is None or threading.current_thread() is not threading.main_thread():
            return nullcontext()
        return Limit(self, limit_s, error, rang)

    def begin(self, limit: Limit) -> None:
        """Start to enforce a limit."""
        if not self._held:
            self._borrow()
        self._held.append(limit)
        self._arm()

    def end(self, limit: Limit) -> None:
        """Stop enforcing a limit."""
        self._held.remove(limit)
        if self._held:
            self._arm()
        else:
            self._give_back()

    def _borrow(self) -> None:
        """Take over the process's only timer, which a test runner, for instance, may have set."""
        left_s = signal.getitimer(signal.ITIMER_REAL)[0]
        self._others = (time.monotonic() + left_s) if left_s else None
        self._handler = signal.signal(signal.SIGALRM, self._ring)

    def _give_back(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        if self._others is not None:
            left_s = max(SOONEST_S, self._others - time.monotonic())
            signal.setitimer(signal.ITIMER_REAL, left_s)

    def _arm(self, soonest_s: float = SOONEST_S) -> None:
        now = time.monotonic()
        waits = [max(soonest_s, held.deadline - now) for held in self._held if not held.has_rung]
        signal.setitimer(signal.ITIMER_REAL, min(waits, default=0.0))

    def _ring(self, _: object, frame: FrameType | None) -> None:
        now = time.monotonic()
        over = [held for held in self._held if not held.has_rung and now >= held.deadline]
        if not over or _is_ours(frame):
            self._arm(AGAIN_S)
            return
        over[0].has_rung = True
        self._arm()
        over[0].rang()
        raise over[0].error


def _is_ours(frame: FrameType | None) -> bool:
    """Tell whether an interruption would break our own code; then the handler is not at work.

    An outcome has to be accepted as a whole, even if that runs some of the handler's code.
    """
    if frame is None or _module(frame).startswith(OWN):
        return True
    while frame is not None and _module(frame) != OUTBOX:
        frame = frame.f_back
    return frame is not None


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
