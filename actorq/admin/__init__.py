"""Administration from Python: what the commands do, as `app.admin` and `app.async_admin`.

The types of the answers are exported here. This package loads the database driver, so `actorq`
itself does not import it: `app.admin` does when it is first used.
"""

from actorq.admin.admin import (
    Admin,
    Diagnosis,
    FinalState,
    Finding,
    Migrated,
    RetriableState,
    StateName,
)
from actorq.admin.async_admin import AsyncAdmin
from actorq.store.admin.change import Retried
from actorq.store.admin.checks import Check
from actorq.store.admin.doctor import Repaired
from actorq.store.admin.jobs import FailureRow, History, Holder, JobRow
from actorq.store.admin.progress import Progress
from actorq.store.admin.prune import Pruned
from actorq.store.admin.rows import NodeStatus
from actorq.store.admin.status import FollowerStatus, Kept, LaneStatus, Status
from actorq.store.counters.rates import Rates
from actorq.store.queue.cancel import Cancelled
from actorq.store.schema.plan import Planned, PlannedStep

__all__ = [
    "Admin", "AsyncAdmin", "Cancelled", "Check", "Diagnosis", "FailureRow", "FinalState", "Finding",
    "FollowerStatus", "History", "Holder", "JobRow", "Kept", "LaneStatus", "Migrated", "NodeStatus",
    "Planned", "PlannedStep", "Progress", "Pruned", "Rates", "Repaired", "RetriableState",
    "Retried", "StateName", "Status",
]  # fmt: skip
