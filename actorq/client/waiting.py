"""One call that waits: which jobs, until when, and what is raised for them.

It registers its jobs with the waiters of their places and sleeps until these tell it something.
`Wait` is for threads, `AsyncWait` for tasks; both know handles only by what a `Waitable` has.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from actorq.client.waiter import JobEnd, Registration, Waiter, waiter_of
from actorq.core.job.outcome import Cancel
from actorq.core.job.policy import check_integer
from actorq.durations import CENTURY_S, Duration, check_duration
from actorq.english import a, count
from actorq.errors import (
    ConfigError,
    JobCancelled,
    JobFailed,
    JobUnknown,
    WaitEnded,
    WaitTimeout,
)
from actorq.loading import refuse_while_loading

if TYPE_CHECKING:
    from actorq.client.client import Client
    from actorq.client.database import Database

FIRST_LOOK_S = 10.0
"""How long a wait of less time goes on until the database has answered once."""

SHOWN = 10
INT8 = 2**63


class Waitable(Protocol):
    """What can be waited for: the handle of a job."""

    @property
    def id(self) -> int:
        """Return the id of the job."""

    @property
    def kind(self) -> str:
        """Return the kind of the job, empty if it is not known."""

    def owner(self) -> Client:
        """Return the client by which the job is reached; raises ConfigError if there is none."""


J = TypeVar("J", bound=Waitable)
Heard = tuple[Waiter, dict[int, JobEnd], BaseException | None]


class Wait(Generic[J]):
    """A wait of one thread for some jobs, and for their results if it `brings` them."""

    def __init__(
        self, jobs: Iterable[J], timeout_s: Duration, brings: bool = False, n: int | None = None
    ) -> None:
        refuse_while_loading("a job was waited for")
        self.jobs: list[J] = _checked(jobs)
        self.timeout_s = check_duration("timeout_s", timeout_s, 0.0, CENTURY_S)
        self.n_wanted = len(self.jobs) if n is None else _checked_n(n, len(self.jobs))
        self.n_heard = 0
        self._brings = brings
        self._begun = time.monotonic()
        self._left = dict.fromkeys(self.jobs)
        self._handles: dict[tuple[Waiter, int], list[J]] = {}
        self._registered: dict[Waiter, Registration] = {}
        self._clients: set[Client] = set()
        self._inbox: deque[Heard] = deque()
        self._pid = 0
        self._bell: Any = None

    @property
    def not_done(self) -> list[J]:
        """Return the jobs that are not final as far as this wait has heard."""
        return list(self._left)

    @property
    def is_over(self) -> bool:
        """Return whether as many jobs are final as were wanted."""
        return self.n_heard >= self.n_wanted

    def __enter__(self) -> Wait[J]:
        _refuse_in_loop()
        self._join(threading.Event())
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()

    def next(self) -> list[tuple[J, JobEnd]]:
        """Wait for jobs to become final, and return them; none when the time is up."""
        while not (heard := self._heard()):
            if (left_s := self._left_s()) <= 0:
                return []
            self._bell.wait(left_s)
        return heard

    def timed_out(self) -> WaitTimeout:
        """Return the error for jobs that are not final in time."""
        left = list(self._left)
        ids = [job.id for job in left]
        if len(self.jobs) == 1:
            text = f"job {ids[0]} is not final after {self.timeout_s:g} s"
        else:
            of = f"{len(left):,} of {count(len(self.jobs), 'job')}"
            text = f"{of} are not final after {self.timeout_s:g} s: {_shown(ids)}"
        trouble = self.trouble()
        if trouble is None:
            after = "nothing was changed, they can be waited for again"
        else:
            after = f"the database could not be asked: {trouble}"
        made = WaitTimeout(f"{text}; {after}", ids)
        made.__cause__ = trouble
        return made

    def trouble(self) -> BaseException | None:
        """Return why a place could not be asked at the last try; None if all answer."""
        troubles = [waiter.trouble(wait) for waiter, wait in self._registered.items()]
        return next((trouble for trouble in troubles if trouble is not None), None)

    # ---- its registrations ----------------------------------------------------------------

    def _join(self, bell: Any) -> None:
        """Register what is left; in a forked child, with waiters of its own."""
        self._pid, self._bell = os.getpid(), bell
        self._handles, self._registered, self._inbox = {}, {}, deque()
        by_waiter: dict[Waiter, list[int]] = {}
        for job in self._left:
            client = job.owner()
            waiter = waiter_of(client.database)
            self._handles.setdefault((waiter, job.id), []).append(job)
            by_waiter.setdefault(waiter, []).append(job.id)
            if client not in self._clients:
                self._clients.add(client)
                client.closing.setdefault(waiter, waiter.leave)
                client.closing[self] = self._end
        for waiter, ids in by_waiter.items():
            tell = functools.partial(self._tell, self._inbox, waiter)
            wait = self._registered[waiter] = Registration(ids, tell, self._brings)
            waiter.add(wait)

    def _leave(self) -> None:
        for client in self._clients:
            client.closing.pop(self, None)
        for waiter, wait in self._registered.items():
            waiter.remove(wait)

    def _end(self) -> None:
        """End this wait, because a client of its jobs is closed."""
        n = len(self._left)
        text = f"the app was closed while {count(n, 'job')} of it were waited for; they go on"
        for waiter, wait in self._registered.items():
            waiter.remove(wait)
            self._tell(self._inbox, waiter, {}, WaitEnded(text, [job.id for job in self._left]))

    def _tell(
        self,
        inbox: deque[Heard],
        waiter: Waiter,
        ended: dict[int, JobEnd],
        error: BaseException | None,
    ) -> None:
        """Hear, in a waiter's thread, what has become of jobs."""
        inbox.append((waiter, ended, error))
        self._ring()

    def _ring(self) -> None:
        self._bell.set()

    # ---- what it hears --------------------------------------------------------------------

    def _heard(self) -> list[tuple[J, JobEnd]]:
        """Return what was told since the last call; raises what ends this wait."""
        if self._pid != os.getpid():
            self._join(type(self._bell)())
        self._bell.clear()
        found: list[tuple[J, JobEnd]] = []
        while self._inbox:
            waiter, ended, error = self._inbox.popleft()
            if error is not None:
                raise copy(error)  # the same is raised in other threads, too
            _refuse_unknown(ended, waiter.schema)
            for id_, end in ended.items():
                found += [(job, end) for job in self._handles[waiter, id_] if job in self._left]
        for job, _ in found:
            self._left.pop(job, None)
        self.n_heard += len(found)
        return found

    def _left_s(self) -> float:
        """Return for how long to wait yet: at least until each job has been looked at once."""
        spent_s = time.monotonic() - self._begun
        is_looked = all(not wait.unlooked for wait in self._registered.values())
        if is_looked or self.trouble() is not None:
            return self.timeout_s - spent_s
        return max(self.timeout_s, FIRST_LOOK_S) - spent_s


