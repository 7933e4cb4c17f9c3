"""What one supervisor is told at its start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict, Unpack

from actorq.core.policy import check_integer, check_name, check_number
from actorq.errors import ConfigError

if TYPE_CHECKING:
    from actorq.app import App
    from actorq.kind import Kind


class RunSettings(TypedDict, total=False):
    """Name the settings that `app.run` takes; `RunOptions` has their defaults."""

    ttl_s: float
    poll_s: float
    grace_s: float
    notify: bool
    settle_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Hold the settings of one supervisor; durations in seconds.

    It serves `kinds`, each on its own queue, or on `queues` where they are given. `settle_rows`
    caps how many outcomes one statement writes.
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
    settle_rows: int = 1000

    def __post_init__(self) -> None:
        """Refuse what cannot be served."""
        if not self.kinds:
            raise ConfigError("no kind has a handler here: import the module that declares them")
        for queue in self.queues:
            check_name("queue", queue)
        check_number("ttl_s", self.ttl_s, 0.5, 3600.0)
        check_number("poll_s", self.poll_s, 0.001, 60.0)
        check_number("grace_s", self.grace_s, 0.0, 86_400.0)
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
        return cls(
            dsn=app.dsn(),
            schema=app.schema,
            kinds=served,
            queues=tuple(queues or ()),
            drain=drain,
            **settings,
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
