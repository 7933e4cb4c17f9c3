"""A kind bound to its handler, as supervisors and actors know it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from actorq.args.codec import ArgsCodec
from actorq.core.job.policy import KindPolicy

Shape = Literal["batch", "job", "class", "job_class"]
"""How a handler is called.

It is a function of a batch or of one job's args, or a class with `handle` for batches or
`handle_one` for one job at a time.
"""


class Declared(Protocol):
    """The kind that a handler's name refers to in the program."""

    def bound(self) -> BoundKind:
        """Return the kind as it is now."""

    def mark_handler(self) -> object:
        """Register the kind on its handler, if that is a class."""

    def relocate(self, dsn: str, schema: str) -> None:
        """Move the place of its jobs elsewhere than declared."""


class Program(Protocol):
    """The app that a kind is declared on, as far as an actor has to load it."""

    entry: str  # MODULE:APP, if it was loaded by that
    home: str  # the module that made it

    @property
    def kinds(self) -> Mapping[str, Declared]:
        """Return its kinds by name."""


@dataclass(frozen=True, slots=True)
class BoundKind:
    """A kind at the time it was bound: how its batches run, and by which handler.

    `declared` is the kind itself, which is sent whole to an actor that cannot import the handler.
    `program` is its app, None if it has none. The handler is None until one is bound.
    """

    policy: KindPolicy
    codec: ArgsCodec
    handler: Any  # a class, or a function of any parameters
    shape: Shape
    job_parameter: str | None  # of a per-job handler, the parameter that takes the job itself
    at_import: bool  # importing the handler's module makes it this kind's handler
    declared: Declared
    program: Program | None = None

    @property
    def name(self) -> str:
        """Return the kind's name."""
        return self.policy.name

    @property
    def queue(self) -> str:
        """Return the queue its jobs go to by default."""
        return self.policy.queue


def is_async(function: object) -> bool:
    """Tell whether a handler's function has to be awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )
