"""Be a supervisor that tells when it has claimed which jobs: run as a process of its own.

Prints JSON, one object a line, with the machine's monotonic time. With --elsewhere it takes
itself for a supervisor on a host of its own: nobody can tell that its process is gone.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
import uuid
from typing import Any

import msgspec

from actorq.core.event import Event
from actorq.core.plan.effects import Claim
from actorq.core.store_values import ClaimReply, NodeInfo
from actorq.events import Events
from actorq.store.queue import queue
from actorq.supervisor import identity
from actorq.supervisor.engine import Engine
from bench._recover import app

TOLD = ("actor_ready", "actor_exited", "node_reaped", "connection_restored", "settled")


def tell(what: str, **fields: Any) -> None:
    """Print one line; the claimer's and the engine's thread must not mix theirs."""
    line = json.dumps({"what": what, "at": time.monotonic(), **fields}) + "\n"
    os.write(sys.stdout.fileno(), line.encode())


class TellingStore(queue.QueueStore):
    """Tell of each claim when its answer is there."""

    def claim(self, ask: Claim) -> ClaimReply:
        """Claim."""
        claimed = super().claim(ask)
        for batch in claimed.batches:
            tell("claimed", ids=list(batch.ids), suspect=ask.suspect)
        return claimed


def on_event(happened: Event) -> None:
    """Tell of what the benchmark waits for."""
    if happened.name in TOLD:
        tell(happened.name)


def elsewhere(ttl_s: float, guardian: int | None = None, here: Any = identity.me) -> NodeInfo:
    """Return an identity as on a machine that nobody else is on."""
    made: NodeInfo = msgspec.structs.replace(here(ttl_s, guardian), boot_id=str(uuid.uuid4()))
    return made


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ttl-s", type=float, required=True)
    parser.add_argument("--elsewhere", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    queue.QueueStore = TellingStore  # type: ignore[misc]
    if options.elsewhere:
        identity.me = elsewhere
    app.entry = f"{app.home}:app"  # its actors load that alone, and not this module
    Engine(app.run_options(ttl_s=options.ttl_s), Events(on_event)).run()


if __name__ == "__main__":
    main()
