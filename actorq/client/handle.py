"""The handle of an enqueued job: its id, and what the database knows about it now."""

from __future__ import annotations

from typing import Any, TypeVar, overload

import msgspec

from actorq.args import arrays
from actorq.args.types import dec_hook, short
from actorq.client.async_client import AsyncClient
from actorq.client.client import Client
from actorq.client.waiter import JobEnd
from actorq.client.waiting import AsyncWait, Wait, outcome_of
from actorq.durations import Duration
from actorq.errors import ConfigError

T = TypeVar("T")


class JobHandle:
    """A job in the database, by its id.

    `is_new` is false if the unique key was taken: then this is the job that holds it.
    """

    __slots__ = ("client", "id", "is_new", "kind")

    def __init__(self, client: Client | None, id: int, kind: str, is_new: bool = True) -> None:
        self.client = client
        self.id = id
        self.kind = kind
        self.is_new = is_new

    def __repr__(self) -> str:
        return f"JobHandle({self.id}, kind={self.kind!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobHandle) and self.id == other.id and self.kind == other.kind

    def __hash__(self) -> int:
        return hash((self.id, self.kind))

    def __reduce__(self) -> tuple[Any, ...]:
        return JobHandle, (None, self.id, self.kind, self.is_new)

    def state(self) -> str | None:
        """Return ready, scheduled, running, retrying, completed, failed or cancelled.

        None if there is no such job: it was pruned, or its transaction has not committed.
        """
        return self.owner().state(self.id)

    @overload
    def result(self, *, timeout_s: Duration | None = ...) -> Any: ...
    @overload
    def result(self, type: type[T], *, timeout_s: Duration | None = ...) -> T | None: ...
    def result(self, type: object = None, *, timeout_s: Duration | None = None) -> Any:
        """Return the stored result, None if there is none.

        Without `type` it consists of plain JSON values, and packed arrays as numpy arrays, or as
        lists if numpy is not installed. With a type, any that args can have, it is of that type;
        raises ConfigError if it does not fit.

        With `timeout_s` it waits for the job and returns the result only of a completed one: None
        then means that its handler returned None, or that its kind stores no results. Raises
        JobFailed, JobCancelled, JobUnknown for a job that there is not, and WaitTimeout if the job
        is not final in time. With 0 it looks once.

        Without `timeout_s` it does not wait and raises none of these: None is also returned for a
        job that is not done yet, that failed, was cancelled or pruned.
        """
        if timeout_s is None:
            return loaded(self.owner().result(self.id), type)
        return loaded(outcome_of(self, self._ended(timeout_s, brings=True)), type)

    def wait(self, *, timeout_s: Duration) -> str:
        """Wait until the job is final, and return its state: completed, failed or cancelled.

        Raises JobUnknown for a job that there is not, and WaitTimeout if it is not final in time.
        """
        return str(self._ended(timeout_s).state)

    async def state_async(self) -> str | None:
        """Return what `state` returns, without blocking the event loop."""
        return await AsyncClient(self.owner()).state(self.id)

    @overload
    async def result_async(self, *, timeout_s: Duration | None = ...) -> Any: ...
    @overload
    async def result_async(
        self, type: type[T], *, timeout_s: Duration | None = ...
    ) -> T | None: ...
    async def result_async(self, type: object = None, *, timeout_s: Duration | None = None) -> Any:
        """Do what `result` does, without blocking the event loop."""
        if timeout_s is None:
            return loaded(await AsyncClient(self.owner()).result(self.id), type)
        return loaded(outcome_of(self, await self._ended_async(timeout_s, brings=True)), type)

    async def wait_async(self, *, timeout_s: Duration) -> str:
        """Do what `wait` does, without blocking the event loop."""
        return str((await self._ended_async(timeout_s)).state)

    def _ended(self, timeout_s: Duration, brings: bool = False) -> JobEnd:
        with Wait([self], timeout_s, brings) as waiting:
            for _, end in waiting.next():
                return end
            raise waiting.timed_out()

    async def _ended_async(self, timeout_s: Duration, brings: bool = False) -> JobEnd:
        async with AsyncWait([self], timeout_s, brings) as waiting:
            for _, end in await waiting.next_async():
                return end
            raise waiting.timed_out()

    def owner(self) -> Client:
        """Return the client that reaches the job; ConfigError if the handle was sent here."""
        if self.client is None:
            raise ConfigError(f"{self!r} belongs to no app here: use app.job({self.id})")
        return self.client


def loaded(text: str | None, type: object = None) -> Any:
    """Return the value of a result's JSON text, as a value of the type if one is given."""
    if text is None:
        return None
    if type is not None:
        return _typed(text, type)
    value = msgspec.json.decode(text)
    return arrays.restored(value) if arrays.MARK in text else value


def _typed(text: str, type: object) -> object:
    try:
        return msgspec.json.decode(text, type=type, dec_hook=dec_hook)
    except (msgspec.ValidationError, TypeError) as error:
        name = getattr(type, "__name__", type)
        raise ConfigError(f"the result does not fit {name}: {short(error)}") from error
