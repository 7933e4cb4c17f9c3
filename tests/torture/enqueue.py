"""A process that enqueues: alone, in bulk, in transactions, with unique keys, and rolls back.

Every job is written down before it is sent, and after it what is known of it: ok, fail (it
must never run) or info (the answer was lost: it may be there or not). Some jobs are cancelled
later, from outside of the queue.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import psycopg

import actorq
from actorq.store.queue.cancel import cancel
from actorq.store.session.faults import LockTimeout
from tests.torture import leash
from tests.torture.handlers import DIRECTORY, WORK, Stream, app, each, whole
from tests.torture.history import Writer
from tests.torture.workload import KINDS

UNIQUE_KEYS = 40
DECLARED: dict[str, Any] = {"each": each, "whole": whole, "stream": Stream}


class Enqueuer:
    """Enqueue a number of jobs over a span of time."""

    def __init__(self, index: int, n_jobs: int, span_s: float) -> None:
        self.random = random.Random(f"{WORK.seed} enqueuer {index}")
        self.log = Writer(DIRECTORY, "enqueue")
        base = (index + 1) * 3 * 10**8
        self._numbers = {k: count(base + i, 3) for i, k in enumerate(KINDS)}
        self.left, self.span_s, self.n_jobs = n_jobs, span_s, n_jobs
        self.known: list[int] = []  # ids of jobs that may be cancelled

    def run(self) -> None:
        """Enqueue at an even pace until all is enqueued."""
        begun = time.monotonic()
        while self.left > 0:
            share = 1 - self.left / self.n_jobs
            time.sleep(max(0.0, begun + share * self.span_s - time.monotonic()))
            self._once()
        self.log.write("finished")

    def _once(self) -> None:
        ways: list[tuple[Callable[[], None], int]] = [
            (self._one, 30), (self._bulk, 30), (self._bulk_with_ids, 10), (self._transaction, 15),
            (self._rolled_back, 8), (self._unique, 10), (self._cancel, 12),
        ]  # fmt: skip
        way = self.random.choices([w for w, _ in ways], [share for _, share in ways])[0]
        try:
            way()
        except (actorq.StoreError, psycopg.Error):
            time.sleep(0.05)

    def _draw(self, kind: str, n: int) -> list[int]:
        self.left -= n
        return [next(self._numbers[kind]) for _ in range(n)]

    def _try(self, ns: list[int], how: Callable[[], Any]) -> Any:
        """Send jobs and write down what is known of them."""
        self.log.write("invoke", ns)
        try:
            said = how()
        except BaseException as error:
            sure = isinstance(error, actorq.EnqueueError | LockTimeout)
            self.log.write("fail" if sure else "info", ns, str(error)[:200])
            raise
        self.log.write("ok", ns)
        return said

    def _one(self) -> None:
        kind = self.random.choice(KINDS)
        [n] = self._draw(kind, 1)
        more = {"delay_s": WORK.delay_s(n), "priority": WORK.priority(n)}
        job = self._try([n], lambda: DECLARED[kind].enqueue(**_args(kind, n), **more))
        self.known.append(job.id)

    def _bulk(self) -> None:
        kind = self.random.choice(KINDS)
        ns = self._draw(kind, self.random.randrange(20, 600))
        items = [{"n": n} for n in ns]
        self._try(ns, lambda: DECLARED[kind].enqueue_many(items, priority=WORK.priority(ns[0])))

    def _bulk_with_ids(self) -> None:
        kind = self.random.choice(KINDS)
        ns = self._draw(kind, self.random.randrange(20, 300))
        items = [{"n": n} for n in ns]
        send = DECLARED[kind].enqueue_many
        delay_s = WORK.delay_s(ns[0])
        self.known += self._try(ns, lambda: send(items, return_ids=True, delay_s=delay_s))[:10]

    def _transaction(self) -> None:
        """Enqueue several jobs as part of a transaction of our own."""
        ns = [n for _ in range(self.random.randrange(1, 6)) for n in self._draw(self._kind(), 1)]
        self.log.write("invoke", ns)
        try:
            with psycopg.connect(app.dsn()) as conn:
                self._in(conn, ns)
                outcome = "info"  # from here on the commit may have been sent
                conn.commit()
        except psycopg.Error as error:
            self.log.write(locals().get("outcome", "fail"), ns, str(error)[:200])
            raise
        except actorq.StoreError as error:
            self.log.write("fail", ns, str(error)[:200])
            raise
        self.log.write("ok", ns)

    def _rolled_back(self) -> None:
        """Enqueue jobs that nobody must ever see."""
        ns = [n for _ in range(self.random.randrange(1, 6)) for n in self._draw(self._kind(), 1)]
        self.log.write("invoke", ns)
        try:
            with psycopg.connect(app.dsn()) as conn:
                self._in(conn, ns)
                conn.rollback()
        finally:
            self.log.write("fail", ns, "rolled back")

    def _kind(self) -> str:
        return self.random.choice(KINDS)

    def _in(self, conn: psycopg.Connection[Any], ns: list[int]) -> None:
        for n in ns:
            kind = WORK.kind(n)
            DECLARED[kind].enqueue(**_args(kind, n), conn=conn, priority=WORK.priority(n))

    def _unique(self) -> None:
        """Enqueue a job under a key; it does not come to be if the key's job still waits."""
        kind = self._kind()
        [n] = self._draw(kind, 1)
        key = f"key {self.random.randrange(UNIQUE_KEYS)}"
        self.log.write("invoke", [n])
        try:
            job = DECLARED[kind].enqueue(**_args(kind, n), unique_key=key)
        except BaseException as error:
            self.log.write("info", [n], str(error)[:200])
            raise
        self.log.write("ok" if job.is_new else "fail", [n])

    def _cancel(self) -> None:
        """Cancel a few jobs, wherever they are by now."""
        chosen = [self.known.pop(self.random.randrange(len(self.known))) for _ in self.known[:3]]
        self.log.write("cancel", chosen)
        with psycopg.connect(app.dsn(), autocommit=True) as conn:
            conn.execute("SET lock_timeout = '500ms'")
            said = cancel(conn, chosen, app.schema)
        self.log.write("cancelled", said.cancelled)


def _args(kind: str, n: int) -> dict[str, Any]:
    return {"n": n}


if __name__ == "__main__":
    leash.hold()
    Enqueuer(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])).run()
    os._exit(0)  # connections to a server that is down must not hold up the end
