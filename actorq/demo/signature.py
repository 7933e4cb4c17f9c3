"""The signature of a text: 128 bits, nearly all of which near-duplicates share.

Every run of five characters is hashed into one of 2048 buckets; the counts are multiplied by a
fixed matrix of ±1, and the signs are the bits. Much real work has this shape: a model's weights
are read once for a batch, or once for every job.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

N_GRAM = 5
N_BUCKETS = 2048
N_BITS = 128
MAX_COUNT = 4  # so that a ruler of hyphens does not outweigh the words
SLICE = 64  # texts whose counts stay in the processor's cache
SEED = 20
FACTORS = tuple(np.uint64(0x100000001B3**k % 2**64) for k in range(N_GRAM))
MIX = np.uint64(0x9E3779B97F4A7C15)
SHIFT = np.uint64(64 - 11)  # the top 11 bits name one of 2048 buckets


class Weights:
    """The matrix by which counts are multiplied; loaded once per process."""

    def __init__(self) -> None:
        """Make the matrix, which is the same in every process."""
        signs = np.random.default_rng(SEED).integers(0, 2, (N_BUCKETS, N_BITS), dtype=np.int8)
        self.matrix = signs.astype(np.float32) * 2 - 1

    def signatures(self, texts: Sequence[str]) -> list[str]:
        """Return each text's signature in hexadecimal; it does not depend on the batch."""
        parts = (texts[at : at + SLICE] for at in range(0, len(texts), SLICE))
        return [signature for part in parts for signature in self._slice(part)]

    def _slice(self, texts: Sequence[str]) -> list[str]:
        # All sums are whole numbers far below 2**24, so float32 adds them exactly, in any order.
        sums = counts(texts) @ self.matrix
        return [bits.tobytes().hex() for bits in np.packbits(sums > 0, axis=1)]


def counts(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return how often each bucket occurs in each text, one row per text."""
    encoded = [normal(text) for text in texts]
    buckets = _buckets(np.frombuffer(b"".join(encoded), np.uint8))
    lengths = np.array([len(text) for text in encoded])
    n_grams = lengths - N_GRAM + 1
    rows = np.repeat(np.arange(len(texts)), n_grams)
    # Skip the n-grams that would reach from one text into the next.
    places = np.arange(len(rows)) + rows * (N_GRAM - 1)
    found = np.bincount(rows * N_BUCKETS + buckets[places], minlength=len(texts) * N_BUCKETS)
    return np.minimum(found, MAX_COUNT).astype(np.float32).reshape(len(texts), N_BUCKETS)


def normal(text: str) -> bytes:
    """Return the text in lower case with single spaces, long enough for one n-gram."""
    return " ".join(text.lower().split()).encode().ljust(N_GRAM)


def _buckets(characters: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the bucket of the n-gram that begins at each position."""
    n = len(characters) - N_GRAM + 1
    wide = characters.astype(np.uint64)
    sums = np.zeros(max(n, 0), np.uint64)
    for k, factor in enumerate(FACTORS):
        sums += wide[k : k + n] * factor
    return ((sums * MIX) >> SHIFT).astype(np.int64)
