"""Real actors, and what they say, in the order they say it."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any

import msgspec

from actorq.actor.bound import BoundKind
from actorq.core.job.model import ErrorInfo
from actorq.core.plan.inputs import ActorDied, Answer, BootFailed, HandlerFailed, Outcomes, Ready
from actorq.kind import Kind
from actorq.pipe.wire import Work
from actorq.supervisor.local.actor_process import ActorProcess
from actorq.supervisor.local.pipes import Pipes
from actorq.supervisor.local.pool import Pool
from tests.actor.support import work_of

DEADLINE_S = 20.0


@dataclass(frozen=True)
class Death:
    """How an actor ended, read out of the sentence that says so."""

    error: ErrorInfo
    taken: int
    begun: list[int]

    @property
    def text(self) -> str:
        return self.error.message

    @property
    def code(self) -> int | None:
        found = re.search(r"exit code (\d+)", self.text)
        return int(found[1]) if found else None

    @property
    def signal(self) -> str | None:
        found = re.search(r"SIG[A-Z]+", self.text)
        return found[0] if found else None


class Troupe:
    """A pool with its pipes, and a queue of what they post."""

    def __init__(self) -> None:
        self.posted: Queue[Any] = Queue()
        self.pipes = Pipes(self.posted.put)
        self.pool = Pool(self.pipes)
        self.seen: list[Any] = []
        self._numbers = itertools.count(1)

    def spawn(self, kind: Kind | BoundKind, index: int = 0) -> ActorProcess:
        bound = kind if isinstance(kind, BoundKind) else kind.bound()
        return self.pool.spawn(next(self._numbers), bound, index)

    def start(self, kind: Kind | BoundKind, index: int = 0) -> ActorProcess:
        """Start an actor and wait until it is ready."""
        actor = self.spawn(kind, index)
        self.said(Ready, actor)
        return actor

    def next(self) -> Any:
        try:
            event = self.posted.get(timeout=DEADLINE_S)
        except Empty:
            raise AssertionError(f"nothing was posted; before: {self.seen}") from None
        self.seen.append(event)
        return event

    def until(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the next event that is wanted; nobody may die meanwhile unless that is it."""
        while not wanted(event := self.next()):
            if isinstance(event, ActorDied):
                raise AssertionError(f"an actor died: {event.error.message}; {self.seen}")
        return event

    def said(self, type_: type, actor: ActorProcess) -> Any:
        def wanted(event: Any) -> bool:
            same = isinstance(event, Answer) and event.actor == actor.number
            if same and isinstance(event, BootFailed) and type_ is not BootFailed:
                raise AssertionError(event.error.traceback)
            return same and isinstance(event, type_)

        return self.until(wanted)

    def died(self, actor: ActorProcess) -> Death:
        """Return the death of an actor."""
        died = self.until(lambda e: isinstance(e, ActorDied) and e.actor == actor.number)
        return Death(died.error, died.taken, died.begun)

    def run(self, actor: ActorProcess, args: list[Any], lease: int = 1) -> list[Any]:
        """Send a batch and return all that is said about it."""
        actor.send(*work(args, lease, actor.number))
        return self.answer(actor, lease)

    def answer(self, actor: ActorProcess, lease: int) -> list[Any]:
        messages: list[Any] = []
        while not messages or not ends(messages[-1]):
            event = self.until(lambda e: isinstance(e, Answer) and e.actor == actor.number)
            assert event.lease == lease
            messages.append(event)
        return messages


def ends(message: Any) -> bool:
    return isinstance(message, HandlerFailed) or (isinstance(message, Outcomes) and message.last)


def work(args: list[Any], lease: int = 1, actor: int = 1) -> tuple[Work, list[bytes]]:
    """Return a batch and its args, in as many pieces as there are jobs."""
    pieces = [msgspec.json.encode(each) for each in args]
    return msgspec.structs.replace(work_of(args, lease, actor), args=b""), pieces


@contextmanager
def troupe() -> Iterator[Troupe]:
    """Run a pool; no process outlives it."""
    it = Troupe()
    it.pipes.start()
    try:
        yield it
    finally:
        it.pipes.close(time.monotonic())
        it.pool.close()
