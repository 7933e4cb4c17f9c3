"""How long to wait before an actor is started again, computed from its deaths in a row."""

from __future__ import annotations

FREE_RESTARTS = 3
"""A batch may kill one actor and then the next one; that alone must not slow a kind down."""

BASE_S, CAP_S = 0.5, 60.0


def restart_delay_s(n_deaths: int, booted: bool) -> float:
    """Return the wait before the next start, in seconds.

    `n_deaths` counts deaths in a row without one finished batch. Deaths caused by suspects do not
    count: each suspect has a budget of its own, and a slow search for the culprit would hold up all
    other jobs. An actor that never became ready is delayed from its first failure on, because its
    kind is then broken and not just unlucky.
    """
    free = FREE_RESTARTS if booted else 0
    if n_deaths <= free:
        return 0.0
    return float(min(CAP_S, BASE_S * 2 ** min(n_deaths - free, 16)))


RENEWAL_CAP_S = 2.0
"""A start takes half a second of CPU; with this wait, starts use at most a fifth of a core."""


def renewal_delay_s(n_restarts: int) -> float:
    """Return the wait before the next start if a handler has asked for a fresh process.

    `n_restarts` counts such requests in a row without one batch that passed.
    """
    return min(RENEWAL_CAP_S, restart_delay_s(n_restarts, True))
