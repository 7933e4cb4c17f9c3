"""The threads of one identity that have database connections.

The engine imports this module, and with it the driver, when its actors are already starting: the
import of the driver takes as long as the start of an actor.
"""

from __future__ import annotations

from functools import partial

from actorq.core.store_values import NodeInfo
from actorq.store.queue.queue import QueueStore
from actorq.store.session.epoch import Epoch
from actorq.supervisor.ends import Post
from actorq.supervisor.options import RunOptions
from actorq.supervisor.threads.claimer import Claimer
from actorq.supervisor.threads.heart import Heart, patience_s
from actorq.supervisor.threads.listener import Listener
from actorq.supervisor.threads.settlers import Settlers
from actorq.supervisor.threads.store_thread import StoreThread


class Links:
    """All of these threads, for one node; they reconnect together if the server turns read-only."""

    def __init__(self, options: RunOptions, node: NodeInfo, post: Post) -> None:
        open_ = partial(open_store, options, node.id, epoch=Epoch())
        self.claimer = Claimer(open_, post)
        self.settlers = Settlers(
            open_,
            post,
            options.settle_rows,
            lambda: self.heart.n_others == 0,
            lambda: self.heart.hint(),
        )
        deadline_s, limit_s = patience_s(options.ttl_s)
        open_heart = partial(open_, deadline_s=deadline_s, statement_timeout_s=limit_s)
        self.heart = Heart(node, open_heart, post)
        self._all: list[StoreThread | Settlers] = [self.claimer, self.settlers, self.heart]
        if options.notify:
            self._all.append(Listener(node.id, open_, post, self.heart.look))

    def start(self) -> None:
        """Start all threads."""
        for link in self._all:
            link.start()

    def stop(self) -> None:
        """Let all of them end when they have done what they must."""
        for link in self._all:
            link.stop()

    def join(self, join_s: float) -> None:
        """Wait for each thread that was started, for at most this long."""
        for link in self._all:
            if link.ident is not None:
                link.join(join_s)


def open_store(options: RunOptions, node: str, name: str, **settings: object) -> QueueStore:
    """Open a connection of this name to the options' database, for a node."""
    return QueueStore.connect(options.dsn, options.schema, name, node=node, **settings)
