"""A network between a client and the server that loses answers, or goes silent, on demand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from psycopg import conninfo

from tests.torture.proxy import Connection, Door, _application


class Wire(Connection):
    """Be a connection that can go silent without a word to either side."""

    name, silent = b"", False

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        self.name = self.name or _application(data)
        while self.silent:
            await asyncio.sleep(0.02)
        await super()._pass(data, writer)


class Network:
    """Lead to the server of a DSN by way of a door that can be told what to do wrong."""

    def __init__(self, dsn: str) -> None:
        given = conninfo.conninfo_to_dict(dsn)
        host = str(given.get("host", ""))
        if not host.startswith("/"):
            pytest.skip("needs a server with a local socket")
        self._path = f"{host}/.s.PGSQL.{given.get('port') or 5432}"
        self.door = Door()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server = self._do(asyncio.start_server(self._enter, "127.0.0.1", 0))
        port = self._server.sockets[0].getsockname()[1]
        self.dsn = conninfo.make_conninfo(
            dsn, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable"
        )

    def close(self) -> None:
        """End all connections, and the thread."""
        self._call(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def order(self, **order: Any) -> None:
        """Have something go wrong, from now on."""
        self._call(lambda: self.door.order(order))

    def silence(self, name: str) -> None:
        """Let nothing more through on the connections that a client of this name has now."""

        def fall_silent() -> None:
            for wire in self.door.open:
                if isinstance(wire, Wire) and wire.name.endswith(name.encode()):
                    wire.silent = True

        self._call(fall_silent)

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Wire(self.door, self._path).carry(reader, writer)

    def _end(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            if task is not asyncio.current_task(self._loop):
                task.cancel()

    def _do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def _call(self, do: Callable[[], object]) -> None:
        async def call() -> None:
            do()

        self._do(call())
