"""How far something long has come, as it is told to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Progress(msgspec.Struct, frozen=True):
    """How far a call has come: jobs processed, jobs examined, and both as one line of text.

    `n_done` counts the jobs found, retried, deleted or wrong so far. A search and a prune examine
    ranges of ids, which `n_looked` counts as if each were full.
    """

    text: str
    n_done: int = 0
    n_looked: int = 0

    def __str__(self) -> str:
        return self.text


Tell = Callable[[Progress], object]
"""A function that is told the progress after each chunk or range; its exceptions end the call."""


def untold(progress: Progress) -> None:
    """Ignore the progress."""
