"""The handle of an enqueued job: its id, and what the database knows about it now."""

from __future__ import annotations

from typing import Any, TypeVar, overload

import msgspec

from actorq.args import arrays
from actorq.args.types import dec_hook, short
from actorq.client.async_client import AsyncClient
from actorq.client.client import Client
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
        return self._client().state(self.id)

    @overload
    def result(self) -> Any: ...
    @overload
    def result(self, type: type[T]) -> T | None: ...
    def result(self, type: object = None) -> Any:
        """Return the stored result, None if there is none.

        Without `type` it consists of plain JSON values, and packed arrays as numpy arrays, or as
        lists if numpy is not installed. With a type, any that args can have, it is of that type;
        raises ConfigError if it does not fit.

        It does not wait. None is also returned for a job that is not done yet, that failed, was
        cancelled or pruned, whose handler returned None, or whose kind stores no results: `state`
        tells these apart, except for the last two, which are both `completed`.
        """
        return loaded(self._client().result(self.id), type)

    async def state_async(self) -> str | None:
        """Return what `state` returns, without blocking the event loop."""
        return await AsyncClient(self._client()).state(self.id)

    @overload
    async def result_async(self) -> Any: ...
    @overload
    async def result_async(self, type: type[T]) -> T | None: ...
    async def result_async(self, type: object = None) -> Any:
        """Return what `result` returns, without blocking the event loop."""
        return loaded(await AsyncClient(self._client()).result(self.id), type)

    def _client(self) -> Client:
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
