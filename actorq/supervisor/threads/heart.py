"""The heart's thread: it beats for this node, and runs every other duty when it is due.

It has a connection of its own, so that neither a large settle nor a busy engine delays it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from actorq.core.store_values import NodeInfo
from actorq.errors import SchemaMismatch, StoreError, StoreUnavailable
from actorq.store.session.faults import Contended, Forbidden, TooSlow
from actorq.supervisor.duties.beat import BEATS_PER_TTL, Beat
from actorq.supervisor.duties.check_schema import CheckSchema
from actorq.supervisor.duties.duty import Duty
from actorq.supervisor.duties.fold import FoldCounters
from actorq.supervisor.duties.reap import Reap
from actorq.supervisor.duties.report import WriteReport
from actorq.supervisor.duties.sweep_keys import SweepKeys
from actorq.supervisor.duties.tell import EventBuffer, TellEvents
from actorq.supervisor.duties.vacuum import Vacuum
from actorq.supervisor.duties.watch import NODES_S, WatchNodes
from actorq.supervisor.ends import Post, Stopping
from actorq.supervisor.threads.store_thread import Open, StoreThread

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

HINT_S = 0.005
"""The least time between two notifications of changes; all changes of this time share the next."""

ROUND_S = 0.5
"""How often to look; a supervisor killed on this host is to be noticed within a second."""

LONGEST_ANSWER_S = 25.0


def patience_s(ttl_s: float) -> tuple[float, float]:
    """Return how long to wait for answers, and how long the server may work on one.

    There must be time to beat on another connection, and the server must give up a statement
    before the heart gives up the connection because of it.
    """
    deadline_s = min(LONGEST_ANSWER_S, ttl_s * 3 / BEATS_PER_TTL)
    return deadline_s, deadline_s * 0.8


class Heart(StoreThread):
    """The thread that looks twice a second which duties are due, and beats in time between them."""

    def __init__(self, me: NodeInfo, open_: Open, post: Post) -> None:
        super().__init__("heart", open_, post)
        self.events = EventBuffer()
        self._bell = threading.Event()
        self._hints = self._looks = False
        beat_s = me.ttl_s / BEATS_PER_TTL
        # After an outage, others count our silence from when *they* reconnect: be back well before.
        self.longest_wait_s = min(self.longest_wait_s, beat_s)
        self.n_settled = 0  # jobs; written by the engine only, read here
        reap = Reap(beat_s, post, self._beat_if_due)
        self._beat = Beat(me, post, self.events)
        self._watch = WatchNodes(me, min(NODES_S, beat_s), post, reap, self._beat_if_due)
        vacuum, sweep = Vacuum(lambda: self.n_settled), SweepKeys(self.report)
        check, fold = CheckSchema(beat_s), FoldCounters(lambda: self.n_settled, self.report)
        tell = TellEvents(self.events, self.report)
        self._duties: list[Duty] = [
            self._beat, check, reap, self._watch, vacuum, sweep, fold, tell,
            WriteReport(post, self.report),
        ]  # fmt: skip

    @property
    def n_others(self) -> int:
        """Return how many other supervisors there are."""
        return self._watch.n_others

    def hint(self) -> None:
        """Notify followers and waiters of a change soon: safe in any thread, and cheap."""
        self._hints = True
        self._bell.set()

    def look(self) -> None:
        """Find out soon whether somebody follows: safe in any thread."""
        self._looks = True
        self._bell.set()

    def stop(self) -> None:
        """Leave."""
        super().stop()
        self._bell.set()

    def work(self, store: QueueStore) -> None:
        """Run what is due; wait in between."""
        for duty in self._duties:
            duty.connected()
        while not self.stopping.is_set():
            self._round(store)
            self._wait(store, time.monotonic() + ROUND_S)
        if self._hints:
            store.hint()
        raise Stopping

    def _wait(self, store: QueueStore, until: float) -> None:
        """Wait for the next round; meanwhile notify of changes, but not too often."""
        while (left_s := until - time.monotonic()) > 0 and not self.stopping.is_set():
            if not self._bell.wait(left_s):
                return
            self._bell.clear()
            if self._looks:
                self._looks, self._beat.due_at = False, 0.0
                return
            if self._hints:
                self._hints = False
                store.hint()
                self.stopping.wait(HINT_S)

    def _round(self, store: QueueStore) -> None:
        for duty in self._duties:
            self._beat_if_due(store)
            self._run_if_due(store, duty)

    def _beat_if_due(self, store: QueueStore) -> None:
        self._run_if_due(store, self._beat)

    def _run_if_due(self, store: QueueStore, duty: Duty) -> None:
        """Run a duty; a passing failure must not keep other duties from being done."""
        now = time.monotonic()
        if now < duty.due_at:
            return
        duty.due_at = now + duty.again_s
        try:
            next_s = duty.run(store, now)
        except (StoreUnavailable, Forbidden, SchemaMismatch):
            raise
        except (Contended, TooSlow):
            pass  # somebody else's lock, or a cancelled statement: next time
        except StoreError as exc:
            self.report(exc)
        else:
            duty.due_at = now + (duty.every_s if next_s is None else next_s)
