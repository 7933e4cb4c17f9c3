"""A base for handler classes, by which type checkers know that they can enqueue."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    Generic,
    NoReturn,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

from actorq.actor.context import Batch, Job
from actorq.args.options import Awaited, EnqueueArgs, EnqueueItem, EnqueueMany
from actorq.client.handle import JobHandle
from actorq.errors import ConfigError

F = TypeVar("F", covariant=True)
Out = TypeVar("Out", covariant=True)
P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
N = TypeVar("N")
Ids = TypeVar("Ids")


class NamesJob1(Protocol[Out]):
    """A function of one argument, and of the job itself as `job`."""

    def __call__(self, a: Any, /, *, job: Job[Any]) -> Out:
        """Handle one job."""


class NamesJob2(Protocol[Out]):
    """A function of two arguments, and of the job itself as `job`."""

    def __call__(self, a: Any, b: Any, /, *, job: Job[Any]) -> Out:
        """Handle one job."""


class NamesJob3(Protocol[Out]):
    """A function of three arguments, and of the job itself as `job`."""

    def __call__(self, a: Any, b: Any, c: Any, /, *, job: Job[Any]) -> Out:
        """Handle one job."""


class HandlesBatches(Protocol[T]):
    """A class that handles whole batches."""

    def handle(self, batch: Batch[T], /) -> object:
        """Handle one batch."""


class HandlesJobs(Protocol[F]):
    """A class that handles one job at a time."""

    @property
    def handle_one(self) -> F:
        """Return the method that handles a job."""


WithJob = (
    HandlesJobs[Callable[Concatenate[Any, Job[Any], ...], object]]
    | HandlesJobs[Callable[Concatenate[Any, Any, Job[Any], ...], object]]
    | HandlesJobs[NamesJob1[object]]
    | HandlesJobs[NamesJob2[object]]
    | HandlesJobs[NamesJob3[object]]
)
"""A class whose `handle_one` takes the job itself as `job`, not as its first argument."""


class _ByHandler(Generic[R]):
    """What `enqueue` takes, derived from the class's own method `handle` or `handle_one`."""

    @overload
    def __get__(self, instance: object, owner: type[HandlesBatches[T]]) -> EnqueueItem[T, R]: ...
    @overload
    def __get__(
        self, instance: object, owner: type[HandlesJobs[Callable[Concatenate[Job[Any], P], object]]]
    ) -> EnqueueArgs[P, R]: ...
    @overload
    def __get__(self, instance: object, owner: type[WithJob]) -> EnqueueArgs[..., R]: ...
    @overload
    def __get__(
        self, instance: object, owner: type[HandlesJobs[Callable[P, object]]]
    ) -> EnqueueArgs[P, R]: ...
    def __get__(self, instance: object, owner: type) -> Any:
        """Return the `enqueue` of the class."""


class _ManyByHandler(Generic[N, Ids]):
    """What `enqueue_many` takes, derived in the same way."""

    @overload
    def __get__(
        self, instance: object, owner: type[HandlesBatches[T]]
    ) -> EnqueueMany[Iterable[T], N, Ids]: ...
    @overload
    def __get__(
        self, instance: object, owner: type[HandlesJobs[Any]]
    ) -> EnqueueMany[Iterable[Any], N, Ids]: ...
    def __get__(self, instance: object, owner: type) -> Any:
        """Return the `enqueue_many` of the class."""


class CallOfClass:
    """What a decorated class can do with its kind, and a subclass of it can not."""

    def __init__(self, kind: Any, handler: Any, name: str) -> None:
        self._kind, self._handler, self._name = kind, handler, name

    def __reduce__(self) -> tuple[Any, ...]:
        """Send only that it is one: with its class it would send itself, and is made anew there."""
        return CallOfClass, (None, None, self._name)

    def __get__(self, instance: object, owner: type) -> Callable[..., Any]:
        """Return the kind's own, or what refuses for a subclass."""
        if owner is self._handler:
            found: Callable[..., Any] = getattr(self._kind, self._name)
            return found
        return functools.partial(self._refuse, owner.__name__)

    def _refuse(self, name: str, *args: Any, **kwargs: Any) -> NoReturn:
        base = self._handler.__name__
        raise ConfigError(
            f"{name} is not an actor; its base {base} is, of kind {self._kind.name!r}: decorate "
            f"{name} with @app.actor, or call {base}.{self._name}"
        )


class Handler:
    """A class with `handle` or `handle_one`, which `@app.actor` turns into a handler.

    No class needs this base, and it adds nothing at run time. But from it a type checker learns
    that the decorated class can enqueue, and which args: a class decorator cannot express this.
    """

    if TYPE_CHECKING:
        enqueue: ClassVar[_ByHandler[JobHandle]]
        enqueue_async: ClassVar[_ByHandler[Awaited[JobHandle]]]
        enqueue_many: ClassVar[_ManyByHandler[int, list[int]]]
        enqueue_many_async: ClassVar[_ManyByHandler[Awaited[int], Awaited[list[int]]]]
