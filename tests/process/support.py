"""Real actors, and what they say, in the order they say it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from typing import Any

import msgspec

from actorq.actor.bound import BoundKind
from actorq.kind import Kind
from actorq.pipe.wire import BatchFailed, BootFailed, Outcomes, Ready, Work
from actorq.supervisor.local.actor_process import ActorProcess
from actorq.supervisor.local.pipes import ActorDied, ActorSaid, Pipes
from actorq.supervisor.local.pool import Pool
from tests.actor.support import work_of

DEADLINE_S = 20.0


class Troupe:
    """A pool with its pipes, and a queue of what they post."""

    def __init__(self) -> None:
        self.posted: Queue[Any] = Queue()
        self.pipes = Pipes(self.posted.put)
        self.pool = Pool(self.pipes)
        self.seen: list[Any] = []

    def start(self, kind: Kind | BoundKind, index: int = 0) -> ActorProcess:
        """Start an actor and wait until it is ready."""
        actor = self.pool.spawn(kind if isinstance(kind, BoundKind) else kind.bound(), index)
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
                raise AssertionError(f"an actor died: {event.exit.text}; {self.seen}")
        return event

    def said(self, type_: type, actor: ActorProcess) -> Any:
        def wanted(event: Any) -> bool:
            same = isinstance(event, ActorSaid) and event.actor == actor.id
            if same and isinstance(event.message, BootFailed) and type_ is not BootFailed:
                raise AssertionError(event.message.error.traceback)
            return same and isinstance(event.message, type_)

        return self.until(wanted).message

    def died(self, actor: ActorProcess) -> ActorDied:
        """Return the death of an actor."""
        return self.until(lambda e: isinstance(e, ActorDied) and e.actor == actor.id)

    def run(self, actor: ActorProcess, args: list[Any], no: int = 1) -> list[Any]:
        """Send a batch and return all that is said about it."""
        actor.send(*work(args, no))
        return self.answer(actor, no)

    def answer(self, actor: ActorProcess, no: int) -> list[Any]:
        messages: list[Any] = []
        while not messages or not ends(messages[-1]):
            event = self.until(lambda e: isinstance(e, ActorSaid) and e.actor == actor.id)
            assert event.message.no == no
            messages.append(event.message)
        return messages


def ends(message: Any) -> bool:
    return isinstance(message, BatchFailed) or (isinstance(message, Outcomes) and message.last)


def work(args: list[Any], no: int = 1) -> tuple[Work, list[bytes]]:
    """Return a batch and its args, in as many pieces as there are jobs."""
    pieces = [msgspec.json.encode(each) for each in args]
    return msgspec.structs.replace(work_of(args, no), args=b""), pieces


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
