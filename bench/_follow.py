"""Be a follower in a process of its own: count what comes, and check its order.

Prints "ready", and at the end what came as JSON. With --stall it reads nothing for
so long, once, after the first events, as a process does that hangs.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import actorq


def main() -> None:
    """Follow the jobs of a database until so many are final, or missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--poll-only", action="store_true")
    parser.add_argument("--stall", type=float, default=0.0)
    options = parser.parse_args()
    last: dict[int, int] = {}  # job → attempt
    n_twice = n_disorder = n_missed = 0
    follower = actorq.App(options.dsn).follow(
        states=["completed", "failed", "cancelled"], notify=not options.poll_only, name="bench"
    )
    print("ready", flush=True)
    with follower:
        for event in follower:
            if isinstance(event, actorq.JobEvent):
                before = last.get(event.id)
                n_twice += before == event.attempt
                n_disorder += before is not None and before > event.attempt
                last[event.id] = event.attempt
                if options.stall:
                    time.sleep(options.stall)
                    options.stall = 0.0
            elif isinstance(event, actorq.Gap):
                n_missed += sum((event.jobs or {}).values())
            if len(last) + n_missed >= options.jobs:
                break
    made: dict[str, Any] = {
        "told": len(last),
        "duplicates": n_twice,
        "order_broken": n_disorder,
        "in_gaps": n_missed,
        "cpu_s": time.process_time(),
    }
    print(json.dumps(made), flush=True)


if __name__ == "__main__":
    main()
