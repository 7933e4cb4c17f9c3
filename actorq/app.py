"""The app: the kinds of a program, the database that holds their jobs, and the ways to run them."""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast, overload

import msgspec

from actorq.args.codec import DEFAULT_MAX_BYTES, ArgsCodec
from actorq.client.async_client import AsyncClient
from actorq.client.client import Client
from actorq.client.database import Database
from actorq.client.handle import JobHandle
from actorq.core.job.policy import DEFAULT_QUEUE, KindPolicy, Nan, check_integer
from actorq.core.job.settings import ActorSettings, with_settings
from actorq.declared import codec_of, shape_of
from actorq.errors import ConfigError, UnknownKind
from actorq.kind import Decorator, Kind, KindOf, is_again

if TYPE_CHECKING:
    from actorq.admin import Admin, AsyncAdmin
    from actorq.client.counting import CountSettings
    from actorq.client.follow import AsyncFollower, Follower, FollowSettings
    from actorq.durations import Duration
    from actorq.events import Events
    from actorq.supervisor.options import RunOptions, RunSettings

T = TypeVar("T")

MAX_ARGS_BYTES = 16 * 1024 * 1024


class App:
    """The kinds of one program: declare them, bind handlers, enqueue and run jobs.

    Creating an app opens nothing. The database is `dsn`, else ACTORQ_DSN, else libpq's PG*
    variables; with `embedded`, a private server on this machine, started when it is first used.
    With `allow_undeclared`, `enqueue` by name accepts names that nobody declared. `pooler` says
    that the DSN leads to a transaction pooler: enough to enqueue, but not to run jobs.
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
        self.database = Database(dsn, schema, embedded=embedded, pooler=pooler)
        self._client = Client(self.database)
        self.home = str(sys._getframe(1).f_globals.get("__name__", ""))
        self.entry = ""  # MODULE:APP as given to `actorq run`
        self.allow_undeclared = allow_undeclared
        self.max_args_bytes = check_integer("max_args_bytes", max_args_bytes, 1, MAX_ARGS_BYTES)
        self.kinds: dict[str, Kind] = {}

    def __repr__(self) -> str:
        return f"App({self.database}, kinds={sorted(self.kinds)})"

    @property
    def schema(self) -> str:
        """Return the schema that holds its jobs."""
        return self.database.schema

    @property
    def pooler(self) -> bool:
        """Return whether its DSN leads to a transaction pooler."""
        return self.database.pooler

    def __reduce__(self) -> tuple[Any, ...]:
        """Reduce an app to its kinds and settings: no connection, no event, and no password."""
        settings = (self.schema, self.allow_undeclared, self.max_args_bytes, self.pooler)
        return _sent, settings, self.kinds

    def __setstate__(self, kinds: dict[str, Kind]) -> None:
        self.kinds = kinds
        for kind in kinds.values():
            kind.client = self.client

    # ---- declaring ------------------------------------------------------------------------

    @overload
    def kind(
        self, name: str, *, args: type[T], queue: str = ..., nan: Nan | None = ...
    ) -> KindOf[T]: ...
    @overload
    def kind(
        self, name: str, *, args: object = None, queue: str = ..., nan: Nan | None = ...
    ) -> Kind: ...
    def kind(
        self, name: str, *, args: object = None, queue: str = DEFAULT_QUEUE, nan: Nan | None = None
    ) -> Kind:
        """Declare a kind without its handler, for processes that only enqueue it.

        `args` is the type of its args: a msgspec Struct, dataclass, TypedDict, pydantic model or
        anything else that JSON can hold; without it, any JSON value is accepted. `nan` says what
        NaN and infinity become.
        """
        codec = ArgsCodec(args, max_bytes=self.max_args_bytes)
        known = self.kinds.get(name)
        if known is None:
            return self._add(Kind(self.client, KindPolicy(name=name, queue=queue, nan=nan), codec))
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
        """Return the decorator that declares a kind and at once binds its handler.

        A function with a parameter annotated Batch[T], or a class with `handle`, is given whole
        batches. The args of any other function, or of a class's `handle_one`, are its own
        parameters, one job at a time; one annotated `Job` is the job itself.

        If a function given as `retry` raises or returns no number, the default delay applies, and
        an event `RetryFunctionFailed` reports it.
        """
        if callable(name):
            said = getattr(name, "__name__", "name")
            raise ConfigError(f'write @app.actor("{said}"): a kind has a name')
        policy = with_settings(KindPolicy(name=name, queue=queue), settings)
        return cast(Decorator, functools.partial(self._declare, policy))

    def _declare(self, policy: KindPolicy, handler: object) -> object:
        kind = self.kinds.get(policy.name)
        if kind is None or is_again(kind, handler):
            codec = codec_of(handler, shape_of(handler), self.max_args_bytes)
            kind = Kind(self.client, policy, codec)
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

    def enqueue(self, kind: str | Kind, *args: object, **options: object) -> JobHandle:
        """Enqueue one job of a kind given by name; takes what `Kind.enqueue` takes."""
        return self._kind(kind).enqueue(*args, **options)

    def enqueue_many(
        self, kind: str | Kind, items: Iterable[object], **options: Any
    ) -> int | list[int]:
        """Enqueue a job per item; takes what `Kind.enqueue_many` takes."""
        n_or_ids: int | list[int] = self._kind(kind).enqueue_many(items, **options)
        return n_or_ids

    async def enqueue_async(self, kind: str | Kind, *args: object, **options: object) -> JobHandle:
        """Do what `enqueue` does, without blocking the event loop."""
        return await self._kind(kind).enqueue_async(*args, **options)

    async def enqueue_many_async(
        self, kind: str | Kind, items: Any, **options: Any
    ) -> int | list[int]:
        """Do what `enqueue_many` does, without blocking the event loop."""
        sent = self._kind(kind).enqueue_many_async(items, **options)
        n_or_ids: int | list[int] = await sent
        return n_or_ids

    def job(self, id: int, kind: str = "") -> JobHandle:
        """Return the handle of a job whose id is known; TypeError for what is no id."""
        if isinstance(id, bool) or not hasattr(id, "__index__"):  # numpy's integers have it
            raise TypeError(f"app.job({id!r}): give the id of a job, a whole number")
        return JobHandle(self.client, operator.index(id), kind)

    def follow(self, **options: Unpack[FollowSettings]) -> Follower:
        """Return a Follower: an iterator over what happens in all supervisors from now on."""
        from actorq.client.follow import Follower

        return Follower(self.database, closing=self.client.closing, **options)

    def wait(
        self, *, count: int, timeout_s: Duration, **options: Unpack[CountSettings]
    ) -> dict[str, int]:
        """Wait until so many jobs, whichever they are, have become final; return their states."""
        from actorq.client.counting import wait_for_count

        return wait_for_count(self.database, count, timeout_s=timeout_s, **options)

    def follow_async(self, **options: Unpack[FollowSettings]) -> AsyncFollower:
        """Return a follower for asyncio, which does not block the event loop."""
        from actorq.client.follow import AsyncFollower

        return AsyncFollower(functools.partial(self.follow, **options))

    def _kind(self, kind: str | Kind) -> Kind:
        if isinstance(kind, Kind):
            return kind
        if isinstance(kind, str) and kind in self.kinds:
            return self.kinds[kind]
        codec = ArgsCodec(max_bytes=self.max_args_bytes)
        undeclared = Kind(self.client, KindPolicy(name=kind), codec)  # checks the name
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
        """Run the kinds that have a handler here until told to stop; return the exit code.

        0: it has stopped in order. 1: its stop was cut short, outcomes were not written, or a
        drain was not finished. 3: the database made it stop; 4: the schema did. The log says why.

        Settings are ttl_s, poll_s, grace_s, notify, settle_rows, and those of `drain`; durations
        are seconds, a timedelta, or text like "1h30m". Raises ConfigError for wrong ones, and
        StoreError if the database cannot be used at the start.
        """
        from actorq.supervisor.engine import Engine

        options = self.run_options(kinds=kinds, queues=queues, drain=drain, **settings)
        return Engine(options, self.events).run()

    def drain(
        self,
        *,
        kinds: Sequence[str] | None = None,
        queues: Sequence[str] | None = None,
        **settings: Unpack[RunSettings],
    ) -> int:
        """Run until nothing is due any more; return the exit code.

        With `until_final=True`, run until every job is final: this waits for retries, snoozed and
        scheduled jobs and other supervisors, up to `limit_s` (an hour).

        0: done. 1: due jobs are left, because their kind could not start or rests, or because the
        run was stopped; with `until_final` also if any job failed or is left. The last log line
        says how many jobs were run and how many are left. Other codes are those of `run`.
        """
        return self.run(kinds=kinds, queues=queues, drain=True, **settings)

    async def run_async(
        self,
        *,
        kinds: Sequence[str] | None = None,
        queues: Sequence[str] | None = None,
        **settings: Unpack[RunSettings],
    ) -> int:
        """Run in a thread of its own; cancelling it stops the supervisor and waits for its end."""
        import asyncio

        from actorq.supervisor.engine import Engine

        options = self.run_options(kinds=kinds, queues=queues, **settings)
        engine = Engine(options, self.events)
        running = asyncio.ensure_future(asyncio.to_thread(engine.run))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            engine.stop()
            await running
            raise

    def run_options(
        self,
        *,
        kinds: Sequence[str] | None = None,
        queues: Sequence[str] | None = None,
        drain: bool = False,
        **settings: Unpack[RunSettings],
    ) -> RunOptions:
        """Return what a supervisor of this app is told; all kinds with a handler, unless named."""
        from actorq.supervisor.options import RunOptions

        if self.pooler:
            raise ConfigError("App(pooler=True) can only enqueue: to run, give a direct DSN")
        served = tuple(kind.bound(self) for kind in self._served(kinds))
        until_final = settings.get("until_final", False)
        if "limit_s" in settings and not until_final:
            raise ConfigError("limit_s is for a drain until_final: any other one does not wait")
        given: dict[str, Any] = {**settings}  # durations in any form
        return RunOptions(
            dsn=self.dsn(),
            schema=self.schema,
            kinds=served,
            queues=_named(queues),
            drain=drain or until_final,
            **given,
        )

    def _served(self, names: Sequence[str] | None) -> list[Kind]:
        """Return the kinds named, or all with a handler; raises ConfigError for a wrong name."""
        if names is None:
            return [kind for kind in self.kinds.values() if kind.handler is not None]
        if isinstance(names, str):
            raise ConfigError(f"kinds={names!r}: give a list of names, even of one")
        missing = [name for name in names if name not in self.kinds]
        if missing:
            known = ", ".join(sorted(self.kinds)) or "none"
            raise ConfigError(f"no kind {missing[0]!r} in this app; its kinds are: {known}")
        bare = [name for name in names if self.kinds[name].handler is None]
        if bare:
            raise ConfigError(
                f"kind {bare[0]!r} has no handler here: import the module with its actor"
            )
        return [self.kinds[name] for name in names]

    # ---- the database ---------------------------------------------------------------------

    def relocate(self, dsn: str | None, schema: str) -> None:
        """Move the place of the jobs; without a DSN, to another schema of the same database.

        The command line decides this for its supervisor, and a supervisor for its actors.
        """
        self.client.close()
        self.database.relocate(dsn, schema)

    def dsn(self) -> str:
        """Return the DSN; if the app has a private server, start it."""
        return self.database.dsn()

    @property
    def client(self) -> Client:
        """Return the client that sends this app's jobs."""
        return self._client

    @property
    def async_client(self) -> AsyncClient:
        """Return the client for asyncio."""
        return AsyncClient(self._client)

    @functools.cached_property
    def admin(self) -> Admin:
        """Return the administration: status, jobs, retry, cancel, prune, doctor, migrate."""
        from actorq.admin import Admin

        return Admin(self)

    @functools.cached_property
    def async_admin(self) -> AsyncAdmin:
        """Return the administration for asyncio."""
        from actorq.admin import AsyncAdmin

        return AsyncAdmin(self)

    @functools.cached_property
    def events(self) -> Events:
        """Return the events of this app's supervisor, to subscribe to them."""
        from actorq.events import Events

        return Events()

    def close(self) -> None:
        """Close idle connections, and leave the private server."""
        self.client.close()
        self.database.close()

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


def _named(queues: Sequence[str] | None) -> tuple[str, ...]:
    """Return the queues to serve; none means those of the kinds themselves."""
    if isinstance(queues, str) or (queues is not None and not queues):
        raise ConfigError(f"queues={queues!r}: give a list of names, or leave it out for all")
    return tuple(queues or ())
