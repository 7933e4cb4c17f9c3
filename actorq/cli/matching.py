"""What a command says where its filters choose no job.

A kind or a queue that no job ever had is most likely mistyped, and is refused with the names that
there are. Where the names are right and no job is as wanted, there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from actorq.errors import ConfigError, UnknownKind

if TYPE_CHECKING:
    from actorq.admin import Admin

NOTHING = "nothing matched"


def check_known(admin: Admin, kind: str | None, queue: str | None = None) -> None:
    """Raise UnknownKind or ConfigError where a filter names what no job ever had."""
    if kind is None and queue is None:
        return
    lanes = admin.status().lanes
    if kind is not None and kind not in (kinds := {lane.kind for lane in lanes}):
        raise UnknownKind(f"no job was ever of kind {kind[:128]!r}; kinds are: {_listed(kinds)}")
    if queue is not None and queue not in (queues := {lane.queue for lane in lanes}):
        raise ConfigError(
            f"no job was ever on queue {queue[:128]!r}; queues are: {_listed(queues)}"
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none yet"
