"""A thread with a database connection of its own, which reconnects when the connection is lost.

It does I/O and decides nothing: orders come in, answers are posted to the engine.
"""

from __future__ import annotations

import random
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from actorq.core import event
from actorq.errors import SchemaMismatch, StoreError
from actorq.store.session.faults import Forbidden
from actorq.supervisor.ends import Fatal, Post, Stopping

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

Open = Callable[[str], "QueueStore"]

FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 0.5
"""A restarted server is back within 0.3 s. After an outage, nobody should storm the server, nor
leave it without work for a second."""


REPEAT_S = 60.0
"""How long a reported error is not reported again: it may occur twice a second."""


class StoreThread(threading.Thread):
    """A thread with one connection for one duty; reconnects as long as the engine needs it."""

    longest_wait_s = LONGEST_WAIT_S

    def __init__(self, duty: str, open_: Open, post: Post) -> None:
        super().__init__(name=f"actorq-{duty}", daemon=True)
        self.duty = duty
        self.post = post
        self.stopping = threading.Event()
        self._open = open_
        self._lost_at: float | None = None
        self._reasons: set[str] = set()  # reported reasons why there is no connection
        self._reported: dict[str, float] = {}  # error → when

    def run(self) -> None:
        """Work until stopped, across any number of connections."""
        try:
            while True:
                self._once(self._connected())
        except Stopping:
            pass
        except BaseException as exc:
            self.fatal(exc)

    def fatal(self, error: BaseException) -> None:
        """Tell the engine that we cannot go on; a changed schema is reported as such."""
        if isinstance(error, Forbidden):
            try:
                self._open(f"actorq {self.duty}").close()
            except SchemaMismatch as mismatch:
                error = mismatch
            except StoreError:
                pass  # the statement's own error says enough
        self.post(Fatal(error))

    def _once(self, store: QueueStore) -> None:
        """Work on one connection until it is lost."""
        try:
            self.work(store)
        except (SchemaMismatch, Forbidden):
            raise
        except StoreError as exc:
            self._report_away(exc)
        finally:
            store.close()

    def _connected(self) -> QueueStore:
        """Connect, however long it takes; waits grow, with jitter."""
        wait_s = FIRST_WAIT_S
        while True:
            if self.stopping.is_set() and not self.busy():
                raise Stopping
            try:
                store = self._open(f"actorq {self.duty}")
            except SchemaMismatch:
                raise
            except StoreError as exc:
                self._report_away(exc)
                self.stopping.wait(wait_s * random.uniform(0.5, 1.5))
                wait_s = min(self.longest_wait_s, wait_s * 2)
                if self.stopping.is_set():
                    time.sleep(FIRST_WAIT_S)
                continue
            self._report_restored()
            return store

    def _report_away(self, error: StoreError) -> None:
        """Report why there is no connection, once per reason until there is one again."""
        if self._lost_at is None:
            self._lost_at = time.monotonic()
        if str(error) not in self._reasons:
            self._reasons.add(str(error))
            self.post(event.ConnectionLost(self.duty, str(error)))

    def _report_restored(self) -> None:
        if self._lost_at is not None:
            down_s = time.monotonic() - self._lost_at
            self.post(event.ConnectionRestored(self.duty, down_s))
            self._lost_at = None
            self._reasons.clear()

    def report(self, error: StoreError) -> None:
        """Report a statement that the database refused, unless that was reported recently."""
        now, text = time.monotonic(), str(error)
        self._reported = {t: at for t, at in self._reported.items() if now < at + REPEAT_S}
        if text not in self._reported:
            self._reported[text] = now
            self.post(event.DutyFailed(self.duty, text))

    def stop(self) -> None:
        """Ask the thread to leave when it has nothing more to do."""
        self.stopping.set()

    def busy(self) -> bool:
        """Tell whether there is something that must not be left undone."""
        return False

    @abstractmethod
    def work(self, store: QueueStore) -> None:
        """Do the duty on this connection; a StoreError gets it a new one, if that can help."""
