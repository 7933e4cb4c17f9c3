"""Be a supervisor of kinds that get into trouble, and say what that has cost.

Run as a process of its own: it prints one object as JSON when so many jobs are final, or with
--until-rest as soon as the kind rests.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from actorq.cli.load import load_app
from actorq.core import event
from actorq.events import Events
from actorq.supervisor.engine import Engine


class Watch:
    """Count what happens, and stop when it is over."""

    def __init__(self, n_final: int, until_rest: bool) -> None:
        self.n_final, self.until_rest = n_final, until_rest
        self.stop: Callable[[], None] = lambda: None
        self.first_s = self.last_s = 0.0
        self.n_done = self.n_failed = self.n_before_rest = self.n_deaths = 0
        self.rested_at = 0.0
        self.sizes: list[int] = []  # of the batches that were claimed after the last rest

    def __call__(self, happened: event.Event) -> None:
        """Take in an event."""
        match happened:
            case event.BatchClaimed(n_jobs=n):
                self.first_s = self.first_s or time.monotonic()
                self.sizes.append(n)
            case event.BatchFailed():
                self.n_failed += 1
                self.n_before_rest += not self.rested_at
            case event.ActorExited(planned=False):
                self.n_deaths += 1
            case event.KindResting():
                self.rested_at = time.monotonic()
                self.sizes.clear()
            case event.BatchSettled(n_completed=n):
                self.n_done += n
            case event.AttemptFailed(retry_in_s=None):
                self.n_done += 1
        self.last_s = time.monotonic()
        if self.n_done >= self.n_final or (self.until_rest and self.rested_at):
            self.stop()

    def sum(self) -> dict[str, Any]:
        """Return what it comes to."""
        return {
            "wall_s": self.last_s - self.first_s,
            "failed_batches": self.n_failed,
            "before_rest": self.n_before_rest,
            "deaths": self.n_deaths,
            "sizes": self.sizes,
        }


def main() -> None:
    """Serve one kind until its jobs are final, or until it rests."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", required=True)
    parser.add_argument("--final", type=int, required=True)
    parser.add_argument("--until-rest", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    watch = Watch(options.final, options.until_rest)
    app = load_app("bench._trouble")  # its actors load that alone, and not this module
    engine = Engine(app.run_options(kinds=[options.kind]), Events(watch))
    watch.stop = engine.stop
    engine.run()
    print(json.dumps(watch.sum()), flush=True)


if __name__ == "__main__":
    main()
