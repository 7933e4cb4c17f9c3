"""One torture run from its start to its verdict, and the command line."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.torture import leftovers
from tests.torture.checker import Checker, Enqueued, behaviours, totals
from tests.torture.cluster import Cluster, Proxy, WalTap
from tests.torture.fleet import Fleet
from tests.torture.follow import FOLLOWERS, told
from tests.torture.followers import Followers
from tests.torture.model import Violation
from tests.torture.nemesis import Nemesis
from tests.torture.runs import Runs
from tests.torture.tiers import TIERS, TTL_S, Tier
from tests.torture.wal import transactions
from tests.torture.workload import Workload

ROOT = Path(os.environ.get("TORTURE_ROOT") or Path(__file__).resolve().parents[2])
N_ENQUEUERS = 2
DRAIN_S = 10.0 + 3 * TTL_S
"""From the last fault on: a dead supervisor's ttl, the longest delay of a job, and some room."""

CUTS = ("cut_before", "cut_after")
"""An order to cut waits for its request, perhaps in vain: what counts are those that were cut."""

COUNTED = """
    SELECT l.kind, o.name, sum(o.n)::int8
    FROM (
        SELECT m.lane, ARRAY[n_completed, n_failed, n_retried, n_snoozed, n_cancelled] AS n
        FROM actorq.minute m
        UNION ALL
        SELECT (e ->> 0)::int4, ARRAY(SELECT n::int8 FROM json_array_elements_text(e)
            WITH ORDINALITY v (n, k) WHERE k > 1 ORDER BY k)
        FROM actorq.change c, json_array_elements(c.counts) e
        WHERE c.no > coalesce((SELECT s.folded_no FROM actorq.series s
            WHERE s.source = c.source AND s.parity = c.no % 2), 0)
    ) c
    JOIN actorq.lane l ON l.id = c.lane,
    unnest(c.n, '{completed,failed,retried,snoozed,cancelled}'::text[]) o (n, name)
    GROUP BY 1, 2
"""
"""What all minutes, and the changes that are not folded yet, have counted."""

SEEN = (
    "supervisor_started", "supervisor_disowned", "node_reaped", "connection_lost",
    "settle_delayed", "lease_lost", "lease_found", "actor_exited", "batch_failed", "kind_resting",
)  # fmt: skip
"""Events that show how much harm the faults did."""


@dataclass
class Report:
    """Hold the verdict on a run."""

    seed: int
    summary: dict[str, Any]
    violations: list[Violation] = field(default_factory=list)
    stories: list[str] = field(default_factory=list)  # of the first offenders

    @property
    def ok(self) -> bool:
        """Tell whether nothing was wrong."""
        return not self.violations


