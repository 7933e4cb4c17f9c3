"""The kinds that the benchmarks run; their settings come from the environment.

They are read where the kinds are declared, so that every actor sees the same ones.
"""

from __future__ import annotations

import os
import time
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

import actorq

MAX_BATCH = int(os.environ.get("BENCH_BATCH", "1000"))
ACTORS = int(os.environ.get("BENCH_ACTORS", "1"))
WIDTH, HIDDEN = 64, 512
"""Of the model: about the cost of a small scoring network."""

app = actorq.App()


@app.actor("bench.noop", max_batch=MAX_BATCH, actors=ACTORS)
def noop(batch: actorq.Batch[dict[str, Any]]) -> None:
    """Do nothing with a whole batch."""


class Weights:
    """Hold the model: three dense layers with fixed random weights."""

    def __init__(self) -> None:
        rng = np.random.default_rng(7)
        shapes = [(WIDTH, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 8)]
        self.layers = [rng.standard_normal(s).astype(np.float32) / s[0] ** 0.5 for s in shapes]

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return [n, 8] scores for [n, 64] inputs."""
        for weights in self.layers:
            x = np.maximum(x @ weights, 0.0)
        return x


class Input(msgspec.Struct):
    """Carry one input of the model as a JSON list."""

    x: list[float]


@app.actor("bench.model", max_batch=MAX_BATCH, actors=ACTORS)
class Model:
    """Score a batch in one go."""

    def setup(self) -> None:
        """Load the model."""
        self.weights = Weights()

    def handle(self, batch: actorq.Batch[Input]) -> NDArray[np.float32]:
        """Return one row of scores per job."""
        x = np.array([args.x for args in batch.args], dtype=np.float32)
        return self.weights.score(x)


@app.actor("bench.model_single", max_batch=MAX_BATCH, actors=ACTORS)
class ModelSingle:
    """Score one job at a time, whatever size the claimed batch has."""

    def setup(self) -> None:
        """Load the model."""
        self.weights = Weights()

    def handle(self, batch: actorq.Batch[Input]) -> list[NDArray[np.float32]]:
        """Return one row of scores per job."""
        return [self.weights.score(np.array([args.x], dtype=np.float32))[0] for args in batch.args]


@app.actor("bench.sleep", max_batch=MAX_BATCH, actors=ACTORS)
def sleep(batch: actorq.Batch[dict[str, Any]]) -> None:
    """Wait 1 ms per call, like a request to a service that takes lists."""
    time.sleep(0.001)
