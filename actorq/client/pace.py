"""How often a waiter looks: soon after something happened, and more and more rarely after that."""

from __future__ import annotations

CHUNK = 10_000
"""How many jobs one look asks for: an answer then takes some 10 ms, however many are waited for."""

FIRST_S, MOST_S = 0.010, 0.250
LEAST_QUIET_S = 0.050
"""The shortest pause after looks that found nothing: 20 a second, with any number of jobs."""

GATHER_S = 0.001
"""How long new jobs are gathered before the first look at them."""

SHARE = 4
"""The pause after a look takes so many times what the look took: a fifth of one core at most."""

AGAIN_S, MOST_AGAIN_S = 0.25, 2.0
"""The pauses after a look that failed, each twice the one before."""


LEAST_HINTED_S, MOST_HINTED_S = 0.001, 0.050
"""After a look that found nothing, the pause before a notification is heeded: twice as long each
time, since most notifications on a busy system are about other jobs."""


class Pace:
    """The pauses between looks; what it is told is what has happened, and how long it took."""

    def __init__(self) -> None:
        self._step_s = FIRST_S
        self._again_s = AGAIN_S
        self._hinted_s = LEAST_HINTED_S

    def hurry(self) -> None:
        """Begin anew with short pauses: jobs were added, and these may be done soon."""
        self._step_s = FIRST_S

    def after(self, took_s: float, n_jobs: int, found: bool, *, is_notified: bool = False) -> float:
        """Return the pause after a look that was answered, while so many jobs are waited for.

        With notifications, jobs that have changed are looked at besides; the others now and then.
        """
        self._again_s = AGAIN_S
        if is_notified:
            return max(MOST_S, SHARE * took_s)
        if found:
            self._step_s = FIRST_S
            return max(FIRST_S, SHARE * took_s)
        n_looks = max(1, -(-n_jobs // CHUNK))
        most_s = max(LEAST_QUIET_S, MOST_S / n_looks)
        pause_s = min(self._step_s, most_s) if n_looks == 1 else most_s
        self._step_s = min(2 * self._step_s, MOST_S)
        return max(pause_s, SHARE * took_s)

    def after_hint(self, took_s: float, found: bool) -> float:
        """Return how soon after a look a notification may lead to the next one."""
        if found:
            self._hinted_s = LEAST_HINTED_S
            return SHARE * took_s
        pause_s, self._hinted_s = self._hinted_s, min(2 * self._hinted_s, MOST_HINTED_S)
        return max(pause_s, SHARE * took_s)

    def after_failure(self) -> float:
        """Return the pause after a look that could not be made."""
        pause_s, self._again_s = self._again_s, min(2 * self._again_s, MOST_AGAIN_S)
        return pause_s
