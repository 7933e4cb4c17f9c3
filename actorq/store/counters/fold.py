"""Folding changes into minutes, each exactly once, and dropping those that nobody needs any more.

One session at a time does so, in one transaction, and each series commits in the order of its
numbers: so *folded up to this number* says all that must be remembered.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from actorq.core.counters.figures import Figures, Times
from actorq.store.session.calls import Calls, array, text_array
from actorq.store.session.faults import translated

CHUNK = 5000
"""How many changes of a source are folded by one transaction: some tens of milliseconds."""

KEEP_S = 600.0
"""How long changes stay for followers that are behind."""

KEEP_BYTES = 256 * 1024 * 1024
"""… and in how many bytes. In `scripts/bench events` 300 kB held the names of 90,000 jobs whose ids
follow one another."""

MINUTES_S = 25 * 3600.0
"""How long minutes are kept: a day, and what of it has just passed."""

SERIES_S = 24 * 3600.0
"""How long it is known how much of a series was dropped whose node is gone."""

OUTCOMES = ("completed", "failed", "retried", "snoozed", "cancelled")
"""The order of the numbers in `change.counts`, behind the lane."""

MinuteKey = tuple[datetime, int, str]
"""Minute, lane, source."""

SeriesKey = tuple[str, int]
"""Source, and the parity of its numbers."""

_COUNTS = msgspec.json.Decoder(list[tuple[int, int, int, int, int, int]])
_TIMES = msgspec.json.Decoder(dict[int, Times])
_HISTOGRAM = msgspec.json.Decoder(dict[int, int])
_CUTS = msgspec.json.Decoder(dict[str, int])


def fold(calls: Calls, keep_s: float = KEEP_S, keep_bytes: int = KEEP_BYTES) -> int:
    """Fold and drop what is there; return how many changes were folded, 0 if somebody else does."""
    n_folded = 0
    while True:
        with translated(), calls.session.transaction():
            if not calls.row("fold_turn")[0]:
                return n_folded
            n = _fold_some(calls)
            _drop(calls, keep_s, keep_bytes)
        n_folded += n
        if n < CHUNK:
            break
    ages = {"minutes_s": str(MINUTES_S), "series_s": str(SERIES_S), "told_s": str(keep_s)}
    calls.do("counters_tidy", **ages)
    return n_folded


def merged(changes: Iterable[tuple[Any, int, str, str | None]]) -> dict[tuple[Any, int], Figures]:
    """Return the figures of changes, given as (key, number, counts, times), by (key, lane)."""
    found: dict[tuple[Any, int], Figures] = {}

    def figures(key: Any, lane: int) -> Figures:
        return found.setdefault((key, lane), Figures())

    for key, _, counts, times in changes:
        for lane, *numbers in _COUNTS.decode(counts):
            figures(key, lane).count(numbers)
        for lane, some in _TIMES.decode(times).items() if times else ():
            figures(key, lane).add(some)
    return found


def _fold_some(calls: Calls) -> int:
    changes = calls.rows("changes_unfolded", limit=str(CHUNK))
    if not changes:
        return 0
    parts = merged(((at, source), no, counts, times) for source, no, at, counts, times in changes)
    found = {(at, lane, source): figures for ((at, source), lane), figures in parts.items()}
    for key, before in stored(calls.rows("minutes", **_keys(found))).items():
        found[key].count(before.outcomes)
        found[key].add(before)
    if found:  # a settle may have written nothing that counts
        _put(calls, found)
    last: dict[SeriesKey, int] = {}
    for source, no, *_ in changes:
        last[source, no % 2] = max(no, last.get((source, no % 2), 0))
    calls.do("series_folded", **_series(last))
    return len(changes)


def stored(rows: Iterable[tuple[Any, ...]]) -> dict[MinuteKey, Figures]:
    """Return the figures of rows of `minute`."""
    return {(at, lane, source): _figures(*rest) for at, lane, source, *rest in rows}


def _figures(
    completed: int,
    failed: int,
    retried: int,
    snoozed: int,
    cancelled: int,
    n_batches: int,
    *histograms: str,
) -> Figures:
    waited, ran, sizes = map(_HISTOGRAM.decode, histograms[:3])
    cuts = _CUTS.decode(histograms[3])
    return Figures(
        n_batches, waited, ran, sizes, cuts, completed, failed, retried, snoozed, cancelled
    )


def _keys(found: dict[MinuteKey, Figures]) -> dict[str, str]:
    return {
        "at": text_array(at.isoformat() for at, _, _ in found),
        "lanes": array(lane for _, lane, _ in found),
        "sources": text_array(source for _, _, source in found),
    }


def _put(calls: Calls, found: dict[MinuteKey, Figures]) -> None:
    figures = list(found.values())
    numbers = zip(*(each.outcomes for each in figures), strict=True)
    named = {f"n_{name}": array(each) for name, each in zip(OUTCOMES, numbers, strict=True)}
    for name in ("waited", "ran", "sizes", "cuts"):
        named[name] = text_array(
            msgspec.json.encode(getattr(each, name)).decode() for each in figures
        )
    calls.do(
        "minute_put", **_keys(found), **named, n_batches=array(each.n_batches for each in figures)
    )


def _series(last: dict[SeriesKey, int]) -> dict[str, str]:
    return {
        "sources": text_array(source for source, _ in last),
        "parities": array(parity for _, parity in last),
        "nos": array(last.values()),
    }


def _drop(calls: Calls, keep_s: float, keep_bytes: int) -> None:
    dropped = calls.rows("changes_drop", keep_s=str(keep_s), keep_bytes=str(keep_bytes))
    if not dropped:
        return
    last: dict[SeriesKey, int] = {}
    total: dict[SeriesKey, Figures] = {}
    for source, no, counts in dropped:
        series = source, no % 2
        last[series] = max(no, last.get(series, 0))
        figures = total.setdefault(series, Figures())
        for _, *numbers in _COUNTS.decode(counts):
            figures.count(numbers)
    columns = zip(*(total[series].outcomes for series in last), strict=True)
    named = {name: array(each) for name, each in zip(OUTCOMES, columns, strict=True)}
    calls.do("series_dropped", **_series(last), **named)
