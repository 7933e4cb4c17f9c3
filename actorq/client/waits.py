"""Waiting for many jobs at once, of one app or of several."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import NamedTuple

from actorq.client.handle import JobHandle
from actorq.client.waiter import JobEnd
from actorq.client.waiting import AsyncWait, Wait
from actorq.durations import Duration


class Waited(NamedTuple):
    """What `wait` returns: the jobs that are final, in whatever state, and those that are not."""

    done: set[JobHandle]
    not_done: set[JobHandle]


def wait(jobs: Iterable[JobHandle], *, n: int | None = None, timeout_s: Duration) -> Waited:
    """Wait until all jobs are final, or `n` of them, or the time is up; return (done, not_done).

    A job is final if it is completed, failed or cancelled; a job given twice counts once. When the
    time is up, nothing is raised, except WaitTimeout if the database could not be asked. Raises
    JobUnknown for jobs that there are not, and ConfigError for arguments that make no sense.
    """
    with Wait(jobs, timeout_s, n=n) as waiting:
        while not waiting.is_over and waiting.next():
            pass
        return _waited(waiting)


async def wait_async(
    jobs: Iterable[JobHandle], *, n: int | None = None, timeout_s: Duration
) -> Waited:
    """Do what `wait` does, without blocking the event loop."""
    async with AsyncWait(jobs, timeout_s, n=n) as waiting:
        while not waiting.is_over and await waiting.next_async():
            pass
        return _waited(waiting)


def as_completed(jobs: Iterable[JobHandle], *, timeout_s: Duration) -> Iterator[JobHandle]:
    """Iterate over the jobs as they become final, in whatever state; each is yielded once.

    The time-out counts from this call, and is for all of them: if some are missing by then, raises
    WaitTimeout. Other errors are those of `wait`.
    """
    return (job for job, _ in _ended(Wait(jobs, timeout_s)))


def as_completed_async(
    jobs: Iterable[JobHandle], *, timeout_s: Duration
) -> AsyncIterator[JobHandle]:
    """Return what `as_completed` returns, to be iterated over with `async for`."""
    return _each(AsyncWait(jobs, timeout_s))


def with_states(
    jobs: Iterable[JobHandle], *, timeout_s: Duration
) -> Iterator[tuple[JobHandle, str]]:
    """Return what `as_completed` returns, and with each job its state."""
    return ((job, str(end.state)) for job, end in _ended(Wait(jobs, timeout_s)))


def _ended(waiting: Wait[JobHandle]) -> Iterator[tuple[JobHandle, JobEnd]]:
    with waiting:
        while not waiting.is_over:
            heard = waiting.next()
            if not heard:
                raise waiting.timed_out()
            yield from heard


async def _each(waiting: AsyncWait[JobHandle]) -> AsyncIterator[JobHandle]:
    async with waiting:
        while not waiting.is_over:
            heard = await waiting.next_async()
            if not heard:
                raise waiting.timed_out()
            for job, _ in heard:
                yield job


def _waited(waiting: Wait[JobHandle]) -> Waited:
    if not waiting.is_over and waiting.trouble() is not None:
        raise waiting.timed_out()
    not_done = set(waiting.not_done)
    return Waited(set(waiting.jobs) - not_done, not_done)
