"""Run jobs of which one in a hundred kills its process: how fast the others are done, who pays.

The handler works on whole batches at once, so that nobody knows which job it died of, and loses
the work of all of them; then the same in a loop that marks its jobs. Its set-up is simulated. Each
killer may crash once (`crash_budget=1`): further attempts cost a death each, as ever.
"""

from __future__ import annotations

from random import Random
from typing import Any

from bench import _harness as h
from bench import _troubled

ONE_IN = 100


def once(
    host: h.Server, kind: str, jobs: int, options: Any, *, setup_s: float, killed: bool
) -> dict[str, float]:
    """Run some jobs to their end; return the rate, deaths per killer, and who else has paid."""
    n = max(1, jobs // ONE_IN)
    killers = Random(1).sample(range(1, jobs + 1), n) if killed else []
    with h.database(host) as dsn:
        _troubled.fill(dsn, kind, jobs, killers)
        env = {"BENCH_BATCH": options.batch, "BENCH_CALL_S": 0.002, "BENCH_SETUP_S": setup_s}
        env["BENCH_JOB_S"] = options.job_ms / 1000
        run = _troubled.result(_troubled.start(dsn, kind, jobs, **env))
        innocents = _troubled.charged(dsn, "(args->>'kills')::bool")
        figures = {"jobs_per_s": jobs / run["wall_s"], "innocents": innocents}
        figures["deaths"] = run["deaths"] / n
        h.say(f"{kind}, set-up {setup_s:g} s, killers {killed}: {figures}")
        return figures


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=1,
        jobs=(3_000, 200, "jobs per run"),
        dear_jobs=(1_000, 100, "… where a set-up takes 10 s"),
        batch=(256, 32, "jobs per batch"),
        job_ms=(10.0, 2.0, "milliseconds per job"),
        setups=((0, 1, 10), (0, 1), "seconds of set-up"),
    )
    result: dict[str, Any] = {}
    innocents = 0.0
    with h.server() as host:
        h.say(f"on {host.text}")
        calm = once(host, "bench.killed", options.jobs, options, setup_s=0.0, killed=False)
        result["jobs_per_s"] = round(calm["jobs_per_s"], 1)
        for setup_s in options.setups:
            jobs = options.jobs if setup_s < 10 else options.dear_jobs
            run = once(host, "bench.killed", jobs, options, setup_s=setup_s, killed=True)
            result[f"ratio_{setup_s}s"] = round(run["jobs_per_s"] / calm["jobs_per_s"], 3)
            result[f"deaths_per_culprit_{setup_s}s"] = round(run["deaths"], 2)
            innocents += run["innocents"]
        marked = once(host, "bench.killed_marked", options.jobs, options, setup_s=0.0, killed=True)
        result["deaths_marked"] = round(marked["deaths"], 2)
        result["innocents_charged"] = int(innocents + marked["innocents"])
        h.report(options, host, result)


if __name__ == "__main__":
    main()
