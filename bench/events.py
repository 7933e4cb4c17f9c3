"""Follow what several supervisors do: nothing missing, twice or in disorder, and at what cost.

A follower in a process of its own is woken by notifications, and then polls. Another one reads
nothing for some seconds, with so little kept for it that it misses events. Then jobs are drained in
turns with one follower and with none.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import psycopg

from bench import _harness as h
from bench import _runs
from bench._handlers import app, noop

KEEP_BYTES = 300_000
"""What is kept for one that reads nothing: less than a third of the jobs were named in it."""


class Follower:
    """Be a follower in a process of its own."""

    def __init__(self, dsn: str, jobs: int, *, poll_only: bool = False, stall_s: float = 0) -> None:
        command = [sys.executable, "-P", "-m", "bench._follow", "--dsn", dsn, "--jobs", str(jobs)]
        command += ["--poll-only"] * poll_only + ["--stall", str(stall_s)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("the follower did not begin")

    def result(self) -> dict[str, float]:
        """Wait until it has heard of everything; return what came."""
        said, _ = self._process.communicate(timeout=120)
        if self._process.returncode:
            raise RuntimeError("the follower failed")
        result: dict[str, float] = json.loads(said)
        return result


def drain(host: h.Server, options: Any, follow: dict[str, Any] | None) -> dict[str, float]:
    """Let supervisors that are ready drain jobs, followed or not; return rate and what came."""
    env = {"BENCH_KEEP_BYTES": str(KEEP_BYTES)} if follow and "stall_s" in follow else None
    with h.database(host) as dsn:
        h.checkpoint(dsn)
        h.use(dsn, app)
        all_ = [
            _runs.Supervisor(dsn, noop.name, batch=options.batch, env=env)
            for _ in range(options.supervisors)
        ]
        for one in all_:
            one.ready()
        follower = None if follow is None else Follower(dsn, options.jobs, **follow)
        noop.enqueue_many({"n": n, "s": _runs.TEXT} for n in range(options.jobs))
        _runs.wait_until_empty(dsn)
        told = {} if follower is None else follower.result()
        for one in all_:
            one.process.send_signal(signal.SIGTERM)
        took = [run for run in (one.result() for one in all_) if run["settled"]]
        with psycopg.connect(dsn) as conn:
            row = conn.execute("SELECT count(*) FROM actorq.follower").fetchone()
        if row != (0,):
            raise RuntimeError("a follower has left its row")
    wall_s = max(run["last_s"] for run in took) - min(run["first_s"] for run in took)
    return {"jobs_per_s": options.jobs / wall_s, **told}


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=5,
        jobs=(300_000, 2_000, "jobs per run"),
        batch=(1000, 50, "jobs per batch"),
        supervisors=(3, 2, "supervisors"),
        stall=(10.0, 0.5, "seconds for which a follower reads nothing"),
    )
    result: dict[str, Any] = {}
    with h.server() as host:
        h.say(f"on {host.text}")
        for name, poll_only in (("", False), ("_polling", True)):
            run = drain(host, options, {"poll_only": poll_only})
            h.say(f"followed{name}: {run}")
            result[f"missing{name}"] = options.jobs - run["told"] - run["in_gaps"]
            result[f"in_gaps{name}"] = run["in_gaps"]
            result[f"duplicates{name}"] = run["duplicates"]
            result[f"order_broken{name}"] = run["order_broken"]
            result[f"follower_us_per_job{name}"] = run["cpu_s"] / options.jobs * 1e6
        rates: dict[str, list[float]] = {"free": [], "followed": [], "stalled": []}
        ways: dict[str, dict[str, Any] | None] = {
            "free": None,
            "followed": {},
            "stalled": {"stall_s": options.stall},
        }
        for _ in range(options.repeat + (options.repeat > 1)):
            for name, how in ways.items():
                run = drain(host, options, how)
                rates[name].append(run["jobs_per_s"])
                h.say(f"{name:>8}  {run}")
                if name == "stalled":
                    result["missing_stalled"] = options.jobs - run["told"] - run["in_gaps"]
                    result["in_gaps_stalled"] = run["in_gaps"]
        free = rates["free"][-options.repeat :]
        for name in ("followed", "stalled"):
            some = rates[name][-options.repeat :]
            ratios = [a / b for a, b in zip(some, free, strict=True)]
            result[f"{name}_ratio"] = h.median(ratios, 3)
            result[f"{name}_ratio_spread"] = h.spread(ratios, 3)
        result["jobs_per_s"] = h.median(free, 0)
        h.report(options, host, result)


if __name__ == "__main__":
    main()
