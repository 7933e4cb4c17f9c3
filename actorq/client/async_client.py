"""The client for asyncio: the same names, awaited.

Without `conn`, a call runs the synchronous client in a thread, so that even the encoding of many
jobs does not block the event loop, and connections outlive the loop. With `conn`, an asynchronous
psycopg connection, everything happens on that one, in its transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from actorq.client.client import Client, around, driver_connection, explained, if_lost
from actorq.client.sending import Sending
from actorq.errors import ConfigError
from actorq.store.enqueue.enqueue import Steps, run_async

T = TypeVar("T")


class AsyncClient:
    """A client that enqueues jobs and reads their state without blocking the event loop."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send(self, sending: Sending[T]) -> T:
        """Enqueue what is to be sent, and return what its kind of sending returns."""
        if sending.conn is None:
            return await _in_thread(self._client.send, sending)
        theirs = driver_connection(sending.conn)
        return await self._do(sending.steps(self._client.database.schema, around(theirs)), theirs)

    async def state(self, id_: int) -> str | None:
        """Return a job's readable state, None if there is no such job."""
        return await _in_thread(self._client.state, id_)

    async def result(self, id_: int) -> str | None:
        """Return a job's result as JSON text, None if there is none."""
        return await _in_thread(self._client.result, id_)

    async def _do(self, steps: Steps[T], conn: object) -> T:
        from psycopg import AsyncConnection, AsyncRawCursor
        from psycopg.rows import tuple_row

        if not isinstance(conn, AsyncConnection):
            raise ConfigError("conn is a synchronous connection: use enqueue")
        with explained(self._client.database.schema, if_lost(conn), is_theirs=True):
            async with AsyncRawCursor(conn, row_factory=tuple_row) as cursor:
                return await run_async(cursor, steps)


async def _in_thread(call: Callable[..., T], *args: object) -> T:
    import asyncio  # its import takes longer than that of all of actorq's own modules

    return await asyncio.to_thread(call, *args)
