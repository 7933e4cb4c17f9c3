"""The handle of an enqueued job: its id, and what the database knows about it now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from actorq.errors import ConfigError

if TYPE_CHECKING:
    from actorq.app import App


class JobHandle:
    """Name one job in the database.

    `is_new` is false where the unique key was held: then this is the job that holds it.
    """

    __slots__ = ("app", "id", "is_new", "kind")

    def __init__(self, app: App | None, id: int, kind: str, is_new: bool = True) -> None:
        self.app = app
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
        return self._app().client.state(self.id)

    def result(self) -> Any:
        """Return the stored result as plain JSON values, None if there is none.

        None is also what a job has that is not done yet, failed, was cancelled or pruned, or
        whose kind stores no results: `state` tells them apart.
        """
        return loaded(self._app().client.result(self.id))

    async def state_async(self) -> str | None:
        """Return what `state` returns, without blocking the event loop."""
        return await self._app().async_client.state(self.id)

    async def result_async(self) -> Any:
        """Return what `result` returns, without blocking the event loop."""
        return loaded(await self._app().async_client.result(self.id))

    def _app(self) -> App:
        if self.app is None:
            raise ConfigError(f"{self!r} belongs to no app here: use app.job({self.id})")
        return self.app


def loaded(text: str | None) -> Any:
    """Return the value of a result's JSON text."""
    return None if text is None else msgspec.json.decode(text)
