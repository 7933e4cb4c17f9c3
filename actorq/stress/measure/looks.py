"""A session for looking at the database, which is opened again after the server was away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from actorq.errors import StoreUnavailable
from actorq.store.admin.run import run
from actorq.store.session.connection import Session
from actorq.stress.measure.place import StressPlace

BACK_S = 60.0
AGAIN_S = 0.1


class LookSession:
    """A session that outlasts a restart of the server; `begin` is done on each new connection."""

    def __init__(
        self, place: StressPlace, begin: Callable[[Session], object] | None = None
    ) -> None:
        self.schema = place.schema
        self._place, self._begin = place, begin
        self._conn: Session | None = None

    def run(self, name: str, **params: object) -> list[dict[str, Any]]:
        """Run a statement of the store and return its rows; if the server is away, wait for it."""
        until = time.monotonic() + BACK_S
        while True:
            try:
                return run(self.conn, self.schema, name, **params)
            except StoreUnavailable:
                self.close()
                if time.monotonic() > until:
                    raise
                time.sleep(AGAIN_S)

    def one(self, name: str, **params: object) -> dict[str, Any]:
        """Run a statement that returns one row."""
        [row] = self.run(name, **params)
        return row

    @property
    def conn(self) -> Session:
        """Return the connection, opened if it is not."""
        if self._conn is None or self._conn.closed:
            self._conn = self._place.connect()
            if self._begin is not None:
                self._begin(self._conn)
        return self._conn

    def close(self) -> None:
        """Close the connection; the next look opens another."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def __enter__(self) -> LookSession:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
