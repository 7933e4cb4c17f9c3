"""Wait for many jobs in many threads: connections, queries while nothing happens, wake-ups.

Each thread waits for its own part of the jobs. Nothing happens for a while. Then one job after
another is claimed and settled, with a notification as a supervisor sends it, and the time from its
commit to the return of the thread that waits for it is measured.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import psycopg

import actorq
from actorq.client.handle import JobHandle
from actorq.core.job.model import Settlement
from actorq.core.plan.effects import Claim
from actorq.core.store_values import NodeInfo
from actorq.store.queue.queue import QueueStore
from bench import _harness as h
from bench._handlers import app, noop

OURS = "application_name = 'actorq waiter' AND datname = current_database()"
TIMEOUT_S = 3600.0
MANY = 1000


class Waits:
    """Hold the threads that wait, and when each job was heard of."""

    def __init__(self, ids: list[int], threads: int) -> None:
        self.heard: dict[int, float] = {}
        self._changed = threading.Condition()
        parts = [ids[n::threads] for n in range(threads)]
        self._threads = [threading.Thread(target=self._wait, args=(part,)) for part in parts]
        for thread in self._threads:
            thread.start()

    def _wait(self, ids: list[int]) -> None:
        jobs: list[JobHandle] = [app.job(id_) for id_ in ids]
        for job in actorq.as_completed(jobs, timeout_s=TIMEOUT_S):
            now = time.monotonic()
            with self._changed:
                self.heard[job.id] = now
                self._changed.notify()

    def hear(self, id_: int) -> float:
        """Return when a job was heard of, once it was."""
        with self._changed:
            if not self._changed.wait_for(lambda: id_ in self.heard, 60.0):
                raise RuntimeError(f"job {id_} is final, and its thread goes on waiting")
        return self.heard[id_]

    def join(self) -> None:
        """Wait for all threads to end."""
        for thread in self._threads:
            thread.join()


def looked_at(conn: psycopg.Connection, quiet_s: float) -> None:
    """Wait until each job has been looked at: until the waiter asks no more than it does later."""
    deadline = time.monotonic() + 60.0
    while not conn.execute(f"SELECT FROM pg_stat_activity WHERE {OURS}").fetchall():
        if time.monotonic() > deadline:
            raise RuntimeError("nobody waits")
        time.sleep(0.05)
    time.sleep(quiet_s)


def queries(conn: psycopg.Connection) -> int:
    """Return how many transactions were ever made in this database; the server lags by 1 s."""
    row = conn.execute(
        "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    ).fetchone()
    return int(row[0]) if row else 0


def quiet(conn: psycopg.Connection, seconds: float) -> float:
    """Return how many queries a second there are while nothing happens, beside our own."""
    before, begun = queries(conn), time.monotonic()
    time.sleep(seconds)
    return max(0, queries(conn) - before - 1) / (time.monotonic() - begun)


class Settler:
    """Hold a node that claims and settles jobs as a supervisor does."""

    def __init__(self, dsn: str) -> None:
        node = str(uuid.uuid4())
        self.store = QueueStore.connect(dsn, node=node)
        self.store.register(NodeInfo(node, "bench", 1))
        self._lane = self.store.lanes([("default", noop.name)])["default", noop.name]
        self._no = 0

    def finish(self, limit: int) -> tuple[list[int], float]:
        """Make jobs final; return them, and when that was committed."""
        self._no += 1
        (batch,) = self.store.claim(Claim(lane=self._lane, limit=limit, lease=self._no)).batches
        reply = self.store.settle(self._no, [Settlement(batch.lease, 0, {0: batch.ids}, [])])
        committed = time.monotonic()
        if reply.hint:
            self.store.hint()
        return batch.ids, committed


def measure(host: h.Server, options: Any) -> dict[str, Any]:
    """Measure everything once."""
    with h.database(host) as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        h.use(dsn, app)
        conn.execute("SET actorq.own = 'on'")
        ids = noop.enqueue_many(({"n": n} for n in range(options.jobs)), return_ids=True)
        app.client.close()
        h.analyze(dsn)
        waits = Waits(ids, options.threads)
        looked_at(conn, options.seconds)
        made = {"quiet_queries_per_s": quiet(conn, options.seconds)}
        h.say("now one job after another")
        settler = Settler(dsn)
        took = []
        for _ in range(options.wakes):
            (id_,), committed = settler.finish(1)
            took.append(waits.hear(id_) - committed)
        counted = conn.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {OURS}").fetchone()
        made["connections"] = counted[0] if counted else 0
        committed = time.monotonic()
        for _ in range(0, options.jobs - options.wakes, MANY):
            settler.finish(MANY)
        waits.join()
        settler.store.close()
        made["all_s"] = max(waits.heard.values()) - committed
        app.client.close()
    made |= h.percentiles(took)
    h.say(f"{made['p50_ms']:.1f} ms to wake, {made['quiet_queries_per_s']:.1f} queries/s quiet")
    return made


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=1,
        jobs=(100_000, 500, "jobs that are waited for"),
        threads=(1000, 20, "threads that wait, each for its part"),
        wakes=(30, 5, "jobs that become final one by one"),
        seconds=(8.0, 2.0, "how long nothing happens"),
    )
    with h.server() as host:
        h.say(f"on {host.text}")
        runs = [measure(host, options) for _ in range(options.repeat)]
        h.report(options, host, {name: h.median([r[name] for r in runs], 3) for name in runs[0]})


if __name__ == "__main__":
    main()