class Torture:
    """Set everything up, let the nemesis loose, and judge."""

    def __init__(self, tier: Tier, seed: int, directory: Path) -> None:
        self.tier, self.seed, self.directory = tier, seed, directory
        self.work = Workload(seed, tier.deaths)
        self.wrong: list[Violation] = []
        self.results: dict[int, Any] = {}
        self.counted: list[tuple[Any, ...]] = []
        self.took: dict[str, float] = {}
        self.cuts: dict[str, int] = {}

    def run(self) -> Report:
        """Run and judge."""
        for name in ("once", "tmp"):
            (self.directory / name).mkdir()
        begun = time.monotonic()
        with contextlib.closing(Cluster(self.directory / "server")) as cluster:
            tap = WalTap(cluster, self.directory / "wal.txt")
            proxy = Proxy(cluster, self.tier.supervisors + N_ENQUEUERS + len(FOLLOWERS), ROOT)
            try:
                done = self._torment(cluster, tap, proxy)
            finally:
                self.cuts = proxy.close()
                tap.close()
        for text in leftovers.shared(cluster.segments, self.directory / "tmp"):
            self._wrong("leftover", text)
        self.took["run"] = time.monotonic() - begun
        return self._judge(done)

    def _torment(self, cluster: Cluster, tap: WalTap, proxy: Proxy) -> Nemesis:
        n = self.tier.supervisors
        fleet = Fleet(self.directory, ROOT, self._env(), [proxy.dsn(door) for door in range(n)])
        try:
            doors = range(n + N_ENQUEUERS, n + N_ENQUEUERS + len(FOLLOWERS))
            followers = Followers(fleet, [proxy.dsn(door) for door in doors])
            followers.begin()
            for k in range(N_ENQUEUERS):
                jobs = self.tier.n_jobs // N_ENQUEUERS
                fleet.enqueue(k, proxy.dsn(n + k), jobs, self.tier.span_s * 0.9)
            nemesis = Nemesis(
                self.tier, self.seed, cluster, fleet, followers, proxy, self.directory
            )
            nemesis.run()
            for enqueuer in fleet.enqueuers:
                enqueuer.wait(60 + self.tier.span_s)  # on a busy machine they are late
            self._drain(cluster, fleet, followers)
            self._read_results(cluster)
            self._end(cluster, fleet, followers)
            tap.finish()
        finally:
            fleet.kill_all()
        return nemesis

    def _env(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(self.directory / "tmp"),
            "TORTURE_DIRECTORY": str(self.directory),
            "TORTURE_SEED": str(self.seed),
            "TORTURE_DEATHS": str(self.tier.deaths),
            "TORTURE_ACTORS": str(self.tier.actors),
        }

    def _drain(self, cluster: Cluster, fleet: Fleet, followers: Followers) -> None:
        """Wait until every job is final; the time for that is bounded once the faults are over."""
        begun = time.monotonic()
        last, left = begun, -1
        while True:
            fleet.mend()
            followers.mend()
            before, left = left, cluster.patiently(_pending)
            now = time.monotonic()
            if left == 0:
                break
            last = now if left != before else last
            if now - last > DRAIN_S:
                break  # what is left are lost jobs: the checker names them
            time.sleep(0.1)
        self.took["drain"] = time.monotonic() - begun
        for text in fleet.gave_up:
            self._wrong("gave_up", text)

    def _read_results(self, cluster: Cluster) -> None:
        def read(conn: psycopg.Connection[Any]) -> dict[int, Any]:
            return dict(conn.execute("SELECT job, value FROM actorq.result").fetchall())

        self.results = cluster.patiently(read)

    def _end(self, cluster: Cluster, fleet: Fleet, followers: Followers) -> None:
        """Stop softly, and look for anything that is left behind."""
        for text in fleet.grown():
            self._wrong("grown", text)
        for text in fleet.stop():
            self._wrong("stop", text)
        self.counted = cluster.patiently(_counted_by_database)
        followers.finish(cluster)
        for text in followers.wrong:
            self._wrong("untold", text)
        for text in fleet.strays():
            self._wrong("stray", text)
        for text in cluster.patiently(leftovers.rows):
            self._wrong("leftover", text)
        for text in cluster.broken():
            self._wrong("corrupt", text)

    def _wrong(self, rule: str, text: str) -> None:
        self.wrong.append(Violation(rule, text))

    def _judge(self, nemesis: Nemesis) -> Report:
        begun = time.monotonic()
        runs = Runs(self.directory)
        checker = Checker(self.work, Enqueued.read(self.directory), runs)
        with (self.directory / "wal.txt").open(encoding="utf-8", errors="replace") as file:
            checker.check(transactions(file), self.results, self.counted)
        followed = {name: checker.follow(name, told(self.directory, name)) for name in FOLLOWERS}
        self.took["check"] = time.monotonic() - begun
        violations = self.wrong + checker.violations
        faults = Counter({**nemesis.done, **dict.fromkeys(CUTS, 0), **self.cuts})
        summary = {
            "seed": self.seed,
            "jobs": len(checker.model.jobs),
            "states": _counted(job.state for job in checker.model.jobs.values()),
            "behaviours": dict(sorted(behaviours(self.work, checker.model).items())),
            "checked": dict(sorted(checker.counts.items())),
            "followed": {name: dict(sorted(found.items())) for name, found in followed.items()},
            "faults": dict(sorted(faults.items())),
            "seen": {name: runs.events[name] for name in SEEN},
            "took_s": {name: round(s, 1) for name, s in self.took.items()},
            **totals(violations),
            "supervisor_kills": faults["kill_supervisor"] + faults["kill_group"],
            "actor_kills": faults["kill_actor"],
            "server_crashes": sum(
                faults[n] for n in ("crash_server", "kill_server", "kill_backend")
            ),
            "ok": not violations,
        }
        stories = [self._story(v, checker, runs) for v in violations[:5]]
        return Report(self.seed, summary, violations, stories)

    def _story(self, violation: Violation, checker: Checker, runs: Runs) -> str:
        """Tell all that is known of a job that broke a rule, and what was done around it."""
        lines = [f"{violation.rule}: {violation.text}"]
        job = checker.model.jobs.get(violation.job or 0)
        if job is not None:
            lines += [f"  {job}, {self.work.behaviour(job.n)}"]
            its = runs.of_job.get(job.n, [])
            lines += [f"  ran {run}" for run in its]
            lines += [f"  log {line}" for line in _of_job(self.directory, violation.job or 0)]
            lines += [
                f"  nemesis {event}" for event in runs.nemesis
                if any(abs(event[1] - run.start) < 3e9 for run in its)
            ]  # fmt: skip
        return "\n".join(lines)


