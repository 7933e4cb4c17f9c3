"""One actor process, as its supervisor communicates with it: without ever waiting for it."""

from __future__ import annotations

import itertools
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence

from actorq.core.job.model import Buffer
from actorq.errors import InternalError
from actorq.pipe import wire
from actorq.pipe.ledger import Ledger
from actorq.pipe.page import MAX_IN_PIPE, Page
from actorq.supervisor.local.process import Child, GuardedChild

MAX_PARTS = 1000
"""How many buffers to pass to one sendmsg: Linux and macOS accept 1024."""


class ActorProcess:
    """A process that serves a kind, under the number that the plan has given it."""

    def __init__(
        self, number: int, kind: str, index: int, page: Page, ours: socket.socket, log_fd: int
    ) -> None:
        self.number = number
        self.kind = kind
        self.index = index
        self.page = page
        self.ledger = Ledger(number)
        self.reader = wire.FrameReader.of_supervisor()
        self.socket = ours
        self.log_fd = log_fd
        self.child: Child | GuardedChild | None = None
        self.problem = ""  # why we killed it
        self._writer = wire.FrameWriter()
        self._unsent: deque[memoryview] = deque()
        self._lock = threading.Lock()
        self._one_by_one: set[int] = set()  # batches whose jobs run in calls of their own
        self._want_write: Callable[[], None] = _nothing

    @property
    def pid(self) -> int:
        """Return the process id, 0 if no process could be started."""
        return self.child.pid if self.child is not None else 0

    def send(self, message: wire.ToActor, args: Sequence[Buffer] = ()) -> None:
        """Send a message without ever waiting: what the pipe does not accept is sent later."""
        if isinstance(message, wire.Work):
            self._expect(message)
        with self._lock:
            waiting = bool(self._unsent)
            self._unsent.extend(map(memoryview, self._writer.frame(message, args)))
            if waiting or self._write():
                return
        self._want_write()

    def runs_one_by_one(self, lease: int) -> bool:
        """Return whether the jobs of a batch run in calls of their own."""
        return lease in self._one_by_one

    def recall(self, lease: int) -> None:
        """Ask for a batch back unless it is begun; the answer is Returned or its outcomes."""
        self.page.recall(lease)

    def cancel(self, lease: int, position: int) -> None:
        """Ask for one job of a batch to be cancelled."""
        self.page.cancel(lease, position)

    def stop(self) -> None:
        """Ask the actor to leave once it has answered what it was sent."""
        self.send(wire.Stop())

    def kill(self, problem: str = "") -> None:
        """Kill the process and its group; ActorDied follows when they are gone."""
        self.problem = self.problem or problem
        if self.child is not None:
            self.child.kill()

    def write(self) -> bool:
        """Send what the pipe accepts now; return whether nothing is left."""
        with self._lock:
            return self._write()

    def on_want_write(self, call: Callable[[], None]) -> None:
        """Register a call to be made when there is something left to `write`."""
        with self._lock:
            self._want_write = call
            left = bool(self._unsent)
        if left:
            call()

    def _expect(self, work: wire.Work) -> None:
        n = len(work.ids)
        if not 0 < n <= self.page.capacity or self.ledger.n_open >= MAX_IN_PIPE:
            raise InternalError(
                f"batch {work.lease} of {n} jobs for an actor with room for {self.page.capacity}, "
                f"{self.ledger.n_open} batches before it"
            )
        self.page.expect(work.lease)
        self.ledger.sent(work.lease, n)
        if work.one_by_one:
            self._one_by_one = {*filter(self.ledger.is_open, self._one_by_one), work.lease}

    def _write(self) -> bool:
        while self._unsent:
            try:
                n = self.socket.sendmsg(itertools.islice(self._unsent, MAX_PARTS))
            except BlockingIOError:
                return False
            except OSError:  # it is dead or dying, which is noticed elsewhere
                self._unsent.clear()
                break
            while self._unsent and n >= len(self._unsent[0]):
                n -= len(self._unsent.popleft())
            if n:
                self._unsent[0] = self._unsent[0][n:]
        return True


def _nothing() -> None:
    """Do nothing: nobody watches this actor yet, and whoever will checks it first."""
