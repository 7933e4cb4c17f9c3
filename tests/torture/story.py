"""Histories made by hand: for tests of the checker."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from tests.torture.checker import Checker, Enqueued
from tests.torture.counting import OUTCOMES
from tests.torture.runs import Node, Run, Runs
from tests.torture.wal import Change, Row, Transaction
from tests.torture.workload import Workload

WORK = Workload(1)
A, B = "node a", "node b"
NOBODY = str(uuid.UUID(int=0))
LANE = 7
AT = "2026-01-01 10:00:00+00"


def number(behaviour: str) -> int:
    """Return the number of a job that behaves so."""
    return next(n for n in range(100_000) if WORK.behaviour(n) == behaviour)


class Story:
    """Tell a history, transaction by transaction, and judge it."""

    def __init__(self, directory: Path, behaviour: str = "plain") -> None:
        self.log: list[Transaction] = []
        self.known = Enqueued()
        self.runs = Runs(directory)
        self.n = number(behaviour)
        self.kind = WORK.kind(self.n)
        self._nos: Counter[str] = Counter()
        self._seen: dict[str | None, tuple[str, int]] = {}  # each job's state and attempt
        lane = {"id": str(LANE), "queue": "default", "kind": self.kind}
        self.commit(Change("lane", "INSERT", dict(lane)))
        for node in (A, B):
            self.runs.nodes[node] = Node(node, 1, 0)
            self.commit(Change("node", "INSERT", {"id": node}))
        self.known.ok.add(self.n)
        self.row: Row = {
            "id": "1", "kind": self.kind, "args": f'{{"n": {self.n}}}', "state": "pending",
            "attempt": "0", "n_failed": "0", "n_crashed": "0", "n_lost": "0", "cancel_at": None,
        }  # fmt: skip
        self.enqueue()

    def commit(self, *changes: Change, is_counted: bool = True) -> None:
        """Commit changes in one transaction, with a change that counts what became of jobs."""
        rows = list(changes)
        counts = self._counts(rows)
        numbered = [c for c in rows if c.table == "change" and c.verb == "INSERT"]
        if counts and is_counted and not numbered:
            numbered = [self.settling(NOBODY)]
            rows += numbered
        for change in numbered[:1]:
            change.row.setdefault("counts", json.dumps(counts))
        self.log.append(Transaction(len(self.log), len(self.log), rows))

    def _counts(self, rows: list[Change]) -> list[list[int]]:
        found: Counter[str] = Counter()
        for change in rows:
            if change.table == "job" and change.verb != "DELETE":
                id_, now = change.row["id"], (change.row["state"], int(change.row["attempt"] or 0))
                before = self._seen.get(id_, ("pending", 0))
                if now != before:
                    found["retried" if now[0] == "pending" else str(now[0])] += 1
                self._seen[id_] = str(now[0]), now[1]
        return [[LANE, *(found[name] for name in OUTCOMES)]] if found else []

    def enqueue(self) -> None:
        self.commit(Change("job", "INSERT", dict(self.row)), self.ready("INSERT"))

    def ready(self, verb: str) -> Change:
        return Change("ready", verb, {"id": "1"})

    def lease(self, verb: str, node: str = A, n: int = 1, **row: str) -> Change:
        return Change("lease", verb, {"node": node, "n": str(n), "jobs": "{1}", **row})

    def settling(self, node: str = A) -> Change:
        """Number a change of a node, or of nobody; a commit fills in what it counts."""
        self._nos[node] += 2
        no = self._nos[node] - (node != NOBODY)
        return Change("change", "INSERT", {"source": node, "no": str(no), "at": AT})

    def job(self, **columns: str | None) -> Change:
        self.row = {**self.row, **columns}
        return Change("job", "UPDATE", dict(self.row))

    def claim(self, node: str = A, n: int = 1, ran: bool = True) -> None:
        self.commit(self.ready("DELETE"), self.lease("INSERT", node, n))
        if ran:
            self.ran(node, n, len(self.log) * 10, len(self.log) * 10 + 5)

    def ran(self, node: str, n: int, start: int, end: int | None) -> None:
        self.runs.of_job[self.n].append(Run(start, (node, n), end))

    def settle(self, node: str = A, n: int = 1, **columns: str) -> None:
        self.commit(self.settling(node), self.lease("DELETE", node, n), self.job(**columns))

    def complete(self, node: str = A, n: int = 1, attempt: str = "1") -> None:
        self.settle(node, n, state="completed", attempt=attempt)

    def give_back(self, n: int = 1) -> None:
        self.commit(self.lease("DELETE", A, n), self.job(), self.ready("INSERT"))

    def bury(self, node: str = A) -> None:
        self.commit(Change("node", "DELETE", {"id": node}))

    def reap(self, node: str = A, n: int = 1) -> None:
        self.commit(
            self.lease("DELETE", node, n),
            self.job(attempt="1", n_lost="1"),
            self.ready("INSERT"),
        )

    def verdict(
        self,
        results: dict[int, Any] | None = None,
        counted: list[tuple[Any, ...]] | None = None,
    ) -> set[str]:
        """Return the rules that were broken."""
        checker = Checker(WORK, self.known, self.runs)
        checker.check(self.log, results, counted)
        return {violation.rule for violation in checker.violations}
