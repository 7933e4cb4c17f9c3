"""The kinds that the benchmarks run; their settings come from the environment.

They are read where the kinds are declared, so that every actor sees the same ones. What a
handler has measured itself it writes into the directory BENCH_OUT when its actor ends.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

import actorq
from bench._model import Weights

MAX_BATCH = int(os.environ.get("BENCH_BATCH", "1000"))
ACTORS = int(os.environ.get("BENCH_ACTORS", "1"))
JOB_S = float(os.environ.get("BENCH_JOB_US", "0")) / 1e6
"""How long one job of the kind that computes takes."""
CALL_S = 0.001
"""How long one call of the kind that waits takes, however many jobs it carries."""

app = actorq.App()
settings: Any = {"max_batch": MAX_BATCH, "max_batch_bytes": 16 << 20, "actors": ACTORS}


@app.actor("bench.noop", **settings)
def noop(batch: actorq.Batch[dict[str, Any]]) -> None:
    """Do nothing with a whole batch."""


class Listed(msgspec.Struct):
    """Carry one input of the model as a JSON list."""

    x: list[float]


class Packed(msgspec.Struct):
    """Carry one input of the model as an array."""

    x: NDArray[np.float32]


class Model:
    """Hold the model: loaded once per actor."""

    def setup(self) -> None:
        """Load it."""
        self.weights = Weights()

    def rows(self, inputs: Any) -> NDArray[np.float32]:
        """Score inputs at once."""
        return self.weights.score(np.array([args.x for args in inputs], dtype=np.float32))

    def one_by_one(self, inputs: Any) -> list[NDArray[np.float32]]:
        """Score inputs one at a time."""
        return [self.rows([args])[0] for args in inputs]


@app.actor("bench.model", **settings)
class ModelOfLists(Model):
    """Score a batch in one go."""

    def handle(self, batch: actorq.Batch[Listed]) -> NDArray[np.float32]:
        """Return one row of scores per job."""
        return self.rows(batch.args)


@app.actor("bench.model_unstored", store_results=False, **settings)
class ModelOfListsUnstored(ModelOfLists):
    """Score a batch in one go, for queues that keep no results: the scores are dropped."""


@app.actor("bench.model_single", **settings)
class ModelOfListsSingle(Model):
    """Score one job at a time, whatever size the claimed batch has."""

    def handle(self, batch: actorq.Batch[Listed]) -> list[NDArray[np.float32]]:
        """Return one row of scores per job."""
        return self.one_by_one(batch.args)


@app.actor("bench.arrays", **settings)
class ModelOfArrays(Model):
    """Score a batch in one go."""

    def handle(self, batch: actorq.Batch[Packed]) -> NDArray[np.float32]:
        """Return one row of scores per job."""
        return self.rows(batch.args)


@app.actor("bench.arrays_single", **settings)
class ModelOfArraysSingle(Model):
    """Score one job at a time, whatever size the claimed batch has."""

    def handle(self, batch: actorq.Batch[Packed]) -> list[NDArray[np.float32]]:
        """Return one row of scores per job."""
        return self.one_by_one(batch.args)


@app.actor("bench.sleep", **settings)
def sleep(batch: actorq.Batch[dict[str, Any]]) -> None:
    """Wait 1 ms per call, like a request to a service that takes lists."""
    time.sleep(CALL_S)


@app.actor("bench.sleep_single", **settings)
def sleep_single(batch: actorq.Batch[dict[str, Any]]) -> None:
    """Make one such request per job."""
    for _ in batch.args:
        time.sleep(CALL_S)


@app.actor("bench.flaky", retry=1, **settings)
def flaky(batch: actorq.Batch[dict[str, Any]]) -> None:
    """Fail every hundredth job once; it is retried after a second."""
    for job in batch.jobs:
        if job.args["n"] % 100 == 0 and job.attempt == 1:
            job.retry(1.0, "the first time")


class Noted:
    """Keep what a handler measured, and write it down at the end."""

    def setup(self) -> None:
        """Begin."""
        self.notes: list[Any] = []

    def teardown(self) -> None:
        """Write it down."""
        path = Path(os.environ["BENCH_OUT"]) / f"actor-{os.getpid()}.json"
        path.write_text(json.dumps(self.notes))


@app.actor("bench.stamp", **settings)
class Stamp(Noted):
    """Note when the handler began with each batch, and how many jobs it had."""

    def handle(self, batch: actorq.Batch[dict[str, Any]]) -> None:
        """Note it."""
        self.notes.append((time.monotonic(), len(batch)))


@app.actor("bench.compute", **settings)
class Compute(Noted):
    """Compute for a while per job, and note when."""

    def setup(self) -> None:
        """Make something to compute with."""
        super().setup()
        self.matrix = np.ones((64, 64), dtype=np.float32)

    def handle(self, batch: actorq.Batch[dict[str, Any]]) -> None:
        """Compute."""
        begun = time.monotonic()
        while time.monotonic() < begun + JOB_S * len(batch):
            self.matrix @ self.matrix
        self.notes.append((begun, time.monotonic()))
