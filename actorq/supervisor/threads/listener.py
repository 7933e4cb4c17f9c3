"""The listener's thread: it turns notifications into hints for the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from actorq.core.plan import inputs as i
from actorq.supervisor.ends import Post, Stopping
from actorq.supervisor.threads.store_thread import Open, StoreThread

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

WAIT_S = 0.5


class Listener(StoreThread):
    """The thread that waits for notifications; polling finds what a lost connection has missed."""

    def __init__(self, node: str, open_: Open, post: Post, look: Callable[[], None]) -> None:
        """Make it; `look` is called when somebody begins to follow."""
        super().__init__("listener", open_, post)
        self._node, self._look = node, look

    def work(self, store: QueueStore) -> None:
        """Listen, and pass on what arrives: many wake-ups of one lane as one."""
        store.listen()
        self.post(i.Listening(True))
        try:
            while not self.stopping.is_set():
                self._pass_on(store.notifications(WAIT_S))
        finally:
            self.post(i.Listening(False))
        raise Stopping

    def _pass_on(self, payloads: list[str]) -> None:
        woken: Counter[int] = Counter()
        mine: set[int] = set()
        for payload in payloads:
            self._read(payload, woken, mine)
        for lane, n in woken.items():
            self.post(i.Woken(lane, n, mine=lane in mine))

    def _read(self, payload: str, woken: Counter[int], mine: set[int]) -> None:
        """Read one payload. Anybody may send anything on a channel, so unknown ones are ignored."""
        match payload.split(" "):
            case [lane, *nodes] if lane.isdecimal():
                woken[int(lane)] += 1
                if not nodes or self._node in nodes:
                    mine.add(int(lane))
            case ["follow"]:
                self._look()
            case ["cancel", node, lease, job] if lease.isdecimal() and job.isdecimal():
                if node == self._node:
                    self.post(i.CancelAsked(int(lease), int(job)))
