"""A kind of job: its name, its args type, how its batches run, and once bound its handler.

A kind is declared on an app; a process that only enqueues needs no handler. The name of a
decorated function becomes its kind, which can still be called like the function.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypedDict,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

import msgspec

from actorq.actor.context import Batch
from actorq.args import ArgsCodec
from actorq.args_type import OPTIONS
from actorq.core.policy import KindPolicy
from actorq.durations import Duration, seconds_of
from actorq.errors import ConfigError
from actorq.options import Options, TextOf

if TYPE_CHECKING:
    from actorq.app import App
    from actorq.job import Job

Shape = Literal["batch", "job", "class"]
"""How a handler is called: with a batch, with one job's args, or as a class with `handle`."""


class ActorSettings(TypedDict, total=False):
    """Name the settings of an actor; None, like leaving one out, means its default."""

    max_batch: int | None
    max_batch_bytes: int | None
    min_batch: int | None
    linger_ms: Duration | None
    actors: int | None
    weight: float | None
    batch_timeout_s: Duration | None
    job_timeout_s: Duration | None
    setup_timeout_s: Duration | None
    max_attempts: int | None
    crash_budget: int | None
    retry: Any
    store_results: bool | None
    env: Mapping[str, str] | None


class Many(TypedDict, total=False):
    """Name the options of a bulk enqueue, besides `conn` and `return_ids`."""

    queue: str | None
    priority: int | None
    delay_s: Duration | None
    run_at: datetime | None
    max_attempts: int | None
    key: TextOf
    tags: Sequence[str]
    unique_key: Callable[[Any], str] | None


class Kind:
    """Name one kind of job; enqueue it, and bind its handler with `actor`."""

    def __init__(self, app: App | None, policy: KindPolicy, codec: ArgsCodec) -> None:
        self.app = app
        self.policy = policy
        self.codec = codec
        self.handler: Any = None
        self.shape: Shape = "job"

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
        return {**self.__dict__, "app": None}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the handler function itself, here and now, without any queue."""
        if self.handler is None or self.shape == "class":
            raise ConfigError(f"kind {self.name!r} is not a function: enqueue it instead")
        return self.handler(*args, **kwargs)

    # ---- the handler ----------------------------------------------------------------------

    def actor(self, **settings: Unpack[ActorSettings]) -> Callable[[Any], Any]:
        """Return the decorator that makes a class or function this kind's handler."""
        with_settings(self.policy, settings)  # refuse wrong ones on this very line
        return functools.partial(self.bind, settings=settings)

    def bind(self, handler: Any, settings: ActorSettings | None = None) -> Any:
        """Make `handler` this kind's handler; returns what the decorated name becomes."""
        if self.handler is not None and not same_handler(self.handler, handler):
            raise ConfigError(f"kind {self.name!r} has a handler already: {self.handler!r}")
        shape = shape_of(handler)
        self._check_args_type(handler, shape)
        self.policy = with_settings(self.policy, settings or {})
        self.handler, self.shape = handler, shape
        if shape == "class":
            return self._mark_class(handler)
        functools.update_wrapper(self, handler, updated=())
        return self

    def _check_args_type(self, handler: Any, shape: Shape) -> None:
        if shape == "job":
            if self.codec.function is not handler:
                _check_one_parameter(handler, self)
            return
        wanted = handled_type(handler, shape)
        if wanted in (Any, self.codec.type):
            return
        if ArgsCodec(wanted).fingerprint() != self.codec.fingerprint():
            raise ConfigError(
                f"kind {self.name!r} has args of type {self.codec.name}, "
                f"its handler takes {getattr(wanted, '__name__', wanted)}"
            )

    def _mark_class(self, handler: Any) -> Any:
        handler.__actorq_kind__ = self
        for name in ("enqueue", "enqueue_many", "enqueue_async", "enqueue_many_async"):
            if not hasattr(handler, name):
                setattr(handler, name, staticmethod(getattr(self, name)))
        return handler

    # ---- enqueueing -----------------------------------------------------------------------

    def enqueue(
        self,
        *args: Any,
        conn: Any = None,
        queue: str | None = None,
        priority: int | None = None,
        delay_s: Duration | None = None,
        run_at: datetime | None = None,
        max_attempts: int | None = None,
        key: str = "",
        tags: Sequence[str] = (),
        unique_key: str | None = None,
        **kwargs: Any,
    ) -> Job:
        """Enqueue one job and return its handle.

        With `conn` the job is part of that connection's transaction. A smaller `priority`
        (0–9, else 5) goes first. It runs no sooner than in `delay_s` (seconds, a timedelta, or
        text like "1h30m"; up to 100 years), or at `run_at`, a datetime with a time zone.
        `max_attempts` counts failures of the handler. `key` and `tags` are for whoever looks at
        jobs. With `unique_key`, while a job of this kind and key is pending, no second one is
        made: the handle is the first one's.

        Raises EnqueueError (ArgsInvalid, ArgsTooLarge) before anything is sent, ConfigError for
        a wrong `conn` or DSN, StoreUnavailable where the database cannot be reached or its
        answer was lost, SchemaMismatch before `actorq migrate`, and another StoreError where
        the database refuses the job.
        """
        options = Options(
            queue=queue, priority=priority, delay_s=delay_s, run_at=run_at,
            max_attempts=max_attempts, key=key, tags=tags, unique_key=unique_key,
        )  # fmt: skip
        value = self.codec.arrange(args, kwargs)
        return self._app().client.enqueue(self, value, options, conn)

    async def enqueue_async(self, *args: Any, conn: Any = None, **kwargs: Any) -> Job:
        """Do what `enqueue` does, without blocking the event loop; `conn` is asynchronous."""
        options = Options(**{name: kwargs.pop(name) for name in OPTIONS & kwargs.keys()})
        value = self.codec.arrange(args, kwargs)
        return await self._app().async_client.enqueue(self, value, options, conn)

    @overload
    def enqueue_many(
        self,
        items: Iterable[Any],
        *,
        conn: Any = None,
        return_ids: Literal[False] = False,
        **options: Unpack[Many],
    ) -> int: ...
    @overload
    def enqueue_many(
        self,
        items: Iterable[Any],
        *,
        conn: Any = None,
        return_ids: Literal[True],
        **options: Unpack[Many],
    ) -> list[int]: ...
    def enqueue_many(
        self,
        items: Iterable[Any],
        *,
        conn: Any = None,
        return_ids: bool = False,
        **options: Unpack[Many],
    ) -> int | list[int]:
        """Enqueue a job per item, all or none; return how many are new, or their ids in order.

        Items are fetched and sent as a stream, unless `unique_key` is given. It, and `key` if
        the jobs do not share one, are functions from an item to its text. The other options and
        the errors are those of `enqueue`.
        """
        client = self._app().client
        return client.enqueue_many(self, items, Options(**options), return_ids, conn)

    async def enqueue_many_async(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        conn: Any = None,
        return_ids: bool = False,
        **options: Unpack[Many],
    ) -> int | list[int]:
        """Do what `enqueue_many` does, without blocking the event loop."""
        client = self._app().async_client
        return await client.enqueue_many(self, items, Options(**options), return_ids, conn)

    def _app(self) -> App:
        if self.app is None:
            raise ConfigError(f"kind {self.name!r} belongs to no app here: enqueue it by its app")
        return self.app


