"""What a handler says about a job, or asks for itself; each can be returned or raised alike.

All are exceptions, so that `raise Fail("…")` works from however deep inside, and none is an
`Exception`, so that `except Exception` around some work does not take a decision for an error.
They are values, too: two that say the same are equal. `core.job.settle` turns an outcome into what
is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from actorq.core.job.retry import MAX_DELAY_S
from actorq.durations import Duration, check_duration


class Said(BaseException):
    """Be the parent of all that a handler can say: equal by type and fields."""

    __match_args__: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        for name, value in zip(self.__match_args__, fields, strict=True):
            setattr(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Said) and type(self) is type(other) and self.args == other.args

    def __hash__(self) -> int:
        return hash(type(self))  # a result need not have one

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.args))})"

    __str__ = __repr__


class Outcome(Said):
    """Be the parent of the outcomes of a job.

    Raised out of a handler of a batch, or returned instead of a list, it is the outcome of
    every job that has none yet.
    """


class Done(Outcome):
    """Complete the job; `result` is stored unless the kind stores none."""

    __match_args__ = ("result",)
    result: Any

    def __init__(self, result: Any = None) -> None:
        super().__init__(result)


class Retry(Outcome):
    """Charge an attempt and run the job again, after `after_s` or the kind's own delay.

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
    """Run the job again after `after_s` seconds, at most 30 days; charges nothing."""

    __match_args__ = ("after_s", "reason")
    after_s: Duration
    reason: str

    def __init__(self, after_s: Duration, reason: str = "") -> None:
        _check(self, after_s)
        super().__init__(after_s, reason)


class Fail(Outcome):
    """Fail the job for good, whatever attempts are left."""

    __match_args__ = ("reason",)
    reason: str

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


class Cancel(Outcome):
    """Cancel the job: it is neither completed nor failed."""

    __match_args__ = ("reason",)
    reason: str

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


done, retry, snooze, fail, cancel = Done, Retry, Snooze, Fail, Cancel
"""The same classes by the names that the methods of a job have."""


class HandBack(Said):
    """Be the parent of what gives the jobs without an outcome back, uncharged.

    It ends the whole batch, for it is not about one job.
    """

    reason: str


class RestartActor(HandBack):
    """Have the batch run again in another process, and a fresh one take this one's place.

    For what is broken in the process and not in the jobs: a connection that is gone, a device
    that has hung. Jobs that ask for it again and again are charged in the end.
    """

    __match_args__ = ("reason",)

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


class RestKind(HandBack):
    """Have this supervisor run nothing of the kind for `after_s` seconds, at most 30 days.

    For what is the matter with no job and no process: a service that is down, or that asks
    for fewer requests.
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
    """Return what was meant by an exception, None if it is a failure.

    A group, as from asyncio's TaskGroup, means something only where nothing in it is a
    failure: then what stands first in it, but the whole batch's matters before a job's.
    """
    meant = list(leaves(error))
    if not all(isinstance(leaf, Said) for leaf in meant):
        return None
    whole = (leaf for leaf in meant if isinstance(leaf, HandBack))
    found = next(whole, meant[0])
    return found if isinstance(found, Said) else None


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions in a group, however deep; or the one that is none."""
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for inner in error.exceptions:
        yield from leaves(inner)
