"""A follower in a process of its own, which counts the jobs that became final by their events.

Its standard output has a JSON object a line: how many it has been told of so far. It ends when its
standard input does.
"""

from __future__ import annotations

import os
import sys
import threading
import time

import msgspec

from actorq.app import App
from actorq.core.following.events import Gap, JobEvent

FINAL = ("completed", "failed", "cancelled")
TOLD_EVERY_S = 0.1


class Followed(msgspec.Struct):
    """How many jobs became final, and how many of these are only known from gaps."""

    n_final: int = 0
    n_in_gaps: int = 0
    n_unknown_gaps: int = 0

    def count(self, event: object) -> None:
        """Count one event."""
        if isinstance(event, JobEvent):
            self.n_final += 1
        elif isinstance(event, Gap) and event.jobs is None:
            self.n_unknown_gaps += 1
        elif isinstance(event, Gap) and event.jobs is not None:
            jobs = event.jobs
            self.n_in_gaps += sum(jobs.get(state, 0) for state in FINAL)


def main(schema: str) -> None:
    """Follow the database of ACTORQ_DSN until nobody wants that any more."""
    end = threading.Event()

    def watch() -> None:
        sys.stdin.read()
        end.set()

    threading.Thread(target=watch, daemon=True).start()
    followed, told_at = Followed(), 0.0
    app = App(schema=schema)
    with app.follow(states=FINAL, name="actorq stress") as follower:
        say(followed)
        while not end.is_set():
            event = follower.next(timeout_s=TOLD_EVERY_S)
            followed.count(event)
            now = time.monotonic()
            if event is None or now - told_at >= TOLD_EVERY_S:
                told_at = now
                say(followed)


def say(followed: Followed) -> None:
    """Tell how far it has come."""
    os.write(1, msgspec.json.encode(followed) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])
