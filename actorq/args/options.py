"""The options of an enqueue call: when, how urgently, where to, and under which keys.

They are checked here, before anything is sent, with a message that names the option, what was
given and what is legal.
"""

from __future__ import annotations

import inspect
import unicodedata
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, overload

import msgspec

from actorq.core.job import policy
from actorq.durations import Duration, check_duration
from actorq.errors import ConfigError, EnqueueError

P = ParamSpec("P")
T = TypeVar("T", contravariant=True)
I = TypeVar("I", contravariant=True)  # noqa: E741
R = TypeVar("R", covariant=True)
N = TypeVar("N", covariant=True)
Ids = TypeVar("Ids", covariant=True)
V = TypeVar("V")
Call = TypeVar("Call", bound=Callable[..., object])

Awaited = Coroutine[Any, Any, V]
"""What an `async def` returns when it is called."""

MAX_DELAY_S = 100 * 365.25 * 86_400
MAX_TAGS, MAX_TAG_CHARS, MAX_TAGS_BYTES = 16, 64, 1024
MAX_KEY_BYTES, MAX_UNIQUE_KEY_BYTES = 128, 512

TextOf = str | Callable[[Any], str]
"""A text for all jobs of a bulk enqueue, or a function that makes it from one job's args."""


class EveryEnqueue(TypedDict, total=False):
    """The options that every enqueue has."""

    conn: Any  # whatever has a psycopg connection behind it
    queue: str | None
    priority: int | None
    delay_s: Duration | None
    run_at: datetime | None
    max_attempts: int | None
    tags: Sequence[str]


class One(EveryEnqueue, total=False):
    """The options of `enqueue`."""

    key: str
    unique_key: str | None


class Many(EveryEnqueue, total=False):
    """The options of `enqueue_many`, besides `return_ids`."""

    key: TextOf
    unique_key: Callable[[Any], str] | None


OPTIONS = frozenset(One.__annotations__)
"""The names of all options; no parameter of a handler function may have one of these."""


class EnqueueItem(Protocol[T, R]):
    """An `enqueue` whose args are one value, or its fields as keywords."""

    @overload
    def __call__(self, item: T, /, **options: Unpack[One]) -> R: ...
    @overload
    def __call__(self, **fields_and_options: object) -> R: ...


class EnqueueArgs(Protocol[P, R]):
    """An `enqueue` whose args are a function's own parameters.

    No type can express these together with options: beside an option, args are checked when it
    is called.
    """

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(self, *args: object, conn: object, **others: object) -> R: ...
    @overload
    def __call__(self, *args: object, queue: str | None, **others: object) -> R: ...
    @overload
    def __call__(self, *args: object, priority: int | None, **others: object) -> R: ...
    @overload
    def __call__(self, *args: object, delay_s: Duration | None, **others: object) -> R: ...
    @overload
    def __call__(self, *args: object, run_at: datetime | None, **others: object) -> R: ...
    @overload
    def __call__(self, *args: object, max_attempts: int | None, **others: object) -> R: ...
    @overload
    def __call__(self, *args: object, tags: Sequence[str], **others: object) -> R: ...
    @overload
    def __call__(self, *args: object, key: str, **others: object) -> R: ...
    @overload
    def __call__(self, *args: object, unique_key: str | None, **others: object) -> R: ...


