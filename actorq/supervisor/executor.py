"""The interface to whatever runs actors: what a supervisor needs from them, not how it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from actorq.actor.bound import BoundKind
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.dsn import Place

ActorEffect: TypeAlias = e.Spawn | e.Send | e.Recall | e.CancelJob | e.StopActor | e.KillActor
"""What an executor carries out. Actors and batches have the numbers that the plan gives them: an
actor its own, a batch that of its lease."""


class Executor(Protocol):
    """Actors: started, reached and ended on behalf of the plan.

    It posts inputs of the plan and nothing else: the answers of actors, in their order, and for
    each actor one ActorDied when nothing is left of it and everything it said has been posted.
    """

    @property
    def guardian(self) -> int | None:
        """Return the process that ends all actors if this one dies; None if there is none."""

    def start(self) -> None:
        """Begin to start the first actor of each slot, before the plan asks for them.

        The plan numbers actors from 1, kind by kind and slot by slot; these have the same numbers.
        """

    def perform(self, effect: ActorEffect) -> None:
        """Carry out an effect without waiting; ignore one for an actor that is dead."""

    def progress(self) -> i.Tick:
        """Return which batch each actor has begun, and which of its jobs run."""

    def pids(self) -> dict[int, int]:
        """Return the process of each actor; 0 where it has none here."""

    def close(self) -> None:
        """End all actors, and wait until nothing of them is left."""


MakeExecutor: TypeAlias = Callable[[Sequence[BoundKind], Place, Callable[[object], None]], Executor]
"""A function that makes an executor for some kinds, given the place of jobs and where to post.

What is posted is an Input, or a Fatal if the executor itself has failed."""
