"""What a supervisor is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from actorq.actor.bound import BoundKind
from actorq.core.job.policy import check_integer, check_name
from actorq.core.writing.writer import MAX_ROWS
from actorq.durations import Duration, check_duration
from actorq.errors import ConfigError
from actorq.loading import twin_of_main

_DURATIONS = {
    "ttl_s": (0.5, 3600.0),
    "poll_s": (0.001, 60.0),
    "grace_s": (0.0, 86_400.0),
    "limit_s": (0.0, 30 * 86_400.0),
}


class RunSettings(TypedDict, total=False):
    """The settings that `app.run` takes; `RunOptions` has their defaults."""

    until_final: bool
    limit_s: Duration
    ttl_s: Duration
    poll_s: Duration
    grace_s: Duration
    notify: bool
    settle_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The settings of one supervisor; durations in seconds.

    It serves `kinds`, each on its own queue, or on `queues` if they are given. `settle_rows` limits
    how many outcomes one statement writes. With `until_final` it ends when nothing in its lanes is
    left to run, due later or not, or after `limit_s`.

    Durations may also be given as timedelta or text; they are seconds once checked.
    """

    dsn: str = field(repr=False)  # it may hold a password
    schema: str
    kinds: tuple[BoundKind, ...]
    queues: tuple[str, ...] = ()
    ttl_s: float = 30.0
    poll_s: float = 0.1
    grace_s: float = 30.0  # the grace time: how long running batches may go on after a stop
    notify: bool = True
    drain: bool = False
    until_final: bool = False
    limit_s: float = 3600.0
    settle_rows: int = MAX_ROWS

    def __post_init__(self) -> None:
        """Refuse options that cannot be served."""
        if not self.kinds:
            raise ConfigError(f"no kind has a handler here: {_why_none()}")
        for queue in self.queues:
            check_name("queue", queue)
        for name, (low, high) in _DURATIONS.items():
            seconds = check_duration(name, getattr(self, name), low, high)
            object.__setattr__(self, name, seconds)
        check_integer("settle_rows", self.settle_rows, 1, 10_000)

    def queues_of(self, kind: BoundKind) -> tuple[str, ...]:
        """Return the queues on which a kind is served."""
        return self.queues or (kind.queue,)


def _why_none() -> str:
    """Return what to do where an app has no handler, which may be on another app of that name."""
    twin = twin_of_main()
    if not twin:
        return "import the module that declares them"
    return (
        f"the script is loaded twice, as __main__ and, for handlers that import it, as {twin}, and "
        f"those are on the app of {twin}: move the app into a module of its own, or start "
        f"`actorq run {twin}:app`"
    )
