"""What a follower is told: what became of jobs, what supervisors did, and what it has missed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

import msgspec

JobChange: TypeAlias = Literal["completed", "failed", "retried", "snoozed", "cancelled", "requeued"]
"""What became of a job: `failed` is for good, `retried` an attempt that failed, after which it runs
again, `snoozed` one that put it off, `requeued` an operator's retry of a final job."""

JOB_CHANGES = frozenset(get_args(JobChange))

OUTCOMES = ("completed", "failed", "retried", "snoozed", "cancelled")
"""Those that are counted, in the order of the numbers in `change.counts`."""


class JobEvent(msgspec.Struct, frozen=True):
    """What became of a job: its `state`, after its attempt of this number.

    `retry_in_s` is in how many seconds it runs again, if that is known.
    """

    at: datetime
    id: int
    kind: str
    queue: str
    state: JobChange
    attempt: int
    retry_in_s: float | None = None


class SupervisorEvent(msgspec.Struct, frozen=True):
    """What a supervisor did or met: `name` and `fields` are those of an event of `actorq.events`.

    `node` is the supervisor's id, `number` counts its events.
    """

    at: datetime
    node: str
    number: int
    name: str
    fields: dict[str, Any]

    @property
    def kind(self) -> str:
        """Return the kind that it is about, empty if it is about none."""
        return str(self.fields.get("kind", ""))


class Gap(msgspec.Struct, frozen=True):
    """What was missed, because the follower was slow, or nobody followed then.

    `jobs` is how many job changes of each outcome are missing, of all kinds; `n_events` how many
    events of a supervisor. Both are exact, and None if it is too long ago for anybody to know.
    """

    at: datetime
    source: str
    jobs: dict[str, int] | None = {}
    n_events: int | None = 0


FollowedEvent: TypeAlias = JobEvent | SupervisorEvent | Gap
