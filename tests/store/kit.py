"""What the store's tests share: jobs, claims, settles, and a look at where every job is."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from actorq.core.job.model import ClaimedBatch, ErrorInfo, Row, Settlement
from actorq.core.plan.effects import Claim
from actorq.core.store_values import ClaimReply, NodeInfo
from actorq.store.admin import prune as admin_prune
from actorq.store.queue.queue import QueueStore
from actorq.store.session.connection import Session
from tests.support.done import by_attempt
from tests.support.wait import wait_until

NOBODY = str(uuid.UUID(int=0))
"""The node of a store that needs none."""

ERROR = ErrorInfo("ValueError", "no", "Traceback …")


class Kit:
    """Hold an observer's connection to a database and make stores, nodes and jobs in it."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.conn = psycopg.connect(dsn, autocommit=True)
        self.conn.execute("SET actorq.own = 'on'")  # tests bring jobs into any state by hand
        self._stores: list[QueueStore] = []
        self.node = str(uuid.uuid4())
        self.store = self.open()
        self.store.register(NodeInfo(self.node, "host", 1))
        self.lane = self.store.lanes([("default", "k")])["default", "k"]

    def open(self, **settings: Any) -> QueueStore:
        """Return a store of its own connection, the kit's node's, closed with the kit."""
        store = QueueStore.connect(self.dsn, name="test", **{"node": self.node, **settings})
        self._stores.append(store)
        return store

    def close(self) -> None:
        """Close every connection."""
        for store in self._stores:
            store.close()
        self.conn.close()

    def register(self) -> str:
        """Register another node and return its id."""
        node = str(uuid.uuid4())
        self.store.register(NodeInfo(node, "host", 1))
        return node

    def renew(self) -> None:
        """Go on as another node, like a supervisor that starts after this one."""
        self.node = self.register()
        self.store = as_node(self.store, self.node)

    def enqueue(self, n: int, args: str = "{}", **columns: Any) -> list[int]:
        """Insert n jobs of kind k and return their ids."""
        names = "".join(f", {name}" for name in columns)
        places = "".join(", %s" for _ in columns)
        rows = self.conn.execute(
            f"INSERT INTO actorq.job (kind, args{names})"
            f" SELECT 'k', %s::json{places} FROM generate_series(1, %s) RETURNING id".encode(),
            [args, *columns.values(), n],
        )
        return [row[0] for row in rows]

    def claim(
        self, n: int, limit: int = 1000, *, node: str | None = None, **ask: Any
    ) -> ClaimReply:
        """Claim jobs of the lane under lease n of the kit's node, or of another."""
        store = as_node(self.store, node or self.node)
        return store.claim(Claim(**{"lane": self.lane, "limit": limit, "lease": n, **ask}))

    def batch(self, n: int, limit: int = 1000, **ask: Any) -> ClaimedBatch:
        """Claim jobs that are certainly there."""
        (batch,) = self.claim(n, limit, **ask).batches
        return batch

    def rows(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        """Return the rows of any query."""
        return self.conn.execute(sql.encode(), params).fetchall()

    def one(self, sql: str, *params: object) -> Any:
        """Return the only value of a query."""
        ((value,),) = self.rows(sql, *params)
        return value

    def states(self) -> dict[int, str]:
        """Return the readable state of every job."""
        return dict(self.rows("SELECT id, state FROM actorq.jobs ORDER BY id"))

    def check_places(self) -> None:
        """Assert that every pending job is ready or leased, exactly once, and no other job is."""
        wrong = self.rows(
            """
            SELECT j.id, j.state, count(p.id) FROM actorq.job j
            LEFT JOIN (
                SELECT id FROM actorq.queued
                UNION ALL
                SELECT u.id FROM actorq.lease l, unnest(l.jobs) WITH ORDINALITY u (id, k)
                WHERE l.open IS NULL OR get_bit(l.open, u.k - 1) = 1
            ) p ON p.id = j.id
            GROUP BY j.id HAVING count(p.id) <> (j.state = 'pending')::int
            """
        )
        assert wrong == []
        moved = self.rows(
            "SELECT r.id FROM actorq.queued r JOIN actorq.job j ON j.id = r.id"
            " WHERE (j.run_at, j.priority) <> (r.run_at, r.priority)"
        )
        assert moved == []


def done(batch: ClaimedBatch) -> Settlement:
    """Return the settlement that completes every job of a batch."""
    completed = by_attempt((job, attempt_of(batch, job)) for job in batch.ids)
    return Settlement(batch.lease, batch.seq, completed, [])


def attempt_of(batch: ClaimedBatch, job: int) -> int:
    """Return the attempt that a job had when it was claimed."""
    note = batch.notes.get(batch.ids.index(job))
    return note.attempt if note else 0


def part(batch: ClaimedBatch, rows: Sequence[Row]) -> Settlement:
    """Return the settlement of some rows of a batch that leaves all other jobs open."""
    settled = {row.id for row in rows}
    bits = bytearray((batch.n + 7) // 8)
    for k, job in enumerate(batch.ids):
        if job not in settled:
            bits[k >> 3] |= 1 << (k & 7)
    return Settlement(batch.lease, batch.seq, {}, list(rows), False, bytes(bits))


class Second(threading.Thread):
    """Run something in a thread; tell when it ended, or waits for another session."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.call = call
        self.value: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Call it and keep what it returned or raised."""
        try:
            self.value = self.call()
        except BaseException as error:
            self.error = error

    def result(self) -> Any:
        """Return what the call returned; raise what it raised."""
        self.join(20)
        assert not self.is_alive(), "the second session still waits"
        if self.error:
            raise self.error
        return self.value


def as_node(store: QueueStore, node: str) -> QueueStore:
    """Return a store that speaks for another node over the same connection."""
    other = copy.copy(store)
    other._node = node
    return other


def pid(store: QueueStore) -> int:
    """Return the server's process that serves a store."""
    return store._session.info.backend_pid


@contextmanager
def beside(
    kit: Kit, first: QueueStore, second: QueueStore, call: Callable[[], object]
) -> Iterator[Second]:
    """Start a call on the second store and go on once it ended or waits for the first one."""
    thread = Second(call)
    thread.start()
    wait_until(
        lambda: (
            not thread.is_alive()
            or kit.one("SELECT %s = ANY (pg_blocking_pids(%s))", pid(first), pid(second))
        ),
        what="the second session to end or to wait",
    )
    yield thread


def blocked(watch: psycopg.Connection[tuple[object, ...]]) -> bool:
    query = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() "
        "AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    return watch.execute(query).fetchone() is not None


def pruned(conn: Session, **what: Any) -> int:
    return sum(part.n_deleted for part in admin_prune.prune(conn, **what))
