"""The seam to whoever runs actors: what a supervisor needs of them, and nothing of how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from actorq.actor.bound import BoundKind
from actorq.config import Place
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i

ActorEffect: TypeAlias = e.Spawn | e.Send | e.Recall | e.CancelJob | e.StopActor | e.KillActor
"""What an executor is to carry out. Actors and batches have the numbers that the plan gives them:
an actor its own, a batch that of its lease."""


class Executor(Protocol):
    """Actors: started, reached and ended on the plan's behalf.

    It posts inputs of the plan and nothing else: the answers of actors, in their order, and for
    each actor one ActorDied when nothing of it is left and all that it said has been posted.
    """

    @property
    def guardian(self) -> int | None:
        """Return the process that ends all actors should this one die; None if there is none."""

    def start(self) -> None:
        """Begin to start the first actor of each slot, before the plan asks for them.

        The plan counts actors from 1, kind by kind and slot by slot: so are these.
        """

    def perform(self, effect: ActorEffect) -> None:
        """Carry out an effect without waiting; for an actor that is dead it is void."""

    def progress(self) -> i.Tick:
        """Return which batch each actor has begun, and what is running in it."""

    def close(self) -> None:
        """End all actors, and wait until nothing of them is left."""


MakeExecutor: TypeAlias = Callable[[Sequence[BoundKind], Place, Callable[[object], None]], Executor]
"""Make an executor for some kinds; given where their jobs live, and where to post to.

What is posted is an Input, or a Fatal if the executor itself has failed."""
