"""Take the service away that all jobs need: what fails, who pays, how soon all is as before.

First nothing ever works, until the kind rests; then the service is away for a while, in the midst
of a long queue.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from bench import _harness as h
from bench import _troubled

KIND = "bench.service"
BEGIN_S = 2.0
"""How long the supervisor works before the service goes away; its start is a part of it."""


def to_the_rest(host: h.Server, down: Path, jobs: int, batch: int) -> dict[str, int]:
    """Have everything fail until the kind rests; return how much failed, and who paid."""
    down.touch()
    with h.database(host) as dsn:
        _troubled.fill(dsn, KIND, jobs)
        started = _troubled.start(
            dsn, KIND, jobs, "--until-rest", BENCH_BATCH=batch, BENCH_DOWN=down
        )
        run = _troubled.result(started)
        return {"failed_batches": run["before_rest"], "charged": _troubled.charged(dsn)}


def drain(host: h.Server, down: Path, jobs: int, batch: int, away_s: float) -> dict[str, Any]:
    """Drain a queue while the service is away for a while; 0 leaves it alone."""
    down.unlink(missing_ok=True)
    with h.database(host) as dsn:
        _troubled.fill(dsn, KIND, jobs)
        started = _troubled.start(dsn, KIND, jobs, BENCH_BATCH=batch, BENCH_DOWN=down)
        if away_s:
            time.sleep(BEGIN_S)
            down.touch()
            time.sleep(away_s)
            down.unlink()
        return {**_troubled.result(started), "charged": _troubled.charged(dsn)}


def batches_to_normal(sizes: list[int], batch: int) -> int:
    """Count the batches after the last rest before one of the usual size; one job is tried."""
    return next((n for n, size in enumerate(sizes) if size >= 0.9 * batch), len(sizes))


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=1,
        jobs=(10_000, 200, "jobs waiting while everything fails"),
        long=(20_000, 2_000, "jobs waiting when the service goes away"),
        batch=(20, 10, "jobs per batch of that queue"),
        away=(5.0, 1.0, "seconds of outage"),
    )
    result: dict[str, Any] = {}
    with h.server() as host, tempfile.TemporaryDirectory() as directory:
        h.say(f"on {host.text}")
        down, charged = Path(directory) / "down", 0
        for batch in (20, 500):
            rested = to_the_rest(host, down, options.jobs, batch)
            h.say(f"batches of {batch}: {rested}")
            result[f"failed_batches_{batch}"] = rested["failed_batches"]
            charged = max(charged, rested["charged"])
        calm = drain(host, down, options.long, options.batch, 0.0)
        run = drain(host, down, options.long, options.batch, options.away)
        after = run["sizes"][batches_to_normal(run["sizes"], options.batch) :][:100]
        result |= {
            "charged": max(charged, run["charged"]),
            "undisturbed_s": round(calm["wall_s"], 2),
            "extra_s": round(run["wall_s"] - calm["wall_s"] - options.away, 2),
            "batches_to_normal": batches_to_normal(run["sizes"], options.batch),
            "mean_batch_after": round(sum(after) / max(1, len(after)), 2),
        }
        h.report(options, host, result)


if __name__ == "__main__":
    main()
