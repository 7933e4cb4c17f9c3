"""Actors as processes on this machine."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from actorq.actor.bound import BoundKind
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.dsn import Place
from actorq.errors import InternalError
from actorq.pipe import wire
from actorq.supervisor.executor import ActorEffect
from actorq.supervisor.local.actor_process import ActorProcess
from actorq.supervisor.local.pipes import Pipes
from actorq.supervisor.local.pool import Pool

CLOSE_S = 5.0


class LocalExecutor:
    """The actor processes of one supervisor; see `supervisor.executor.Executor`."""

    def __init__(
        self, kinds: Sequence[BoundKind], place: Place, post: Callable[[object], None]
    ) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self._post = post
        self._pipes = Pipes(self._hear)
        self._pool = Pool(self._pipes, place)
        self._lock = threading.Lock()
        self._actors: dict[int, ActorProcess] = {}  # alive, or not known to be dead
        self._dead: deque[ActorProcess] = deque()  # their pages are still to be closed
        self._prepared: set[int] = set()  # started, and not yet asked for

    @property
    def guardian(self) -> int | None:
        """Return the process id of the guardian of all actors, None if there is none."""
        return self._pool.guardian

    def start(self) -> None:
        """Start the first actor of each slot: their start takes longest of all."""
        kinds = self._kinds.values()
        slots = [(kind, index) for kind in kinds for index in range(kind.policy.actors)]
        try:
            for number, (kind, index) in enumerate(slots, 1):
                self._prepared.add(number)
                self._start(number, kind, index)
        finally:
            self._pipes.start()  # only this thread can report their deaths

    def perform(self, effect: ActorEffect) -> None:
        """Carry out an effect. A missing actor has died, and its ActorDied has been posted."""
        if isinstance(effect, e.Spawn):
            self._spawn(effect)
            return
        actor = self._actors.get(effect.actor)
        if actor is None:
            return
        match effect:
            case e.Send(number, batch, cut, one_by_one):
                work = wire.Work(
                    number, batch.lease, batch.ids, batch.lens, batch.notes, cut, one_by_one
                )
                actor.send(work, batch.args)
            case e.Recall(_, lease):
                actor.recall(lease)
            case e.CancelJob(_, lease, position):
                actor.cancel(lease, position)
            case e.StopActor():
                actor.stop()
            case e.KillActor():
                actor.kill()

    def _spawn(self, effect: e.Spawn) -> None:
        number, kind, index = effect.actor, effect.kind, effect.index
        if number not in self._prepared:
            self._start(number, self._kinds[kind], index)
            return
        self._prepared.remove(number)
        actor = self._actors.get(number)
        if actor is not None and (actor.kind, actor.index) != (kind, index):
            raise InternalError(
                f"actor {number} is of {actor.kind}[{actor.index}], not {kind}[{index}]"
            )

    def _start(self, number: int, kind: BoundKind, index: int) -> None:
        with self._lock:  # an actor that cannot be started is reported at once
            self._actors[number] = self._pool.spawn(number, kind, index)

    def progress(self) -> i.Tick:
        """Return which batch each actor has begun, and which jobs run if they have a time limit."""
        self._close_pages()
        taken, running = dict[int, int](), dict[int, tuple[int, ...]]()
        for number, actor in list(self._actors.items()):
            lease = actor.page.taken
            if actor.ledger.is_open(lease):
                taken[number] = lease
            limited = self._kinds[actor.kind].policy.job_timeout_s is not None
            if limited or actor.runs_one_by_one(lease):
                running[number] = tuple(actor.page.running())
        return i.Tick(taken, running)

    def pids(self) -> dict[int, int]:
        """Return the process of each actor, 0 if it could not be started."""
        return {number: actor.pid for number, actor in list(self._actors.items())}

    def close(self) -> None:
        """Kill whatever is left, and wait until it is gone."""
        for actor in list(self._actors.values()):
            actor.kill()
        self._pipes.close(time.monotonic() + CLOSE_S)
        self._pool.close()
        self._dead += self._actors.values()
        self._close_pages()

    def _hear(self, said: object) -> None:
        """Pass on what the pipes post; this is called in their thread."""
        if isinstance(said, i.ActorDied):
            with self._lock:
                self._dead.append(self._actors.pop(said.actor))
        self._post(said)

    def _close_pages(self) -> None:
        """Close the pages of the dead, in the same thread that reads those of the living."""
        while self._dead:
            self._dead.popleft().page.close()
