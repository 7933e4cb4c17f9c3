"""The waiter: one thread and one connection for all in this process who wait for jobs of a place.

It asks for the states of many jobs at once and tells everybody who waits for one of them. It is
started by the first wait. When nobody has waited for a while, it closes its connection and ends.

A forked child has waiters of its own and closes nothing of its parent's.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from actorq.client.bell import Bell
from actorq.client.client import explained
from actorq.client.pace import CHUNK, GATHER_S, Pace
from actorq.errors import ActorqError, SchemaMismatch, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from actorq.client.database import Database
    from actorq.store.enqueue.looks import LastFailure, Looks

IDLE_S = 5.0
"""How long the connection is kept when nobody waits any more."""

PATIENCE_S = 1.0
"""After how long without an answer a wait whose time is up says so; most take some ms."""

Address = tuple[str, str, bool]
"""A DSN, a schema, and whether the DSN leads to a transaction pooler."""


class JobEnd(NamedTuple):
    """What has become of a job: its final state, None if there is no such job, and its outcome."""

    state: str | None
    result: str | None = None  # JSON text
    failure: LastFailure | None = None


Hear = Callable[[dict[int, JobEnd], BaseException | None], None]
"""What is called in the waiter's thread with what has become of jobs, or with why it gives up."""


class Registration:
    """The jobs of one wait at one waiter; `unlooked` are those that no look has seen yet."""

    __slots__ = ("begun", "brings", "missing", "tell", "unlooked")

    def __init__(self, ids: Iterable[int], tell: Hear, brings: bool) -> None:
        self.missing = set(ids)
        self.unlooked = set(self.missing)
        self.tell = tell
        self.brings = brings  # whether results and failures are wanted, beside states
        self.begun = 0


