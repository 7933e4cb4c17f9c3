"""The app: the kinds of a program, the database they live in, and the ways to run them."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Unpack, cast

import msgspec

from actorq.args.codec import DEFAULT_MAX_BYTES, ArgsCodec
from actorq.config import find_dsn, masked
from actorq.core.job.policy import DEFAULT_QUEUE, KindPolicy, Nan, check_integer
from actorq.declared import codec_of, shape_of
from actorq.errors import ConfigError, UnknownKind
from actorq.kind import ActorSettings, Decorator, Kind, is_again, with_settings
from actorq.store.session.statements import checked_schema

if TYPE_CHECKING:
    from actorq.admin import Admin, AsyncAdmin
    from actorq.client.async_client import AsyncClient
    from actorq.client.client import Client
    from actorq.client.handle import JobHandle
    from actorq.events import Events
    from actorq.supervisor.options import RunSettings

MAX_ARGS_BYTES = 16 * 1024 * 1024


class App:
    """Declare kinds, bind handlers, enqueue, run.

    Making one opens nothing. The database is `dsn`, else ACTORQ_DSN, else libpq's PG*
    variables; with `embedded`, a private server on this machine, started at the first use.
    With `allow_undeclared`, `enqueue` by name takes names nobody declared. `pooler` says that
    the DSN leads to a transaction pooler: enough to enqueue, never to run.
    """

    def __init__(
        self,
        dsn: str | None = None,
        *,
        schema: str = "actorq",
        embedded: bool = False,
        allow_undeclared: bool = False,
        max_args_bytes: int = DEFAULT_MAX_BYTES,
        pooler: bool = False,
    ) -> None:
        if dsn is not None and embedded:
            raise ConfigError("dsn and embedded are both given: one of them decides")
        self._dsn = None if dsn is None else find_dsn(dsn)
        self._located: str | None = None  # decided elsewhere, from PG* variables where empty
        self._embedded = embedded
        self._server: Any = None
        self._lock = threading.Lock()
        self.home = str(sys._getframe(1).f_globals.get("__name__", ""))
        self.entry = ""  # what `actorq run` was told: MODULE:APP
        self.schema = checked_schema(schema)
        self.allow_undeclared = allow_undeclared
        self.max_args_bytes = check_integer("max_args_bytes", max_args_bytes, 1, MAX_ARGS_BYTES)
        self.pooler = pooler
        self.kinds: dict[str, Kind] = {}

    def __repr__(self) -> str:
        where = "embedded" if self._embedded else masked(self._dsn or "from the environment")
        return f"App({where!r}, schema={self.schema!r}, kinds={sorted(self.kinds)})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Send an app as its kinds and settings: no connection, no event, and no password."""
        settings = (self.schema, self.allow_undeclared, self.max_args_bytes, self.pooler)
        return _sent, settings, self.kinds

    def __setstate__(self, kinds: dict[str, Kind]) -> None:
        self.kinds = kinds
        for kind in kinds.values():
            kind.app = self

    # ---- declaring ------------------------------------------------------------------------

    def kind(
        self, name: str, *, args: Any = None, queue: str = DEFAULT_QUEUE, nan: Nan | None = None
    ) -> Kind:
        """Declare a kind without its handler, for processes that only enqueue it.

        `args` is the type of its args: a msgspec Struct, dataclass, TypedDict, pydantic model or
        anything else JSON can hold; without it any JSON value is taken. `nan` says what NaN and
        infinity become.
        """
        codec = ArgsCodec(args, max_bytes=self.max_args_bytes)
        known = self.kinds.get(name)
        if known is None:
            return self._add(Kind(self, KindPolicy(name=name, queue=queue, nan=nan), codec))
        if nan not in (None, known.policy.nan):
            raise ConfigError(f"kind {name!r} is declared already, with nan={known.policy.nan!r}")
        if known.codec.fingerprint() != codec.fingerprint() or known.queue != queue:
            raise ConfigError(
                f"kind {name!r} is declared already, with args {known.codec.name} on queue "
                f"{known.queue!r}; now it would have {codec.name} on {queue!r}"
            )
        return known

    def actor(
        self, name: str, *, queue: str = DEFAULT_QUEUE, **settings: Unpack[ActorSettings]
    ) -> Decorator:
        """Return the decorator that declares a kind and binds its handler in one.

        A function with a parameter annotated Batch[T], or a class with `handle`, is given whole
        batches. The args of any other function, or of a class's `handle_one`, are its own
        parameters, one job at a time; one annotated `Job` is the job itself.

        Where a function given as `retry` raises or returns no number, the default delay serves,
        and an event `RetryFunctionFailed` says so.
        """
        policy = with_settings(KindPolicy(name=name, queue=queue), settings)
        return cast(Decorator, functools.partial(self._declare, policy))

    def _declare(self, policy: KindPolicy, handler: Any) -> Any:
        kind = self.kinds.get(policy.name)
        if kind is None or is_again(kind, handler):
            codec = codec_of(handler, shape_of(handler), self.max_args_bytes)
            kind = Kind(self, policy, codec)
        elif kind.queue != policy.queue:
            raise ConfigError(f"kind {kind.name!r} is declared already, on queue {kind.queue!r}")
        if kind.handler is None:
            kind.policy = msgspec.structs.replace(policy, nan=policy.nan or kind.policy.nan)
        bound = kind.bind(handler)
        self._add(kind)
        return bound

    def _add(self, kind: Kind) -> Kind:
        self.kinds[kind.name] = kind
        return kind

    # ---- enqueueing -----------------------------------------------------------------------

    def enqueue(self, kind: str | Kind, *args: Any, **options: Any) -> JobHandle:
        """Enqueue one job of a kind given by name; takes what `Kind.enqueue` takes."""
        return self._kind(kind).enqueue(*args, **options)

    def enqueue_many(
        self, kind: str | Kind, items: Iterable[Any], **options: Any
    ) -> int | list[int]:
        """Enqueue a job per item; takes what `Kind.enqueue_many` takes."""
        n_or_ids: int | list[int] = self._kind(kind).enqueue_many(items, **options)
        return n_or_ids

    async def enqueue_async(self, kind: str | Kind, *args: Any, **options: Any) -> JobHandle:
        """Do what `enqueue` does, without blocking the event loop."""
        return await self._kind(kind).enqueue_async(*args, **options)

    async def enqueue_many_async(
        self, kind: str | Kind, items: Any, **options: Any
    ) -> int | list[int]:
        """Do what `enqueue_many` does, without blocking the event loop."""
        return await self._kind(kind).enqueue_many_async(items, **options)

    def job(self, id: int, kind: str = "") -> JobHandle:
        """Return the handle of a job whose id is known."""
        from actorq.client.handle import JobHandle

        return JobHandle(self, id, kind)

    def _kind(self, kind: str | Kind) -> Kind:
        if isinstance(kind, Kind):
            return kind
        if isinstance(kind, str) and kind in self.kinds:
            return self.kinds[kind]
        codec = ArgsCodec(max_bytes=self.max_args_bytes)
        undeclared = Kind(self, KindPolicy(name=kind), codec)  # checks the name
        if self.allow_undeclared:
            return undeclared
        known = ", ".join(sorted(self.kinds)) or "none"
        raise UnknownKind(
            f"kind {kind!r} is not declared on this app; its kinds are: {known}. Declare it with "
            f"app.kind({kind!r}, …), or take any name with App(allow_undeclared=True)"
        )

    # ---- running --------------------------------------------------------------------------

    def run(
        self,
        *,
        kinds: Sequence[str] | None = None,
        queues: Sequence[str] | None = None,
        drain: bool = False,
        **settings: Unpack[RunSettings],
    ) -> int:
        """Run the kinds that have a handler here until told to stop; returns the exit code.

        0: it has stopped in order. 1: its stop was cut short, outcomes were not written, or a
        drain was not done. 3: the database would not let it go on, 4: nor would the schema; the
        log says why.

        Settings are ttl_s, poll_s, grace_s, notify, settle_rows, and those of `drain`; durations
        are seconds, a timedelta, or text like "1h30m". Raises ConfigError for wrong ones, and
        StoreError if the database cannot be used at the start.
        """
        from actorq.supervisor import engine

        return engine.run(self, kinds=kinds, queues=queues, drain=drain, **settings)

    def drain(
        self,
        *,
        kinds: Sequence[str] | None = None,
        queues: Sequence[str] | None = None,
        **settings: Unpack[RunSettings],
    ) -> int:
        """Run until nothing is due any more; returns the exit code.

        With `until_final=True`, until nothing is to be run any more: it waits for retries,
        snoozed and scheduled jobs and other supervisors, up to `limit_s` (an hour).

        0: done. 1: due jobs are left, as their kind could not start or rests, or as it was
        stopped; until all is final also if any job failed or is left. The log ends with how many
        jobs were run and are left. Other codes are those of `run`.
        """
        return self.run(kinds=kinds, queues=queues, drain=True, **settings)

    async def run_async(
        self,
        *,
        kinds: Sequence[str] | None = None,
        queues: Sequence[str] | None = None,
        **settings: Unpack[RunSettings],
    ) -> int:
        """Run in a thread of its own; cancelling it stops the supervisor and waits for that."""
        import asyncio

        from actorq.supervisor.engine import Engine
        from actorq.supervisor.options import RunOptions

        options = RunOptions.of(self, kinds=kinds, queues=queues, **settings)
        engine = Engine(options, self.events)
        running = asyncio.ensure_future(asyncio.to_thread(engine.run))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            engine.stop()
            await running
            raise

    # ---- the database ---------------------------------------------------------------------

    def relocate(self, dsn: str | None, schema: str) -> None:
        """Have the jobs live elsewhere than declared; without a DSN, in that schema there.

        The command line decides so for its supervisor, and a supervisor for its actors.
        """
        if "client" in self.__dict__:
            self.client.close()
        self.schema = checked_schema(schema)
        if dsn is not None:
            self._located, self.pooler = dsn, False

    def dsn(self) -> str:
        """Return the DSN, starting the private server if that is what the app has."""
        if self._located is not None:
            return self._located
        if not self._embedded:
            return find_dsn(self._dsn)
        with self._lock:
            if self._server is None:
                self._server = _private_server(self.schema)
            return str(self._server.dsn)

    @functools.cached_property
    def client(self) -> Client:
        """Return the client that sends this app's jobs."""
        from actorq.client.client import Client

        return Client(self)

    @functools.cached_property
    def async_client(self) -> AsyncClient:
        """Return the client for asyncio."""
        from actorq.client.async_client import AsyncClient

        return AsyncClient(self)

    @functools.cached_property
    def admin(self) -> Admin:
        """Return what the commands do: status, jobs, retry, cancel, prune, doctor, migrate."""
        from actorq.admin import Admin

        return Admin(self)

    @functools.cached_property
    def async_admin(self) -> AsyncAdmin:
        """Return the same for asyncio."""
        from actorq.admin import AsyncAdmin

        return AsyncAdmin(self)

    @functools.cached_property
    def events(self) -> Events:
        """Return where this app's supervisor tells what happened."""
        from actorq.events import Events

        return Events()

    def close(self) -> None:
        """Close idle connections, and let go of the private server."""
        if "client" in self.__dict__:
            self.client.close()
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.close()

    def __enter__(self) -> App:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _sent(schema: str, allow_undeclared: bool, max_args_bytes: int, pooler: bool) -> App:
    return App(
        schema=schema,
        allow_undeclared=allow_undeclared,
        max_args_bytes=max_args_bytes,
        pooler=pooler,
    )


def _private_server(schema: str) -> Any:
    from actorq import embedded
    from actorq.store.schema.migrate import migrate

    server = embedded.start()
    try:
        migrate(server.dsn, schema)
    except BaseException:
        server.close()
        raise
    return server
