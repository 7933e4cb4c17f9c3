"""The settings of a kind: how its batches are cut, run and retried.

A `KindPolicy` is checked when it is made, so that all other code can rely on its values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from actorq.core.job import retry as retries
from actorq.durations import check_duration
from actorq.errors import ConfigError

NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
"""What kinds and queues may be called; the database checks the same pattern."""

DEFAULT_QUEUE = "default"
Nan = Literal["null", "string", "error"]
"""What becomes of NaN and infinity, and of pandas' NaT and NA."""

Arrays = Literal["packed", "list"]
"""How numpy arrays in results are stored."""

MAX_BATCH_BYTES = 16 * 1024 * 1024
CONCURRENCY = 100
"""How many jobs a one-job `async def` runs concurrently, unless its kind says otherwise."""


class KindPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one kind; units are seconds and bytes.

    A batch is cut at `max_batch` jobs or `max_batch_bytes` of args. Fewer than `min_batch` jobs
    wait in the database until the oldest has been due for `linger_s`. `weight` is the kind's share
    relative to other kinds of the same supervisor.

    When a time limit is exceeded, an exception is raised in the handler, and 1 s later its process
    is killed. In two cases the process is killed without an exception: `batch_timeout_s` of an
    `async def`, and `job_timeout_s` of a handler of batches, which applies only as far as the
    handler marks the job that it runs.
    """

    name: str
    queue: str = DEFAULT_QUEUE
    max_batch: int = 100
    max_batch_bytes: int = 4 * 1024 * 1024
    min_batch: int = 1
    linger_s: float = 0.0
    actors: int = 1
    weight: float = 1.0
    batch_timeout_s: float | None = None  # from the moment the actor takes the batch
    job_timeout_s: float | None = None  # of a function of one job's own parameters
    concurrency: int | None = None  # of an `async def` of one job: how many run concurrently
    max_batches: int | None = None  # then a fresh actor takes the slot; so for the next two
    max_age_s: float | None = None
    max_rss: int | None = None  # bytes of memory resident after a batch
    setup_timeout_s: float = 600.0  # a model may be large, but one that never loads must be noticed
    max_attempts: int = 5  # counts failures of the handler
    crash_budget: int = 3  # counts deaths of the process charged to this job
    retry: Any = retries.DEFAULT  # whatever `policy_of` takes; a RetryPolicy after construction
    fatal: Any = ()  # exceptions that leave no attempt; a tuple of types after construction
    store_results: bool = True
    nan: Nan | None = None  # None: refuse it in args, where it can be fixed; null in results
    arrays: Arrays = "packed"
    threads: int | None = None  # of numeric libraries in an actor; else the environment's, or 1
    env: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        """Refuse every value outside its range, naming it, and turn `retry` into a policy."""
        check_name("kind", self.name)
        check_name("queue", self.queue)
        for field, (low, high) in _INTEGERS.items():
            check_integer(field, getattr(self, field), low, high)
        for field, (floor, ceiling) in _NUMBERS.items():
            check_number(field, getattr(self, field), floor, ceiling)
        for name, (least, most) in _DURATIONS.items():
            value = getattr(self, name)
            if value is not None or name not in _OPTIONAL:
                seconds = check_duration(name, value, least, most)
                msgspec.structs.force_setattr(self, name, seconds)
        self._check_combinations()
        for field, (low, high) in _COUNTS.items():
            if getattr(self, field) is not None:
                check_integer(field, getattr(self, field), low, high)
        check_env(self.env)
        msgspec.structs.force_setattr(self, "fatal", _types(self.fatal))
        msgspec.structs.force_setattr(self, "retry", retries.policy_of(self.retry))

    def _check_combinations(self) -> None:
        if not isinstance(self.store_results, bool):
            raise ConfigError(f"store_results={self.store_results!r} must be True or False")
        for name, legal in _CHOICES.items():
            if getattr(self, name) not in legal:
                raise ConfigError(
                    f"{name}={_shown(getattr(self, name))} must be one of "
                    f"{', '.join(f'{value!r}' for value in legal)}"
                )
        if self.min_batch > self.max_batch:
            raise ConfigError(
                f"min_batch={self.min_batch} is more than max_batch={self.max_batch}: "
                f"it must be 1 to {self.max_batch}"
            )
        if self.min_batch > 1 and self.linger_s == 0:
            raise ConfigError(
                f"min_batch={self.min_batch} needs linger_ms: without it no job ever waits "
                "for others, and with it none waits longer"
            )


_CHOICES = {"nan": (*get_args(Nan), None), "arrays": get_args(Arrays)}
_INTEGERS = {
    "max_batch": (1, 10_000),
    "max_batch_bytes": (1, MAX_BATCH_BYTES),
    "min_batch": (1, 10_000),
    "actors": (1, 1_024),
    "max_attempts": (1, 32_767),
    "crash_budget": (1, 32_767),
}
_COUNTS = {
    "threads": (1, 1_024),
    "concurrency": (1, 10_000),
    "max_batches": (1, 1_000_000_000),
    "max_rss": (1 << 20, 1 << 50),
}
_NUMBERS = {
    "weight": (0.001, 1_000.0),
}
_DURATIONS = {
    "linger_s": (0.0, 600.0),
    "setup_timeout_s": (0.1, 86_400.0),
    "batch_timeout_s": (0.001, 7 * 86_400.0),
    "job_timeout_s": (0.001, 7 * 86_400.0),
    "max_age_s": (1.0, 7 * 86_400.0),
}
_OPTIONAL = ("batch_timeout_s", "job_timeout_s", "max_age_s")


def check_name(what: str, name: object) -> str:
    """Return the name of a kind or queue, or raise a ConfigError that says what is legal."""
    if isinstance(name, str) and NAME.fullmatch(name):
        return name
    raise ConfigError(
        f"{what} {_shown(name)} is not a legal name: use 1 to 128 of the characters "
        "A–Z a–z 0–9 _ . : -"
    )


def check_integer(name: str, value: object, low: int, high: int) -> int:
    """Return the integer setting, or raise a ConfigError that names it and its range."""
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise ConfigError(f"{name}={_shown(value)} must be a whole number from {low:,} to {high:,}")


def check_number(name: str, value: object, low: float, high: float) -> float:
    """Return the numeric setting, or raise a ConfigError that names it and its range."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and low <= value <= high:  # type: ignore[operator]  # false for NaN
        return value  # type: ignore[return-value]
    raise ConfigError(f"{name}={_shown(value)} must be a number from {low:g} to {high:g}")


def _types(fatal: object) -> tuple[type[BaseException], ...]:
    """Return exception types as a tuple, or raise a ConfigError."""
    given = tuple(fatal) if isinstance(fatal, list | tuple | set | frozenset) else (fatal,)
    for each in given:
        if not isinstance(each, type) or not issubclass(each, BaseException):
            raise ConfigError(
                f"fatal={_shown(fatal)}: {_shown(each)} is no type of exceptions; give one, "
                "or a tuple of them"
            )
    return given


def check_env(env: object) -> None:
    """Raise a ConfigError unless `env` can be put into a process's environment."""
    if not isinstance(env, Mapping):
        raise ConfigError(f"env={_shown(env)} must be a mapping of names to texts")
    for name, value in env.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ConfigError(f"env: {_shown(name)} and its value must both be text")
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise ConfigError(f"env: {_shown(name)} cannot be an environment variable")


def _shown(value: object) -> str:
    """Return a short repr: a refused value may be a megabyte long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
