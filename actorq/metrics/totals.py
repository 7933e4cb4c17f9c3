"""Counters that only grow, made of figures per minute that are read anew each time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from actorq.core.counters.figures import Figures

OPEN = timedelta(minutes=5)
"""For how long figures of a minute may still grow: a settle counts when it began to be written."""

Minutely = Iterable[tuple[datetime, int, Figures]]
"""Minute, lane, figures; a minute and lane may come several times."""


class Totals:
    """The totals since the first reading, by lane.

    A counter must not shrink, but minutes are kept for a day only. So those that are over are added
    up here. What was there at the first reading is no news, and is taken off.
    """

    def __init__(self) -> None:
        self._closed: dict[int, Figures] = {}
        self._open: dict[tuple[datetime, int], Figures] = {}
        self._since: datetime | None = None

    def since(self, now: datetime) -> datetime:
        """Return from which minute on figures are to be read."""
        return now - OPEN if self._since is None else self._since

    def take(self, now: datetime, found: Minutely) -> dict[int, Figures]:
        """Take in all figures from `since` on; return the totals."""
        since = self.since(now)
        fresh: dict[tuple[datetime, int], Figures] = {}
        for at, lane, figures in found:
            if at >= since:
                _add(fresh.setdefault((at, lane), Figures()), figures)
        if self._since is None:
            for (_, lane), figures in fresh.items():
                _add(self._closed.setdefault(lane, Figures()), negative(figures))
        self._since = max(since, now - OPEN)
        for (at, lane), figures in fresh.items():
            if at < self._since:
                _add(self._closed.setdefault(lane, Figures()), figures)
        self._open = {key: figures for key, figures in fresh.items() if key[0] >= self._since}
        return self._totals()

    def _totals(self) -> dict[int, Figures]:
        totals: dict[int, Figures] = {}
        for lane, figures in self._closed.items():
            _add(totals.setdefault(lane, Figures()), figures)
        for (_, lane), figures in self._open.items():
            _add(totals.setdefault(lane, Figures()), figures)
        return totals


def negative(figures: Figures) -> Figures:
    """Return what takes figures off where it is added."""
    made = Figures(-figures.n_batches)
    for name in ("waited", "ran", "sizes", "cuts"):
        setattr(made, name, _negative(getattr(figures, name)))
    made.count(-n for n in figures.outcomes)
    return made


def _negative(counts: Mapping[object, int]) -> dict[object, int]:
    return {key: -n for key, n in counts.items()}


def _add(to: Figures, more: Figures) -> None:
    to.count(more.outcomes)
    to.add(more)
