"""How a claim locks the rows that it takes: one by one, or all of a lane at once."""

from __future__ import annotations

from math import inf
from typing import Literal

SOME, MANY = 50, 200
"""How many rows of `ready`, each of them a block, make taking turns pay: alone, and with others. It
saves 54 bytes of WAL and some 0.6 µs per row; waiting for a turn costs 0.1 ms."""

CONTESTED_S = 1.0
"""How long to keep to another way of claiming after somebody else was in the way."""

LockMode = Literal["each", "alone", "in turn"]
"""How to claim: with a lock per row, with the turn if nobody has it, or waiting for the turn."""


class Turns:
    """How to claim from each lane: turns are for lanes whose last claim brought many rows.

    A turn is a lane's advisory lock, held by one claim until its transaction ends. A claim that has
    it need not lock the rows of `ready` one by one before it deletes them, because other claims
    with turns wait. Claims without turns skip locked rows, and may still meet it: any two ways are
    safe together.
    """

    def __init__(self) -> None:
        self._brought: dict[int, int] = {}  # lane → how many rows its last claim brought
        self._shared: dict[int, float] = {}  # … → until when somebody else's turns are likely
        self._locked: dict[int, float] = {}  # … → until when somebody's lock on a row is

    def way(self, lane: int, now: float) -> LockMode:
        """Return how to claim."""
        n = self._brought.get(lane, 0)
        if n < SOME or now < self._locked.get(lane, -inf):
            return "each"
        if now >= self._shared.get(lane, -inf):
            return "alone"
        return "in turn" if n >= MANY else "each"

    def brought(self, lane: int, n_rows: int) -> None:
        """Record how many rows a claim has brought."""
        self._brought[lane] = n_rows

    def stands(self, lane: int, is_alone: bool, n_taken: int, now: float) -> bool:
        """Tell whether a claim stands that was sent to take the turn if nobody had it.

        If somebody had it and the claim has taken nothing, it is to be sent in another way.
        """
        if not is_alone:
            self.met(lane, now)
        return is_alone or n_taken > 0

    def met(self, lane: int, now: float) -> None:
        """Record that somebody else claims from the lane."""
        self._shared[lane] = now + CONTESTED_S

    def contested(self, lane: int, now: float) -> None:
        """Record that somebody else held a lock for too long."""
        self._locked[lane] = now + CONTESTED_S
