"""Be a supervisor that measures itself: run by the benchmarks as a process of its own.

Prints one line of JSON when all jobs are settled: times, and the CPU of itself and its actors.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import time
from collections import Counter

from actorq.core import event
from actorq.events import Events
from actorq.supervisor.engine import Engine
from actorq.supervisor.options import RunOptions
from bench._handlers import app


class Meter:
    """Watch the events; stop the engine after the last job."""

    def __init__(self, n_jobs: int) -> None:
        self.n_jobs = n_jobs
        self.engine: Engine | None = None
        self.first_s = self.last_s = self.cpu_s = 0.0
        self.n_settled = self.n_batches = self.n_failed = 0
        self.cuts: Counter[str] = Counter()
        self.waits: list[float] = []

    def __call__(self, happened: event.Event) -> None:
        """Count, and stop when everything is written."""
        match happened:
            case event.BatchClaimed(cut=cut):
                if not self.n_batches:
                    self.first_s, self.cpu_s = time.monotonic(), _cpu_s()
                self.n_batches += 1
                self.cuts[cut] += 1
            case event.Settled(n_jobs=n):
                self.n_settled += n
                self.last_s = time.monotonic()
                if self.n_settled >= self.n_jobs and self.engine is not None:
                    self.cpu_s = _cpu_s() - self.cpu_s
                    self.engine.stop()
            case event.JobFailed():
                self.n_failed += 1


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Serve one kind until its jobs are done."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", required=True)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--settle-rows", type=int, default=1000)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    meter = Meter(options.jobs)
    run = RunOptions.of(app, kinds=[options.kind], settle_rows=options.settle_rows)
    meter.engine = Engine(run, Events(meter))
    meter.engine.run()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        json.dumps(
            {
                "wall_s": meter.last_s - meter.first_s,
                "supervisor_cpu_s": meter.cpu_s,
                "actors_cpu_s": children.ru_utime + children.ru_stime,
                "batches": meter.n_batches,
                "cuts": dict(meter.cuts),
                "failed": meter.n_failed,
            }
        )
    )


if __name__ == "__main__":
    main()
