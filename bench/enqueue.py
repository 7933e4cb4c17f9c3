"""Enqueue jobs: in bulk, and one by one from 1, 8 and 32 clients at once.

The clients send the statement of a single enqueue, prepared and each in its own transaction,
while no supervisor runs, one is idle, or one is busy with a backlog; each with notifications
and with a supervisor that only polls. The ratio of those two is what being woken costs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import pq

from actorq.store.session.connection import connect
from actorq.store.session.statements import in_order, statement
from bench import _harness as h
from bench import _runs
from bench._handlers import app, noop

IDLE, BUSY = "bench.noop", "bench.sleep_single"
"""A kind whose supervisor keeps up, and one whose jobs take a millisecond each."""
STATES = ("absent", "idle", "idle_poll_only", "busy", "busy_poll_only")
BUSY_BATCH = 100


class Client:
    """Insert jobs, one per transaction, until told to stop."""

    def __init__(self, dsn: str, kind: str) -> None:
        self._conn = connect(dsn, name="bench client", lock_timeout_s=20)
        text = statement("enqueue_one", "actorq").encode()
        self._check(self._conn.pgconn.prepare(b"one", text))
        args = b'{"n": 1, "s": "%s"}' % _runs.TEXT.encode()
        values = {"queue": b"default", "kind": kind.encode(), "key": b"", "priority": b"5"}
        unset = dict.fromkeys(("run_at", "max_attempts", "tags"))
        self._values: Any = in_order(
            "enqueue_one", values | unset | {"delay_s": b"0", "args": args}
        )
        self.n = 0

    def run(self, start: threading.Barrier, stop: threading.Event) -> None:
        """Insert."""
        start.wait()
        while not stop.is_set():
            self._check(self._conn.pgconn.exec_prepared(b"one", self._values))
            self.n += 1

    def close(self) -> None:
        """Close the connection."""
        self._conn.close()

    def _check(self, reply: Any) -> None:
        if reply.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise RuntimeError(reply.error_message.decode())


def inserted(dsn: str, kind: str, clients: int, seconds: float) -> float:
    """Return how many jobs a second that many clients insert together."""
    all_ = [Client(dsn, kind) for _ in range(clients)]
    start, stop = threading.Barrier(clients + 1), threading.Event()
    threads = [threading.Thread(target=client.run, args=(start, stop)) for client in all_]
    for thread in threads:
        thread.start()
    start.wait()
    begun = time.monotonic()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    took_s = time.monotonic() - begun
    for client in all_:
        client.close()
    return sum(client.n for client in all_) / took_s


@contextmanager
def state(dsn: str, name: str, seconds: float) -> Iterator[str]:
    """Have a supervisor in this state meanwhile; yields the kind to insert."""
    if name == "absent":
        yield IDLE
        return
    kind, poll_only = (IDLE if name.startswith("idle") else BUSY), name.endswith("poll_only")
    batch = 1000
    if kind == BUSY:
        batch = BUSY_BATCH
        backlog = int(2000 * (seconds + 2))  # twice what can be done in that time
        app.kinds[BUSY].enqueue_many({"n": n} for n in range(backlog))
    made = _runs.Supervisor(dsn, kind, poll_only=poll_only, batch=batch)
    made.ready()
    try:
        yield kind
    finally:
        made.stop()


def single(host: h.Server, name: str, clients: int, seconds: float) -> float:
    """Return the rate of single enqueues while a supervisor is in a state."""
    with h.database(host) as dsn:
        h.use(dsn, app)
        with state(dsn, name, seconds) as kind:
            return inserted(dsn, kind, clients, seconds)


def bulk(host: h.Server, jobs: int) -> tuple[float, float]:
    """Return jobs per second and bytes of WAL per job of a bulk enqueue."""
    with h.database(host) as dsn:
        h.checkpoint(dsn)
        h.use(dsn, app)
        noop.enqueue({"n": 0})  # connects
        wal, begun = h.wal(dsn), time.monotonic()
        noop.enqueue_many({"n": n, "s": _runs.TEXT} for n in range(jobs))
        took_s = time.monotonic() - begun
        return jobs / took_s, (h.wal(dsn) - wal) / jobs


def by_call(host: h.Server, seconds: float) -> list[float]:
    """Return how long each call of `Kind.enqueue` took in one process."""
    took = []
    with h.database(host) as dsn:
        h.use(dsn, app)
        end = time.monotonic() + seconds
        while (begun := time.monotonic()) < end:
            noop.enqueue({"n": 1, "s": _runs.TEXT})
            took.append(time.monotonic() - begun)
    return took


def measure(host: h.Server, options: Any) -> dict[str, float]:
    """Measure everything once."""
    made: dict[str, float] = {}
    made["bulk_jobs_per_s"], made["bulk_wal_bytes_per_job"] = bulk(host, options.jobs)
    h.say(f"in bulk  {made['bulk_jobs_per_s']:,.0f} jobs/s")
    calls = by_call(host, options.seconds)
    made["call_p50_ms"] = h.percentile(calls, 50) * 1000
    for clients in options.clients:
        for name in STATES:
            rate = single(host, name, clients, options.seconds)
            made[f"{name}_{clients}_jobs_per_s"] = rate
            h.say(f"{clients:>3} clients, supervisor {name}:  {rate:,.0f} jobs/s")
        for name in ("idle", "busy"):
            polled = made[f"{name}_poll_only_{clients}_jobs_per_s"]
            made[f"notify_ratio_{clients}_{name}"] = made[f"{name}_{clients}_jobs_per_s"] / polled
    return made


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=5,
        jobs=(500_000, 2_000, "jobs of the bulk enqueue"),
        seconds=(4.0, 0.2, "how long single jobs are enqueued in each state"),
        clients=((1, 8, 32), (2,), "clients that do so at once"),
    )
    with h.server() as host:
        h.say(f"on {host.text}")
        runs = [measure(host, options) for _ in range(options.repeat)]
        result: dict[str, Any] = {name: h.median([r[name] for r in runs], 3) for name in runs[0]}
        for n in options.clients:
            worst = min(result[f"notify_ratio_{n}_{name}"] for name in ("idle", "busy"))
            result[f"notify_ratio_{n}"] = worst
        result["bulk_jobs_per_s_spread"] = h.spread([r["bulk_jobs_per_s"] for r in runs])
        h.report(options, host, result)


if __name__ == "__main__":
    main()
