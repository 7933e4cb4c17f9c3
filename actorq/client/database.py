"""Where to connect: the database that holds the jobs of an app."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from actorq.dsn import find_dsn, masked
from actorq.errors import ConfigError
from actorq.store.session.statements import checked_schema

if TYPE_CHECKING:
    from actorq.embedded.server import Server


class Database:
    """The place of jobs: a DSN, found when it is first used, and a schema; opens no connection.

    With `embedded` it is a private server, started when its DSN is first asked for. `pooler`
    says that the DSN leads to a transaction pooler.
    """

    def __init__(
        self, dsn: str | None, schema: str, *, embedded: bool = False, pooler: bool = False
    ) -> None:
        if dsn is not None and embedded:
            raise ConfigError("dsn and embedded are both given: one of them decides")
        self.schema = checked_schema(schema)
        self.pooler = pooler
        self._dsn = None if dsn is None else find_dsn(dsn)
        self._located: str | None = None  # decided elsewhere; from PG* variables if empty
        self._embedded = embedded
        self._server: Server | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        where = "embedded" if self._embedded else masked(self._dsn or "from the environment")
        return f"{where!r}, schema={self.schema!r}"

    def dsn(self) -> str:
        """Return the DSN; if the database is a private server, start it."""
        if self._located is not None:
            return self._located
        if not self._embedded:
            return find_dsn(self._dsn)
        with self._lock:
            if self._server is None:
                self._server = _private_server(self.schema)
            return self._server.dsn

    def relocate(self, dsn: str | None, schema: str) -> None:
        """Move the place of the jobs; without a DSN, to another schema of the same database.

        The command line decides this for its supervisor, and a supervisor for its actors.
        """
        self.schema = checked_schema(schema)
        if dsn is not None:
            self._located, self.pooler = dsn, False

    def close(self) -> None:
        """Release the private server."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.close()


def _private_server(schema: str) -> Server:
    from actorq import embedded
    from actorq.store.schema.migrate import migrate

    server = embedded.start()
    try:
        migrate(server.dsn, schema)
    except BaseException:
        server.close()
        raise
    return server
