"""Serve a steady stream of jobs for as long as you like, and watch what grows.

Every interval: jobs settled and waiting, memory of supervisor and actors, dead rows and index
sizes of the tables that live, and how long claims took. Some jobs fail and are retried.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from bench import _harness as h
from bench import _runs
from bench._handlers import app

CHUNK_S = 0.1
QUESTION = """
SELECT
    (SELECT count(*) FROM actorq.queued) AS waiting,
    (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'actorq.ready'::regclass),
    (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'actorq.job'::regclass),
    pg_table_size('actorq.ready'), pg_indexes_size('actorq.ready'),
    pg_table_size('actorq.lease') + pg_indexes_size('actorq.lease'),
    pg_table_size('actorq.change') + pg_indexes_size('actorq.change')
"""
COLUMNS = ("waiting", "dead_ready", "dead_job", "ready_b", "ready_index_b", "lease_b", "change_b")


def feed(rate: float, stop: threading.Event) -> None:
    """Enqueue at a rate, a tenth of a second's worth at a time."""
    kind, begun, n = app.kinds["bench.flaky"], time.monotonic(), 0
    while not stop.is_set():
        due = int((time.monotonic() - begun) * rate)
        if due > n:
            kind.enqueue_many({"n": k} for k in range(n, due))
            n = due
        stop.wait(CHUNK_S)


def watch(dsn: str, supervisor: _runs.Supervisor, seconds: float) -> list[dict[str, Any]]:
    """Return what there was to see at the end of each interval."""
    seen = []
    end = time.monotonic() + seconds
    for line in supervisor.lines():
        seen.append(line | dict(zip(COLUMNS, h.run(dsn, QUESTION), strict=True)))
        h.say("  ".join(f"{name} {value:,}" for name, value in seen[-1].items()))
        if time.monotonic() >= end:
            break
    return seen


def growth(seen: list[dict[str, Any]], name: str) -> float:
    """Return the median of the last quarter as a multiple of that of the second one."""
    quarter = max(1, len(seen) // 4)
    early = [line[name] for line in seen[quarter : 2 * quarter] or seen[:1]]
    late = [line[name] for line in seen[-quarter:]]
    return round(h.median(late, 3) / max(h.median(early, 3), 1e-9), 3)


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=1,
        seconds=(600, 3, "how long"),
        rate=(10_000, 500, "jobs enqueued a second"),
        every=(10, 1, "seconds between two looks"),
        batch=(1000, 100, "jobs per batch"),
    )
    with h.server() as host, h.database(host) as dsn:
        h.say(f"on {host.text}")
        h.use(dsn, app)
        stop = threading.Event()
        feeder = threading.Thread(target=feed, args=(options.rate, stop))
        settings: dict[str, Any] = {"batch": options.batch, "every_s": float(options.every)}
        with _runs.supervisor(dsn, "bench.flaky", **settings) as supervisor:
            feeder.start()
            seen = watch(dsn, supervisor, options.seconds)
            stop.set()
            feeder.join()
        names = ("claim_p99_ms", "supervisor_mb", "actors_mb", "ready_index_b", "dead_ready")
        result: dict[str, Any] = {f"{name}_growth": growth(seen, name) for name in names}
        result |= {f"last_{name}": value for name, value in seen[-1].items()}
        h.report(options, host, {**result, "seen": seen})


if __name__ == "__main__":
    main()
