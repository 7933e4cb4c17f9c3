"""Turns among the processes of one test run: many tests at once, or one that wants to be alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

FILE = Path(tempfile.gettempdir()) / f"actorq-test-turns-{os.geteuid()}"


@contextlib.contextmanager
def turn(run: str, *, alone: bool) -> Iterator[None]:
    """Hold the machine together with others of this run, or alone.

    Whoever wants it alone keeps the door shut while those inside finish; without a door it
    would wait for a moment in which by chance nobody is inside. Both are single bytes of one
    file, at a place of the run's own, and what a test forks does not inherit their locks.
    """
    door = int(run[:12], 16) * 2
    room = door + 1
    with FILE.open("ab+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, door)
        fcntl.lockf(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, 1, room)
        fcntl.lockf(file, fcntl.LOCK_UN, 1, door)
        yield
