"""A process that follows what happens and writes down what it was told, each batch with its cursor.

It goes on from the cursor that the process before it wrote last. It may be killed at any instant:
what it has not written down, it has not been told.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import actorq
from actorq.core.following.events import JOB_CHANGES
from tests.torture import history, leash
from tests.torture.handlers import DIRECTORY, app
from tests.torture.history import Writer

FOLLOWERS = ("notified", "polling")
"""One is woken by notifications and wants everything, the other polls for what becomes of jobs."""

AWAY = 75
"""The exit code of one that had no database: at the beginning, or for too long."""

MOST, OFTEN_S = 2000, 1.0
"""How many events, and how much time, are written down at once."""


def files(directory: Path, name: str) -> list[Path]:
    """Return the files of all processes of this name, in the order in which they began."""
    found = history.files(directory, f"follow-{name}")
    return sorted(found, key=lambda path: int(path.stem.split("-")[-1]))


def told(directory: Path, name: str) -> Iterator[tuple[list[Any], str]]:
    """Yield each batch of events and the cursor behind it."""
    for path in files(directory, name):
        for what, _, *values in history.read(path):
            if what == "told":
                yield values[0], values[1]


def last_cursor(directory: Path, name: str) -> str | None:
    """Return the cursor that was written down last; it is in one of the last lines."""
    for path in reversed(files(directory, name)):
        last = None
        for what, _, *values in history.read(path, history.TAIL):
            last = values[1] if what == "told" else last
        if last is not None:
            return str(last)
    return None


def compact(event: actorq.JobEvent | actorq.SupervisorEvent | actorq.Gap) -> list[Any]:
    """Return what the checker needs of an event."""
    match event:
        case actorq.JobEvent():
            return ["job", event.id, event.state, event.attempt, event.kind]
        case actorq.Gap():
            return ["gap", event.source, event.jobs, event.n_events]
    return ["node", event.node, event.number]


def follow(follower: Any, log: Writer, stopping: threading.Event) -> None:
    """Write down what comes until told to stop."""
    log.write("told", [], follower.cursor)
    while not stopping.is_set():
        events: list[list[Any]] = []
        begun = time.monotonic()
        while len(events) < MOST and time.monotonic() < begun + OFTEN_S:
            event = follower.next(timeout_s=0.2)
            if event is None:
                break
            events.append(compact(event))
        log.write("told", events, follower.cursor)


def main(name: str) -> int:
    """Follow until told to stop."""
    leash.hold()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    log = Writer(DIRECTORY, f"follow-{name}")
    notify = name == "notified"
    states = None if notify else JOB_CHANGES
    since = last_cursor(DIRECTORY, name)
    try:
        begun = app.follow(states=states, since=since, notify=notify, name=name)
    except actorq.StoreError:
        return AWAY  # it tries once to begin: whoever wants it to begin tries again
    try:
        with begun as follower:
            follow(follower, log, stopping)
    except actorq.StoreUnavailable:
        return AWAY
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1]))
