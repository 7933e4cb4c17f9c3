"""The verdict on a run: what was promised against what was seen, in Jepsen's terms.

lost        its enqueue was acknowledged, and it has no final state
duplicated  it was enqueued, or given an outcome, more often than once
unexpected  it was refused or rolled back, and ran or exists nevertheless
recovered   its enqueue's answer was lost, and it is there
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.torture import history
from tests.torture.model import Job, Model, Violation
from tests.torture.runs import Node, Run, Runs
from tests.torture.told import Told
from tests.torture.wal import Transaction
from tests.torture.workload import CRASH_BUDGET, Fate, Workload

CRASHES = ("crash_server", "kill_server", "kill_backend")
ASYNC_S = 5.0
"""A claim that was not flushed is lost by a crash that follows it within moments."""


@dataclass
class Enqueued:
    """Hold what the enqueuers know of the jobs, by number, and of the cancels, by id."""

    ok: set[int] = field(default_factory=set)
    fail: set[int] = field(default_factory=set)
    info: set[int] = field(default_factory=set)
    cancel_asked: set[int] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)

    @classmethod
    def read(cls, directory: Path) -> Enqueued:
        """Read the enqueuers' files."""
        known = cls()
        for path in history.files(directory, "enqueue"):
            for what, _, *values in history.read(path):
                known.take(what, values[0] if values else [])
        return known

    def take(self, what: str, numbers: Iterable[int]) -> None:
        """Take in one line; a job without any answer stays *info*."""
        match what:
            case "invoke":
                self.info.update(numbers)
            case "ok" | "fail":
                self.info.difference_update(numbers)
                (self.ok if what == "ok" else self.fail).update(numbers)
            case "cancel":
                self.cancel_asked.update(numbers)
            case "cancelled":
                self.cancelled.update(numbers)


