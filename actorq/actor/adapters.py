"""One interface to handlers of every shape: set up, handle a batch, tear down.

A handler is a class with `handle(batch)` or with `handle_one(…)`, a function of a batch, or a
function of one job's own parameters; each may be `async def`. Its return value is read here.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Any

from actorq.actor.bound import BoundKind, is_async
from actorq.actor.context import Batch, Job
from actorq.actor.context import running as current
from actorq.actor.owner import leave_if_forked
from actorq.actor.places import outermost
from actorq.actor.results import Results
from actorq.actor.returned import settle
from actorq.actor.time_limits import BatchTimedOut, Limits, TimedOut, failure_of
from actorq.core.job.model import Verdict
from actorq.core.job.outcome import HandBack, said_by
from actorq.core.job.policy import CONCURRENCY
from actorq.logs import logger
from actorq.pipe.page import BEGUN, PASSED


def _nothing() -> None:
    """Do nothing."""


class Adapter:
    """One kind's handler, as this process runs it."""

    def __init__(self, kind: BoundKind) -> None:
        self.name = kind.name
        policy = kind.policy
        self.results = Results(policy.store_results, nan=policy.nan, arrays=policy.arrays)
        self.max_attempts = kind.policy.max_attempts
        self.fatal = kind.policy.fatal
        self._codec = kind.codec
        self._handler = outermost(kind)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._limits = Limits()
        self._batch_limit_s = kind.policy.batch_timeout_s
        self._job_limit_s = kind.policy.job_timeout_s

    @property
    def batch_limit_s(self) -> float | None:
        """Return how long a batch may take, None if there is no limit."""
        return self._batch_limit_s

    def batch_limit(self, batch: Batch[object]) -> AbstractContextManager[object]:
        """Interrupt the handler in the body if its batch has taken too long."""
        error = BatchTimedOut(f"the batch ran longer than batch_timeout_s={self._batch_limit_s}")
        return self._limits.within(self._batch_limit_s, error, partial(_time_is_up, batch))

    def setup(self, slot: int) -> None:
        """Prepare the handler; called once, before the first batch."""

    @abstractmethod
    def handle(self, batch: Batch[object]) -> None:
        """Run the handler; every outcome is in the batch's outbox after it.

        Raises whatever the handler raises, and WrongOutcomes.
        """

    def teardown(self) -> None:
        """Let the handler clean up; called once, after the last batch."""
        if self._loop is not None:
            self._loop.close()

    def _set_up(self, slot: int) -> Any:
        """Return an object of the handler's class, set up."""
        made = self._handler()
        prepare = getattr(made, "setup", None)
        if prepare is not None:
            wants_slot = bool(inspect.signature(prepare).parameters)
            args = (slot,) if wants_slot else ()
            self._run(lambda: prepare(*args), is_async(prepare))
        return made

    def _torn_down(self, made: object) -> None:
        clean = getattr(made, "teardown", None)
        if clean is not None:
            self._run(clean, is_async(clean))

    def _too_long(self) -> TimedOut:
        return TimedOut(f"the job ran longer than job_timeout_s={self._job_limit_s}")

    def _run(
        self, call: Callable[[], Any], is_async: bool, abandoned: Callable[[], None] = _nothing
    ) -> object:
        """Return what a handler's function returns, awaited if it is a coroutine function."""
        if not is_async:
            return call()
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        task = asyncio.ensure_future(call(), loop=self._loop)
        try:
            return self._loop.run_until_complete(task)
        finally:
            if not task.done():  # another task beside it has raised SystemExit
                abandoned()
                _cancel(task, self._loop)


class BatchAdapter(Adapter):
    """A function of a batch."""

    def batch_limit(self, batch: Batch[object]) -> AbstractContextManager[object]:
        """Interrupt only synchronous handlers: an alarm would corrupt an event loop."""
        return nullcontext() if self._is_async else super().batch_limit(batch)

    def __init__(self, kind: BoundKind) -> None:
        super().__init__(kind)
        self._handle: Callable[[Batch[object]], object] = self._handler
        self._is_async = is_async(kind.handler)

    def handle(self, batch: Batch[object]) -> None:
        """Run the handler once for the whole batch."""
        stop = partial(_time_is_up, batch)
        returned = self._run(lambda: self._handle(batch), self._is_async, stop)
        leave_if_forked()
        settle(batch, returned)


class ClassAdapter(BatchAdapter):
    """An object with `handle(batch)`, and with `setup` and `teardown` if it has them."""

    def setup(self, slot: int) -> None:
        """Make the object and set it up; `setup` may take the slot's number."""
        self._object = self._set_up(slot)
        self._handle = self._object.handle
        self._is_async = is_async(self._handle)

    def teardown(self) -> None:
        """Tear the object down."""
        self._torn_down(self._object)
        super().teardown()


class PerJobAdapter(Adapter):
    """A function, or an object's `handle_one`, that is called once for each job."""

    def __init__(self, kind: BoundKind) -> None:
        super().__init__(kind)
        self._job_parameter = kind.job_parameter
        self._is_class = inspect.isclass(kind.handler)

    def setup(self, slot: int) -> None:
        """Make the object and set it up, if the handler is a class."""
        if self._is_class:
            self._object = self._set_up(slot)
            self._handler = self._object.handle_one

    def teardown(self) -> None:
        """Tear the object down, if there is one."""
        if self._is_class:
            self._torn_down(self._object)
        super().teardown()

    def _call(self, running: _Running, args: object) -> Any:
        """Call the handler with a job's args, and with the job itself if it takes that."""
        if self._job_parameter is None:
            return self._codec.call(self._handler, args)
        with_job = partial(self._handler, **{self._job_parameter: running.job()})
        return self._codec.call(with_job, args)