class EnqueueMany(Protocol[I, N, Ids]):
    """An `enqueue_many`, which returns how many jobs are new, or the ids of all."""

    @overload
    def __call__(
        self, items: I, *, return_ids: Literal[False] = False, **options: Unpack[Many]
    ) -> N: ...
    @overload
    def __call__(self, items: I, *, return_ids: Literal[True], **options: Unpack[Many]) -> Ids: ...


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The checked options of one enqueue call; None means the default."""

    queue: str | None = None
    priority: int | None = None
    delay_s: Any = None  # a Duration; seconds once checked
    run_at: datetime | None = None  # in UTC
    max_attempts: int | None = None
    key: Any = ""  # a TextOf; a function only in bulk
    tags: Sequence[str] = ()
    unique_key: Any = None  # None or a TextOf; a function only in bulk

    def __post_init__(self) -> None:
        """Refuse values that make no sense; raises EnqueueError."""
        try:
            self._check_numbers()
        except ConfigError as error:
            raise EnqueueError(str(error)) from None
        if self.run_at is not None:
            msgspec.structs.force_setattr(self, "run_at", _checked_instant(self.run_at))
        if self.tags != ():
            msgspec.structs.force_setattr(self, "tags", _checked_tags(self.tags))
        if self.key is None:
            msgspec.structs.force_setattr(self, "key", "")
        elif self.key != "" and not callable(self.key):
            checked_key(self.key)
        if self.unique_key is not None and not callable(self.unique_key):
            checked_unique_key(self.unique_key)

    def _check_numbers(self) -> None:
        if self.queue is not None:
            policy.check_name("queue", self.queue)
        if self.priority is not None:
            policy.check_integer("priority", self.priority, 0, 9)
        if self.max_attempts is not None:
            policy.check_integer("max_attempts", self.max_attempts, 1, 32_767)
        if self.delay_s is not None:
            seconds = check_duration("delay_s", self.delay_s, 0.0, MAX_DELAY_S)
            msgspec.structs.force_setattr(self, "delay_s", seconds)
            if self.run_at is not None:
                raise ConfigError("delay_s and run_at are both given: one of them decides")


def shows_options(call: Call) -> Call:
    """Show the options in the signature of an `enqueue`, for help() and documentation."""
    signature = inspect.signature(call)
    *before, rest = signature.parameters.values()
    defaults = dict(zip(Options.__struct_fields__, Options.__struct_defaults__, strict=True))
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(name))
        for name in One.__annotations__
    ]
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*before, *options, rest]
    )
    return call


def checked_key(key: object) -> str:
    """Return the key, or raise EnqueueError."""
    return _checked_text("key", key, 0, MAX_KEY_BYTES)


def checked_unique_key(key: object) -> str:
    """Return the unique key, or raise EnqueueError."""
    return _checked_text("unique_key", key, 1, MAX_UNIQUE_KEY_BYTES)


def _checked_text(name: str, text: object, low: int, high: int) -> str:
    if not isinstance(text, str):
        raise EnqueueError(f"{name} must be text, not {type(text).__name__}")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise EnqueueError(f"{name} holds a lone surrogate: it is not Unicode") from None
    if "\0" in text:
        raise EnqueueError(f"{name} holds the NUL character, which PostgreSQL cannot store")
    if not low <= size <= high:
        raise EnqueueError(f"{name} has {size:,} bytes as UTF-8: {low} to {high} are legal")
    return text


def _checked_instant(run_at: object) -> datetime:
    if not isinstance(run_at, datetime):
        raise EnqueueError(f"run_at must be a datetime, not {type(run_at).__name__}")
    if run_at != run_at:
        raise EnqueueError("run_at is NaT, no instant: give None for a job that is due at once")
    if run_at.utcoffset() is None:
        raise EnqueueError(
            f"run_at={run_at.isoformat()} has no time zone: give an aware datetime, "
            "for instance datetime.now(UTC) + timedelta(…), or use delay_s"
        )
    try:
        utc = run_at.astimezone(UTC)
        return datetime.combine(utc.date(), utc.timetz())  # as the parent class, for the driver
    except OverflowError:
        raise EnqueueError(f"run_at={run_at.isoformat()} is out of range in UTC") from None


def _checked_tags(tags: object) -> tuple[str, ...]:
    if tags is None:
        return ()
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise EnqueueError(f"tags must be a list of texts, not {type(tags).__name__}")
    listed = tuple(tags)
    if len(listed) > MAX_TAGS:
        raise EnqueueError(f"tags: {len(listed)} are given, {MAX_TAGS} are legal")
    for tag in listed:
        if not isinstance(tag, str) or not 1 <= len(tag) <= MAX_TAG_CHARS or not _plain(tag):
            raise EnqueueError(
                f"tags: {str(tag)[:80]!r} is not legal: use 1 to {MAX_TAG_CHARS} characters, "
                "no control characters"
            )
    if sum(len(tag.encode()) for tag in listed) > MAX_TAGS_BYTES:
        raise EnqueueError(f"tags: together they have more than {MAX_TAGS_BYTES:,} bytes")
    return listed


def _plain(text: str) -> bool:
    """Return whether a text has no control, surrogate or private-use characters."""
    return not any(unicodedata.category(char).startswith("C") for char in text)
