"""Measure which share of their time actors compute, from the first batch to the last.

The handler computes for a fixed time per job and notes when it did; the rest of an actor's time
is spent on reading frames, decoding args, answering, and waiting for the next batch.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from bench import _harness as h
from bench import _runs
from bench._handlers import app


def once(host: h.Server, jobs: int, batch: int, actors: int, job_us: int) -> float:
    """Run the jobs; return the mean of the actors' busy shares."""
    with h.database(host) as dsn, tempfile.TemporaryDirectory() as out:
        h.use(dsn, app)
        app.kinds["bench.compute"].enqueue_many({"n": n, "s": _runs.TEXT} for n in range(jobs))
        h.analyze(dsn)
        env = {"BENCH_JOB_US": str(job_us)}
        _runs.supervise(
            dsn, "bench.compute", jobs, batch=batch, actors=actors, out=Path(out), env=env
        )
        notes: list[list[tuple[float, float]]] = [
            json.loads(path.read_text()) for path in Path(out).glob("actor-*.json")
        ]
    shares = [sum(e - b for b, e in note) / (note[-1][1] - note[0][0]) for note in notes if note]
    return sum(shares) / len(shares)


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        jobs=(10_000, 500, "jobs per run"),
        batch=(100, 100, "jobs per batch"),
        actors=(1, 1, "actors"),
        job_us=(1_000, 1_000, "microseconds that a job computes"),
        short_us=(100, 100, "the same for a handler that is quicker"),
    )
    shares: dict[str, list[float]] = {"busy": [], "busy_short": []}
    with h.server() as host:
        h.say(f"on {host.text}")
        for _ in range(options.repeat):
            for name, job_us in (("busy", options.job_us), ("busy_short", options.short_us)):
                jobs = options.jobs * options.job_us // job_us
                share = once(host, jobs, options.batch, options.actors, job_us)
                shares[name].append(share)
                h.say(f"{job_us:>6} us per job  {share:.4f}")
        result: dict[str, object] = {}
        for name, values in shares.items():
            result |= {name: h.median(values, 4), f"{name}_spread": h.spread(values, 4)}
        h.report(options, host, result)


if __name__ == "__main__":
    main()
