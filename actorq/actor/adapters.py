"""Handlers of every shape behind one face: set up, handle a batch, tear down.

A handler is a class with `handle(batch)`, a function of a batch, or a function of one job's
own parameters; each may be `async def`. What it returns is read here.
"""

from __future__ import annotations

import asyncio
import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol

from actorq.actor.context import Batch
from actorq.actor.limits import BatchTimedOut, Limits, TimedOut, cause_of
from actorq.actor.outbox import WrongOutcomes
from actorq.actor.owner import leave_if_forked
from actorq.actor.results import Results, as_list
from actorq.actor.texts import describe, shown
from actorq.args import ArgsCodec
from actorq.core.model import Verdict
from actorq.page import BEGUN, PASSED
from actorq.plural import count

MAX_CONCURRENT = 100
"""How many jobs an `async def` per-job handler has begun at once."""

Shape = Literal["class", "batch", "job"]


class Kind(Protocol):
    """Be a kind with its handler bound."""

    @property
    def name(self) -> str:
        """Return the kind's name."""

    @property
    def codec(self) -> Any:
        """Return its ArgsCodec."""

    @property
    def policy(self) -> Any:
        """Return its KindPolicy."""

    @property
    def handler(self) -> Any:
        """Return the class or function."""

    @property
    def shape(self) -> Any:
        """Return its Shape."""


class Adapter:
    """Run one kind's handler in this process."""

    def __init__(self, kind: Kind) -> None:
        self.name = kind.name
        self.results = Results(kind.policy.store_results)
        self.max_attempts: int = kind.policy.max_attempts
        self._codec: ArgsCodec = kind.codec
        self._handler = kind.handler
        self._loop: asyncio.AbstractEventLoop | None = None
        self._limits = Limits()
        self._batch_limit_s: float | None = kind.policy.batch_timeout_s
        self._job_limit_s: float | None = kind.policy.job_timeout_s

    def batch_limit(self) -> AbstractContextManager[None]:
        """Interrupt the handler in the body when its batch has taken too long."""
        error = BatchTimedOut(f"the batch ran longer than batch_timeout_s={self._batch_limit_s}")
        return self._limits.within(self._batch_limit_s, error)

    def setup(self, slot: int) -> None:
        """Prepare the handler; called once, before the first batch."""

    @abstractmethod
    def handle(self, batch: Batch[Any]) -> None:
        """Run the handler; every outcome is in the batch's outbox after it.

        Raises whatever the handler raises, and WrongOutcomes.
        """

    def teardown(self) -> None:
        """Let the handler clean up; called once, after the last batch."""
        if self._loop is not None:
            self._loop.close()

    def _too_long(self) -> TimedOut:
        return TimedOut(f"the job ran longer than job_timeout_s={self._job_limit_s}")

    def _run(self, call: Callable[[], Any], is_async: bool) -> Any:
        """Return what a handler's function returns, awaited if it is a coroutine function."""
        if not is_async:
            return call()
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop.run_until_complete(call())


class BatchAdapter(Adapter):
    """Run a function of a batch."""

    def batch_limit(self) -> AbstractContextManager[None]:
        """Interrupt only synchronous handlers: an alarm would tear an event loop apart."""
        return nullcontext() if self._is_async else super().batch_limit()

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self._handle: Callable[[Batch[Any]], Any] = kind.handler
        self._is_async = _is_async(kind.handler)

    def handle(self, batch: Batch[Any]) -> None:
        """Run the handler once for the whole batch."""
        returned = self._run(lambda: self._handle(batch), self._is_async)
        leave_if_forked()
        settle(batch, returned)


class ClassAdapter(BatchAdapter):
    """Run an object's `handle(batch)`, between its `setup` and `teardown` if it has them."""

    def setup(self, slot: int) -> None:
        """Make the object and set it up; `setup` may take the slot's number."""
        self._object = self._handler()
        self._handle = self._object.handle
        self._is_async = _is_async(self._handle)
        prepare = getattr(self._object, "setup", None)
        if prepare is not None:
            wants_slot = bool(inspect.signature(prepare).parameters)
            args = (slot,) if wants_slot else ()
            self._run(lambda: prepare(*args), _is_async(prepare))

    def teardown(self) -> None:
        """Tear the object down."""
        clean = getattr(self._object, "teardown", None)
        if clean is not None:
            self._run(clean, _is_async(clean))
        super().teardown()


class JobAdapter(Adapter):
    """Call a function once for each job."""

    def handle(self, batch: Batch[Any]) -> None:
        """Call the function for each job in turn; an exception is that job's own."""
        function, call = self._handler, self._codec.call
        for index, args in enumerate(batch.args):
            with _Running(batch, index) as running:
                if not running.wanted:
                    continue
                if self._job_limit_s is None:
                    running.returned(call(function, args))
                    continue
                with self._limits.within(self._job_limit_s, self._too_long()):
                    value = call(function, args)
                running.returned(value)


