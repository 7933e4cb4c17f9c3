"""The stage: where the plan's actors, known by number, meet the processes that play them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from actorq.actor.bound import BoundKind
from actorq.config import Place
from actorq.core.job.model import Cut
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.pipe import wire
from actorq.supervisor.local.actor_process import ActorProcess
from actorq.supervisor.local.pipes import ActorDied, ActorSaid, Pipes
from actorq.supervisor.local.pool import Pool

CLOSE_S = 5.0


@dataclass(slots=True)
class Seat:
    """Hold one process, and what its batches are called on either side of the pipe."""

    number: int  # the plan's name for it
    actor: ActorProcess
    last_no: int = 0
    leases: dict[int, int] = field(default_factory=dict)  # no → lease
    nos: dict[int, int] = field(default_factory=dict)  # lease → no
    one_by_one: set[int] = field(default_factory=set)  # nos whose jobs run in calls of their own

    def enter(self, lease: int) -> int:
        """Give a number to a batch that is to be sent."""
        self.last_no += 1
        self.leases[self.last_no], self.nos[lease] = lease, self.last_no
        return self.last_no

    def forget(self, no: int) -> None:
        """Drop a batch that is over."""
        self.nos.pop(self.leases.pop(no, 0), None)
        self.one_by_one.discard(no)


class Stage:
    """Carry out the effects that concern processes; translate what they say."""

    def __init__(
        self, kinds: Sequence[BoundKind], place: Place, post: Callable[[object], None]
    ) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self._pipes = Pipes(post)
        self._pool = Pool(self._pipes, place)
        self._by_number: dict[int, Seat] = {}
        self._by_actor: dict[int, Seat] = {}
        self._prepared: dict[tuple[str, int], ActorProcess] = {}

    @property
    def guardian(self) -> int | None:
        """Return the process id of the guardian of all actors, None where there is none."""
        return self._pool.guardian

    def prepare(self) -> None:
        """Start the first actor of each slot before anybody asks for it, for that takes longest."""
        for kind in self._kinds.values():
            for index in range(kind.policy.actors):
                self._prepared[kind.name, index] = self._pool.spawn(kind, index)

    def start(self) -> None:
        """Start the thread that reads and writes the pipes."""
        self._pipes.start()

    def close(self) -> None:
        """Kill whatever is left, and wait until it is gone."""
        for actor in [seat.actor for seat in self._by_number.values()] + [*self._prepared.values()]:
            actor.kill()
        if self._prepared and self._pipes.ident is None:
            self._pipes.start()  # which alone can bury them
        deadline = time.monotonic() + CLOSE_S
        self._pipes.close(deadline)
        self._pool.close()
        for seat in self._by_number.values():
            seat.actor.page.close()

    def perform(self, effect: e.Effect) -> None:
        """Carry out an effect."""
        match effect:
            case e.Spawn(number, kind, index):
                self._spawn(number, kind, index)
            case e.Send(number, batch, cut, one_by_one):
                self._send(self._by_number[number], batch, cut, one_by_one)
            case e.Recall(number, lease):
                seat = self._by_number[number]
                seat.actor.recall(seat.nos[lease])
            case e.CancelJob(number, lease, position):
                seat = self._by_number[number]
                seat.actor.cancel(seat.nos[lease], position)
            case e.StopActor(number):
                self._by_number[number].actor.stop()
            case e.KillActor(number):
                if number in self._by_number:
                    self._by_number[number].actor.kill()

    def _spawn(self, number: int, kind: str, index: int) -> None:
        actor = self._prepared.pop((kind, index), None) or self._pool.spawn(
            self._kinds[kind], index
        )
        seat = Seat(number, actor)
        self._by_number[number] = self._by_actor[actor.id] = seat

    def _send(self, seat: Seat, batch: Any, cut: Cut, one_by_one: bool) -> None:
        no = seat.enter(batch.lease)
        if one_by_one:
            seat.one_by_one.add(no)
        work = wire.Work(no, batch.lease, batch.ids, batch.lens, batch.notes, cut, one_by_one)
        seat.actor.send(work, batch.args)

    def taken(self) -> dict[int, int]:
        """Return the lease that each actor has last begun."""
        found = {}
        for seat in self._by_number.values():
            lease = seat.leases.get(seat.actor.page.taken)
            if lease is not None:
                found[seat.number] = lease
        return found

    def running(self) -> dict[int, tuple[int, ...]]:
        """Return the positions that actors are running, where a job has a time limit."""
        return {
            seat.number: tuple(seat.actor.page.running())
            for seat in self._by_number.values()
            if seat.one_by_one or self._kinds[seat.actor.kind].policy.job_timeout_s is not None
        }

    def translate(self, said: object) -> i.Input | None:
        """Turn what an actor said, or its death, into an input of the plan."""
        if isinstance(said, ActorDied):
            return self._died(said)
        if not isinstance(said, ActorSaid) or said.actor not in self._by_actor:
            return None
        seat, message = self._by_actor[said.actor], said.message
        number = seat.number
        match message:
            case wire.Outcomes(no, done, verdicts, last):
                lease = seat.leases.get(no, 0)
                if last:
                    seat.forget(no)
                return i.Outcomes(number, lease, done, verdicts, last)
            case wire.BatchFailed(no, error, begun):
                lease = seat.leases.get(no, 0)
                seat.forget(no)
                return i.HandlerFailed(number, lease, error, begun)
            case wire.HandedBack(no, what, error, begun, after_s):
                lease = seat.leases.get(no, 0)
                seat.forget(no)
                rest_s = after_s if what == "rest" else None
                return i.HandedBack(number, lease, error, begun, rest_s)
            case wire.Grown(rss):
                return i.Grown(number, rss)
            case wire.Returned(no):
                lease = seat.leases.get(no, 0)
                seat.forget(no)
                return i.Returned(number, lease)
            case wire.Ready():
                return i.Ready(number)
            case wire.BootFailed(error):
                return i.BootFailed(number, error)
        return None

    def _died(self, said: ActorDied) -> i.Input | None:
        seat = self._by_actor.pop(said.actor, None)
        if seat is None:
            return None
        del self._by_number[seat.number]
        seat.actor.page.close()
        taken = seat.leases.get(said.taken, 0)
        return i.ActorDied(seat.number, said.exit.error(), taken, said.begun)
