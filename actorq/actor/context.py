"""What a handler is given: a batch, and its jobs. Usable without any process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

from actorq.actor.outbox import Outbox
from actorq.actor.owner import leave_if_forked
from actorq.core.model import FRESH, Counts, Cut
from actorq.core.outcome import Cancel, Fail, Retry, Snooze
from actorq.durations import Duration
from actorq.page import BEGUN, PASSED, Page
from actorq.plural import count
from actorq.wire import Work

A = TypeVar("A")


class Batch(Generic[A]):
    """Be the jobs of one batch, in the order they were claimed: n ≥ 1.

    A loop `for job in batch` says which job is running: if the loop's body raises or its
    process dies, that job is blamed. A handler that works on all jobs at once reads `args`
    instead, and nobody is marked. `batch[i]` marks nothing either.
    """

    __slots__ = ("_jobs", "_outbox", "_page", "_positions", "_work", "args", "ids", "max_attempts")

    args: list[A]
    """The args of all jobs."""
    ids: list[int]
    """The ids of all jobs."""

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
            yield job
            leave_if_forked()
            marks[position] = PASSED

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
        """Return why the batch is no larger.

        One of full, bytes, idle, linger, flush, limited and suspects; `core.model.Cut` says
        what they mean.
        """
        return self._work.cut


class Job(Generic[A]):
    """Be one job of a batch; a job that nothing is said about is done when the handler returns.

    Each of `done`, `retry`, `snooze`, `fail` and `cancel` gives the job its one outcome at
    once: it is kept even if the rest of the batch raises or the process dies.
    """

    __slots__ = ("_batch", "_index")

    def __init__(self, batch: Batch[A], index: int) -> None:
        self._batch, self._index = batch, index

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
        """Return which attempt this is, from 1; it counts what was charged before."""
        return self._counts.attempt + 1

    @property
    def max_attempts(self) -> int | None:
        """Return how many failures the job may have, its own limit or its kind's."""
        own = self._counts.max_attempts
        return self._batch.max_attempts if own is None else own

    @property
    def cancelled(self) -> bool:
        """Return whether somebody wants this job cancelled; the handler may heed it."""
        return self._batch._page.is_cancelled(self._batch._work.no, self._position)

    def begin(self) -> None:
        """Say that this job is running now: where the batch fails, it is blamed."""
        self._batch._page.begun[self._position] = BEGUN

    def done(self, result: Any = None) -> None:
        """Complete the job, with a result to store."""
        self._mark(result)

    def retry(self, after_s: Duration | None = None, reason: str = "") -> None:
        """Charge an attempt and run the job again, after `after_s` or its kind's delay.

        `after_s` is in seconds, at most 30 days: a longer one fails the job.
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

    def _mark(self, outcome: Any) -> None:
        batch, position = self._batch, self._position
        if outcome is None:
            batch._outbox.tell(position, None)
        else:
            batch._outbox.add(position, outcome)
        batch._page.begun[position] = PASSED

    @property
    def _position(self) -> int:
        return self._batch._positions[self._index]

    @property
    def _counts(self) -> Counts:
        return self._batch._work.notes.get(self._position, FRESH)
