"""Drain a full queue of no-op jobs: jobs per second, WAL and CPU per job."""

from __future__ import annotations

import itertools
from typing import Any

from bench import _harness as h
from bench._handlers import app, noop


def fill(dsn: str, jobs: int) -> None:
    """Enqueue jobs with about 100 bytes of args each."""
    h.use(dsn, app)
    text = "x" * 80
    noop.enqueue_many({"n": n, "s": text} for n in range(jobs))


def once(host: h.Server, jobs: int, batch: int, actors: int) -> dict[str, float]:
    """Fill a fresh database, drain it, and return the figures of this run."""
    with h.database(host) as dsn:
        h.checkpoint(dsn)
        wal = [h.wal(dsn)]
        fill(dsn, jobs)
        wal.append(h.wal(dsn))
        h.analyze(dsn)
        wal.append(h.wal(dsn))
        before = host.cpu_s()
        run = h.supervise(dsn, "bench.noop", jobs, batch=batch, actors=actors)
        after = host.cpu_s()
        wal.append(h.wal(dsn))
    written = wal[1] - wal[0] + wal[3] - wal[2]
    return figures(jobs, run, written, None if before is None else after - before)


def figures(
    jobs: int, run: dict[str, Any], written: int, server_s: float | None
) -> dict[str, float]:
    """Divide what a run took by its jobs."""
    made = {
        "jobs_per_s": jobs / run["wall_s"],
        "wal_bytes_per_job": written / jobs,
        "supervisor_us_per_job": run["supervisor_cpu_s"] / jobs * 1e6,
        "actors_us_per_job": run["actors_cpu_s"] / jobs * 1e6,
        "batch_mean": jobs / run["batches"],
    }
    if server_s is not None:
        made["server_us_per_job"] = server_s / jobs * 1e6
    return made


def main() -> None:
    """Run the benchmark."""
    parser = h.parser(__doc__ or "")
    parser.add_argument("--jobs", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--actors", type=int, default=1)
    options = parser.parse_args()
    with h.server() as host:
        print(f"on {host.text}")
        runs = []
        for _ in itertools.repeat(None, options.repeat):
            runs.append(once(host, options.jobs, options.batch, options.actors))
            print("  ".join(f"{name} {value:,.1f}" for name, value in runs[-1].items()))
    medians = {name: h.summary([run[name] for run in runs]) for name in runs[0]}
    spread = [round(medians["jobs_per_s"][end]) for end in ("min", "max")]
    result = {name: round(value["median"], 2) for name, value in medians.items()}
    result |= {"jobs_per_s_spread": spread, "jobs": options.jobs, "batch": options.batch}
    h.report(options, result | {"machine": h.machine()}, print)


if __name__ == "__main__":
    main()
