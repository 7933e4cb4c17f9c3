"""The count of final jobs by events, seen from the process that wants to know it."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import msgspec

from actorq.errors import ActorqError
from actorq.stress.process.child import LoggedChild
from actorq.stress.process.follow import Followed

PROGRAM = (sys.executable, "-P", "-m", "actorq.stress.process.follow")
START_S = 60.0
STOP_S = 5.0
LOOK_S = 0.5


class FinalByEvents:
    """The count of a follower in a process of its own, which has to end up at the same number."""

    name = "events"

    def __init__(self, dsn: str, schema: str, directory: Path) -> None:
        env = {"ACTORQ_DSN": dsn}
        self.child = LoggedChild([*PROGRAM, schema], env, directory / "follower.log", talks=True)
        self._told: Followed | None = None
        self._base = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._read, name="follower", daemon=True).start()
        self._await(0, START_S)
        if self._told is None:
            raise ActorqError(f"events cannot be followed: {self.child.tail() or 'no answer'}")

    def _read(self) -> None:
        assert self.child.process.stdout is not None
        for line in self.child.process.stdout:
            with self._changed:
                self._told = msgspec.json.decode(line, type=Followed)
                self._changed.notify_all()

    def begin(self) -> None:
        """Begin a step: what was told so far belongs to others."""
        with self._changed:
            self._base = self._told.n_final if self._told else 0

    def finish(self, expected: int, wait_s: float) -> int | None:
        """Return the count when it is as expected, or `wait_s` are over; None if it has ended."""
        self._await(expected, wait_s)
        return self._n_final if self.child.runs else None

    @property
    def _n_final(self) -> int:
        return self._told.n_final - self._base if self._told else 0

    def _await(self, expected: int, wait_s: float) -> None:
        """Wait until the first line is there and so many jobs are final."""
        until = time.monotonic() + wait_s
        with self._changed:
            while self._told is None or self._n_final < expected:
                left_s = until - time.monotonic()
                if left_s <= 0 or not self.child.runs:
                    return
                self._changed.wait(min(left_s, LOOK_S))

    def close(self) -> None:
        """Stop following."""
        pipe = self.child.process.stdin
        if pipe is not None:
            pipe.close()
        self.child.stop(STOP_S)
