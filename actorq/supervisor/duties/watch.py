"""The duty that watches the other supervisors, and removes the rows of the dead."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from actorq.core import event, liveness
from actorq.core.store_values import NodeInfo
from actorq.store.session.faults import Contended
from actorq.supervisor.duties.duty import EACH_ROUND, BeatBetween, Duty
from actorq.supervisor.duties.reap import Reap
from actorq.supervisor.ends import Post
from actorq.supervisor.identity import start_of

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

NODES_S = 3.0
"""How often to read the table of nodes while all processes on this host that it lists still exist:
otherwise twenty idle supervisors would read it forty times a second."""


class WatchNodes(Duty):
    """A check of the processes on this host in each round, and of the table now and then."""

    def __init__(
        self, me: NodeInfo, nodes_s: float, post: Post, reap: Reap, beat: BeatBetween
    ) -> None:
        super().__init__(EACH_ROUND)
        self._me, self._nodes_s, self._post = me, nodes_s, post
        self._reap, self._beat = reap, beat
        self._watch = liveness.Watch(me)
        self._nodes_at = 0.0
        self.n_others = 0  # supervisors beside this one

    def connected(self) -> None:
        """Count the silence of others from now: nothing was seen while there was no connection."""
        self._watch.reconnected()

    def run(self, store: QueueStore, now: float) -> None:
        """Remove the rows of dead nodes; their leases are then nobody's, and reaped."""
        if now < self._nodes_at and not self._watch.is_any_gone(start_of):
            return
        nodes = store.nodes()
        self._nodes_at = now + self._nodes_s
        self.n_others = sum(node.id != self._me.id for node in nodes)
        for node in self._watch.dead(nodes, now, start_of):
            self._beat(store)
            with suppress(Contended):  # its last settle is still in progress
                if store.bury(node.id, node.beat_at):
                    self._beat(store)
                    n_jobs = self._reap.reaped(store)
                    self._post(event.NodeReaped(node.id, n_jobs))
