"""Drain while somebody holds a snapshot, and without one; and insert as versions pile up.

While a snapshot is held, nothing that is deleted can be removed: the queue's indexes fill with
dead entries. Before each drain other jobs have come and gone, under the same snapshot.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from actorq.core.store_values import NodeInfo
from actorq.store.queue.queue import QueueStore
from bench import _harness as h
from bench import _runs
from bench._handlers import app, noop

HUNGER_CHANGES = 3_600
"""As often as a supervisor declares hunger and takes it back in an hour, at most."""


@contextmanager
def snapshot(dsn: str, held: bool) -> Iterator[None]:
    """Hold a snapshot meanwhile, or none."""
    if not held:
        yield
        return
    with psycopg.connect(dsn) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.execute("SELECT count(*) FROM actorq.lane")
        yield


def drained(host: h.Server, options: Any, held: bool) -> dict[str, float]:
    """Return the figures of a drain after another one."""
    with h.database(host) as dsn, snapshot(dsn, held):
        _runs.drain(host, dsn, options.before, options.batch)
        return _runs.drain(host, dsn, options.jobs, options.batch)


def inserts(host: h.Server, options: Any, held: bool) -> tuple[float, float]:
    """Return the median duration of an insert before and after an hour's worth of versions."""
    with h.database(host) as dsn:
        h.use(dsn, app)
        with snapshot(dsn, held), _runs.supervisor(dsn, noop.name):
            before = _insert_s(options.inserts)
            noop.enqueue_many({"n": n} for n in range(options.jobs))
            _change_hunger(dsn)
            _runs.wait_until_empty(dsn)
            return before, _insert_s(options.inserts)


def _insert_s(n: int) -> float:
    """Return the median duration of a single enqueue."""
    took = []
    for k in range(n):
        begun = time.perf_counter()
        noop.enqueue({"n": k})
        took.append(time.perf_counter() - begun)
        time.sleep(0.002)
    return h.percentile(took, 50)


def _change_hunger(dsn: str) -> None:
    """Change a lane's hunger as often as in an hour."""
    node = str(uuid.uuid4())
    store = QueueStore.connect(dsn, name="bench hunger", node=node)
    store.register(NodeInfo(node, "bench", 0))
    lanes = set(store.lanes([(noop.queue, noop.name)]).values())
    for _ in range(HUNGER_CHANGES // 2):
        store.hunger(lanes, set())
        store.hunger(set(), lanes)
    store.leave()
    store.close()


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=9,
        jobs=(200_000, 2_000, "jobs per run"),
        batch=(1000, 200, "jobs per batch"),
        before=(200_000, 1_000, "jobs that come and go before each run"),
        inserts=(2_000, 50, "single inserts, before and after"),
    )
    with h.server() as host:
        h.say(f"on {host.text}")

        def once(name: str) -> dict[str, float]:
            return drained(host, options, held=name == "held")

        result = _runs.against(("held", "free"), once, options.repeat)
        for name in ("held", "free"):
            before, after = inserts(host, options, held=name == "held")
            result |= {
                f"insert_before_p50_ms_{name}": round(before * 1000, 3),
                f"insert_after_p50_ms_{name}": round(after * 1000, 3),
                f"insert_ratio_{name}": round(after / before, 2),
            }
            h.say(f"{name:>8}  an insert takes {before * 1e3:.3f} ms, then {after * 1e3:.3f} ms")
        h.report(options, host, result)


if __name__ == "__main__":
    main()
