"""Plain completions as a settlement has them, and as pairs of job and attempt."""

from __future__ import annotations

from collections.abc import Iterable


def by_attempt(pairs: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """Return (job, attempt) pairs as the jobs of each attempt."""
    made: dict[int, list[int]] = {}
    for job, attempt in pairs:
        made.setdefault(attempt, []).append(job)
    return made


def pairs(done: dict[int, list[int]]) -> list[tuple[int, int]]:
    """Return the jobs of each attempt as (job, attempt) pairs."""
    return [(job, attempt) for attempt, jobs in done.items() for job in jobs]