class Waiter:
    """The thread that looks at jobs of one place; all methods are safe to use from any thread."""

    def __init__(self, place: Address) -> None:
        self._place = place
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._bell = Bell()
        self._thread: threading.Thread | None = None
        self._by_job: dict[int, list[Registration]] = {}
        self._new: deque[int] = deque()  # jobs that no look has seen
        self._ring: dict[int, None] = {}  # the others, those looked at longest ago first
        self._unlooked: set[Registration] = set()
        self._pace = Pace()
        self._may_at = self._ring_at = 0.0
        self._is_notified = self._is_hinted = False
        self._hint_at = 0.0  # not before this, a notification is heeded
        self._n_looks = self._n_failed = 0  # looks begun; the number of the last that failed
        self._is_leaving = False
        self.schema = place[1]
        self.looks: Looks | None = None
        self._error: ActorqError | None = None
        self._asking_since = math.inf

    def trouble(self, wait: Registration) -> ActorqError | None:
        """Return why the database cannot be asked, as tried since this wait began; or None."""
        asking_s = time.monotonic() - self._asking_since
        if asking_s > PATIENCE_S:
            return StoreUnavailable(f"no answer from the database for {asking_s:.1f} s")
        return self._error if wait.begun < self._n_failed else None

    def add(self, wait: Registration) -> None:
        """Begin to look at the jobs of a wait."""
        with self._lock:
            wait.begun = self._n_looks
            for id_ in wait.missing:
                self._by_job.setdefault(id_, []).append(wait)
            self._new.extend(wait.missing)
            self._unlooked.add(wait)
            self._pace.hurry()
            self._may_at = 0.0  # also if the last look failed: the database may be back
            self._is_leaving = False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="actorq wait", daemon=True)
                self._thread.start()
        self.wake()

    def remove(self, wait: Registration) -> None:
        """Look no more at what a wait still misses, unless somebody else waits for it."""
        if self._pid != os.getpid():  # a forked child: the lock may be held by nobody it has
            return
        with self._lock:
            self._unlooked.discard(wait)
            for id_ in wait.missing:
                waits = self._by_job.get(id_, [])
                if wait in waits:
                    waits.remove(wait)
                if not waits:
                    self._by_job.pop(id_, None)
                    self._ring.pop(id_, None)

    def wake(self) -> None:
        """End the present pause: something may have happened, or it is known that it has."""
        self._bell.set()

    def leave(self) -> None:
        """Close the connection now if nobody waits; the next wait opens another one."""
        if self._pid != os.getpid():
            return
        with self._lock:
            self._is_leaving = True
            thread = None if self._by_job else self._thread
        self.wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(2.0)

    # ---- in its own thread ----------------------------------------------------------------

    def _run(self) -> None:
        from actorq.store.enqueue.looks import Looks

        self.looks = looks = Looks(*self._place)
        try:
            while chunk := self._next(looks):
                self._look(looks, chunk)
        except BaseException as error:  # nobody may be left waiting for a thread that is gone
            self._give_up(error)
            raise
        finally:
            looks.close()

    def _next(self, looks: Looks) -> list[int]:
        """Return the jobs to look at next, when it is time; none if this thread is to end."""
        idle_at = time.monotonic() + IDLE_S
        while True:
            if self._is_hinted and time.monotonic() >= self._hint_at:
                self._heed(looks)
            with self._lock:
                now = time.monotonic()
                if not self._by_job and (self._is_leaving or now >= idle_at):
                    self._thread = None
                    return []
                chunk = self._taken(now)
                pause_s = self._pause_s(now, idle_at)
            if chunk:
                return chunk
            self._sleep(pause_s)

    def _sleep(self, pause_s: float) -> None:
        """Sleep until there may be something to do. This is the only place that sleeps."""
        looks = self.looks
        can_read = self._bell.wait(pause_s, looks.fileno() if looks else None)
        if looks and looks.hinted(can_read):
            self._is_hinted = True

    def _pause_s(self, now: float, idle_at: float) -> float:
        if self._new:
            return max(self._may_at - now, GATHER_S)
        until = self._ring_at if self._ring else idle_at
        return max(min(until, self._hint_at if self._is_hinted else until) - now, GATHER_S)

    def _heed(self, looks: Looks) -> None:
        """After a notification, look soon at the jobs that have changed, or at all of them."""
        self._is_hinted = False
        begun = time.monotonic()
        with self._lock:
            self._n_looks += 1
        try:
            with explained(self._place[1]):
                changed = looks.changed()
        except ActorqError as error:
            looks.close()
            self._failed(error, [])
            return
        with self._lock:
            now = time.monotonic()
            ours = changed & self._by_job.keys() if changed is not None else ()
            self._new.extend(ours)
            if changed is None:
                self._ring_at = min(self._ring_at, now)
            self._hint_at = now + self._pace.after_hint(now - begun, bool(ours))

    def _taken(self, now: float) -> list[int]:
        """Take the jobs that are to be looked at now, new ones first."""
        if now < self._may_at:
            return []
        taken: dict[int, None] = {}
        while self._new and len(taken) < CHUNK:
            id_ = self._new.popleft()
            if id_ in self._by_job:
                taken[id_] = None
                self._ring.pop(id_, None)
        if now >= self._ring_at:
            self._ring_at = math.inf  # until this look is answered
            for id_ in list(islice(self._ring, CHUNK - len(taken))):
                taken[id_] = self._ring.pop(id_)
        return list(taken)

    def _look(self, looks: Looks, chunk: list[int]) -> None:
        with self._lock:
            self._n_looks += 1
        begun = self._asking_since = time.monotonic()
        try:
            with explained(self._place[1]):
                ended = self._asked(looks, chunk)
        except ActorqError as error:
            looks.close()
            self._failed(error, chunk)
            return
        finally:
            self._asking_since = math.inf
        self._is_notified = looks.is_notified
        self._answered(chunk, ended, time.monotonic() - begun)

    def _asked(self, looks: Looks, chunk: list[int]) -> dict[int, JobEnd]:
        """Return what has become of those jobs that are final, or of which there is none."""
        states = looks.states(chunk)
        with self._lock:
            waited = {id_: any(w.brings for w in self._by_job.get(id_, ())) for id_ in states}
        brought = [id_ for id_, brings in waited.items() if brings]
        results = looks.results([id_ for id_ in brought if states[id_] == "completed"])
        failures = looks.failures(
            [id_ for id_ in brought if states[id_] not in (None, "completed")]
        )
        return {
            id_: JobEnd(state, results.get(id_), failures.get(id_)) for id_, state in states.items()
        }

    def _answered(self, chunk: list[int], ended: dict[int, JobEnd], took_s: float) -> None:
        told: dict[Registration, dict[int, JobEnd]] = {}
        with self._lock:
            self._error = None
            for id_, end in ended.items():
                self._tell_of(id_, end, told)
            for wait in self._looked(chunk, told):
                self._unlooked.discard(wait)
                told.setdefault(wait, {})
            self._ring.update((id_, None) for id_ in chunk if id_ in self._by_job)
            now = time.monotonic()
            self._may_at = now + min(took_s, GATHER_S)
            pause_s = self._pace.after(
                took_s, len(self._by_job), bool(ended), is_notified=self._is_notified
            )
            self._ring_at = min(self._ring_at, now + pause_s)  # new jobs do not delay the others
        for wait, ends in told.items():
            wait.tell(ends, None)

    def _tell_of(self, id_: int, end: JobEnd, told: dict[Registration, dict[int, JobEnd]]) -> None:
        """Note whom to tell what has become of a job; whoever came too late gets the next look."""
        staying = []
        for wait in self._by_job.pop(id_, ()):
            is_late = wait.begun >= self._n_looks
            if is_late and (end.state is None or wait.brings):
                staying.append(wait)
                continue
            wait.missing.discard(id_)
            wait.unlooked.discard(id_)
            told.setdefault(wait, {})[id_] = end
        if staying:
            self._by_job[id_] = staying

    def _looked(self, chunk: list[int], told: Iterable[Registration]) -> set[Registration]:
        """Note that these jobs have been looked at, and return the waits of which all have been."""
        if not self._unlooked:
            return set()
        seen = set(told)
        for id_ in chunk:
            for wait in self._by_job.get(id_, ()):
                if wait.begun < self._n_looks:
                    wait.unlooked.discard(id_)
                    seen.add(wait)
        return {wait for wait in seen if not wait.unlooked} & self._unlooked

    def _failed(self, error: ActorqError, chunk: list[int]) -> None:
        """Go on after an error that may pass; end all waits for any other one."""
        if not _may_pass(error):
            self._give_up(error)
            return
        with self._lock:
            self._error, self._n_failed = error, self._n_looks
            self._ring.update((id_, None) for id_ in chunk if id_ in self._by_job)
            self._may_at = self._ring_at = time.monotonic() + self._pace.after_failure()
            told = list(self._unlooked)
        for wait in told:
            wait.tell({}, None)

    def _give_up(self, error: BaseException) -> None:
        with self._lock:
            told = {wait for waits in self._by_job.values() for wait in waits}
            self._by_job.clear()
            self._ring.clear()
            self._new.clear()
            self._unlooked.clear()
            if not isinstance(error, ActorqError):
                self._thread = None
        for wait in told:
            wait.tell({}, error)


def _may_pass(error: ActorqError) -> bool:
    """Return whether the same statement may succeed a little later."""
    from actorq.store.session.faults import remedy

    if not isinstance(error, StoreError) or isinstance(error, SchemaMismatch):
        return False
    return remedy(error) not in ("fatal", "bisect")


# ---- the waiters of this process ----------------------------------------------------------------

_waiters: dict[Address, Waiter] = {}
_inherited: list[Waiter] = []  # keeps a parent's connections from being collected, thus closed
_lock = threading.Lock()


def waiter_of(database: Database) -> Waiter:
    """Return the waiter of a place, which is the same for everybody in this process."""
    place = (database.dsn(), database.schema, database.pooler)
    with _lock:
        if place not in _waiters:
            _waiters[place] = Waiter(place)
        return _waiters[place]


def _forked() -> None:
    """Forget the parent's waiters, whose threads do not exist in this child."""
    global _lock
    _lock = threading.Lock()
    for waiter in _waiters.values():
        if waiter.looks is not None:
            waiter.looks.disown()
        _inherited.append(waiter)
    _waiters.clear()


def _leave_all() -> None:
    for waiter in list(_waiters.values()):
        waiter.leave()


os.register_at_fork(after_in_child=_forked)
atexit.register(_leave_all)
