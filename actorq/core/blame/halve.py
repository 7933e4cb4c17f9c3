"""Find the few that spoil the many, by halving."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def culprits(ids: Sequence[int], refuses: Callable[[Sequence[int]], bool]) -> list[int]:
    """Return the ids that are refused by themselves, in about 2·log2(n) questions for one of n.

    `refuses` says whether a set that contains any culprit is refused; sets that are refused
    only together, with no culprit among them, are not looked for.
    """
    if not ids:
        return []
    if len(ids) == 1:
        return list(ids) if refuses(ids) else []
    half = len(ids) // 2
    found: list[int] = []
    for part in (ids[:half], ids[half:]):
        if len(part) == 1:
            found += part if refuses(part) else []
        elif refuses(part):
            found += culprits(part, refuses)
    return found