class AsyncWait(Wait[J]):
    """A wait of one task."""

    async def __aenter__(self) -> AsyncWait[J]:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._join(asyncio.Event())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._leave()

    async def next_async(self) -> list[tuple[J, JobEnd]]:
        """Do what `next` does, without blocking the event loop."""
        import asyncio

        while not (heard := self._heard()):
            if (left_s := self._left_s()) <= 0:
                return []
            with suppress(TimeoutError):
                # On Python 3.11 `wait_for` swallows a cancellation that comes with the bell.
                async with asyncio.timeout(left_s):
                    await self._bell.wait()
        return heard

    def _ring(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._bell.set)


def outcome_of(job: Waitable, end: JobEnd) -> str | None:
    """Return the result of a completed job as JSON text; raises JobFailed or JobCancelled."""
    if end.state == "completed":
        return end.result
    if end.state == "failed":
        raise JobFailed(job.id, job.kind, *(end.failure or ()))
    failure = end.failure
    why = f": {failure.message}" if failure is not None and failure.type == Cancel.__name__ else ""
    raise JobCancelled(f"job {job.id} was cancelled{why}", [job.id])


# ---- what is refused ------------------------------------------------------------------------


def _checked(jobs: Any) -> list[Any]:
    """Return the jobs, each once; raises ConfigError for what is none, JobUnknown for no id."""
    if isinstance(jobs, str | bytes) or not isinstance(jobs, Iterable):
        raise ConfigError(f"jobs must be a list of handles, not {a(jobs)}: even of one")
    found: dict[Any, Any] = {}
    for job in jobs:
        owner = getattr(job, "owner", None)
        if owner is None:
            raise ConfigError(
                f"{job!r} is {a(job)} and no handle of a job: give what enqueue returned, or "
                "app.job(ID) of a job of which you have the id"
            )
        database = owner().database
        found.setdefault(job, job)
        first = found[job].owner().database
        if first is not database and _place(first) != _place(database):
            raise ConfigError(
                f"{job!r} is given twice, of two databases or schemas, and the two cannot be told "
                "apart: wait for each on its own"
            )
        if not -INT8 <= job.id < INT8:
            raise JobUnknown(f"there is no job {job.id}: no id is so large", [job.id])
    return list(found)


def _place(database: Database) -> tuple[str, str]:
    return database.dsn(), database.schema


def _checked_n(n: object, n_jobs: int) -> int:
    if n_jobs == 0:
        raise ConfigError(f"n={n!r}, but there are no jobs to wait for")
    return check_integer("n", n, 1, n_jobs)


def _refuse_in_loop() -> None:
    """Raise ConfigError if this thread runs an event loop, which would stand still meanwhile."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        raise ConfigError(
            "this would block the event loop that runs in this thread: await the call of the same "
            "name with _async, for instance `await job.result_async(timeout_s=…)`"
        )


def _refuse_unknown(ended: dict[int, JobEnd], schema: str) -> None:
    unknown = [id_ for id_, end in ended.items() if end.state is None]
    if unknown:
        what = "no job" if len(unknown) == 1 else f"none of {len(unknown):,} jobs:"
        raise JobUnknown(
            f"there is {what} {_shown(unknown)} in the schema {schema!r} of this database: it was "
            "pruned, or the transaction that enqueued it has not committed (commit before you "
            "wait), or it is in another schema or database",
            unknown,
        )


def _shown(ids: list[int]) -> str:
    more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    return ", ".join(map(str, ids[:SHOWN])) + more
