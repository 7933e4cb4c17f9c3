"""Supervisor processes, full queues and drains: what most benchmarks are put together from."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import _harness as h
from bench._handlers import app, noop

READY_S = 300.0
TEXT = "x" * 80
"""With a number beside it: about 100 bytes of args."""


class Supervisor:
    """Be a supervisor in a process of its own."""

    def __init__(
        self,
        dsn: str,
        kinds: str,
        *,
        jobs: int = 0,
        batch: int = 1000,
        actors: int = 1,
        settle_rows: int = 1000,
        poll_only: bool = False,
        every_s: float = 0.0,
        shares_at: int = 0,
        declared_in: str = "bench._handlers",
        out: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        set_ = {"ACTORQ_DSN": dsn, "BENCH_BATCH": str(batch), "BENCH_ACTORS": str(actors)}
        set_ |= {"BENCH_OUT": str(out)} if out else {}
        command = [sys.executable, "-P", "-m", "bench._supervise", "--app", declared_in]
        command += ["--kinds", kinds, "--jobs", str(jobs), "--settle-rows", str(settle_rows)]
        command += ["--every", str(every_s), "--shares-at", str(shares_at)]
        command += ["--poll-only"] * poll_only
        self.process = subprocess.Popen(
            command, env={**os.environ, **set_, **(env or {})}, stdout=subprocess.PIPE, text=True
        )
        self._last: dict[str, Any] = {}

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what it says until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._last = json.loads(line)
            yield self._last

    def ready(self) -> None:
        """Wait until all its actors are ready."""
        for line in self.lines():
            if line.get("ready"):
                return
        raise RuntimeError("the supervisor ended before its actors were ready")

    def result(self) -> dict[str, Any]:
        """Wait for its end and return what it measured."""
        for _ in self.lines():
            pass
        if self.process.wait() or "wall_s" not in self._last:
            raise RuntimeError(f"the supervisor failed with exit code {self.process.returncode}")
        return self._last

    def stop(self) -> dict[str, Any]:
        """Ask it to stop and return what it measured."""
        self.process.send_signal(signal.SIGTERM)
        return self.result()


@contextmanager
def supervisor(dsn: str, kinds: str, **settings: Any) -> Iterator[Supervisor]:
    """Yield a supervisor whose actors are ready; it is stopped at the end if it still runs."""
    made = Supervisor(dsn, kinds, **settings)
    try:
        made.ready()
        yield made
    finally:
        if made.process.poll() is None:
            made.stop()


def supervise(dsn: str, kinds: str, jobs: int, **settings: Any) -> dict[str, Any]:
    """Run a supervisor until it has settled `jobs` jobs; returns what it measured."""
    return Supervisor(dsn, kinds, jobs=jobs, **settings).result()


def fill(dsn: str, jobs: int) -> None:
    """Enqueue no-op jobs with about 100 bytes of args each."""
    h.use(dsn, app)
    noop.enqueue_many({"n": n, "s": TEXT} for n in range(jobs))


def drain(host: h.Server, dsn: str, jobs: int, batch: int, actors: int = 1) -> dict[str, float]:
    """Fill a database, drain it, and return the figures of this run."""
    h.checkpoint(dsn)
    wal = [h.wal(dsn)]
    fill(dsn, jobs)
    wal.append(h.wal(dsn))
    h.analyze(dsn)
    wal.append(h.wal(dsn))
    before = host.cpu_s()
    run = supervise(dsn, "bench.noop", jobs, batch=batch, actors=actors)
    after = host.cpu_s()
    wal.append(h.wal(dsn))
    written = wal[1] - wal[0] + wal[3] - wal[2]
    return _figures(jobs, run, written) | server_us(jobs, before, after)


def server_us(jobs: int, before: float | None, after: float | None) -> dict[str, float]:
    """Return what a job cost the server, where its processes can be seen."""
    if before is None or after is None:
        return {}
    return {"server_us_per_job": (after - before) / jobs * 1e6}


def wait_until_empty(dsn: str) -> None:
    """Wait for the last outcome, without slowing the drain down by asking often."""
    waiting = "EXISTS (SELECT FROM actorq.ready) OR EXISTS (SELECT FROM actorq.lease)"
    while h.run(dsn, f"SELECT {waiting}")[0]:
        time.sleep(0.2)


def _figures(jobs: int, run: dict[str, Any], written: int) -> dict[str, float]:
    """Divide what a run took by its jobs."""
    return {
        "jobs_per_s": jobs / run["wall_s"],
        "wal_bytes_per_job": written / jobs,
        "supervisor_us_per_job": run["supervisor_cpu_s"] / jobs * 1e6,
        "actors_us_per_job": run["actors_cpu_s"] / jobs * 1e6,
        "batch_mean": jobs / run["batches"],
        "claim_p50_ms": run["claim_p50_ms"],
        "settle_p50_ms": run["settle_p50_ms"],
    }


def against(
    names: tuple[str, str], once: Callable[[str], dict[str, float]], repeat: int
) -> dict[str, Any]:
    """Compare two rates in interleaved pairs, in turned order; the ratio is first to second.

    A first pair warms the machine up and is not counted, unless there is only one. The server's
    CPU per job varies less than rates do, where it is known.
    """
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for n in range(repeat + (repeat > 1)):
        for name in names if n % 2 == 0 else reversed(names):
            runs[name].append(once(name))
            h.say(f"{name:>16}  {runs[name][-1]['jobs_per_s']:,.0f} jobs/s")
    counted = {name: all_[-repeat:] for name, all_ in runs.items()}
    ratios = _ratios(counted, names, "jobs_per_s")
    made: dict[str, Any] = {"ratio": h.median(ratios, 3), "ratio_spread": h.spread(ratios, 3)}
    # A run of some milliseconds may take less CPU than a tick of the kernel's clock.
    if all(run.get("server_us_per_job") for each in counted.values() for run in each):
        cpu = _ratios(counted, names, "server_us_per_job")
        made |= {"server_cpu_ratio": h.median(cpu, 3), "server_cpu_ratio_spread": h.spread(cpu, 3)}
    for name, each in counted.items():
        rates = [run["jobs_per_s"] for run in each]
        made |= {f"{name}_jobs_per_s": h.median(rates, 0), f"{name}_spread": h.spread(rates)}
    return made


def _ratios(
    runs: dict[str, list[dict[str, float]]], names: tuple[str, str], key: str
) -> list[float]:
    first, second = (runs[name] for name in names)
    return [a[key] / b[key] for a, b in zip(first, second, strict=True)]
