"""What a handler says about a job, or asks for itself. Each can be returned or raised.

All are exceptions, so that `raise Fail("…")` works at any depth. None is an `Exception`, so that
`except Exception` around some work does not mistake a decision for an error. They are also
values: two with the same type and fields are equal. `core.job.settle` turns an outcome into what
is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from actorq.core.job.retry import MAX_DELAY_S
from actorq.durations import Duration, check_duration


class Said(BaseException):
    """The base class of everything that a handler can say; equal by type and fields."""

    __match_args__: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *fields: object) -> None:
        super().__init__(*fields)
        for name, value in zip(self.__match_args__, fields, strict=True):
            setattr(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Said) and type(self) is type(other) and self.args == other.args

    def __hash__(self) -> int:
        return hash(type(self))  # a result need not be hashable

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.args))})"

    __str__ = __repr__


class Outcome(Said):
    """The base class of the outcomes of a job.

    Raised by a handler of batches, or returned instead of a list, it is the outcome of every job
    that has none yet.
    """


class Done(Outcome):
    """Completion of the job; `result` is stored unless the kind stores none."""

    __match_args__ = ("result",)
    result: Any

    def __init__(self, result: object = None) -> None:
        super().__init__(result)


class Retry(Outcome):
    """Another attempt at the job, after `after_s` or the kind's own delay; this one is charged.

    `after_s` is in seconds, a timedelta, or text like "1h30m"; at most 30 days.
    """

    __match_args__ = ("after_s", "reason")
    after_s: Duration | None
    reason: str

    def __init__(self, after_s: Duration | None = None, reason: str = "") -> None:
        if after_s is not None:
            _check(self, after_s)
        super().__init__(after_s, reason)


class Snooze(Outcome):
    """Another run of the job after `after_s` seconds, at most 30 days; nothing is charged."""

    __match_args__ = ("after_s", "reason")
    after_s: Duration
    reason: str

    def __init__(self, after_s: Duration, reason: str = "") -> None:
        _check(self, after_s)
        super().__init__(after_s, reason)


class Fail(Outcome):
    """Failure of the job for good, even if it has attempts left."""

    __match_args__ = ("reason",)
    reason: str

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


class Cancel(Outcome):
    """Cancellation of the job: it is neither completed nor failed."""

    __match_args__ = ("reason",)
    reason: str

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


done, retry, snooze, fail, cancel = Done, Retry, Snooze, Fail, Cancel
"""The same classes under the names of a job's methods."""


class HandBack(Said):
    """The base class of what gives the jobs without an outcome back, uncharged.

    It ends the whole batch, because it is not about one job.
    """

    reason: str


class RestartActor(HandBack):
    """A request to run the batch again in another process and to replace this one.

    For faults of the process rather than of the jobs: a lost connection, a device that hangs. A job
    that asks for it again and again is charged in the end.
    """

    __match_args__ = ("reason",)

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


class RestKind(HandBack):
    """A request to run nothing of this kind here for `after_s` seconds, at most 30 days.

    For faults of neither the jobs nor the process: a service that is down, or that asks for fewer
    requests.
    """

    __match_args__ = ("after_s", "reason")
    after_s: Duration

    def __init__(self, after_s: Duration, reason: str = "") -> None:
        _check(self, after_s)
        super().__init__(after_s, reason)


def _check(said: Said, after_s: object) -> None:
    """Raise ConfigError, on the line that says it, for a delay that is none."""
    check_duration(f"{type(said).__name__}: after_s", after_s, 0.0, MAX_DELAY_S)


def said_by(error: BaseException) -> Said | None:
    """Return what a handler meant by an exception; None if it is a failure.

    A group, such as asyncio's TaskGroup raises, has a meaning only if nothing in it is a failure.
    Then that of its first exception counts, but one about the batch goes before one about a job.
    """
    meant = list(leaves(error))
    if not all(isinstance(leaf, Said) for leaf in meant):
        return None
    whole = (leaf for leaf in meant if isinstance(leaf, HandBack))
    found = next(whole, meant[0])
    return found if isinstance(found, Said) else None


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions in a group, however deeply nested; or the exception itself."""
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for inner in error.exceptions:
        yield from leaves(inner)
