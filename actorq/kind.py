"""A kind of job: its name, its args type, how its batches run, and once bound its handler.

A kind is declared on an app; a process that only enqueues needs no handler. The name of a
decorated function becomes its kind, which can still be called like the function.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, Unpack, cast, overload

import msgspec

from actorq.actor.places import kind_behind
from actorq.actor.shape import is_async
from actorq.args.codec import ArgsCodec
from actorq.args.types import OPTIONS
from actorq.client.options import Options, TextOf
from actorq.core.job.policy import CONCURRENCY, Arrays, KindPolicy, Nan
from actorq.declared import (
    Origin,
    Shape,
    called,
    check_one_parameter,
    handled_type,
    is_beside,
    is_importing,
    job_parameter,
    origin_of,
    shape_of,
)
from actorq.durations import Duration, seconds_of
from actorq.errors import ConfigError

if TYPE_CHECKING:
    from actorq.app import App
    from actorq.client.handle import JobHandle

CALLS = ("enqueue", "enqueue_many", "enqueue_async", "enqueue_many_async")
"""What a decorated name can do, whatever it was before."""


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
    concurrency: int | None
    max_batches: int | None
    max_age_s: Duration | None
    max_rss: int | None
    setup_timeout_s: Duration | None
    max_attempts: int | None
    crash_budget: int | None
    retry: Any
    fatal: Any
    store_results: bool | None
    nan: Nan | None
    arrays: Arrays | None
    threads: int | None
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


class Decorator(Protocol):
    """Be what makes a handler: a function becomes its kind, a class stays what it is.

    A class can enqueue afterwards, which no type can say.
    """

    @overload
    def __call__(self, handler: type) -> Any: ...
    @overload
    def __call__(self, handler: Callable[..., Any]) -> Kind: ...
    def __call__(self, handler: Any) -> Any:
        """Declare the handler."""


class Kind:
    """Name one kind of job; enqueue it, and bind its handler with `actor`."""

    def __init__(self, app: App | None, policy: KindPolicy, codec: ArgsCodec) -> None:
        self.app = app
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
        """Leave out what belongs to this process, the app above all."""
        left_out = {*CALLS, "__actorq_kind__", "app", "origin"}
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        app = self.__dict__.get("app")  # which, where both are sent, may have come first
        self.__dict__.update(state, app=app, origin=None)
        self._carry()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the handler function itself, here and now, without any queue."""
        if self.handler is None or inspect.isclass(self.handler):
            raise ConfigError(f"kind {self.name!r} is not a function: enqueue it instead")
        return self.handler(*args, **kwargs)

    # ---- the handler ----------------------------------------------------------------------

    def actor(self, **settings: Unpack[ActorSettings]) -> Decorator:
        """Return the decorator that makes a class or function this kind's handler."""
        with_settings(self.policy, settings)  # refuse wrong ones on this very line
        return cast(Decorator, functools.partial(self.bind, settings=settings))

    def bind(self, handler: Any, settings: ActorSettings | None = None) -> Any:
        """Make `handler` this kind's handler; returns what the decorated name becomes."""
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
        """Return the handler's shape; raises ConfigError where it cannot be this kind's."""
        shape = shape_of(handler)
        if self.handler is not None and not is_again(self, handler):
            raise ConfigError(
                f"kind {self.name!r} has a handler already: {_where(self.handler, self.origin)}; "
                f"now it would be {_where(handler, origin_of(handler, shape))}"
            )
        other = kind_behind(handler)
        if other is not None and other.app is self.app is not None and other.name != self.name:
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
        """Have the handler's name stand for this kind, and return what it becomes."""
        self._carry()
        if not inspect.isclass(self.handler):
            return self
        handler: Any = self.handler
        handler.__actorq_kind__ = self
        for name in CALLS:
            inherited = getattr(handler, name, None)
            is_anothers = isinstance(getattr(inherited, "__self__", None), Kind)
            if inherited is None or is_anothers:
                setattr(handler, name, staticmethod(getattr(self, name)))
        return handler

    def _carry(self) -> None:
        """Have whatever decorates this kind, by functools.update_wrapper, enqueue as it does."""
        self.__dict__.update({name: getattr(self, name) for name in CALLS}, __actorq_kind__=self)

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
    ) -> JobHandle:
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

    async def enqueue_async(self, *args: Any, conn: Any = None, **kwargs: Any) -> JobHandle:
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


def with_concurrency(policy: KindPolicy, runs_at_once: bool) -> KindPolicy:
    """Return the policy with the default of its concurrency, if it is one that can have any."""
    if runs_at_once:
        return msgspec.structs.replace(policy, concurrency=policy.concurrency or CONCURRENCY)
    if policy.concurrency is not None:
        raise ConfigError(
            f"kind {policy.name!r}: concurrency={policy.concurrency} is for an `async def` of one "
            "job's own parameters; any other handler is called once at a time: use actors=…"
        )
    return policy


def is_again(kind: Kind, handler: Any) -> bool:
    """Return whether a handler is the one a kind has, or that one loaded again by a reload.

    False, too, for a kind without one, and for another function beside it of the same name.
    """
    one = kind.handler
    if one is None or one is handler:
        return one is handler
    same = (one.__module__, one.__qualname__) == (handler.__module__, handler.__qualname__)
    return same and not is_beside(kind.origin, origin_of(handler, kind.shape))


def _where(handler: Any, origin: Origin | None) -> str:
    place = "" if origin is None else f" at {origin.file}:{origin.line}"
    return f"{handler.__qualname__}{place}"


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