class JobAdapter(PerJobAdapter):
    """A handler that is called for each job in turn."""

    def handle(self, batch: Batch[object]) -> None:
        """Call the function for each job in turn; an exception is that job's own failure."""
        function, call, limit_s = self._handler, self._codec.call, self._job_limit_s
        is_plain = limit_s is None and self._job_parameter is None
        try:
            for index, args in enumerate(batch.args):
                if batch._outbox.is_late:  # the job before caught what should have ended it
                    break
                with _Running(batch, index, limit_s, self.fatal) as running:
                    if not running.wanted:
                        continue
                    if is_plain:
                        running.returned(call(function, args))
                        continue
                    with self._limits.within(limit_s, self._too_long()):
                        value = self._call(running, args)
                    running.returned(value)
        finally:
            current.set(None)


class AsyncJobAdapter(PerJobAdapter):
    """An `async def` handler that is called for several jobs concurrently, in one event loop."""

    def batch_limit(self, batch: Batch[object]) -> AbstractContextManager[object]:
        """Leave a slow batch to the supervisor: an alarm would corrupt the event loop."""
        return nullcontext()

    def __init__(self, kind: BoundKind) -> None:
        super().__init__(kind)
        self._concurrency = kind.policy.concurrency or CONCURRENCY

    def handle(self, batch: Batch[object]) -> None:
        """Run all jobs, up to `concurrency` of them at a time."""
        self._run(lambda: self._all(batch), True, partial(_time_is_up, batch))

    async def _all(self, batch: Batch[object]) -> None:
        """Run all jobs; once one hands the batch back, only those that have begun are finished."""
        waiting = iter(range(len(batch)))
        asked: list[BaseException] = []

        async def lane() -> None:
            for index in waiting:
                # Each job has a task of its own: a cancellation inside of it ends this job alone.
                await asyncio.ensure_future(self._one(batch, index, asked))
                if asked:
                    break

        await asyncio.gather(*(lane() for _ in range(min(self._concurrency, len(batch)))))
        if asked:
            raise asked[0]

    async def _one(self, batch: Batch[object], index: int, asked: list[BaseException]) -> None:
        try:
            with _Running(batch, index, self._job_limit_s, self.fatal) as running:
                if running.wanted:
                    running.returned(await self._limited(running, batch.args[index]))
        except BaseException as error:
            if batch._outbox.is_late:
                raise
            asked.append(error)

    async def _limited(self, running: _Running, args: object) -> object:
        """Return what the function returns; raise if it returns too late."""
        limit = asyncio.timeout(self._job_limit_s)
        try:
            async with limit:
                value = await self._call(running, args)
        except BaseException as error:
            if limit.expired():
                raise self._too_long() from error
            raise
        if limit.expired():  # the function has caught the exception that should have ended it
            raise self._too_long()
        return value


class _Running:
    """A job while it runs: marked as begun; its end is reported, whatever it raises."""

    __slots__ = ("_batch", "_deadline", "_fatal", "_index", "_position")

    def __init__(
        self,
        batch: Batch[object],
        index: int,
        limit_s: float | None,
        fatal: tuple[type[BaseException], ...],
    ) -> None:
        self._batch, self._index, self._fatal = batch, index, fatal
        self._position = batch._positions[index]
        self._deadline = None if limit_s is None else time.monotonic() + limit_s

    def job(self) -> Job[object]:
        """Return the job, for a handler that asks for it."""
        return Job(self._batch, self._index, self._deadline)

    @property
    def wanted(self) -> bool:
        """Tell whether to run it: a job that was cancelled in time is skipped and reported."""
        if not self._batch._page.is_cancelled(self._position):
            return True
        self._batch._outbox.tell(self._position, Verdict(self._position, "cancel"))
        return False

    def returned(self, value: object) -> None:
        """Report what the function returned."""
        leave_if_forked()
        if isinstance(value, HandBack):
            raise value
        if value is not None:
            self._batch._outbox.add(self._position, value)
        elif not self._batch._outbox.is_told(self._position):
            self._batch._outbox.tell(self._position, None)

    def __enter__(self) -> _Running:
        self._batch._page.begun[self._position] = BEGUN
        current.set(self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        leave_if_forked(error)
        said = said_by(error) if error is not None else None
        if self._batch._outbox.is_late or isinstance(said, HandBack):
            return False  # the mark stays: this job was running when the batch ended
        if said is not None:
            self.returned(said)
        elif error is not None:
            self._raised(error)
        self._batch._page.begun[self._position] = PASSED
        return True

    def _raised(self, error: BaseException) -> None:
        if self._batch._outbox.is_told(self._position):  # the first outcome counts
            logger("actorq.actor").warning(
                "job %d raised after it had its outcome, which stays", self.job().id, exc_info=error
            )
            return
        verdict = Verdict(self._position, "error", error=failure_of(error, self._fatal))
        self._batch._outbox.tell(self._position, verdict)


def adapter_of(kind: BoundKind) -> Adapter:
    """Return the adapter for a kind's handler."""
    if kind.shape == "class":
        return ClassAdapter(kind)
    if kind.shape == "batch":
        return BatchAdapter(kind)
    called = kind.handler.handle_one if kind.shape == "job_class" else kind.handler
    return AsyncJobAdapter(kind) if is_async(called) else JobAdapter(kind)


def _time_is_up(batch: Batch[object]) -> None:
    batch._outbox.time_is_up(batch._page.running())


def _cancel(task: asyncio.Future[object], loop: asyncio.AbstractEventLoop) -> None:
    """End a task, which would otherwise continue during the next batch, with jobs of the last."""
    task.cancel()
    with suppress(BaseException):  # the exception that ended it is being raised already
        loop.run_until_complete(task)
