"""How far something has come that may take long, as it is told to whoever wants to hear it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Progress(msgspec.Struct, frozen=True):
    """How far a call has come: jobs dealt with, jobs looked at, and both as one line of text.

    `n_done` are the jobs found, retried, deleted or wrong so far. A search and a prune look at
    stretches of ids, which `n_looked` counts as if each were full.
    """

    text: str
    n_done: int = 0
    n_looked: int = 0

    def __str__(self) -> str:
        return self.text


Tell = Callable[[Progress], object]
"""Hears of progress, after each chunk or range; an exception from it ends the call."""


def untold(progress: Progress) -> None:
    """Hear it and do nothing."""
