"""The client: sends jobs to the database on a connection of its own or on the caller's.

What is sent stands in `store.enqueue`; here it is decided what to send, and on what. Nothing here
imports a database driver before the first call.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from actorq.client.handle import JobHandle
from actorq.client.options import Options, checked_key, checked_unique_key
from actorq.errors import ActorqError, ConfigError, EnqueueError, SchemaMismatch, StoreUnavailable
from actorq.loading import refuse_while_loading
from actorq.store.enqueue import enqueue
from actorq.store.enqueue.copy_data import Item, NewJob, Shared
from actorq.store.enqueue.enqueue import Steps, Transaction

if TYPE_CHECKING:
    from actorq.app import App
    from actorq.kind import Kind
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
    """Enqueue jobs and read what became of them; safe to use from any thread."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._connections: IdleConnections | None = None

    def enqueue(self, kind: Kind, value: Any, options: Options, conn: Any = None) -> JobHandle:
        """Enqueue one job of a kind."""
        theirs = driver_connection(conn)
        return self.do(one(self._app, kind, value, options), theirs, if_lost(theirs))

    def enqueue_many(
        self, kind: Kind, items: Iterable[Any], options: Options, ids: bool, conn: Any = None
    ) -> int | list[int]:
        """Enqueue a job per item and return how many are new, or the ids in order."""
        theirs = driver_connection(conn)
        steps = many(self._app, kind, items, options, ids, around(theirs))
        return self.do(steps, theirs, if_lost(theirs))

    def state(self, id_: int) -> str | None:
        """Return a job's readable state, None if there is no such job."""
        return self.do(enqueue.state(self._app.schema, id_))

    def result(self, id_: int) -> str | None:
        """Return a job's result as JSON text, None if there is none."""
        return self.do(enqueue.result(self._app.schema, id_))

    def close(self) -> None:
        """Close the idle connections; the next call opens a new one."""
        made, self._connections = self._connections, None
        if made is not None:
            made.close()

    def do(self, steps: Steps[T], conn: Any = None, lost: str = "") -> T:
        """Do the steps on the caller's connection, or on one of our own.

        `lost` is what a connection lost meanwhile means for what the steps send.
        """
        if conn is not None:
            return self._do(steps, conn, lost, is_theirs=True)
        with self.connections.lent() as own:
            return self._do(steps, own, lost, is_theirs=False)

    def _do(self, steps: Steps[T], conn: Any, lost: str, is_theirs: bool) -> T:
        from psycopg import Connection, RawCursor
        from psycopg.rows import tuple_row

        if not isinstance(conn, Connection):
            raise ConfigError("conn is an asynchronous connection: use enqueue_async")
        with (
            explained(self._app.schema, lost, is_theirs),
            RawCursor(conn, row_factory=tuple_row) as cursor,
        ):
            return enqueue.run(cursor, steps)

    @property
    def connections(self) -> IdleConnections:
        """Return the idle connections to what the app calls its database now."""
        from actorq.store.enqueue.idle import IdleConnections

        app, made = self._app, self._connections
        dsn = app.dsn()
        if made is None or made.dsn != dsn:
            self.close()
            self._connections = made = IdleConnections(dsn, app.schema, pooler=app.pooler)
        return made


# ---- what to send -------------------------------------------------------------------------


def one(app: App, kind: Kind, value: Any, options: Options) -> Steps[JobHandle]:
    """Return the steps that enqueue one job; its args are checked and encoded at once."""
    if callable(options.key) or callable(options.unique_key):
        raise EnqueueError("key and unique_key can be functions only in enqueue_many")
    shared, args = _shared(app, kind, options), kind.codec.encode(value)
    if options.unique_key is None:
        return _handle(app, kind.name, enqueue.one(shared, args))
    row = NewJob(args, options.key, options.unique_key)
    return _unique_handle(app, kind.name, enqueue.unique_one(shared, row))


