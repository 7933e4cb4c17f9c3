"""Drain one database with 1, 2 and 4 supervisors at once; a first round is not counted."""

from __future__ import annotations

import signal
from typing import Any

from bench import _harness as h
from bench import _runs
from bench._handlers import app, noop


def once(host: h.Server, n: int, jobs: int, batch: int) -> dict[str, float]:
    """Let n supervisors, all ready, take jobs that appear in one commit."""
    with h.database(host) as dsn:
        h.checkpoint(dsn)
        h.use(dsn, app)
        all_ = [_runs.Supervisor(dsn, noop.name, batch=batch) for _ in range(n)]
        for one in all_:
            one.ready()
        noop.enqueue_many({"n": n, "s": _runs.TEXT} for n in range(jobs))
        _runs.wait_until_empty(dsn)
        for one in all_:
            one.process.send_signal(signal.SIGTERM)
        runs = [one.result() for one in all_]
    done = [sum(run["settled"].values()) for run in runs]
    if sum(done) != jobs:
        raise RuntimeError(f"{sum(done)} outcomes for {jobs} jobs")
    took = [run for run in runs if run["settled"]]
    wall_s = max(run["last_s"] for run in took) - min(run["first_s"] for run in took)
    return {"jobs_per_s": jobs / wall_s, "least_share": min(done) * n / jobs}


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=5,
        jobs=(300_000, 2_000, "jobs per run"),
        batch=(1000, 50, "jobs per batch"),
        supervisors=((1, 2, 4), (1, 2), "how many supervisors"),
    )
    runs: dict[int, list[dict[str, float]]] = {n: [] for n in options.supervisors}
    with h.server() as host:
        h.say(f"on {host.text}")
        for _ in range(options.repeat + (options.repeat > 1)):
            for n in options.supervisors:
                runs[n].append(once(host, n, options.jobs, options.batch))
                h.say(f"{n:>3} supervisors  {runs[n][-1]}")
        runs = {n: all_[-options.repeat :] for n, all_ in runs.items()}
        rates = {n: [run["jobs_per_s"] for run in all_] for n, all_ in runs.items()}
        first, last = options.supervisors[0], options.supervisors[-1]
        ratios = [b / a for a, b in zip(rates[first], rates[last], strict=True)]
        result: dict[str, Any] = {"ratio": h.median(ratios, 3), "ratio_spread": h.spread(ratios, 3)}
        for n, values in rates.items():
            result[f"jobs_per_s_{n}"] = h.median(values, 0)
            result[f"jobs_per_s_{n}_spread"] = h.spread(values)
            result[f"least_share_{n}"] = h.median([run["least_share"] for run in runs[n]])
        h.report(options, host, result)


if __name__ == "__main__":
    main()
