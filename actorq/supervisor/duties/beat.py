"""The duty that reports that this supervisor lives, and learns which leases are its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq.core.plan import inputs as i
from actorq.core.store_values import NodeInfo
from actorq.supervisor.duties.duty import Duty
from actorq.supervisor.duties.tell import EventBuffer
from actorq.supervisor.ends import Disowned, Post, Stopping

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

BEATS_PER_TTL = 5
AGAIN_S = 0.5


class Beat(Duty):
    """A beat every fifth of the ttl; one that failed is repeated soon."""

    def __init__(self, me: NodeInfo, post: Post, events: EventBuffer) -> None:
        every_s = me.ttl_s / BEATS_PER_TTL
        super().__init__(every_s, min(every_s, AGAIN_S))
        self._me, self._post, self._events = me, post, events

    def run(self, store: QueueStore, now: float) -> None:
        """Beat; end this identity if it was declared dead."""
        leases = store.beat()
        self._events.want(store.is_followed)
        if leases is None:
            self._post(Disowned())
            raise Stopping
        self._post(i.Beaten(frozenset(leases), now))