class AsyncJobAdapter(Adapter):
    """Call an `async def` function for several jobs at once, in one event loop."""

    def batch_limit(self) -> AbstractContextManager[None]:
        """Leave a slow batch to the supervisor: an alarm would tear the event loop apart."""
        return nullcontext()

    def handle(self, batch: Batch[Any]) -> None:
        """Run all jobs, up to MAX_CONCURRENT of them at a time."""
        self._run(lambda: self._all(batch), True)

    async def _all(self, batch: Batch[Any]) -> None:
        waiting = iter(range(len(batch)))

        async def lane() -> None:
            for index in waiting:
                # A task of its own: a cancellation inside of it ends this job alone.
                await asyncio.ensure_future(self._one(batch, index))

        await asyncio.gather(*(lane() for _ in range(min(MAX_CONCURRENT, len(batch)))))

    async def _one(self, batch: Batch[Any], index: int) -> None:
        with _Running(batch, index) as running:
            if running.wanted:
                running.returned(await self._limited(batch.args[index]))

    async def _limited(self, args: Any) -> Any:
        try:
            async with asyncio.timeout(self._job_limit_s) as limit:
                return await self._codec.call(self._handler, args)
        except TimeoutError:
            if limit.expired():
                raise self._too_long() from None
            raise


class _Running:
    """Mark one job as begun while it runs, and report how it ended, whatever it raises."""

    __slots__ = ("_batch", "_position")

    def __init__(self, batch: Batch[Any], index: int) -> None:
        self._batch, self._position = batch, batch._positions[index]

    @property
    def wanted(self) -> bool:
        """Return whether to run it: a job cancelled in time is skipped and reported."""
        if not self._batch._page.is_cancelled(self._batch._work.no, self._position):
            return True
        self._batch._outbox.tell(self._position, Verdict(self._position, "cancel"))
        return False

    def returned(self, value: Any) -> None:
        """Report what the function returned."""
        leave_if_forked()
        if value is not None:
            self._batch._outbox.add(self._position, value)
        else:
            self._batch._outbox.tell(self._position, None)

    def __enter__(self) -> _Running:
        self._batch._page.begun[self._position] = BEGUN
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        leave_if_forked(error)
        if isinstance(error, BatchTimedOut):
            return False  # the mark stays: this job was running when the time was up
        if error is not None:
            info = describe(error, cause_of(error))
            verdict = Verdict(self._position, "error", error=info)
            self._batch._outbox.tell(self._position, verdict)
        self._batch._page.begun[self._position] = PASSED
        return True


def adapter_of(kind: Kind) -> Adapter:
    """Return the adapter for a kind's handler."""
    if kind.shape == "class":
        return ClassAdapter(kind)
    if kind.shape == "batch":
        return BatchAdapter(kind)
    return AsyncJobAdapter(kind) if _is_async(kind.handler) else JobAdapter(kind)


def settle(batch: Batch[Any], returned: Any) -> None:
    """Read what a batch handler returned into its outbox; raises WrongOutcomes.

    None says that every job not marked is done. Otherwise there is one entry per job, by
    position or by id: an outcome, or a result. A marked job's entry is None or missing.
    """
    if returned is None:
        return
    outbox, positions = batch._outbox, batch._positions
    if isinstance(returned, Mapping):
        _settle_by_id(batch, returned)
        return
    values = as_list(returned)
    if values is None:
        _close(returned)
        raise WrongOutcomes(
            f"the handler returned a {type(returned).__name__}: return a list or array with one "
            "result per job, a dict by job id, or None"
        )
    if len(values) != len(batch):
        results, jobs = count(len(values), "result"), count(len(batch), "job")
        raise WrongOutcomes(f"the handler returned {results} for {jobs}")
    outbox.add_results(positions, values)


def _settle_by_id(batch: Batch[Any], returned: Mapping[Any, Any]) -> None:
    position_of = dict(zip(batch.ids, batch._positions, strict=True))
    foreign = [key for key in returned if key not in position_of]
    missing = [
        id_
        for id_, position in position_of.items()
        if id_ not in returned and not batch._outbox.is_told(position)
    ]
    if foreign:
        raise WrongOutcomes(f"the handler returned ids not in its batch: {_listed(foreign)}")
    if missing:
        raise WrongOutcomes(f"the handler returned nothing for the jobs {_listed(missing)}")
    batch._outbox.add_results([position_of[key] for key in returned], list(returned.values()))


def _listed(items: list[Any]) -> str:
    texts = [shown(item) for item in items[:10]]
    return ", ".join(texts) + (f" and {len(items) - 10} more" if len(items) > 10 else "")


def _close(returned: object) -> None:
    if inspect.iscoroutine(returned):
        returned.close()  # or Python warns that nobody awaited it


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )
