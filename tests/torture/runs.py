"""What ran where and when, from the files of the handlers, supervisors and the nemesis."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.torture import history
from tests.torture.model import LeaseId


@dataclass(slots=True)
class Run:
    """Hold one execution of a job; `end` is None where its process ended first."""

    start: int
    lease: LeaseId
    end: int | None = None


@dataclass
class Node:
    """Hold what one identity of a supervisor told of itself."""

    id: str
    pid: int
    since: int
    settled: Counter[int] = field(default_factory=Counter)  # lease → jobs
    failed: set[int] = field(default_factory=set)  # leases of batches that failed
    lost: set[int] = field(default_factory=set)
    answered: set[int] = field(default_factory=set)  # leases all of whose outcomes were told
    before_stop: frozenset[int] | None = None  # … before it began to stop, once it has
    stopped: bool = False  # it came to an end of its own
    disowned: bool = False
    killed_at: int | None = None  # when it ended, by force, what the grace time was too short for


class Runs:
    """Read all files of a run's directory."""

    def __init__(self, directory: Path) -> None:
        self.nodes: dict[str, Node] = {}
        self.strange: list[str] = []  # events that must never be
        self.events: Counter[str] = Counter()
        self._lives: dict[int, list[Node]] = defaultdict(list)  # by process
        for path in history.files(directory, "supervisor"):
            self._supervisor(path)
        self.of_job: dict[int, list[Run]] = defaultdict(list)
        for path in history.files(directory, "exec"):
            self._actor(path)
        self.nemesis = [
            line for p in history.files(directory, "nemesis") for line in history.read(p)
        ]

    def _supervisor(self, path: Path) -> None:
        node: Node | None = None
        pid = 0
        for what, at, value in history.read(path):
            self.events[what] += 1
            if what == "pid":
                pid = value
            elif what == "supervisor_started":
                node = Node(value["node"], pid, at)
                self.nodes[node.id] = node
                self._lives[pid].append(node)
            elif node is not None:
                self._event(node, what, at, value)
            if what in ("settle_missed", "protocol_broken", "supervisor_failed"):
                self.strange.append(f"{what} in supervisor {pid}: {value}")

    def _event(self, node: Node, what: str, at: int, value: dict[str, Any]) -> None:
        match what:
            case "settled":
                node.settled[value["lease"]] += value["n_jobs"]
            case "batch_failed":
                node.failed.add(value["lease"])
            case "batch_finished":
                node.answered.add(value["lease"])
            case "lease_lost":
                node.lost.add(value["lease"])
            case "supervisor_stopped":
                node.stopped = True
            case "supervisor_disowned":
                self.nodes[value["node"]].disowned = True
            case "supervisor_stopping" if value["phase"] == "draining":
                node.before_stop = frozenset(node.answered)
            case "supervisor_stopping" if value["phase"] == "killing":
                node.killed_at = at

    def _actor(self, path: Path) -> None:
        parent = 0
        running: dict[tuple[int, int], Run] = {}
        for what, at, *values in history.read(path):
            if what == "actor":
                parent = values[1]
                continue
            lease, numbers = values
            for n in numbers:
                if what == "s":
                    run = Run(at, (self._node_of(parent, at), lease))
                    running[lease, n] = run
                    self.of_job[n].append(run)
                else:
                    running.pop((lease, n)).end = at

    def _node_of(self, pid: int, at: int) -> str:
        """Return which of a process's identities an actor of it served at that time."""
        lives = self._lives[pid]
        k = bisect_right([node.since for node in lives], at)
        return lives[k - 1].id if k else "?"

    def times(self, *names: str) -> list[int]:
        """Return when the nemesis did any of these."""
        return [at for what, at, *_ in self.nemesis if what in names]
