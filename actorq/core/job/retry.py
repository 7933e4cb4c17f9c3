"""How long a failed job waits before it runs again.

A retry policy is a frozen value or the user's own function. `delay_s` is pure and total: it always
returns between 0 seconds and 30 days, whatever the policy says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from actorq.durations import Duration, check_duration, seconds_of
from actorq.errors import ConfigError

MAX_DELAY_S = 30 * 86_400.0
"""The longest delay of a policy, and of a handler's own retry or snooze."""


class Exponential(msgspec.Struct, frozen=True, kw_only=True):
    """A wait of `base_s` after the first failure, `factor` times longer after each further one.

    The wait is at most `cap_s`; `jitter` spreads it by ± that share, so that jobs which failed
    together do not come back together.
    """

    base_s: float = 15.0
    factor: float = 2.0
    cap_s: float = 3600.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        """Refuse numbers from which no delay can be computed."""
        for name in ("base_s", "cap_s"):
            seconds = check_duration(f"retry {name}", getattr(self, name), 0.0, MAX_DELAY_S)
            msgspec.structs.force_setattr(self, name, seconds)
        _check_range("retry factor", self.factor, 1.0, 100.0)
        _check_range("retry jitter", self.jitter, 0.0, 1.0)


class Table(msgspec.Struct, frozen=True):
    """A wait of `delays_s[n - 1]` seconds after the n-th failure; the last one repeats."""

    delays_s: tuple[float, ...]
    jitter: float = 0.0

    def __post_init__(self) -> None:
        """Refuse an empty table and delays out of range."""
        if not self.delays_s:
            raise ConfigError("retry: a table of delays needs at least one number of seconds")
        for delay in self.delays_s:
            _check_range("retry delay", delay, 0.0, MAX_DELAY_S)
        _check_range("retry jitter", self.jitter, 0.0, 1.0)


RetryFunction = Callable[[int], Any]
"""A function from the number of failures so far (1 after the first) to a duration."""

RetryPolicy = Exponential | Table | RetryFunction


def exponential(
    base_s: Duration = 15.0, *, factor: float = 2.0, cap_s: Duration = 3600.0, jitter: float = 0.2
) -> Exponential:
    """Return the policy that waits longer after each failure."""
    base, cap = (check_duration(f"retry {name}", value, 0.0, MAX_DELAY_S)
                 for name, value in (("base_s", base_s), ("cap_s", cap_s)))  # fmt: skip
    return Exponential(base_s=base, factor=factor, cap_s=cap, jitter=jitter)


def policy_of(value: object) -> RetryPolicy:
    """Return the policy that a `retry=` setting means: a duration, a table or a function."""
    if isinstance(value, Exponential | Table):
        return value
    seconds = seconds_of(value)
    if seconds is not None:
        return Table((float(seconds),))
    if callable(value):
        return _tried(value)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return Table(_numbers(value))
    raise ConfigError(
        f"retry={value!r} is not a retry policy: give seconds (or a timedelta, or '1m'), "
        "a list of them, actorq.exponential(…), or a function from the number of failures to "
        "seconds"
    )


def delay_s(policy: RetryPolicy, n_failed: int, u: float) -> float:
    """Return the wait after the n-th failure; `u` in [0, 1) decides the jitter.

    If the user's function raises or returns no number, the default policy applies: the settle of
    a whole batch must not fail because of one kind's delay.
    """
    n = max(1, n_failed)
    if isinstance(policy, Exponential):
        return _clamp(_spread(_grown(policy, n), policy.jitter, u))
    if isinstance(policy, Table):
        plain = policy.delays_s[min(n, len(policy.delays_s)) - 1]
        return _clamp(_spread(plain, policy.jitter, u))
    try:
        value = policy(n)
    except BaseException:  # outcomes mean nothing here, and SystemExit would end the supervisor
        return delay_s(DEFAULT, n, u)
    seconds = seconds_of(value)
    return delay_s(DEFAULT, n, u) if seconds is None else _clamp(float(seconds))


def _grown(policy: Exponential, n: int) -> float:
    try:
        return min(policy.cap_s, policy.base_s * policy.factor ** (n - 1))
    except OverflowError:
        return policy.cap_s


def _spread(delay: float, jitter: float, u: float) -> float:
    return delay * (1.0 + jitter * (2.0 * u - 1.0))


def _clamp(delay: float) -> float:
    return min(max(delay, 0.0), MAX_DELAY_S)


def _tried(function: RetryFunction) -> RetryFunction:
    """Call the user's function once, so that a broken one is refused at declaration."""
    try:
        value = function(1)
    except Exception as error:
        raise ConfigError(f"retry: the function fails for one failure: {error!r}") from error
    seconds = seconds_of(value)
    if seconds is None:
        raise ConfigError(f"retry: the function returns {value!r}, not a number of seconds")
    _check_range("retry delay", seconds, 0.0, MAX_DELAY_S)
    return function


def _numbers(values: Iterable[object]) -> tuple[float, ...]:
    found = []
    for value in values:
        seconds = seconds_of(value)
        if seconds is None:
            raise ConfigError(
                f"retry: the table of delays holds {value!r}, not a number of seconds"
            )
        found.append(float(seconds))
    return tuple(found)


def _check_range(name: str, value: object, low: float, high: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # type: ignore[operator]  # false for NaN
        raise ConfigError(f"{name}={value!r} is out of range: it must be {low:g} to {high:g}")


DEFAULT = Exponential()
