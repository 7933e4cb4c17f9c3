"""Reports of a user's retry function that fails; its kind uses the default delay meanwhile."""

from __future__ import annotations

import copy
from collections.abc import Callable

import msgspec

from actorq.core.event import Event, RetryFunctionFailed
from actorq.core.job.policy import KindPolicy
from actorq.core.job.retry import RetryFunction
from actorq.durations import seconds_of

MAX_ERRORS = 100
"""How many distinct errors of one function are reported: their text may contain anything."""


class WatchedRetry:
    """A user's retry function that reports each of its distinct errors once."""

    def __init__(self, kind: str, function: RetryFunction, emit: Callable[[Event], object]) -> None:
        self._kind, self._function, self._emit = kind, function, emit
        self._errors: set[str] = set()

    def __call__(self, n_failed: int) -> object:
        """Return what the function returns, whatever that is."""
        try:
            delay = self._function(n_failed)
        except BaseException as exc:
            self._tell(f"it raised {exc!r}")
            raise
        if seconds_of(delay) is None:
            self._tell(f"it returned {delay!r}, not a number of seconds")
        return delay

    def _tell(self, error: str) -> None:
        if error not in self._errors and len(self._errors) < MAX_ERRORS:
            self._errors.add(error)
            self._emit(RetryFunctionFailed(self._kind, error))


def told(policy: KindPolicy, emit: Callable[[Event], object]) -> KindPolicy:
    """Return a policy whose retry function, if it has one, reports its failures."""
    if not callable(policy.retry):
        return policy
    other = copy.copy(policy)  # a new one would call the function to test it
    msgspec.structs.force_setattr(other, "retry", WatchedRetry(policy.name, policy.retry, emit))
    return other
