"""The client: it sends jobs to the database on a connection of its own or on the caller's.

`client.sending` says what is sent; this module decides on which connection. Nothing here imports
a database driver before the first call.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from actorq.client.database import Database
from actorq.client.sending import Sending
from actorq.errors import ActorqError, ConfigError, SchemaMismatch, StoreUnavailable
from actorq.store.enqueue import enqueue
from actorq.store.enqueue.enqueue import Steps, Transaction

if TYPE_CHECKING:
    from actorq.store.enqueue.idle import IdleConnections

T = TypeVar("T")

_NO_SCHEMA = ("3F000", "42P01", "42703", "42883", "42704")
_IN_DOUBT = (
    "the connection was lost before the answer: the job may or may not have been enqueued. "
    "With a unique_key, enqueueing it again does no harm"
)
_ROLLED_BACK = (
    "the connection was lost, and its open transaction with it: none of that transaction's jobs "
    "is enqueued"
)


class Client:
    """A client that enqueues jobs and reads their state; safe to use from any thread."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._connections: IdleConnections | None = None
        self.closing: dict[object, Callable[[], None]] = {}
        """What else ends when this is closed: waits, and the connection that they share."""

    def send(self, sending: Sending[T]) -> T:
        """Enqueue what is to be sent, and return what its kind of sending returns."""
        theirs = driver_connection(sending.conn)
        steps = sending.steps(self.database.schema, around(theirs))
        return self.do(steps, theirs, if_lost(theirs))

    def state(self, id_: int) -> str | None:
        """Return a job's readable state, None if there is no such job."""
        return self.do(enqueue.state(self.database.schema, id_))

    def result(self, id_: int) -> str | None:
        """Return a job's result as JSON text, None if there is none."""
        return self.do(enqueue.result(self.database.schema, id_))

    def close(self) -> None:
        """Close the idle connections, and end all waits; the next call opens a new connection."""
        for key, end in reversed(list(self.closing.items())):  # waits before what they share
            self.closing.pop(key, None)
            end()
        made, self._connections = self._connections, None
        if made is not None:
            made.close()

    def do(self, steps: Steps[T], conn: object = None, lost: str = "") -> T:
        """Perform the steps on the caller's connection, or on one of our own.

        `lost` says what it means for the steps if the connection is lost meanwhile.
        """
        if conn is not None:
            return self._do(steps, conn, lost, is_theirs=True)
        with self.connections.lent() as own:
            return self._do(steps, own, lost, is_theirs=False)

    def _do(self, steps: Steps[T], conn: object, lost: str, is_theirs: bool) -> T:
        from psycopg import Connection, RawCursor
        from psycopg.rows import tuple_row

        if not isinstance(conn, Connection):
            raise ConfigError("conn is an asynchronous connection: use enqueue_async")
        with (
            explained(self.database.schema, lost, is_theirs),
            RawCursor(conn, row_factory=tuple_row) as cursor,
        ):
            return enqueue.run(cursor, steps)

    @property
    def connections(self) -> IdleConnections:
        """Return the idle connections to the present database."""
        from actorq.store.enqueue.idle import IdleConnections

        made, database = self._connections, self.database
        dsn = database.dsn()
        if made is None or made.place != (dsn, database.schema, database.pooler):
            if made is not None:
                self.close()  # what follows or waits is somewhere else
            made = IdleConnections(dsn, database.schema, pooler=database.pooler)
            self._connections = made
        return made


# ---- on which connection ------------------------------------------------------------------


def around(conn: object) -> Transaction:
    """Return what makes statements atomic: a transaction, or a savepoint within the caller's."""
    return enqueue.OWN if _commits_itself(conn) else enqueue.CALLERS


def if_lost(conn: object) -> str:
    """Return what it means for an enqueue if this connection (None: our own) is lost."""
    return _IN_DOUBT if _commits_itself(conn) else _ROLLED_BACK


def _commits_itself(conn: Any) -> bool:
    """Return whether an enqueue on this connection is a transaction of its own."""
    from psycopg.pq import TransactionStatus

    if conn is None:
        return True
    return bool(conn.autocommit and conn.info.transaction_status == TransactionStatus.IDLE)


def driver_connection(conn: object) -> Any:
    """Return the psycopg connection behind what the caller gave as `conn`; None for None.

    Known are psycopg's own connections and cursors, SQLAlchemy's connections and sessions, and
    Django's `django.db.connection`. Raises ConfigError for anything else.
    """
    if conn is None:
        return None
    from psycopg import AsyncConnection, Connection

    found = conn
    for _ in range(5):
        if isinstance(found, Connection | AsyncConnection):
            return found
        found = _inner(found)
    raise ConfigError(
        f"conn is {type(conn).__module__}.{type(conn).__qualname__}, behind which there is no "
        "psycopg 3 connection. Give one of psycopg, SQLAlchemy or Django; with another driver, "
        "INSERT INTO the table job yourself"
    )


def _inner(conn: object) -> object:
    if callable(connect := getattr(conn, "ensure_connection", None)):  # Django connects lazily
        connect()
    for name in ("driver_connection", "sync_connection", "connection"):
        inner = getattr(conn, name, None)
        if inspect.iscoroutinefunction(inner):
            raise ConfigError(
                "conn is an asynchronous session: give its `await session.connection()`"
            )
        if inner is not None:
            return inner() if callable(inner) else inner
    return None


@contextlib.contextmanager
def explained(schema: str, lost: str = "", is_theirs: bool = False) -> Iterator[None]:
    """Turn the driver's errors into actorq's, with what to do about them.

    `lost` is what to say first about a lost connection; reads have nothing to add. The driver's
    error becomes the cause, without its traceback, whose frames are ours and would hide the user's
    own line. On the caller's own connection the error is also an instance of the driver's.
    """
    import psycopg

    from actorq.store.session.faults import both

    try:
        yield
    except ActorqError:
        raise
    except psycopg.Error as driver:
        error = driver.with_traceback(None)
        mapped = _mapped(error, schema, lost)
        said_all = type(mapped) is SchemaMismatch  # its text contains all of the driver's
        raise (both(mapped, error) if is_theirs else mapped) from (None if said_all else error)


def _mapped(error: Any, schema: str, lost: str) -> ActorqError:
    from actorq.store.session.faults import fault

    if error.sqlstate in _NO_SCHEMA:
        return SchemaMismatch(
            f"the schema {schema!r} is missing or of another version in this database "
            f"({str(error).strip().splitlines()[0]}): run actorq migrate, or upgrade actorq here "
            "if another one has migrated it"
        )
    mapped = fault(error)
    if lost and type(mapped) is StoreUnavailable:
        return StoreUnavailable(f"{lost} ({mapped})")
    return mapped
