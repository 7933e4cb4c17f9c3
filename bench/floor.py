"""Send the claim and settle statements on two connections at once, and do nothing else.

This is what the server itself can do: the statements are the product's own, their parameters are
composed beforehand, replies are fetched but not decoded. No supervisor, no actors, no heartbeat.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import pq

from actorq.core.job.model import Settlement
from actorq.core.plan.effects import Claim
from actorq.core.store_values import NodeInfo
from actorq.store.queue import claims, settles
from actorq.store.queue.queue import QueueStore
from actorq.store.session.connection import Session
from bench import _harness as h
from bench import _runs
from bench._handlers import noop

SETTLE_ROWS = 1000
"""As many as a supervisor writes with one statement."""

Sent = tuple[str, list[Any]]
"""A text and its parameters, as bytes or None."""


class Recorder:
    """Stand in for the store's connection: keep what would have been sent."""

    schema = "actorq"

    def __init__(self) -> None:
        self.sent: Sent = "", []

    def direct(self, text: str, params: Sequence[str | None]) -> list[tuple[Any, ...]]:
        """Keep a settle; answer that nothing was written."""
        self.sent = text, [None if p is None else p.encode() for p in params]
        return [([], [], False, False)]


class Sender:
    """Send statements over a connection like a supervisor's, as libpq itself does."""

    def __init__(self, dsn: str, node: str) -> None:
        self._store = QueueStore.connect(dsn, name="bench floor", node=node)
        self._pgconn = self._session.pgconn
        self._names: dict[str, bytes] = {}

    @property
    def _session(self) -> Session:
        return self._store._session

    def prepare(self, text: str) -> None:
        """Prepare a statement, unless that was done."""
        if text not in self._names:
            self._names[text] = name = b"floor_%d" % len(self._names)
            self._check(self._pgconn.prepare(name, text.encode()))

    def send(self, sent: Sent) -> None:
        """Send one and fetch its reply."""
        name, params = self._names[sent[0]], sent[1]
        self._check(self._pgconn.exec_prepared(name, params, result_format=pq.Format.BINARY))

    def close(self) -> None:
        """Close the connection."""
        self._store.close()

    def _check(self, reply: Any) -> None:
        if reply.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise RuntimeError(reply.error_message.decode())


def compose(dsn: str, node: str, batch: int) -> tuple[list[Sent], list[Sent], int]:
    """Return all claims and settles of a full queue, and how many claims one settle writes."""
    with psycopg.connect(dsn) as conn:
        rows = conn.execute(
            "SELECT (extract(epoch FROM run_at) * 1000000)::int8, id, lane FROM actorq.queued"
            " ORDER BY priority, run_at, id"
        ).fetchall()
    recorder: Any = Recorder()
    claimed, per_settle = [], max(1, SETTLE_ROWS // batch)
    batches = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    for lease, jobs in enumerate(batches, 1):
        behind = {5: batches[lease - 2][-1][:2]} if lease > 1 else {}
        ask = Claim(jobs[0][2], lease, batch, frontier=behind)
        sent: list[Any] = [param.encode() for param in claims.parameters(node, ask)]
        claimed.append((claims.text("actorq", claims.SKIPPING), sent))
    leases = [
        Settlement(lease, 0, {0: [job for _, job, _ in jobs]}, [])
        for lease, jobs in enumerate(batches, 1)
    ]
    settled = []
    for no, start in enumerate(range(0, len(leases), per_settle), 1):
        settles.settle(recorder, node, no, leases[start : start + per_settle])
        settled.append(recorder.sent)
    return claimed, settled, per_settle


def once(host: h.Server, dsn: str, jobs: int, batch: int) -> dict[str, float]:
    """Fill a database and let the two connections empty it."""
    h.checkpoint(dsn)
    _runs.fill(dsn, jobs)
    h.analyze(dsn)
    node = str(uuid.uuid4())
    claimer, settler = Sender(dsn, node), Sender(dsn, node)
    claimer._store.register(NodeInfo(node, "bench", 0))
    claimed, settled, per_settle = compose(dsn, node, batch)
    for sender, all_ in ((claimer, claimed), (settler, settled)):
        for text, _ in all_:
            sender.prepare(text)
    before = host.cpu_s()
    wall_s = _race(claimer, settler, claimed, settled, per_settle)
    after = host.cpu_s()
    claimer.close()
    settler.close()
    left = h.run(dsn, "SELECT count(*) FROM actorq.job WHERE state <> 'completed'")[0]
    if left:
        raise RuntimeError(f"{left} jobs were not completed: the floor was not the real thing")
    return {"jobs_per_s": jobs / wall_s, **_runs.server_us(jobs, before, after)}


def _race(
    claimer: Sender, settler: Sender, claimed: list[Sent], settled: list[Sent], per_settle: int
) -> float:
    """Claim as fast as possible, settle what is claimed; return how long it all took."""
    there = threading.Semaphore(0)

    def settle() -> None:
        for n, sent in enumerate(settled):
            for _ in range(min(per_settle, len(claimed) - n * per_settle)):
                there.acquire()
            settler.send(sent)

    thread = threading.Thread(target=settle)
    begun = time.monotonic()
    thread.start()
    for sent in claimed:
        claimer.send(sent)
        there.release()
    thread.join()
    return time.monotonic() - begun


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=5,
        jobs=(300_000, 2_000, "jobs per run"),
        batch=(1000, 200, "jobs per batch"),
    )
    with h.server() as host:
        h.say(f"on {host.text}; jobs of kind {noop.name}")
        runs = []
        for _ in range(options.repeat):
            with h.database(host) as dsn:
                runs.append(once(host, dsn, options.jobs, options.batch))
            h.say(f"{runs[-1]['jobs_per_s']:,.0f} jobs/s")
        result: dict[str, Any] = {name: h.median([r[name] for r in runs]) for name in runs[0]}
        result["jobs_per_s_spread"] = h.spread([run["jobs_per_s"] for run in runs])
        h.report(options, host, {"jobs": options.jobs, "batch": options.batch, **result})


if __name__ == "__main__":
    main()
