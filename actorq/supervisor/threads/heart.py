"""The heart's thread: beats for this node, watches the others, and reaps the dead.

It has a connection of its own, so that neither a large settle nor a busy engine starves it.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from actorq.core import event
from actorq.core.liveness import Watch
from actorq.core.plan import inputs as i
from actorq.core.store_values import NodeInfo
from actorq.errors import SchemaMismatch, StoreError, StoreUnavailable
from actorq.store.session.faults import Contended, Forbidden, TooSlow
from actorq.supervisor.ends import Disowned
from actorq.supervisor.identity import start_of
from actorq.supervisor.threads.store_thread import Open, Post, Stopping, StoreThread

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

BEATS_PER_TTL = 5
WATCH_S = 0.5
"""A supervisor killed on this host is to be noticed within a second."""

NODES_S = 3.0
"""How often to read the table of nodes, as long as the processes on this host that were in it are
still there: twenty idle supervisors would ask forty times a second."""

REAP_CHUNK = 100
LOST_BUDGET = 10
"""Lost supervisors say little about a job, until it has run alone each time from the second on."""

ALONE_AFTER = 2
VACUUM_AFTER = 50_000
"""Rows deleted from `ready` until this node vacuums it: autovacuum's nap is a minute long."""

VACUUM_FACTOR = 50
"""A vacuum may take 1/50 of the time: it reads the index of the whole backlog and all dead rows
that a snapshot keeps. With 2,000,000 waiting it took 40 ms, with as many kept 110 ms, of CPU,
which after every 50,000 rows was up to 22 % of a core."""

SWEEP_KEYS, SWEEP_S = 1_000, 10.0
"""Unique keys to look at, and how often. While half of them are stale the next round looks at more:
2,000 a second."""

CALM = 1_000
"""Rows claimed between two rounds, below which a rush is over: its last dead rows must not wait
for their vacuum, or every look at the head of the index passes them."""

LONGEST_ANSWER_S = 25.0
FIRST_KEY = ("", "")


def patience_s(ttl_s: float) -> tuple[float, float]:
    """Return how long to wait for answers, and how long the server may work on one.

    There must be time to beat on another connection; and the server gives a statement up before
    the heart gives the connection up for it.
    """
    deadline_s = min(LONGEST_ANSWER_S, ttl_s * 3 / BEATS_PER_TTL)
    return deadline_s, deadline_s * 0.8


class Heart(StoreThread):
    """Beat every fifth of the ttl, look after the other nodes on this host twice a second."""

    def __init__(self, me: NodeInfo, open_: Open, post: Post) -> None:
        super().__init__("heart", open_, post)
        # After an outage others count our silence from their own return: ours must not be late.
        self.longest_wait_s = min(self.longest_wait_s, me.ttl_s / BEATS_PER_TTL)
        self._me = me
        self._watch = Watch(me)
        self._beat_at = self._nodes_at = 0.0
        self.n_claimed = 0  # written by the engine only, read here
        self.n_others = 0  # supervisors beside this one: written here, read by the engine
        self._n_seen = self._n_vacuumed = 0  # … at the last round, and at the last vacuum
        self._vacuum_at = 0.0
        self._key, self._sweep_at = FIRST_KEY, 0.0

    def work(self, store: QueueStore) -> None:
        """Beat, watch, reap, vacuum; in between, wait."""
        self._watch.reconnected()
        while not self.stopping.is_set():
            try:
                self._round(store, time.monotonic())
            except (StoreUnavailable, Forbidden, SchemaMismatch):
                raise
            except (Contended, TooSlow):
                pass  # a lock of somebody else's, or a cancelled statement: the next round does it
            except StoreError as exc:
                self.report(exc)
            self.stopping.wait(WATCH_S)
        raise Stopping

    def _round(self, store: QueueStore, now: float) -> None:
        if now >= self._beat_at:
            self._beat(store, now)
        self._bury(store, now)
        self._vacuum(store)
        if now >= self._sweep_at:
            self._sweep(store, now)

    def _beat(self, store: QueueStore, now: float) -> None:
        leases = store.beat(self._me.id)
        if leases is None:
            self.post(Disowned())
            raise Stopping
        self.post(i.Beaten(frozenset(leases), now))
        self._beat_at = now + self._me.ttl_s / BEATS_PER_TTL
        store.check_version()
        self._reap(store)

    def _bury(self, store: QueueStore, now: float) -> None:
        """Remove the rows of dead nodes; their leases are then nobody's, and reaped."""
        if now < self._nodes_at and not self._watch.is_any_gone(start_of):
            return
        nodes = store.nodes()
        self._nodes_at = now + min(NODES_S, self._me.ttl_s / BEATS_PER_TTL)
        self.n_others = sum(node.id != self._me.id for node in nodes)
        for node in self._watch.dead(nodes, now, start_of):
            with suppress(Contended):  # its last settle is still under way
                if store.bury(node.id, node.beat_at):
                    n_jobs = self._reap(store)
                    self.post(event.NodeReaped(node.id, n_jobs))

    def _reap(self, store: QueueStore) -> int:
        """Return the jobs of all leases without a live node; tell how many that were."""
        n_jobs = 0
        while True:
            reaped = store.reap(REAP_CHUNK, LOST_BUDGET, ALONE_AFTER)
            for lane in reaped.lanes:
                self.post(i.Woken(lane, behind=True))
            n_jobs += reaped.returned + reaped.failed + reaped.cancelled
            if reaped.leases < REAP_CHUNK:
                return n_jobs

    def _sweep(self, store: QueueStore, now: float) -> None:
        """Remove unique keys whose jobs are final; nobody else does, for a settle must be cheap."""
        self._sweep_at = now + SWEEP_S
        try:
            last, n_swept = store.sweep_keys(self._key, SWEEP_KEYS)
        except Forbidden as exc:
            self._sweep_at = math.inf  # a role that may not sweep can do all else
            self.report(exc)
            return
        self._key = last or FIRST_KEY
        if 2 * n_swept >= SWEEP_KEYS:
            self._sweep_at = now

    def _vacuum(self, store: QueueStore) -> None:
        begun, n_claimed = time.monotonic(), self.n_claimed
        is_calm, self._n_seen = n_claimed - self._n_seen < CALM, n_claimed
        is_soon = begun < self._vacuum_at and not is_calm
        if n_claimed - self._n_vacuumed < VACUUM_AFTER or is_soon:
            return
        self._n_vacuumed = n_claimed
        try:
            store.vacuum_ready()
        finally:
            ended = time.monotonic()
            self._vacuum_at = ended + VACUUM_FACTOR * (ended - begun)
