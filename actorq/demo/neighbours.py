"""Pairs of signatures that differ in few bits; every pair is compared, a block at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BLOCK = 512
MAX_DISTANCE = 12


class Pair(NamedTuple):
    """Two positions, the lower first, and in how many bits their signatures differ."""

    a: int
    b: int
    distance: int


def near_duplicates(signatures: Sequence[str], max_distance: int = MAX_DISTANCE) -> list[Pair]:
    """Return all pairs that differ in at most `max_distance` bits, the closest first."""
    words = as_words(signatures)
    found = [
        Pair(start + a, start + b, distance)
        for start in range(0, len(words), BLOCK)
        for a, b, distance in _near_in(words[start : start + BLOCK], words[start:], max_distance)
    ]
    return sorted(found, key=lambda pair: (pair.distance, pair.a, pair.b))


def as_words(signatures: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return hexadecimal signatures as rows of 64-bit words."""
    raw = bytes.fromhex("".join(signatures))
    width = len(signatures[0]) // 16 if signatures else 1
    return np.frombuffer(raw, np.uint64).reshape(len(signatures), width)


def _near_in(
    block: npt.NDArray[np.uint64], rest: npt.NDArray[np.uint64], max_distance: int
) -> list[tuple[int, int, int]]:
    """Return the near pairs between a block and everything from its beginning on."""
    distances = np.zeros((len(block), len(rest)), np.uint8)
    for word in range(block.shape[1]):
        distances += np.bitwise_count(block[:, word, None] ^ rest[None, :, word])
    a, b = np.nonzero(distances <= max_distance)
    once = b > a
    return list(
        zip(a[once].tolist(), b[once].tolist(), distances[a, b][once].tolist(), strict=True)
    )