def with_settings(policy: KindPolicy, settings: Mapping[str, Any]) -> KindPolicy:
    """Return the policy with an actor's settings, or raise ConfigError for a wrong one."""
    given = {name: value for name, value in settings.items() if value is not None}
    for name in given:
        if name not in ActorSettings.__annotations__:
            legal = ", ".join(ActorSettings.__annotations__)
            raise ConfigError(f"kind {policy.name!r}: no setting {name!r}; there are {legal}")
    try:
        if "linger_ms" in given:
            given["linger_s"] = _linger_s(given.pop("linger_ms"))
        return msgspec.structs.replace(policy, **given)
    except ConfigError as error:
        raise ConfigError(f"kind {policy.name!r}: {error}") from None


def codec_of(handler: Any, max_bytes: int) -> ArgsCodec:
    """Return the codec that a handler's own annotations mean."""
    shape = shape_of(handler)
    if shape == "job":
        return ArgsCodec.of_function(handler, max_bytes=max_bytes)
    return ArgsCodec(handled_type(handler, shape), max_bytes=max_bytes)


def shape_of(handler: Any) -> Shape:
    """Return how a handler is to be called; raises ConfigError for what is none."""
    if inspect.isclass(handler):
        if callable(getattr(handler, "handle", None)):
            return "class"
        raise ConfigError(f"class {handler.__name__} has no method handle(self, batch)")
    if not inspect.isfunction(handler):
        raise ConfigError(f"{handler!r} cannot be a handler: give a function or a class")
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise ConfigError(f"{handler.__name__}() is a generator: a handler returns, or marks jobs")
    return "job" if _batch_parameter(handler) is None else "batch"


def handled_type(handler: Any, shape: Shape) -> Any:
    """Return the T of a handler's Batch[T] annotation, Any where it says nothing."""
    annotation = _batch_parameter(handler.handle if shape == "class" else handler)
    return next(iter(get_args(annotation)), Any)


def same_handler(one: Any, other: Any) -> bool:
    """Return whether two handlers are one, loaded again as by a reload."""
    return one is other or (
        one is not None
        and (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
    )


def _batch_parameter(function: Any) -> Any:
    """Return the annotation of the parameter that is a batch, None if there is none."""
    try:
        hints = get_type_hints(function)
    except Exception as error:
        name = getattr(function, "__qualname__", function)
        raise ConfigError(f"{name}(): a type hint cannot be read: {error}") from error
    hints.pop("return", None)
    return next((hint for hint in hints.values() if (get_origin(hint) or hint) is Batch), None)


def _check_one_parameter(handler: Any, kind: Kind) -> None:
    try:
        inspect.signature(handler).bind(None)
    except TypeError:
        raise ConfigError(
            f"{handler.__name__}() must take one argument, the args of kind {kind.name!r}, "
            "or a batch of them (annotated Batch[…])"
        ) from None


def _linger_s(linger_ms: Any) -> float:
    """Return seconds; a number is of milliseconds, and text without a unit says nothing."""
    seconds = seconds_of(linger_ms)
    if isinstance(linger_ms, int | float) and seconds is not None:
        seconds /= 1000
    elif isinstance(linger_ms, str) and not linger_ms.rstrip()[-1:].isalpha():
        seconds = None
    if seconds is not None and 0 <= seconds <= 600:
        return float(seconds)
    raise ConfigError(
        f"linger_ms={linger_ms!r} must be a number from 0 to 600,000, a timedelta, or text like "
        "'50ms' or '2s'"
    )
