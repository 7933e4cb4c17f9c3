"""Find the few items that make a set fail, by halving it."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def culprits(ids: Sequence[int], refuses: Callable[[Sequence[int]], bool]) -> list[int]:
    """Return the ids that are refused on their own; about 2·log2(n) calls find one among n.

    `refuses` says whether a set is refused, which every set that contains a culprit is. Ids that
    are refused only in combination are not searched for.
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
