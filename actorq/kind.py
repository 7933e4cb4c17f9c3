"""A kind of job: its name, its args type, how its batches run, and once bound its handler.

A kind is declared on an app; a process that only enqueues needs no handler. The name of a
decorated function becomes its kind, which can still be called like the function.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from actorq.args import ArgsCodec
from actorq.core.policy import KindPolicy
from actorq.errors import ConfigError
from actorq.options import Options

if TYPE_CHECKING:
    from actorq.app import App
    from actorq.job import Job

Shape = Literal["batch", "job", "class"]
"""How a handler is called: with a batch, with one job's args, or as a class with `handle`."""


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

    def actor(
        self,
        *,
        max_batch: int | None = None,
        max_batch_bytes: int | None = None,
        min_batch: int | None = None,
        linger_ms: float | None = None,
        actors: int | None = None,
        weight: float | None = None,
        batch_timeout_s: float | None = None,
        max_attempts: int | None = None,
        crash_budget: int | None = None,
        retry: Any = None,
        store_results: bool | None = None,
        env: dict[str, str] | None = None,
    ) -> Callable[[Any], Any]:
        """Return the decorator that makes a class or function this kind's handler."""
        settings = {name: value for name, value in locals().items() if name != "self"}
        return functools.partial(self.bind, settings=settings)

    def bind(self, handler: Any, settings: dict[str, Any] | None = None) -> Any:
        """Make `handler` this kind's handler; returns what the decorated name becomes."""
        if self.handler is not None and not _same(self.handler, handler):
            raise ConfigError(f"kind {self.name!r} has a handler already: {self.handler!r}")
        shape = shape_of(handler)
        policy = with_settings(self.policy, settings or {})
        self._check_args_type(handler, shape)
        self.handler, self.shape, self.policy = handler, shape, policy
        if shape == "class":
            return self._mark_class(handler)
        functools.update_wrapper(self, handler, updated=())
        return self

    def enqueue(
        self,
        *args: Any,
        conn: Any = None,
        delay_s: float | None = None,
        run_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        max_attempts: int | None = None,
        key: str = "",
        tags: Sequence[str] = (),
        unique_key: str | None = None,
        **kwargs: Any,
    ) -> Job:
        """Enqueue one job and return its handle.

        With `conn` the job is part of that connection's transaction. A smaller `priority`
        (0–9, else 5) goes first. With `unique_key`, while a job of this kind and key is
        pending, no second one is made: the handle is the first one's.
        """
        options = Options(
            queue=queue, priority=priority, delay_s=delay_s, run_at=run_at,
            max_attempts=max_attempts, key=key, tags=tags, unique_key=unique_key,
        )  # fmt: skip
        value = self.codec.arrange(args, kwargs)
        return self._app().client.enqueue(self, value, options, conn)

    def _app(self) -> App:
        if self.app is None:
            raise ConfigError(f"kind {self.name!r} belongs to no app here: enqueue it by its app")
        return self.app

    def _check_args_type(self, handler: Any, shape: Shape) -> None:
        wanted = handled_type(handler, shape)
        if wanted is None or self.codec.type in (wanted, Any) or self.codec.function is handler:
            return
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


def with_settings(policy: KindPolicy, settings: dict[str, Any]) -> KindPolicy:
    """Return the policy with the decorator's settings; None leaves a setting as it is."""
    given = {name: value for name, value in settings.items() if value is not None}
    if "linger_ms" in given:
        given["linger_s"] = _linger_s(given.pop("linger_ms"))
    try:
        return msgspec.structs.replace(policy, **given)
    except ConfigError as error:
        raise ConfigError(f"kind {policy.name!r}: {error}") from None


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
    """Return the T of the handler's Batch[T] annotation, None where it says nothing."""
    if shape == "job":
        return None
    annotation = _batch_parameter(handler.handle if shape == "class" else handler)
    return next(iter(get_args(annotation)), None)


def _batch_parameter(function: Any) -> Any:
    """Return the annotation of the parameter that is a batch, None if there is none."""
    try:
        hints = get_type_hints(function)
    except Exception as error:
        name = getattr(function, "__qualname__", function)
        raise ConfigError(f"{name}(): a type hint cannot be read: {error}") from error
    hints.pop("return", None)
    return next((hint for hint in hints.values() if _is_batch(hint)), None)


def _is_batch(hint: Any) -> bool:
    origin = get_origin(hint) or hint
    module = getattr(origin, "__module__", "")
    return getattr(origin, "__name__", "") == "Batch" and module.startswith("actorq.")


def _linger_s(linger_ms: Any) -> Any:
    legal = isinstance(linger_ms, int | float) and not isinstance(linger_ms, bool)
    if legal and 0 <= linger_ms <= 600_000:
        return linger_ms / 1000
    raise ConfigError(f"linger_ms={linger_ms!r} must be a number from 0 to 600000")


def _same(one: Any, other: Any) -> bool:
    """Return whether a module was merely loaded again, as a reload or a spawn does."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
