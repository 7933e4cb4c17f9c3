"""What a handler is given: a batch and its jobs; and which of them its log records belong to.

Usable without any process.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Generic, TypeVar, overload

from actorq.actor.outbox import Outbox
from actorq.actor.owner import leave_if_forked
from actorq.core.job.model import FRESH, Counts, Cut
from actorq.core.job.outcome import Cancel, Fail, Retry, Snooze
from actorq.durations import Duration
from actorq.english import count
from actorq.errors import ConfigError
from actorq.pipe.page import BEGUN, PASSED, Page
from actorq.pipe.wire import Work

A = TypeVar("A")

running: ContextVar[Any] = ContextVar("running", default=None)
"""The object that knows which job a per-job handler runs, in its thread or asyncio task."""

marked: ContextVar[Any] = ContextVar("marked", default=None)
"""The job that a handler of batches has marked as running, or its batch of one, for log records."""


class Here:
    """What this process runs: the same for all its threads, so also for those of a handler."""

    def __init__(self) -> None:
        self.kind: str | None = None
        self.batch: int | None = None


here = Here()


def current_job() -> Job[Any]:
    """Return the job that a per-job handler runs, from anywhere in it.

    A thread that the handler has started has no current job, unless it runs in a copy of the
    handler's context (`contextvars.copy_context`, `asyncio.to_thread`). A handler of batches finds
    its jobs in the batch. Raises ConfigError if no job is being run.
    """
    runs = running.get()
    if runs is None:
        raise ConfigError(
            "no job is run here: current_job() is for handlers of one job at a time, in their "
            "own thread; a handler of batches has its jobs in batch.jobs"
        )
    job: Job[Any] = runs.job()
    return job


def add_context(record: logging.LogRecord) -> None:
    """Set the attributes that say which kind, batch and job a log record belongs to.

    A user's own attributes of these names stay, and so does what another process has set.
    """
    job = _known_job()
    fields = record.__dict__
    fields.setdefault("actorq_kind", here.kind)
    fields.setdefault("actorq_batch", here.batch if job is None else job._lease)
    fields.setdefault("actorq_job", None if job is None else job.id)
    fields.setdefault("actorq_attempt", None if job is None else job.attempt)


def _known_job() -> Job[Any] | None:
    """Return the job that runs here, in this thread or asyncio task, if that is known.

    A thread of the handler's own keeps its last mark; that of a batch before is no longer true.
    """
    runs = running.get()
    if runs is not None:
        job: Job[Any] = runs.job()
        return job
    last: Job[Any] | Batch[Any] | None = marked.get()
    if isinstance(last, Batch):
        last = last[0]
    return last if last is not None and last._lease == here.batch else None


class Batch(Generic[A]):
    """The jobs of one batch, in the order in which they were claimed: n ≥ 1.

    A loop `for job in batch` tells which job is running: if the loop's body raises or its
    process dies, that job is blamed. A handler that works on all jobs together reads `args`
    instead, and no job is marked. `batch[i]` marks no job either.
    """

    __slots__ = (
        *("_jobs", "_outbox", "_page", "_positions", "_work"),
        *("args", "deadline", "ids", "max_attempts"),
    )

    args: list[A]
    """The args of all jobs."""
    ids: list[int]
    """The ids of all jobs."""
    deadline: float | None
    """When `batch_timeout_s` is over, by the clock of `time.monotonic()`; None without a limit."""

    def __init__(
        self,
        work: Work,
        positions: Sequence[int],
        args: list[A],
        page: Page,
        outbox: Outbox,
        max_attempts: int | None = None,
    ) -> None:
        self.args = args
        self.ids = work.ids if len(positions) == len(work.ids) else [work.ids[p] for p in positions]
        self.max_attempts = max_attempts
        self.deadline = None
        self._work, self._positions = work, positions
        self._page, self._outbox = page, outbox
        self._jobs: list[Job[A]] | None = None

    def __len__(self) -> int:
        return len(self.args)

    def __iter__(self) -> Iterator[Job[A]]:
        """Yield each job, marked as begun until the next one is asked for."""
        marks = self._page.begun
        for job, position in zip(self.jobs, self._positions, strict=True):
            marks[position] = BEGUN
            marked.set(job)
            yield job
            leave_if_forked()
            if not self._outbox.is_late:
                marks[position] = PASSED
        marked.set(None)

    @overload
    def __getitem__(self, index: int) -> Job[A]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Job[A]]: ...
    def __getitem__(self, index: int | slice) -> Job[A] | list[Job[A]]:
        return self.jobs[index]

    def __repr__(self) -> str:
        return f"<Batch of {count(len(self), 'job')}>"

    @property
    def jobs(self) -> list[Job[A]]:
        """Return all jobs without marking any as begun."""
        if self._jobs is None:
            self._jobs = [Job(self, index) for index in range(len(self.args))]
        return self._jobs

    @property
    def cut(self) -> Cut:
        """Return why the batch has no more jobs.

        It is one of full, bytes, idle, linger, flush, limited and suspects; `core.job.model.Cut`
        describes them.
        """
        return self._work.cut


class Job(Generic[A]):
    """One job given to a handler; if it gets no outcome, it is done when the handler returns.

    A loop over a batch yields jobs; a function with a parameter annotated `actorq.Job` is called
    with one; in any per-job handler `actorq.current_job()` returns it.

    Each of `done`, `retry`, `snooze`, `fail` and `cancel` gives the job its one outcome at
    once, which is kept even if the rest of the batch raises or the process dies. Once the time of
    the batch is up, only `done` still counts, and only for jobs that were not running at that
    moment.
    """

    __slots__ = ("_batch", "_deadline", "_index")

    def __init__(self, batch: Batch[A], index: int, deadline: float | None = None) -> None:
        self._batch, self._index, self._deadline = batch, index, deadline

    def __repr__(self) -> str:
        return f"<Job {self.id}, attempt {self.attempt}>"

    @property
    def id(self) -> int:
        """Return the job's id."""
        return self._batch.ids[self._index]

    @property
    def args(self) -> A:
        """Return the job's args."""
        return self._batch.args[self._index]

    @property
    def attempt(self) -> int:
        """Return the number of this attempt, from 1; it counts what was charged before."""
        return self._counts.attempt + 1

    @property
    def max_attempts(self) -> int | None:
        """Return how many failures the job may have, by its own limit or its kind's."""
        own = self._counts.max_attempts
        return self._batch.max_attempts if own is None else own

    @property
    def cancelled(self) -> bool:
        """Return whether somebody wants this job cancelled; the handler may act on it."""
        return self._batch._page.is_cancelled(self._position)

    @property
    def deadline(self) -> float | None:
        """Return when its time is over, by the clock of `time.monotonic()`; None without a limit.

        That is the end of its own `job_timeout_s` or of its batch's `batch_timeout_s`, whichever
        comes first.
        """
        ends = [end for end in (self._deadline, self._batch.deadline) if end is not None]
        return min(ends, default=None)

    def begin(self) -> None:
        """Mark this job as running now, so that it is blamed if the batch fails."""
        self._batch._page.begun[self._position] = BEGUN
        marked.set(self)

    def done(self, result: object = None) -> None:
        """Complete the job, with a result to store."""
        self._mark(result)

    def retry(self, after_s: Duration | None = None, reason: str = "") -> None:
        """Charge an attempt and run the job again, after `after_s` or its kind's delay.

        `after_s` is in seconds, at most 30 days: a longer delay fails the job.
        """
        self._mark(Retry(after_s, reason))

    def snooze(self, after_s: Duration, reason: str = "") -> None:
        """Run the job again after `after_s` seconds, charging nothing.

        At most 30 days: a longer delay fails the job.
        """
        self._mark(Snooze(after_s, reason))

    def fail(self, reason: str = "") -> None:
        """Fail the job for good."""
        self._mark(Fail(reason))

    def cancel(self, reason: str = "") -> None:
        """Cancel the job: it is neither completed nor failed."""
        self._mark(Cancel(reason))

    def _mark(self, outcome: object) -> None:
        batch, position = self._batch, self._position
        if outcome is None:
            batch._outbox.tell(position, None)
        else:
            batch._outbox.add(position, outcome)
        if batch._outbox.is_told(position):
            batch._page.begun[position] = PASSED

    @property
    def _position(self) -> int:
        return self._batch._positions[self._index]

    @property
    def _lease(self) -> int:
        return self._batch._work.lease

    @property
    def _counts(self) -> Counts:
        return self._batch._work.notes.get(self._position, FRESH)
