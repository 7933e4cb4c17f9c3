"""One actor process as its supervisor sees it: what is sent to it, and how it is ended."""

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
"""How many buffers to give to one sendmsg: Linux and macOS take 1024."""

_numbers = itertools.count(1)


class ActorProcess:
    """Be the supervisor's view of one actor process."""

    def __init__(self, kind: str, index: int, page: Page, ours: socket.socket, log_fd: int) -> None:
        self.id = next(_numbers)
        self.kind = kind
        self.index = index
        self.page = page
        self.ledger = Ledger()
        self.reader = wire.FrameReader.of_supervisor()
        self.socket = ours
        self.log_fd = log_fd
        self.child: Child | GuardedChild | None = None
        self.problem = ""  # why we killed it
        self._writer = wire.FrameWriter()
        self._unsent: deque[memoryview] = deque()
        self._lock = threading.Lock()
        self._want_write: Callable[[], None] = _nothing

    @property
    def pid(self) -> int:
        """Return the process id, 0 if no process could be started."""
        return self.child.pid if self.child is not None else 0

    def send(self, message: wire.ToActor, args: Sequence[Buffer] = ()) -> None:
        """Send a message without ever waiting: what the pipe does not take goes later."""
        if isinstance(message, wire.Work):
            self._expect(message)
        with self._lock:
            waiting = bool(self._unsent)
            self._unsent.extend(map(memoryview, self._writer.frame(message, args)))
            if waiting or self._write():
                return
        self._want_write()

    def recall(self, no: int) -> None:
        """Ask for a batch back unless it is begun; Returned or its outcomes answer."""
        self.page.recall(no)

    def cancel(self, no: int, position: int) -> None:
        """Ask for one job of a batch to be cancelled."""
        self.page.cancel(no, position)

    def stop(self) -> None:
        """Ask the actor to leave once it has answered what it was sent."""
        self.send(wire.Stop())

    def kill(self, problem: str = "") -> None:
        """Kill the process and its group; ActorDied follows when they are gone."""
        self.problem = self.problem or problem
        if self.child is not None:
            self.child.kill()

    def write(self) -> bool:
        """Send what the pipe takes now; returns whether nothing is left."""
        with self._lock:
            return self._write()

    def on_want_write(self, call: Callable[[], None]) -> None:
        """Have this called when there is something left to `write`."""
        with self._lock:
            self._want_write = call
            left = bool(self._unsent)
        if left:
            call()

    def _expect(self, work: wire.Work) -> None:
        n = len(work.ids)
        if not 0 < n <= self.page.capacity or self.ledger.n_open >= MAX_IN_PIPE:
            raise InternalError(
                f"batch {work.no} of {n} jobs for an actor with room for {self.page.capacity}, "
                f"{self.ledger.n_open} batches before it"
            )
        self.page.expect(work.no)
        self.ledger.sent(work.no, n)

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
    """Do nothing: nobody watches this actor yet, and who will looks first."""
