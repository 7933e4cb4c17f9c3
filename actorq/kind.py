"""A kind of job: its name, its args type, how its batches run, and once bound its handler.

A kind is declared on an app; a process that only enqueues needs no handler. The name of a decorated
function becomes its kind, which can still be called like the function.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from actorq.actor.bound import BoundKind, Program, Shape, is_async
from actorq.actor.context import Batch, Job
from actorq.actor.places import kind_behind
from actorq.args.codec import ArgsCodec
from actorq.args.options import (
    OPTIONS,
    Awaited,
    EnqueueArgs,
    EnqueueItem,
    EnqueueMany,
    Many,
    Options,
    shows_options,
)
from actorq.client import sending
from actorq.client.async_client import AsyncClient
from actorq.client.client import Client
from actorq.client.handle import JobHandle
from actorq.client.handler import CallOfClass, Handler, NamesJob1, NamesJob2, NamesJob3
from actorq.client.sending import Sending
from actorq.core.job.policy import KindPolicy
from actorq.core.job.settings import ActorSettings, with_concurrency, with_settings
from actorq.declared import (
    Origin,
    called,
    check_one_parameter,
    handled_type,
    is_beside,
    is_importing,
    job_parameter,
    origin_of,
    shape_of,
    where,
)
from actorq.errors import ConfigError

P = ParamSpec("P")
C = ParamSpec("C")
R = TypeVar("R")
T = TypeVar("T")
H = TypeVar("H", bound=Handler)

CALLS = ("enqueue", "enqueue_many", "enqueue_async", "enqueue_many_async")
"""What a decorated name can do, whatever it was before."""


class Kind:
    """One kind of job, which can be enqueued; `actor` binds its handler."""

    def __init__(self, client: Client | None, policy: KindPolicy, codec: ArgsCodec) -> None:
        self.client = client
        self.policy = policy
        self.codec = codec
        codec.nan = policy.nan or "error"
        self.handler: Any = None
        self.shape: Shape = "job"
        self.job_parameter: str | None = None
        self.origin: Origin | None = None
        self.at_import = False

    @property
    def name(self) -> str:
        """Return the kind's name."""
        return self.policy.name

    @property
    def queue(self) -> str:
        """Return the queue its jobs go to by default."""
        return self.policy.queue

    def __repr__(self) -> str:
        return f"Kind({self.name!r}, args={self.codec.name})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to this process, above all the client."""
        left_out = {*CALLS, "__actorq_kind__", "client", "origin"}
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        client = self.__dict__.get("client")  # if its app is sent too, that may have come first
        self.__dict__.update(state, client=client, origin=None)
        self._carry()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the handler function itself, directly, without any queue."""
        if self.handler is None or inspect.isclass(self.handler):
            raise ConfigError(f"kind {self.name!r} is not a function: enqueue it instead")
        return self.handler(*args, **kwargs)

    # ---- the handler ----------------------------------------------------------------------

    def actor(self, **settings: Unpack[ActorSettings]) -> Decorator:
        """Return the decorator that makes a class or function this kind's handler."""
        with_settings(self.policy, settings)  # refuse wrong ones on this very line
        return cast(Decorator, functools.partial(self.bind, settings=settings))

    def bind(self, handler: Any, settings: ActorSettings | None = None) -> Any:
        """Make `handler` this kind's handler; return what the decorated name becomes."""
        shape = self._checked(handler)
        policy = with_settings(self.policy, settings or {})
        at_once = shape in ("job", "job_class") and is_async(called(handler, shape))
        self.policy = with_concurrency(policy, at_once)
        self.codec.nan = policy.nan or "error"
        self.handler, self.shape = handler, shape
        self.job_parameter = job_parameter(handler, shape)
        self.origin = origin_of(handler, shape)
        self.at_import = is_importing(handler.__module__)
        if not inspect.isclass(handler):
            functools.update_wrapper(self, handler, updated=())
        return self.mark_handler()

    def _checked(self, handler: Any) -> Shape:
        """Return the handler's shape; raises ConfigError if it cannot be this kind's handler."""
        shape = shape_of(handler)
        if self.handler is not None and not is_again(self, handler):
            raise ConfigError(
                f"kind {self.name!r} has a handler already: {where(self.handler, self.origin)}; "
                f"now it would be {where(handler, origin_of(handler, shape))}"
            )
        other = kind_behind(handler)
        here = other is not None and other.client is self.client is not None
        if here and other.name != self.name:
            raise ConfigError(
                f"class {handler.__qualname__} is the handler of kind {other.name!r} already, and "
                f"its enqueue can mean one kind only: make a subclass for kind {self.name!r}"
            )
        self._check_args_type(handler, shape)
        return shape

    def _check_args_type(self, handler: Any, shape: Shape) -> None:
        if shape in ("job", "job_class"):
            if self.codec.function is not called(handler, shape):
                check_one_parameter(handler, shape, self.name)
            return
        wanted = handled_type(handler, shape)
        if wanted in (Any, self.codec.type):
            return
        if ArgsCodec(wanted).fingerprint() != self.codec.fingerprint():
            raise ConfigError(
                f"kind {self.name!r} has args of type {self.codec.name}, "
                f"its handler takes {getattr(wanted, '__name__', wanted)}"
            )

    def mark_handler(self) -> Any:
        """Make the handler's name stand for this kind, and return what it becomes."""
        self._carry()
        if not inspect.isclass(self.handler):
            return self
        handler: Any = self.handler
        handler.__actorq_kind__ = self
        for name in CALLS:
            inherited = inspect.getattr_static(handler, name, None)
            if inherited is None or isinstance(inherited, CallOfClass):
                setattr(handler, name, CallOfClass(self, handler, name))
        return handler

    def _carry(self) -> None:
        """Let whatever decorates this kind, by functools.update_wrapper, enqueue as it does."""
        self.__dict__.update({name: getattr(self, name) for name in CALLS}, __actorq_kind__=self)

    def bound(self, program: Program | None = None) -> BoundKind:
        """Return the kind as it is now, for a supervisor or an actor; `program` is its app."""
        known = self.handler, self.shape, self.job_parameter, self.at_import
        return BoundKind(self.policy, self.codec, *known, self, program)

    def relocate(self, dsn: str, schema: str) -> None:
        """Move the place of its app's jobs, if it has an app here."""
        if self.client is not None:
            self.client.database.relocate(dsn, schema)

    # ---- enqueueing -----------------------------------------------------------------------

    @shows_options
    def enqueue(self, *args: Any, **kwargs: Any) -> JobHandle:
        """Enqueue one job and return its handle.

        Its args are given as the handler takes them, or as one value.

        With `conn` the job is part of that connection's transaction. A smaller `priority`
        (0–9, default 5) goes first. The job runs no sooner than after `delay_s` (seconds, a
        timedelta, or text like "1h30m"; up to 100 years), or at `run_at`, a datetime with a time
        zone. `max_attempts` counts failures of the handler. `key` and `tags` are for people who
        look at jobs. With `unique_key`, no second job is made while a job of this kind and key is
        pending: the handle is then that of the first one.

        Raises EnqueueError (ArgsInvalid, ArgsTooLarge) before anything is sent, ConfigError for
        a wrong `conn` or DSN, StoreUnavailable if the database cannot be reached or its answer
        was lost, SchemaMismatch before `actorq migrate`, and another StoreError if the database
        refuses the job.
        """
        order, client = self._one(args, kwargs), self._client()
        return JobHandle(client, *self._named(client.send(order)))

    @shows_options
    async def enqueue_async(self, *args: Any, **kwargs: Any) -> JobHandle:
        """Do what `enqueue` does, without blocking the event loop; `conn` is asynchronous."""
        order, client = self._one(args, kwargs), self._client()
        return JobHandle(client, *self._named(await AsyncClient(client).send(order)))

    @overload
    def enqueue_many(
        self, items: Iterable[Any], *, return_ids: Literal[False] = False, **options: Unpack[Many]
    ) -> int: ...
    @overload
    def enqueue_many(
        self, items: Iterable[Any], *, return_ids: Literal[True], **options: Unpack[Many]
    ) -> list[int]: ...
    def enqueue_many(
        self, items: Iterable[Any], *, return_ids: bool = False, **options: Unpack[Many]
    ) -> int | list[int]:
        """Enqueue a job per item, all or none; return how many are new, or their ids in order.

        Items are fetched and sent as a stream, unless `unique_key` is given. `unique_key`, and
        `key` if the jobs do not share one, are functions from an item to its text. The other
        options and the errors are those of `enqueue`.
        """
        order = self._many(items, return_ids, options)
        return self._client().send(order)

    @overload
    async def enqueue_many_async(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        return_ids: Literal[False] = False,
        **options: Unpack[Many],
    ) -> int: ...
    @overload
    async def enqueue_many_async(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        return_ids: Literal[True],
        **options: Unpack[Many],
    ) -> list[int]: ...
    async def enqueue_many_async(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        return_ids: bool = False,
        **options: Unpack[Many],
    ) -> int | list[int]:
        """Do what `enqueue_many` does, without blocking the event loop.

        The items of an asynchronous iterable are all fetched before the first one is sent.
        """
        if isinstance(items, AsyncIterable):
            items = [item async for item in items]
        order = self._many(items, return_ids, options)
        return await AsyncClient(self._client()).send(order)

    def _one(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sending[tuple[int, bool]]:
        given = {name: kwargs.pop(name) for name in OPTIONS & kwargs.keys()}
        conn = given.pop("conn", None)
        options = Options(**given)
        return sending.one(self.policy, self.codec, self.codec.arrange(args, kwargs), options, conn)

    def _many(
        self, items: Iterable[Any], ids: bool, given: Mapping[str, Any]
    ) -> Sending[int | list[int]]:
        conn, options = given.get("conn"), {n: v for n, v in given.items() if n != "conn"}
        return sending.many(self.policy, self.codec, items, Options(**options), ids, conn)

    def _named(self, id_and_is_new: tuple[int, bool]) -> tuple[int, str, bool]:
        id_, is_new = id_and_is_new
        return id_, self.name, is_new

    def _client(self) -> Client:
        if self.client is None:
            raise ConfigError(f"kind {self.name!r} belongs to no app here: enqueue it by its app")
        return self.client


def is_again(kind: Kind, handler: Any) -> bool:
    """Return whether a handler is the one a kind has, or that handler loaded again by a reload.

    Returns False for a kind without a handler, and for another function of the same name beside it.
    """
    one = kind.handler
    if one is None or one is handler:
        return one is handler
    same = (one.__module__, one.__qualname__) == (handler.__module__, handler.__qualname__)
    return same and not is_beside(kind.origin, origin_of(handler, kind.shape))


# ---- what type checkers see -----------------------------------------------------------------


class KindOf(Kind, Generic[T]):
    """A kind whose args are one value of type T; at run time it is a Kind."""

    if TYPE_CHECKING:

        @property
        def enqueue(self) -> EnqueueItem[T, JobHandle]:
            """Enqueue one job and return its handle."""

        @property
        def enqueue_async(self) -> EnqueueItem[T, Awaited[JobHandle]]:
            """Do what `enqueue` does, without blocking the event loop."""

        @property
        def enqueue_many(self) -> EnqueueMany[Iterable[T], int, list[int]]:
            """Enqueue a job per item."""

        @property
        def enqueue_many_async(
            self,
        ) -> EnqueueMany[Iterable[T] | AsyncIterable[T], Awaited[int], Awaited[list[int]]]:
            """Do what `enqueue_many` does, without blocking the event loop."""


class BatchKind(KindOf[T], Generic[T, R]):
    """A decorated function of a batch."""

    if TYPE_CHECKING:

        def __call__(self, batch: Batch[T], /) -> R:
            """Call the handler function itself, directly, without any queue."""


class FunctionKind(Kind, Generic[P, C, R]):
    """A decorated function with parameters C: those in P are args, the others the job itself."""

    if TYPE_CHECKING:

        @property
        def enqueue(self) -> EnqueueArgs[P, JobHandle]:
            """Enqueue one job and return its handle."""

        @property
        def enqueue_async(self) -> EnqueueArgs[P, Awaited[JobHandle]]:
            """Do what `enqueue` does, without blocking the event loop."""

        def __call__(self, *args: C.args, **kwargs: C.kwargs) -> R:
            """Call the handler function itself, directly, without any queue."""


class Decorator(Protocol):
    """What makes handlers: a function becomes its kind, a class stays what it is.

    A class can enqueue afterwards, but type checkers know this only of a `Handler`.
    """

    @overload  # classes first, because they can be called, too, but are not functions
    def __call__(self, handler: type[H]) -> type[H]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, handler: type) -> Any: ...
    @overload
    def __call__(self, handler: Callable[[Batch[T]], R]) -> BatchKind[T, R]: ...
    @overload
    def __call__(
        self, handler: Callable[Concatenate[Job[Any], P], R]
    ) -> FunctionKind[P, Concatenate[Job[Any], P], R]: ...
    @overload  # of the others, which take the job further on, the args are not known
    def __call__(
        self, handler: Callable[Concatenate[Any, Job[Any], ...], R]
    ) -> FunctionKind[..., ..., R]: ...
    @overload
    def __call__(
        self, handler: Callable[Concatenate[Any, Any, Job[Any], ...], R]
    ) -> FunctionKind[..., ..., R]: ...
    @overload
    def __call__(self, handler: NamesJob1[R]) -> FunctionKind[..., ..., R]: ...
    @overload
    def __call__(self, handler: NamesJob2[R]) -> FunctionKind[..., ..., R]: ...
    @overload
    def __call__(self, handler: NamesJob3[R]) -> FunctionKind[..., ..., R]: ...
    @overload
    def __call__(self, handler: Callable[P, R]) -> FunctionKind[P, P, R]: ...
    def __call__(self, handler: Any) -> Any:
        """Declare the handler."""
