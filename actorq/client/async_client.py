"""The client for asyncio: the same names, awaited.

Without `conn` a call runs the synchronous client in a thread: encoding many jobs does not
block the event loop either, and connections outlive it. With `conn`, an asynchronous psycopg
connection, everything happens on that one, in its transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from actorq.client.client import around, driver_connection, explained, if_lost, many, one
from actorq.client.handle import JobHandle
from actorq.client.options import Options
from actorq.errors import ConfigError
from actorq.store.enqueue.enqueue import Steps, run_async

if TYPE_CHECKING:
    from actorq.app import App
    from actorq.kind import Kind

T = TypeVar("T")


class AsyncClient:
    """Enqueue jobs and read what became of them without blocking the event loop."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def enqueue(
        self, kind: Kind, value: Any, options: Options, conn: Any = None
    ) -> JobHandle:
        """Enqueue one job of a kind."""
        if conn is None:
            return await _in_thread(self._app.client.enqueue, kind, value, options)
        return await self._do(one(self._app, kind, value, options), driver_connection(conn))

    async def enqueue_many(
        self,
        kind: Kind,
        items: Iterable[Any] | AsyncIterable[Any],
        options: Options,
        ids: bool,
        conn: Any = None,
    ) -> int | list[int]:
        """Enqueue a job per item and return how many are new, or the ids in order.

        The items of an asynchronous iterable are all fetched before the first one is sent.
        """
        if isinstance(items, AsyncIterable):
            items = [item async for item in items]
        if conn is None:
            client = self._app.client
            return await _in_thread(client.enqueue_many, kind, items, options, ids)
        theirs = driver_connection(conn)
        steps = many(self._app, kind, items, options, ids, around(theirs))
        return await self._do(steps, theirs)

    async def state(self, id_: int) -> str | None:
        """Return a job's readable state, None if there is no such job."""
        return await _in_thread(self._app.client.state, id_)

    async def result(self, id_: int) -> str | None:
        """Return a job's result as JSON text, None if there is none."""
        return await _in_thread(self._app.client.result, id_)

    async def _do(self, steps: Steps[T], conn: Any) -> T:
        from psycopg import AsyncConnection, AsyncRawCursor
        from psycopg.rows import tuple_row

        if not isinstance(conn, AsyncConnection):
            raise ConfigError("conn is a synchronous connection: use enqueue")
        with explained(self._app.schema, if_lost(conn), is_theirs=True):
            async with AsyncRawCursor(conn, row_factory=tuple_row) as cursor:
                return await run_async(cursor, steps)


async def _in_thread(call: Callable[..., T], *args: Any) -> T:
    import asyncio  # takes longer to import than all of actorq's own modules

    return await asyncio.to_thread(call, *args)
