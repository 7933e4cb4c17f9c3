"""A database that is away for longer than a ttl costs time, and nothing else."""

from __future__ import annotations

import time

import pytest

from actorq import embedded
from tests.e2e.support import NOTE_EVENTS, events, insert, numbers, stop_all, uncharged
from tests.support.running import Supervisors
from tests.support.wait import wait_until

TTL_S = 1.5
N_SUPERVISORS = 4
N_JOBS = 300

HELD = """
    import os, time, msgspec, actorq
    app = actorq.App()

    class Args(msgspec.Struct):
        n: int

    @app.actor("vector", max_batch=10)
    def vector(batch: actorq.Batch[Args]) -> None:
        with open("runs", "a") as file:
            file.write("".join(f"{args.n}\\n" for args in batch.args))
        time.sleep(0.02)  # Quick batches would be claimed by the bundle, all of them by one or two.
        if batch.args[-1].n >= 100 and not os.path.exists("away"):
            open(f"held by {os.getpid()}", "w").close()
            while not os.path.exists("away"):
                time.sleep(0.01)
"""


@pytest.mark.slow  # it lasts as long as the outage must
@pytest.mark.alone  # a machine too busy for a beat within the ttl would kill rightly
def test_an_outage_of_three_ttl_kills_nobody_and_runs_nothing_twice(
    its_supervisors: Supervisors, server_of_its_own: embedded.Server
) -> None:
    it = its_supervisors
    it.write(HELD + NOTE_EVENTS)
    for _ in range(N_SUPERVISORS):
        it.start("--ttl-s", str(TTL_S))
    wait_until(lambda: len(events(it, "actor_ready")) == N_SUPERVISORS)
    nodes = it.rows("SELECT id, pid FROM actorq.node ORDER BY pid")
    insert(it.dsn, *numbers(N_JOBS))
    wait_until(lambda: len(list(it.directory.glob("held by *"))) == N_SUPERVISORS)
    with server_of_its_own.locked():
        server_of_its_own.stop()
    (it.directory / "away").touch()
    time.sleep(3 * TTL_S)  # not to wait for anything: this is how long it is away
    server_of_its_own.ensure()
    it.wait_for(completed=N_JOBS)
    assert it.rows("SELECT id, pid FROM actorq.node ORDER BY pid") == nodes
    assert not events(it, "node_reaped") + events(it, "supervisor_disowned")
    runs = (it.directory / "runs").read_text().split()
    assert sorted(map(int, runs)) == list(range(N_JOBS))
    assert uncharged(it) == N_JOBS
    stop_all(it)