def many(
    app: App, kind: Kind, items: Iterable[Any], options: Options, ids: bool, around: Transaction
) -> Steps[int | list[int]]:
    """Return the steps that enqueue a job per item; items are encoded while they are sent."""
    shared = _shared(app, kind, options)
    if options.unique_key is not None:
        if not callable(options.unique_key):
            raise EnqueueError("unique_key must be a function of the args in enqueue_many")
        rows = list(_rows(kind, items, options))
        return _unique_many(enqueue.unique_many(shared, rows, around), ids)
    encoded: Iterator[Item] = _encoded(kind, items)
    if callable(options.key):
        encoded = _rows(kind, items, options)
    if ids:
        return enqueue.many_with_ids(shared, encoded, around)
    if shared.is_now:
        return enqueue.many(shared, encoded, around)
    return _counted(enqueue.many_with_ids(shared, encoded, around))


def _shared(app: App, kind: Kind, options: Options) -> Shared:
    refuse_while_loading("a job was enqueued")
    return Shared(
        schema=app.schema,
        kind=kind.name,
        queue=options.queue or kind.queue,
        priority=5 if options.priority is None else options.priority,
        run_at=options.run_at,
        delay_s=options.delay_s or 0.0,
        max_attempts=options.max_attempts,
        tags=options.tags,
        key="" if callable(options.key) else options.key,
    )


def _encoded(kind: Kind, items: Iterable[Any]) -> Iterator[bytes]:
    encode, arrange = kind.codec.encode, kind.codec.arrange_item
    plain = kind.codec.function is None
    for n, item in enumerate(items):
        try:
            args = encode(item if plain else arrange(item))
        except EnqueueError as error:
            raise _of_item(n, error) from None
        yield args


def _rows(kind: Kind, items: Iterable[Any], options: Options) -> Iterator[NewJob]:
    """Encode items that have keys of their own, made by the caller's functions."""
    codec = kind.codec
    for n, item in enumerate(items):
        key, unique_key = options.key, ""
        try:
            if callable(options.key):
                key = checked_key(options.key(item))
            if options.unique_key is not None:
                unique_key = checked_unique_key(options.unique_key(item))
            row = NewJob(codec.encode(codec.arrange_item(item)), key, unique_key)
        except EnqueueError as error:
            raise _of_item(n, error) from None
        yield row


def _of_item(n: int, error: EnqueueError) -> EnqueueError:
    made = type(error)(f"item {n}: {error}; none of the call's jobs is enqueued")
    made.item, made.reason = n, str(error)
    return made


def _handle(app: App, kind: str, steps: Steps[int]) -> Steps[JobHandle]:
    return JobHandle(app, (yield from steps), kind)


def _unique_handle(app: App, kind: str, steps: Steps[tuple[int, bool]]) -> Steps[JobHandle]:
    id_, is_new = yield from steps
    return JobHandle(app, id_, kind, is_new)


def _unique_many(steps: Steps[list[tuple[int, bool]]], ids: bool) -> Steps[int | list[int]]:
    held = yield from steps
    return [id_ for id_, _ in held] if ids else sum(is_new for _, is_new in held)


def _counted(steps: Steps[list[int]]) -> Steps[int]:
    return len((yield from steps))


# ---- on which connection ------------------------------------------------------------------


def around(conn: Any) -> Transaction:
    """Return what makes several statements one: a transaction, or in the caller's a savepoint."""
    return enqueue.OWN if _commits_itself(conn) else enqueue.CALLERS


def if_lost(conn: Any) -> str:
    """Return what it means for an enqueue if this connection, None for our own, is lost."""
    return _IN_DOUBT if _commits_itself(conn) else _ROLLED_BACK


def _commits_itself(conn: Any) -> bool:
    """Return whether an enqueue on this connection is a transaction of its own."""
    from psycopg.pq import TransactionStatus

    if conn is None:
        return True
    return bool(conn.autocommit and conn.info.transaction_status == TransactionStatus.IDLE)


def driver_connection(conn: Any) -> Any:
    """Return the psycopg connection behind what the caller gave as `conn`, or None for None.

    Knows psycopg's own connections and cursors, SQLAlchemy's connections and sessions, and
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


def _inner(conn: Any) -> Any:
    if callable(connect := getattr(conn, "ensure_connection", None)):  # Django connects late
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

    `lost` is what to say first of a lost connection; reads have nothing to add. The driver's error
    is the cause, without its traceback: those frames are ours, and hide the user's own line. On the
    caller's own connection an error is still the driver's, too.
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
        said_all = type(mapped) is SchemaMismatch  # the driver's words are all in there
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
