"""Kinds that get into trouble, and a supervisor that says what that has cost.

Run as a process of its own: it prints one object as JSON when so many jobs are final, or with
--until-rest as soon as the kind rests.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

import actorq
from actorq.core import event
from actorq.events import Events
from actorq.supervisor.engine import Engine
from actorq.supervisor.options import RunOptions

MAX_BATCH = int(os.environ.get("BENCH_BATCH", "20"))
CALL_S = float(os.environ.get("BENCH_CALL_S", "0.01"))
"""How long one call takes, however many jobs it has."""
JOB_S = float(os.environ.get("BENCH_JOB_S", "0"))
"""How much longer it takes for each of them."""
SETUP_S = float(os.environ.get("BENCH_SETUP_S", "0"))

app = actorq.App()


class Args(msgspec.Struct):
    """Number a job, and say whether it kills its process."""

    n: int
    kills: bool = False


@app.actor("bench.service", max_batch=MAX_BATCH)
def service(batch: actorq.Batch[Args]) -> None:
    """Ask a service that is down while the file BENCH_DOWN is there."""
    time.sleep(CALL_S)
    if Path(os.environ["BENCH_DOWN"]).exists():
        raise ConnectionError("the service is down")


class Model:
    """Take long to set up, and die of some of the jobs."""

    def setup(self) -> None:
        """Load what is simulated by waiting."""
        time.sleep(SETUP_S)


@app.actor("bench.killed", max_batch=MAX_BATCH, crash_budget=1)
class Killed(Model):
    """Work on all jobs at once: which one is running, nobody knows."""

    def handle(self, batch: actorq.Batch[Args]) -> None:
        """Work, and die at the end if a killer is among them: the work of all is lost."""
        time.sleep(CALL_S + JOB_S * len(batch))
        if any(args.kills for args in batch.args):
            os.kill(os.getpid(), signal.SIGKILL)


@app.actor("bench.killed_marked", max_batch=MAX_BATCH, crash_budget=1)
class KilledMarked(Model):
    """Work on one job after the other, in a loop that marks them."""

    def handle(self, batch: actorq.Batch[Args]) -> None:
        """Work, and die of each killer."""
        for job in batch:
            time.sleep(JOB_S)
            if job.args.kills:
                os.kill(os.getpid(), signal.SIGKILL)


class Watch:
    """Count what happens, and stop when it is over."""

    def __init__(self, n_final: int, until_rest: bool) -> None:
        self.n_final, self.until_rest = n_final, until_rest
        self.stop: Callable[[], None] = lambda: None
        self.first_s = self.last_s = 0.0
        self.n_done = self.n_failed = self.n_before_rest = self.n_deaths = 0
        self.rested_at = 0.0
        self.sizes: list[int] = []  # of the batches that were claimed after the last rest

    def __call__(self, happened: event.Event) -> None:
        """Take in an event."""
        match happened:
            case event.BatchClaimed(n_jobs=n):
                self.first_s = self.first_s or time.monotonic()
                self.sizes.append(n)
            case event.BatchFailed():
                self.n_failed += 1
                self.n_before_rest += not self.rested_at
            case event.ActorExited(planned=False):
                self.n_deaths += 1
            case event.KindResting():
                self.rested_at = time.monotonic()
                self.sizes.clear()
            case event.Settled(n_completed=n):
                self.n_done += n
            case event.JobFailed(retry_in_s=None):
                self.n_done += 1
        self.last_s = time.monotonic()
        if self.n_done >= self.n_final or (self.until_rest and self.rested_at):
            self.stop()

    def sum(self) -> dict[str, Any]:
        """Return what it comes to."""
        return {
            "wall_s": self.last_s - self.first_s,
            "failed_batches": self.n_failed,
            "before_rest": self.n_before_rest,
            "deaths": self.n_deaths,
            "sizes": self.sizes,
        }


def main() -> None:
    """Serve one kind until its jobs are final, or until it rests."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", required=True)
    parser.add_argument("--final", type=int, required=True)
    parser.add_argument("--until-rest", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    watch = Watch(options.final, options.until_rest)
    engine = Engine(RunOptions.of(app, kinds=[options.kind]), Events(watch))
    watch.stop = engine.stop
    engine.run()
    print(json.dumps(watch.sum()), flush=True)


if __name__ == "__main__":
    main()
