"""Following what happens in all supervisors, as an iterator."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypedDict

from actorq.client.client import explained
from actorq.core.following.events import JOB_CHANGES, FollowedEvent, Gap, JobEvent
from actorq.core.following.feed import told
from actorq.durations import CENTURY_S, Duration, check_duration
from actorq.errors import ConfigError, StoreError, StoreUnavailable, WaitEnded

if TYPE_CHECKING:
    import asyncio

    from actorq.client.database import Database
    from actorq.core.following.cursor import Cursor

HINTED_S = 1.0
"""How long to wait for a notification before looking anyway."""

FIRST_S, MOST_S = 0.02, 0.25
"""The first pause between two looks without notifications, and the longest."""

BUSY, BUSY_S = 2_000, 0.02
"""After a look that has brought so many events, the next one waits, to be worth its statement."""

AGAIN_S, PATIENCE_S = 0.25, 60.0
"""How soon to try again without a database, and how long before that is an error."""

SLICE_S = 0.5
"""For how long a thread waits before it looks whether its task still wants it to."""


CLOSED = "this follower is closed: begin another one, from its cursor"


class FollowSettings(TypedDict, total=False):
    """What `follow_async` takes."""

    kinds: Iterable[str] | None
    states: Iterable[str] | None
    since: str | None
    notify: bool
    name: str


class Follower:
    """An endless iterator over events, each after its commit; several may run, each sees all.

    It yields a JobEvent for each change of a job's state, a SupervisorEvent for what a supervisor
    tells of its batches, actors and kinds, and a Gap for what was missed. `kinds` and `states`
    choose: `states` are those of a JobEvent and names of events (see `actorq.events`); without it
    all come. `since` is the `cursor` of a follower that has stopped: this one goes on behind the
    event that came last, in this process or another. With `notify` events come within
    milliseconds; without it, or through a transaction pooler, by polling. `name` is shown by
    `actorq status`. It reads by one connection of its own, and is closed by `close`, or as a
    context manager. Raises ConfigError for what makes no sense.
    """

    def __init__(
        self,
        database: Database,
        *,
        kinds: Iterable[str] | None = None,
        states: Iterable[str] | None = None,
        since: str | None = None,
        notify: bool = True,
        name: str = "",
        closing: dict[object, Callable[[], None]] | None = None,
    ) -> None:
        from actorq.store.changes.feed import ChangeFeed
        from actorq.store.changes.followers import Wishes

        self._closing = {} if closing is None else closing
        self._closed = threading.Event()
        self._lock = threading.Lock()  # held by whoever uses the connection
        self._kinds = _names("kinds", kinds)
        self._states = _states(states)
        jobs = self._states is None or bool(self._states & JOB_CHANGES)
        parts = self._states is None or bool(self._states - JOB_CHANGES)
        wishes = Wishes(jobs=jobs, parts=parts, hint=notify and not database.pooler)
        self._schema = database.schema
        self._feed = ChangeFeed(
            database.dsn(), database.schema, pooler=database.pooler, name=name, wishes=wishes
        )
        self._events: Iterator[FollowedEvent] = iter(())
        self._pause_s = FIRST_S
        self._n_brought = 0
        self._fails_since = 0.0
        try:
            with explained(self._schema):
                self._cursor: Cursor = self._feed.begin(since)
        except BaseException:
            self._feed.drop()
            raise
        self._closing[self] = self.close

    @property
    def is_closed(self) -> bool:
        """Return whether this follower has ended."""
        return self._closed.is_set()

    @property
    def cursor(self) -> str:
        """Return how far this has come, as a line of text to be kept."""
        return self._cursor.text()

    def __iter__(self) -> Iterator[FollowedEvent]:
        while not self._closed.is_set():
            for event in self._events:
                yield event
                if self._closed.is_set():
                    return
            late = self._next(HINTED_S)
            if late is not None:
                yield late

    def next(self, *, timeout_s: Duration) -> FollowedEvent | None:
        """Return the next event; None if there is none in this time.

        Raises StoreUnavailable if the database is away for a minute, and WaitEnded if this follower
        is closed.
        """
        if self._closed.is_set():
            raise WaitEnded(CLOSED, [])
        return self._next(check_duration("timeout_s", timeout_s, 0, CENTURY_S))

    def at_hand(self) -> FollowedEvent | None:
        """Return the next event if it was read already, without asking the database."""
        return next(self._events, None)

    def _next(self, timeout_s: float) -> FollowedEvent | None:
        event = self.at_hand()
        until = 0.0
        while event is None and not self._closed.is_set():
            now = time.monotonic()
            until = until or now + timeout_s
            with self._lock:
                if self._closed.is_set() or (not self._brought() and now >= until):
                    return None
                if not self._n_brought:
                    self._pause(max(0.0, until - now))
            event = self.at_hand()
        return event

    def close(self) -> None:
        """Close the connection; nothing is written for this follower any more, and it ends.

        An iteration in another thread ends, too. Without a database, nobody can be told: then the
        follower counts for another minute.
        """
        self._closed.set()
        self._closing.pop(self, None)
        with self._lock, contextlib.suppress(StoreError), explained(self._schema):
            self._events = iter(())
            self._feed.close()

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _brought(self) -> bool:
        """Look once; return whether there are events to go through."""
        if self._n_brought >= BUSY:
            time.sleep(BUSY_S)
        self._n_brought = 0
        try:
            with explained(self._schema):
                self._feed.open()
                self._feed.renew()
                look = self._feed.look(self._cursor)
        except StoreError as error:
            self._lost(error)
            return False
        self._fails_since = 0.0
        self._n_brought = sum(
            len(c.jobs[0]) + len(c.jobs[1]) if c.jobs else 1 for c in look.changes
        )
        self._n_brought += len(look.dropped) + len(look.told)
        events = told(self._cursor, look, self._feed.lane)
        wants_all = self._kinds is None and self._states is None
        self._events = events if wants_all else filter(self._wants, events)
        return bool(self._n_brought)

    def _lost(self, error: StoreError) -> None:
        """Give up a connection; raise the error if it does not pass, or has lasted for too long."""
        from actorq.store.session.faults import Contended, TooSlow

        if not isinstance(error, StoreUnavailable | Contended | TooSlow):
            raise error
        now = time.monotonic()
        self._feed.drop()
        self._fails_since = self._fails_since or now
        if self._closed.is_set():
            return
        if now - self._fails_since > PATIENCE_S:
            raise StoreUnavailable(f"nothing could be read for {PATIENCE_S:.0f} s: {error}")
        time.sleep(AGAIN_S)

    def _pause(self, left_s: float) -> None:
        """Wait for something to happen, but not longer than is good without notifications."""
        if self._fails_since:
            return
        pause_s = HINTED_S if self._feed.is_notified else self._pause_s
        try:
            with explained(self._schema):
                came = self._feed.wait(min(pause_s, left_s))
        except StoreError as error:
            self._lost(error)
            return
        self._pause_s = FIRST_S if came else min(2 * self._pause_s, MOST_S)

    def _wants(self, event: FollowedEvent) -> bool:
        if isinstance(event, JobEvent):
            is_of_kind = self._kinds is None or event.kind in self._kinds
            return is_of_kind and (self._states is None or event.state in self._states)
        if isinstance(event, Gap):
            return True
        is_of_kind = self._kinds is None or event.kind in self._kinds or event.kind == ""
        return is_of_kind and (self._states is None or event.name in self._states)


class AsyncFollower:
    """A Follower for asyncio: it waits in a thread, so that the event loop goes on.

    Close it, by `await follower.close()` or `async with`. A read that is cancelled loses nothing:
    the next one returns what it would have.
    """

    def __init__(self, make: Callable[[], Follower]) -> None:
        self._make = make
        self._begun: asyncio.Task[Follower] | None = None
        self._reading: asyncio.Task[FollowedEvent | None] | None = None
        self._cursor_before = ""
        self._is_closed = False

    @property
    def cursor(self) -> str:
        """Return how far this has come; empty before the first read."""
        if self._reading is not None or self._begun is None or not self._begun.done():
            return self._cursor_before
        return self._begun.result().cursor

    def __aiter__(self) -> AsyncFollower:
        return self

    async def __anext__(self) -> FollowedEvent:
        while not self._is_closed:
            with contextlib.suppress(WaitEnded):  # it was closed meanwhile
                event = await self.next(timeout_s=SLICE_S)
                if event is not None:
                    return event
        raise StopAsyncIteration

    async def next(self, *, timeout_s: Duration) -> FollowedEvent | None:
        """Do what `Follower.next` does."""
        import asyncio

        if self._is_closed:
            raise WaitEnded(CLOSED, [])
        if self._begun is None:
            self._begun = asyncio.ensure_future(asyncio.to_thread(self._make))
        follower = await asyncio.shield(self._begun)
        if self._reading is None:
            event = follower.at_hand()
            if event is not None:
                return event
            self._cursor_before = follower.cursor
            read = functools.partial(follower.next, timeout_s=timeout_s)
            self._reading = asyncio.ensure_future(asyncio.to_thread(read))
        reading = self._reading
        try:
            return await asyncio.shield(reading)
        finally:
            if reading.done():  # else somebody gave this wait up: the next one goes on
                self._reading = None

    async def close(self) -> None:
        """Do what `Follower.close` does."""
        import asyncio

        self._is_closed = True
        if self._begun is not None:
            follower = await asyncio.shield(self._begun)
            await asyncio.shield(asyncio.to_thread(follower.close))

    async def __aenter__(self) -> AsyncFollower:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


def _names(what: str, names: Iterable[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    if isinstance(names, str):
        raise ConfigError(f"{what}={names!r}: give a list, even of one: {what}=[{names!r}]")
    return frozenset(names)


def _states(states: Iterable[str] | None) -> frozenset[str] | None:
    from actorq import events

    found = _names("states", states)
    known = JOB_CHANGES | events.names()
    for name in found or ():
        if name not in known:
            raise ConfigError(
                f"states: there is no {name!r}: choose from {', '.join(sorted(JOB_CHANGES))}, or "
                "an event of a supervisor, such as batch_finished, actor_exited or kind_resting "
                "(see actorq.events)"
            )
    return found
