"""A base for classes that are handlers: type checkers see by it that they can enqueue."""

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
    """Be a function of one argument, and of the job itself by its name."""

    def __call__(self, a: Any, /, *, job: Job[Any]) -> Out:
        """Handle one job."""


class NamesJob2(Protocol[Out]):
    """Be a function of two arguments, and of the job itself by its name."""

    def __call__(self, a: Any, b: Any, /, *, job: Job[Any]) -> Out:
        """Handle one job."""


class NamesJob3(Protocol[Out]):
    """Be a function of three arguments, and of the job itself by its name."""

    def __call__(self, a: Any, b: Any, c: Any, /, *, job: Job[Any]) -> Out:
        """Handle one job."""


class HandlesBatches(Protocol[T]):
    """Be a class that handles whole batches."""

    def handle(self, batch: Batch[T], /) -> object:
        """Handle one."""


class HandlesJobs(Protocol[F]):
    """Be a class that handles one job at a time."""

    @property
    def handle_one(self) -> F:
        """Return the method that does."""


WithJob = (
    HandlesJobs[Callable[Concatenate[Any, Job[Any], ...], object]]
    | HandlesJobs[Callable[Concatenate[Any, Any, Job[Any], ...], object]]
    | HandlesJobs[NamesJob1[object]]
    | HandlesJobs[NamesJob2[object]]
    | HandlesJobs[NamesJob3[object]]
)
"""A class whose `handle_one` is given the job itself, which is not its first argument."""


class _ByHandler(Generic[R]):
    """What `enqueue` takes, read off the class's own method `handle` or `handle_one`."""

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
        """Return it."""


class _ManyByHandler(Generic[N, Ids]):
    """What `enqueue_many` takes, read off the same."""

    @overload
    def __get__(
        self, instance: object, owner: type[HandlesBatches[T]]
    ) -> EnqueueMany[Iterable[T], N, Ids]: ...
    @overload
    def __get__(
        self, instance: object, owner: type[HandlesJobs[Any]]
    ) -> EnqueueMany[Iterable[Any], N, Ids]: ...
    def __get__(self, instance: object, owner: type) -> Any:
        """Return it."""


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
    """A class with `handle` or `handle_one`, that `@app.actor` makes a handler.

    No class needs this base. It adds nothing when the program runs; but a type checker learns
    from it that the decorated class can enqueue, and with what: no decorator of a class can say so.
    """

    if TYPE_CHECKING:
        enqueue: ClassVar[_ByHandler[JobHandle]]
        enqueue_async: ClassVar[_ByHandler[Awaited[JobHandle]]]
        enqueue_many: ClassVar[_ManyByHandler[int, list[int]]]
        enqueue_many_async: ClassVar[_ManyByHandler[Awaited[int], Awaited[list[int]]]]