class Checker:
    """Check one run."""

    def __init__(self, work: Workload, enqueued: Enqueued, runs: Runs) -> None:
        self.work, self.enqueued, self.runs = work, enqueued, runs
        self.model = Model()
        self.counts: Counter[str] = Counter()

    @property
    def violations(self) -> list[Violation]:
        """Return all that was wrong."""
        return self.model.violations

    def check(
        self,
        transactions: Iterable[Transaction],
        results: dict[int, Any] | None = None,
        counted: list[tuple[Any, ...]] | None = None,
    ) -> None:
        """Check everything; `results` are the stored results by job id, if they are known.

        `counted` is what the database has counted in the end: kind, outcome and how many.
        """
        self.model.replay(transactions)
        self.model.counting.finish(counted)
        self._enqueued()
        for id_, job in self.model.jobs.items():
            self._job(id_, job)
            self._runs(id_, job)
            if results is not None:
                self._result(id_, job, results.get(id_))
        self._events()

    def follow(self, name: str, batches: Iterable[tuple[list[Any], str]]) -> Counter[str]:
        """Check what a follower has written down; return how much of what that was."""
        told = Told(self.model, name, self.model.break_)
        told.judge(batches)
        return told.counts

    def _break(self, rule: str, text: str, job: int | None = None) -> None:
        self.model.break_(rule, text, job)

    def _enqueued(self) -> None:
        there = self.model.by_number
        for n in self.enqueued.ok - there.keys():
            self._break("lost", f"job {n} was acknowledged and is not there")
        for n in self.enqueued.fail & there.keys():
            self._break("unexpected", f"job {n} was refused and is there", there[n])
        known = self.enqueued.ok | self.enqueued.fail | self.enqueued.info
        for n in there.keys() - known:
            self._break("unexpected", f"job {n} was never sent", there[n])
        for n in self.runs.of_job.keys() - there.keys():
            self._break("unexpected", f"job {n} ran and is not there")
        self.counts["recovered"] = len(self.enqueued.info & there.keys())

    # ---- what became of a job -------------------------------------------------------------

    def _job(self, id_: int, job: Job) -> None:
        if job.state == "pending":
            self._break("lost", f"job {id_} (number {job.n}) has no final state", id_)
            return
        if id_ in self.enqueued.cancelled and job.state != "cancelled":
            self._break("wrong", f"job {id_} was cancelled and is {job.state}", id_)
        fate = self.work.fate(job.n)
        asked = id_ in self.enqueued.cancel_asked
        if not self._fits(job, fate, asked):
            what = self.work.behaviour(job.n)
            self._break("wrong", f"job {id_} ({what}) became {job}", id_)
        if job.state == "completed" and not self._was_finished(job):
            self._break("wrong", f"job {id_} is completed, but no run of it came to its end", id_)

    def _fits(self, job: Job, fate: Fate, cancel_asked: bool) -> bool:
        at_least, at_most = fate.n_failed
        if job.n_failed > at_most:
            return False
        if job.state == "cancelled" and cancel_asked:
            return True
        if job.state == "failed" and job.n_crashed >= CRASH_BUDGET:
            self.counts["poisoned"] += 1
            return True  # its process was killed that often: by the nemesis, if not by itself
        return job.state == fate.state and job.n_failed >= at_least

    def _was_finished(self, job: Job) -> bool:
        lease = job.ends[-1][0] if job.ends else None
        return any(r.lease == lease and r.end is not None for r in self.runs.of_job.get(job.n, ()))

    def _result(self, id_: int, job: Job, found: Any) -> None:
        wanted = self.work.result(job.n) if job.state == "completed" else None
        if found != wanted:
            text = f"job {id_} has the result {str(found)[:80]!r} instead of {str(wanted)[:80]!r}"
            self._break("wrong", text, id_)

    # ---- how often it ran -----------------------------------------------------------------

    def _runs(self, id_: int, job: Job) -> None:
        runs = sorted(self.runs.of_job.get(job.n, ()), key=lambda run: run.start)
        ends = dict(job.ends)
        self.counts["runs"] += len(runs)
        self.counts["reruns"] += max(0, len(runs) - 1)
        for run in runs:
            self._explain(id_, job, run, ends.get(run.lease))
        leases = Counter(run.lease for run in runs)
        for lease, times in leases.items():
            if times > 1:
                self._break("unexplained", f"job {id_} ran {times} times under {lease}", id_)
        for run, later in pairwise(runs):
            if run.end is not None and later.start < run.end:
                self._overlap(id_, run, later, ends)

    def _explain(self, id_: int, job: Job, run: Run, end: str | None) -> None:
        """Find out why a run left no outcome, if it did not."""
        why = end or "no lease"
        node = self.runs.nodes.get(run.lease[0])
        if end is None:
            excused = self._followed_by_crash(run.start)
        elif end == "uncharged":
            number = run.lease[1]
            snoozes = self.work.behaviour(job.n) == "snooze"
            excused = snoozes or (
                node is not None
                and (
                    number in node.failed
                    or node.killed_at is not None
                    or self._raised_in_stop(job, node, number)
                )
            )
        else:
            excused = end in ("outcome", "reaped")
        self.counts[f"runs: {why}"] += 1
        if not excused:
            self._break("unexplained", f"job {id_} ran under {run.lease} for nothing: {why}", id_)

    def _raised_in_stop(self, job: Job, node: Node, lease: int) -> bool:
        """Tell whether a job raised and that was told to a supervisor on its way out.

        It may be the stop that has broken something: nobody is charged.
        """
        stopping = node.before_stop is not None and lease not in node.before_stop
        return stopping and self.work.behaviour(job.n) in ("raise_once", "raise_always")

    def _followed_by_crash(self, at: int) -> bool:
        return any(at - ASYNC_S * 1e9 < t < at + ASYNC_S * 1e9 for t in self.runs.times(*CRASHES))

    def _overlap(self, id_: int, run: Run, later: Run, ends: dict[Any, str]) -> None:
        """Two runs at once: only where the other one's supervisor had been declared dead."""
        lost = {ends.get(run.lease), ends.get(later.lease)} & {"reaped", None}
        self.counts["overlaps"] += 1
        if not lost:
            self._break("unexplained", f"job {id_} ran twice at once: {run}, {later}", id_)

    def _events(self) -> None:
        """What a supervisor reports as settled has to be settled, and what it calls lost, lost."""
        for node in self.runs.nodes.values():
            for lease, n_jobs in node.settled.items():
                written = self.model.made.get((node.id, lease), 0)
                if n_jobs > written:
                    text = f"lease {(node.id, lease)}: {n_jobs} jobs said settled, {written} are"
                    self._break("untrue", text)
            if node.stopped and not node.disowned:
                self._lost_leases(node)
        for text in self.runs.strange:
            self._break("strange", text)

    def _lost_leases(self, node: Node) -> None:
        """A supervisor that nobody declared dead can find out what became of its outcomes."""
        for lease in node.lost:
            key = node.id, lease
            if key in self.model.made and self.model.made[key] == self.model.sizes[key]:
                self._break("untrue", f"lease {key} is said to be lost, but it settled all jobs")


RULES = {
    "lost": ("lost", "nowhere"),
    "settled_twice": ("settled_twice", "two_places", "duplicated"),
    "stale_applied": ("stale_applied",),
    "illegal_transitions": ("illegal", "unique", "blame"),
    "unexplained_reruns": ("unexplained", "unexpected"),
    "wrong_outcomes": ("wrong", "untrue", "strange"),
    "miscounted": ("miscounted", "disorder"),
    "untold": ("untold", "told_twice"),
}


def totals(violations: Iterable[Violation]) -> dict[str, int]:
    """Count violations under the names of the report; `other` are the harness's own checks."""
    names = {rule: name for name, rules in RULES.items() for rule in rules}
    found = Counter(names.get(v.rule, "other") for v in violations)
    return {name: found[name] for name in [*RULES, "other"]}


def behaviours(work: Workload, model: Model) -> Counter[str]:
    """Count the jobs by what they do."""
    return Counter(work.behaviour(job.n) for job in model.jobs.values())
