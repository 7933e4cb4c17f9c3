"""Kill actors, supervisors and the database; measure until the jobs they held are claimed again.

From the kill to the claim of the last job that comes back. A job that is suspected of the kill,
because it was running, is left out: it runs again alone.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from actorq import embedded
from actorq.store.schema.migrate import migrate
from bench import _harness as h
from bench import _runs
from bench._recover import BATCH, Watched, app, begun, step, wait_for_begin, watched

JOB_S = 0.01
HELD_S = 3600.0
"""A job that takes longer than its supervisor lives."""

LOOK_S = 0.5
"""How often a supervisor looks at the others: each kill falls anywhere between two looks."""


def enqueue(batches: int, job_s: float) -> None:
    """Enqueue jobs for some full batches in one go."""
    step.enqueue_many({"s": job_s} for _ in range(batches * BATCH))


def actor_ms(host: h.Server, kills: int, backlog: int) -> list[float]:
    """Kill one of two actors; with a backlog the other one is busy, else it has nothing to do."""
    took: list[float] = []
    with h.database(host) as dsn, tempfile.TemporaryDirectory() as out:
        h.use(dsn, app)
        with watched(dsn, Path(out), actors=2) as it:
            while len(took) < kills:
                took += _kill_actor(it, dsn, Path(out), backlog)
                it.wait_for("actor_ready", 2 + len(it.told("actor_exited")))
                # Or its next start would wait: it died too often without a finished batch.
                enqueue(2, 0.001)
                _runs.wait_until_empty(dsn)
    return took


def _kill_actor(it: Watched, dsn: str, out: Path, backlog: int) -> list[float]:
    """Return how long it took; nothing if the batch was at its last job already."""
    start, before = time.monotonic(), len(begun(out))
    enqueue(1 + backlog, JOB_S / 10 if backlog else JOB_S)
    pid = wait_for_begin(out, before)
    time.sleep(random.uniform(0, BATCH / 2 * JOB_S / (10 if backlog else 1)))
    held = it.claimed(start)
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    it.wait_for("actor_exited", after=killed)
    _runs.wait_until_empty(dsn)
    again = [at for id_, at in it.claimed(killed).items() if id_ in held]
    return [(max(again) - killed) * 1000] if again else []


def supervisor_ms(host: h.Server, kills: int, ttl_s: float, elsewhere: bool) -> list[float]:
    """Kill a supervisor that holds two batches while another one has nothing to do."""
    took = []
    with (
        h.database(host) as dsn,
        tempfile.TemporaryDirectory() as directory,
        ExitStack() as stack,
    ):
        h.use(dsn, app)
        out = Path(directory)
        settings: Any = {"ttl_s": ttl_s, "elsewhere": elsewhere}
        one = stack.enter_context(watched(dsn, out, **settings))
        for _ in range(kills):
            start = time.monotonic()
            enqueue(2, HELD_S)
            one.wait_for("claimed", 2, after=start)
            other = stack.enter_context(watched(dsn, out, **settings))
            time.sleep(LOOK_S * random.uniform(1, 2))
            killed = one.kill()
            took.append((other.wait_for_claims(one.claimed(start), killed) - killed) * 1000)
            _runs.wait_until_empty(dsn)
            one = other
    return took


def database_ms(restarts: int, away_s: float) -> list[float]:
    """Stop a server of our own under a busy supervisor; measure from its return on."""
    took = []
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o711)  # the server may run as another user
        home, out = Path(directory) / "server", Path(directory) / "out"
        out.mkdir()
        with embedded.start(home) as server:
            migrate(server.dsn)
            h.use(server.dsn, app)
            with watched(server.dsn, out) as it:
                for _ in range(restarts):
                    enqueue(10, JOB_S)
                    it.wait_for("claimed", after=time.monotonic())
                    took.append(_restart(server, it, away_s))
                    _runs.wait_until_empty(server.dsn)
            app.client.close()
        embedded.remove(home)
    return took


def _restart(server: embedded.Server, it: Watched, away_s: float) -> float:
    with server.locked():
        server.stop()
    gone = time.monotonic()
    time.sleep(away_s)
    starting = threading.Thread(target=server.ensure)
    starting.start()
    while not _answers(server.dsn):
        time.sleep(0.002)
    up = time.monotonic()
    starting.join()
    first: float = it.wait_for("claimed", after=gone)[0]["at"]
    return max(0.0, first - up) * 1000


def _answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn).close()
    except psycopg.OperationalError:
        return False
    return True


def measure(host: h.Server, options: Any) -> dict[str, list[float]]:
    """Return the durations of one repetition by name, in milliseconds or parts of the ttl."""
    ttl_s, away_s = options.ttl_s, options.away_s
    elsewhere = supervisor_ms(host, options.supervisors, ttl_s, elsewhere=True)
    return {
        "actor_ms": actor_ms(host, options.actors, backlog=0),
        "actor_busy_ms": actor_ms(host, options.actors, backlog=30),
        "same_host_ms": supervisor_ms(host, options.supervisors, 30.0, elsewhere=False),
        "elsewhere_of_ttl": [ms / 1000 / ttl_s for ms in elsewhere],
        "database_ms": database_ms(options.restarts, 0.0),
        "database_away_ms": database_ms(options.restarts, away_s),
    }


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=1,
        actors=(50, 2, "actors killed"),
        supervisors=(12, 1, "supervisors killed, on the same host and elsewhere"),
        restarts=(12, 1, "restarts of the database"),
        ttl_s=(2.0, 1.0, "the ttl of the supervisors that are killed elsewhere"),
        away_s=(5.0, 0.5, "how long the database is away where it is no mere restart"),
    )
    took: dict[str, list[float]] = {}
    with h.server() as host:
        h.say(f"on {host.text}")
        for _ in range(options.repeat):
            for name, values in measure(host, options).items():
                took[name] = [*took.get(name, []), *values]
        result: dict[str, Any] = {}
        for name, values in took.items():
            digits = 2 if name.endswith("ttl") else 0
            result[name] = h.median(values, digits)
            result[f"{name}_spread"] = h.spread(values, digits)
            h.say(f"{name:>18}  {result[name]:,}  of {len(values)}: {result[f'{name}_spread']}")
        h.report(options, host, result)


if __name__ == "__main__":
    main()
