"""The supervisors of a test: processes like any other, which run the app of `handlers`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from actorq.errors import ActorqError
from actorq.stress.core.plan import Serving, StressPlan
from actorq.stress.process.child import LoggedChild
from actorq.stress.process.handlers import NOTES, PARENT, PLAN

PROGRAM = (sys.executable, "-P", "-m", "actorq", "run")
APP = "actorq.stress.process.handlers:app"
GRACE_S = 2.0
TTL_S = 3.0
"""How soon a supervisor that was killed is taken for dead: a test cannot wait half a minute."""


class Fleet:
    """All supervisors of a test."""

    def __init__(self, plan: StressPlan, dsn: str, schema: str, directory: Path, pid: int,
                 program: Sequence[str] = PROGRAM) -> None:  # fmt: skip
        self._plan, self._schema, self._directory = plan, schema, directory
        self._program = program
        self.notes = directory / "notes"
        self.notes.mkdir()
        (directory / "plan.json").write_bytes(msgspec.json.encode(plan))
        self._env = {
            "ACTORQ_DSN": dsn,
            PLAN: str(directory / "plan.json"),
            NOTES: str(self.notes),
            PARENT: str(pid),
        }
        self.all: list[LoggedChild] = []

    def start(self) -> None:
        """Start all supervisors."""
        self.all = [
            self._started(serving, n)
            for serving in self._plan.supervisors
            for n in range(serving.n)
        ]

    def _started(self, serving: Serving, n: int) -> LoggedChild:
        log = self._directory / "supervisors.log"
        return LoggedChild([*self._program, *self._arguments(serving)], self._env, log)

    def _arguments(self, serving: Serving) -> list[str]:
        """Return the words behind `run`; jobs that fail as planned are not to fill a disk."""
        made = [APP, "--schema", self._schema, "--log-level", "error"]
        made += ["--grace", f"{GRACE_S}s", "--ttl", f"{TTL_S}s"]
        made += ["--poll", f"{serving.poll_ms:g}ms"]
        for kind in self._plan.kinds:
            if not serving.queues or kind.queue in serving.queues:
                made += ["--kind", kind.name]
        return made + ["--poll-only"] * serving.poll_only

    @property
    def pids(self) -> list[int]:
        """Return the process ids of the supervisors that run."""
        return [child.pid for child in self.all if child.runs]

    def check(self) -> None:
        """Raise ActorqError if a supervisor has ended by itself."""
        for child in self.all:
            if not child.runs:
                raise ActorqError(
                    f"a supervisor has ended with exit code {child.process.returncode}: "
                    f"{child.tail() or 'without a word'}"
                )

    def stop(self) -> None:
        """Stop all supervisors, and kill those that do not stop."""
        for child in self.all:
            if child.runs:
                child.process.terminate()
        for child in self.all:
            child.stop(GRACE_S + 3.0)

    def restart_dead(self) -> None:
        """Start supervisors again that have ended."""
        serving = [each for each in self._plan.supervisors for _ in range(each.n)]
        for n, child in enumerate(self.all):
            if not child.runs:
                self.all[n] = self._started(serving[n], n)