def _pending(conn: psycopg.Connection[Any]) -> int:
    row = conn.execute("SELECT count(*) FROM actorq.job WHERE state = 'pending'").fetchone()
    return int((row or [0])[0])


def _counted_by_database(conn: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return conn.execute(COUNTED.encode()).fetchall()


def _counted(values: Iterator[str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for value in values:
        counted[value] = counted.get(value, 0) + 1
    return counted


def _of_job(directory: Path, id_: int) -> Iterator[str]:
    """Yield what the log of changes has about a job."""
    with (directory / "wal.txt").open(encoding="utf-8", errors="replace") as file:
        for transaction in transactions(file):
            for change in transaction.changes:
                row = change.row
                ids = (row.get("jobs") or "{}")[1:-1].split(",")
                is_its = change.table in ("job", "ready") and row.get("id") == str(id_)
                if is_its or str(id_) in ids:
                    facts = {k: v for k, v in row.items() if k not in ("jobs", "args")}
                    yield f"{transaction.xid} {change.table} {change.verb} {facts}"


def run(tier: Tier, seed: int, keep: bool = False) -> Report:
    """Run once in a directory of its own; it stays if something was wrong."""
    directory = Path(tempfile.mkdtemp(prefix="actorq-torture-"))
    directory.chmod(0o711)  # the server may run as another user
    try:
        report = Torture(tier, seed, directory).run()
    except (KeyboardInterrupt, SystemExit):
        shutil.rmtree(directory, ignore_errors=True)
        raise
    if report.ok and not keep:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        report.summary["directory"] = str(directory)
    return report


def main() -> int:
    """Read the command line, run, report."""
    parser = argparse.ArgumentParser(prog="scripts/torture", description=__doc__)
    parser.add_argument("--tier", choices=sorted(TIERS), default="T0")
    parser.add_argument("--seed", type=int, default=None, help="else a new one, which is shown")
    parser.add_argument("--json", action="store_true", help="the last line is the verdict")
    parser.add_argument("--keep", action="store_true", help="keep the files of a run without fault")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and clean up on the way
    seed = args.seed if args.seed is not None else int.from_bytes(os.urandom(3), "big")
    report = run(TIERS[args.tier], seed, args.keep)
    for story in report.stories:
        print(story, file=sys.stderr)
    for violation in report.violations[:50]:
        print(f"{violation.rule}: {violation.text}", file=sys.stderr)
    print(json.dumps(report.summary) if args.json else json.dumps(report.summary, indent=2))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
