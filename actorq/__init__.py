"""actorq: a PostgreSQL-backed job queue for work that is cheaper in batches."""

import actorq.early_interrupt  # noqa: F401 - first, for Ctrl-C
from actorq.actor.context import Batch, Job, current_job
from actorq.actor.time_limits import TimedOut
from actorq.app import App
from actorq.client.async_client import AsyncClient
from actorq.client.client import Client
from actorq.client.handle import JobHandle
from actorq.client.handler import Handler
from actorq.client.waits import Waited, as_completed, as_completed_async, wait, wait_async
from actorq.core.following.events import Gap, JobEvent, SupervisorEvent
from actorq.core.job.outcome import (
    Cancel,
    Done,
    Fail,
    Outcome,
    RestartActor,
    RestKind,
    Retry,
    Snooze,
    cancel,
    done,
    fail,
    retry,
    snooze,
)
from actorq.core.job.retry import exponential
from actorq.errors import (
    ActorqError,
    ArgsInvalid,
    ArgsTooLarge,
    ConfigError,
    EmbeddedError,
    EnqueueError,
    InternalError,
    JobCancelled,
    JobFailed,
    JobUnknown,
    ProtocolError,
    RowRefused,
    SchemaMismatch,
    StoreError,
    StoreUnavailable,
    UnknownKind,
    WaitEnded,
    WaitError,
    WaitTimeout,
)
from actorq.kind import Kind

__version__ = "0.1.0"

__all__ = [
    "ActorqError", "App", "ArgsInvalid", "ArgsTooLarge", "AsyncClient", "Batch", "Cancel",
    "Client", "ConfigError", "Done", "EmbeddedError", "EnqueueError", "Fail", "Gap", "Handler",
    "InternalError", "Job", "JobCancelled", "JobEvent", "JobFailed", "JobHandle", "JobUnknown",
    "Kind", "Outcome", "ProtocolError", "RestKind", "RestartActor", "Retry", "RowRefused",
    "SchemaMismatch", "Snooze", "StoreError", "StoreUnavailable", "SupervisorEvent", "TimedOut",
    "UnknownKind", "WaitEnded", "WaitError", "WaitTimeout", "Waited", "as_completed",
    "as_completed_async", "cancel", "current_job", "done", "exponential", "fail", "retry",
    "snooze", "wait", "wait_async",
]  # fmt: skip
