"""What one supervisor is told at its start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from actorq.core.job.policy import check_integer, check_name
from actorq.durations import Duration, check_duration
from actorq.errors import ConfigError

if TYPE_CHECKING:
    from actorq.app import App
    from actorq.kind import Kind


_DURATIONS = {
    "ttl_s": (0.5, 3600.0),
    "poll_s": (0.001, 60.0),
    "grace_s": (0.0, 86_400.0),
    "limit_s": (0.0, 30 * 86_400.0),
}


class RunSettings(TypedDict, total=False):
    """Name the settings that `app.run` takes; `RunOptions` has their defaults."""

    until_final: bool
    limit_s: Duration
    ttl_s: Duration
    poll_s: Duration
    grace_s: Duration
    notify: bool
    settle_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Hold the settings of one supervisor; durations in seconds.

    It serves `kinds`, each on its own queue, or on `queues` where they are given. `settle_rows`
    caps how many outcomes one statement writes. With `until_final` it ends when nothing of its
    lanes is left to run, due later or not, or after `limit_s`.

    Durations may be given as timedelta or text, too; they are seconds once checked.
    """

    dsn: str = field(repr=False)  # it may hold a password
    schema: str
    kinds: tuple[Kind, ...]
    queues: tuple[str, ...] = ()
    ttl_s: float = 30.0
    poll_s: float = 0.1
    grace_s: float = 30.0
    notify: bool = True
    drain: bool = False
    until_final: bool = False
    limit_s: float = 3600.0
    settle_rows: int = 1000

    def __post_init__(self) -> None:
        """Refuse what cannot be served."""
        if not self.kinds:
            raise ConfigError("no kind has a handler here: import the module that declares them")
        for queue in self.queues:
            check_name("queue", queue)
        for name, (low, high) in _DURATIONS.items():
            seconds = check_duration(name, getattr(self, name), low, high)
            object.__setattr__(self, name, seconds)
        check_integer("settle_rows", self.settle_rows, 1, 10_000)

    def queues_of(self, kind: Kind) -> tuple[str, ...]:
        """Return the queues on which a kind is served."""
        return self.queues or (kind.queue,)

    @classmethod
    def of(
        cls,
        app: App,
        *,
        kinds: Sequence[str] | None = None,
        queues: Sequence[str] | None = None,
        drain: bool = False,
        **settings: Unpack[RunSettings],
    ) -> RunOptions:
        """Choose from an app the kinds to serve; all that have a handler, unless named."""
        if app.pooler:
            raise ConfigError("App(pooler=True) can only enqueue: to run, give a direct DSN")
        served = tuple(_chosen(app, kinds))
        until_final = settings.get("until_final", False)
        if "limit_s" in settings and not until_final:
            raise ConfigError("limit_s is for a drain until_final: any other one does not wait")
        given: dict[str, Any] = {**settings}  # durations in any form
        return cls(
            dsn=app.dsn(),
            schema=app.schema,
            kinds=served,
            queues=tuple(queues or ()),
            drain=drain or until_final,
            **given,
        )


def _chosen(app: App, names: Sequence[str] | None) -> list[Kind]:
    """Return the kinds named, or all with a handler; raises ConfigError for a wrong name."""
    if names is None:
        return [kind for kind in app.kinds.values() if kind.handler is not None]
    missing = [name for name in names if name not in app.kinds]
    if missing:
        known = ", ".join(sorted(app.kinds)) or "none"
        raise ConfigError(f"no kind {missing[0]!r} in this app; its kinds are: {known}")
    bare = [name for name in names if app.kinds[name].handler is None]
    if bare:
        raise ConfigError(f"kind {bare[0]!r} has no handler here: import the module with its actor")
    return [app.kinds[name] for name in names]
