"""The model that handlers score their inputs with, here and in the peers' environments.

Three dense layers with fixed random weights: about the cost of a small scoring network.
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

WIDTH, HIDDEN, SCORES = 64, 512, 8


class Weights:
    """Hold the model."""

    def __init__(self) -> None:
        rng = np.random.default_rng(7)
        shapes = [(WIDTH, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, SCORES)]
        self.layers = [rng.standard_normal(s).astype(np.float32) / s[0] ** 0.5 for s in shapes]

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return [n, 8] scores for [n, 64] inputs."""
        for weights in self.layers:
            x = np.maximum(x @ weights, 0.0)
        return x


def inputs(n: int) -> list[list[float]]:
    """Return n inputs, as lists of numbers with four digits."""
    rng = random.Random(1)
    return [[round(rng.random(), 4) for _ in range(WIDTH)] for _ in range(n)]
