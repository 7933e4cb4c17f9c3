"""Be a supervisor that measures itself: run by the benchmarks as a process of its own.

Prints JSON, one object a line: "ready" when all its actors are, with --every the figures of each
interval, and last the sum of it all, when as many jobs as expected are settled or on SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from actorq.cli.load import load_app
from actorq.core import event
from actorq.core.job.model import Settlement
from actorq.core.plan.effects import Claim
from actorq.core.store_values import ClaimReply, SettleReply
from actorq.events import Events
from actorq.store.counters.fold import fold
from actorq.store.queue import queue
from actorq.supervisor.engine import Engine
from bench import _machine
from bench._harness import percentiles


class Calls:
    """Remember when statements were sent, how long they took and how many jobs they moved."""

    def __init__(self) -> None:
        self.claims: list[tuple[float, float, int]] = []
        self.settles: list[tuple[float, float, int]] = []

    def took(self) -> dict[str, float]:
        """Return how long claims that brought jobs took, and settles."""
        claims = [took for _, took, n in self.claims if n]
        settles = [took for _, took, _ in self.settles]
        return percentiles(claims, "claim_") | percentiles(settles, "settle_")


CALLS = Calls()


class TimedStore(queue.QueueStore):
    """Time the two statements that a drain consists of."""

    def claim(self, ask: Claim) -> ClaimReply:
        """Claim."""
        begun = time.monotonic()
        claimed = super().claim(ask)
        CALLS.claims.append((begun, time.monotonic() - begun, claimed.n_taken))
        return claimed

    def fold(self) -> int:
        """Fold; keep little for followers if told so."""
        keep_bytes = os.environ.get("BENCH_KEEP_BYTES")
        return fold(self._calls, keep_bytes=int(keep_bytes)) if keep_bytes else super().fold()

    def settle(self, settle_no: int, settlements: Sequence[Settlement]) -> SettleReply:
        """Settle."""
        begun = time.monotonic()
        settled = super().settle(settle_no, settlements)
        n = sum(s.n for s in settlements)
        CALLS.settles.append((begun, time.monotonic() - begun, n))
        return settled


class Meter:
    """Watch the events; stop the engine after the last job."""

    def __init__(self, n_jobs: int, n_shares: int, n_actors: int, every_s: float) -> None:
        self.n_jobs, self.n_shares, self.n_actors = n_jobs, n_shares, n_actors
        self.every_s = every_s
        self.stop: Callable[[], None] = lambda: None
        self.last_s = self.cpu_s = 0.0
        self.n_batches = self.n_failed = self.n_ready = 0
        self.cuts: Counter[str] = Counter()
        self.settled: Counter[str] = Counter()
        self.shares: Counter[str] = Counter()
        self.written: list[tuple[int, float]] = []  # lease, when the engine knew it was settled
        self.sent: list[tuple[int, int]] = []  # lease, jobs
        self.said_at = time.monotonic()

    def __call__(self, happened: event.Event) -> None:
        """Count, and stop when everything is written."""
        match happened:
            case event.BatchClaimed(lease=lease, n_jobs=n, cut=cut):
                self.cpu_s = self.cpu_s or _cpu_s()
                self.n_batches += 1
                self.cuts[cut] += 1
                self.sent.append((lease, n))
            case event.BatchSettled(kind=kind, lease=lease, n_jobs=n):
                self._settled(kind, lease, n)
            case event.AttemptFailed():
                self.n_failed += 1
            case event.ActorReady():
                self.n_ready += 1
                if self.n_ready == self.n_actors:
                    say({"ready": True})

    def _settled(self, kind: str, lease: int, n: int) -> None:
        self.last_s = time.monotonic()
        self.settled[kind] += n
        self.written.append((lease, self.last_s))
        total = self.settled.total()
        if not self.shares and total >= self.n_shares:
            self.shares = self.settled.copy()
        if self.n_jobs and total >= self.n_jobs:
            self.stop()
        if self.every_s and self.last_s >= self.said_at + self.every_s:
            self._say_interval()

    def _say_interval(self) -> None:
        """Tell of the interval and forget it, so that a long run does not fill the memory."""
        pids = _machine.tree(os.getpid())
        actors = sum(_machine.rss_mb(pid) for pid in pids[1:])
        memory = {"supervisor_mb": _machine.rss_mb(pids[0]), "actors_mb": actors}
        say({"settled": self.settled.total(), **CALLS.took(), **memory})
        for each in (CALLS.claims, CALLS.settles, self.sent, self.written):
            each.clear()
        self.said_at = self.last_s

    def sum(self) -> dict[str, Any]:
        """Return what the whole run comes to."""
        first_s = next((at for at, _, n in CALLS.claims if n), self.last_s)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "first_s": first_s,
            "last_s": self.last_s,
            "wall_s": self.last_s - first_s,
            "supervisor_cpu_s": _cpu_s() - self.cpu_s,
            "actors_cpu_s": children.ru_utime + children.ru_stime,
            "batches": self.n_batches,
            "cuts": dict(self.cuts),
            "failed": self.n_failed,
            "settled": dict(self.settled),
            "shares": dict(self.shares),
            **CALLS.took(),
        }


def say(what: dict[str, Any]) -> None:
    """Print one line of JSON."""
    print(json.dumps(what), flush=True)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Serve some kinds until their jobs are done, or until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--app", default="bench._handlers")
    parser.add_argument("--kinds", required=True)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--shares-at", type=int, default=0, help="note the kinds' shares then")
    parser.add_argument("--settle-rows", type=int, default=1000)
    parser.add_argument("--every", type=float, default=0.0)
    parser.add_argument("--poll-only", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    queue.QueueStore = TimedStore  # type: ignore[misc]
    app = load_app(options.app)  # its actors load that alone, and not this module
    run = app.run_options(
        kinds=options.kinds.split(","),
        settle_rows=options.settle_rows,
        notify=not options.poll_only,
    )
    n_actors = sum(kind.policy.actors for kind in run.kinds)
    meter = Meter(options.jobs, options.shares_at, n_actors, options.every)
    engine = Engine(run, Events(meter))
    meter.stop = engine.stop
    engine.run()
    out = os.environ.get("BENCH_OUT")
    if out:
        trace = {"claims": CALLS.claims, "sent": meter.sent, "written": meter.written}
        (Path(out) / "supervisor.json").write_text(json.dumps(trace))
    say(meter.sum())


if __name__ == "__main__":
    main()
