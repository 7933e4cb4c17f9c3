"""The supervisor: one loop that feeds inputs to the plan and carries out its effects.

This thread owns all state. Claimer, settler, heart, listener and pipes only do I/O and post what
they have found; all decisions are made in `actorq.core`.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from random import SystemRandom
from typing import TYPE_CHECKING

from actorq.core import event
from actorq.core.counters.figures import Figures
from actorq.core.exit_codes import FAILED, OK, UNREACHABLE, WRONG_SCHEMA
from actorq.core.plan import draining, plan
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan.state import Settings, View
from actorq.dsn import Place
from actorq.errors import SchemaMismatch, StoreError, StoreUnavailable
from actorq.events import Events
from actorq.pipe.memory import keep_buffers
from actorq.supervisor import asked, identity
from actorq.supervisor.asked import Asked, Told
from actorq.supervisor.duties.tell import tell
from actorq.supervisor.ends import Disowned, Fatal
from actorq.supervisor.executor import MakeExecutor
from actorq.supervisor.local.executor import LocalExecutor
from actorq.supervisor.options import RunOptions
from actorq.supervisor.retries import told
from actorq.supervisor.surroundings import calm_collector, stopping_signals

if TYPE_CHECKING:
    from actorq.actor.bound import BoundKind
    from actorq.store.queue.queue import QueueStore

START_LOCK_S = 10.0
"""How long to wait at the start for a transaction that makes one of our lanes, or locks a kind."""

LAST_FLUSH_S = 10.0
"""How long outcomes may still wait for the database after the grace time is over."""

JOIN_S = 5.0

LAST_TRY_S = 1.0
"""How long to keep trying what could not be written: the database is asked twice in that time."""

MOST_AT_ONCE = 32
"""How many items of the inbox one step takes at most, so that their effects do not wait long."""

REBIRTH_S = 0.5
"""How long a supervisor that was declared dead waits before it tries again to start over."""


class Engine:
    """One supervisor, under as many identities in turn as necessary."""

    def __init__(
        self,
        options: RunOptions,
        events: Events,
        executor: MakeExecutor = LocalExecutor,
        *,
        counts: bool = False,
    ) -> None:
        self._options = options
        self._done: dict[int, Figures] | None = {} if counts else None
        self._events = events
        self._executor = executor
        self._inbox: SimpleQueue[object] = SimpleQueue()
        self._asked: deque[i.StopAsked] = deque()
        self._stopped = False
        self._code = OK
        self.ended: event.RunEnded | None = None  # what was run, once that is known

    def stop(self) -> None:
        """Ask the supervisor to stop; asked again, it skips a phase. Safe in any thread."""
        self._stopped = True
        self._asked.append(i.StopAsked())
        self._inbox.put(None)  # to wake it

    def ask(self, answer: Callable[[Told], object]) -> None:
        """Have `answer` called with what this supervisor is doing, in its thread, if it lives."""
        self._inbox.put(Asked(answer))

    def run(self) -> int:
        """Serve until stopped or drained; returns the exit code.

        Raises StoreError if the database cannot be used at the start.
        """
        keep_buffers()
        with stopping_signals(self.stop), calm_collector():
            life: _Life | None = self._born()
            while life and not life.live(self):
                life = self._reborn(life)
        return self._code

    def _born(self) -> _Life:
        """Begin a life with an inbox of its own, apart from what was posted to an earlier one."""
        self._inbox = SimpleQueue()
        if self._stopped and not self._asked:
            self._asked.append(i.StopAsked())
        life = _Life(self._options, self._events, self._executor, self._inbox, self._asked)
        life._view.done = self._done
        return life

    def _reborn(self, before: _Life) -> _Life | None:
        """Start over under a new identity, however long the database is away; None if stopped."""
        from actorq.store.session.faults import Contended, TooSlow

        while not self._stopped:
            try:
                life = self._born()
            except (StoreUnavailable, Contended, TooSlow) as exc:
                self._events.emit(event.ConnectionLost("start", str(exc)))
                time.sleep(REBIRTH_S)
            else:
                life.go_on(before)
                self._events.emit(event.SupervisorDisowned(before.node_id, life.node_id))
                return life
        return None


class _Life:
    """One identity: from registering the node to leaving, or to being declared dead."""

    def __init__(
        self,
        options: RunOptions,
        events: Events,
        executor: MakeExecutor,
        inbox: SimpleQueue[object],
        asked: deque[i.StopAsked],
    ) -> None:
        self._options = options
        self._events = events
        self._inbox, self._asked = inbox, asked
        place = Place(options.dsn, options.schema)
        self._executor = executor(options.kinds, place, inbox.put)  # refuses to be in an actor
        self._node = identity.me(options.ttl_s, self._executor.guardian)
        try:
            self._executor.start()
            self._view = self._begin()
        except BaseException:
            self._executor.close()
            raise
        self._ended = False
        self._code = OK
        self._grace_at = self._abort_at = math.inf
        self._told_held_up = False
        self._next_tick = 0.0

    @property
    def node_id(self) -> str:
        """Return this identity."""
        return self._node.id

    def _begin(self) -> View:
        """Register the node, create the lanes, and make the first view."""
        from actorq.supervisor.threads.start import Links, open_store  # while actors start

        options = self._options
        self._links = Links(options, self._node, self._inbox.put)
        store = open_store(options, self._node.id, "actorq start", lock_timeout_s=START_LOCK_S)
        try:
            pairs = [(q, kind.name) for kind in options.kinds for q in options.queues_of(kind)]
            lanes = store.lanes(pairs)
            for kind in options.kinds:
                self._remember(store, kind)
            store.register(self._node)
        finally:
            store.close()
        settings = Settings(
            poll_s=options.poll_s,
            grace_s=options.grace_s,
            notify=options.notify,
            drain=options.drain,
            until_final=options.until_final,
            limit_s=options.limit_s,
        )
        kinds = [
            (
                told(kind.policy, self._events.emit),
                {lanes[q, kind.name]: q for q in options.queues_of(kind)},
            )
            for kind in options.kinds
        ]
        return plan.begin(settings, kinds, SystemRandom().getrandbits(64))

    def _remember(self, store: QueueStore, kind: BoundKind) -> None:
        """Report if the database knows this kind with args of another type."""
        new = kind.codec.fingerprint()
        old = store.remember_kind(kind.name, new)
        if old is not None and old != new:
            self._events.emit(event.ArgsTypeChanged(kind.name, old, new))

    def go_on(self, before: _Life) -> None:
        """Continue the counts, and the time limit of a drain, of a life that has ended."""
        for name, kind in before._view.kinds.items():
            self._view.kinds[name].tally = kind.tally
        self._view.n_died = before._view.n_died
        self._view.began_at = before._view.began_at

    def live(self, engine: Engine) -> bool:
        """Serve; return False if the node was declared dead and another life must follow."""
        kinds = tuple(kind.name for kind in self._options.kinds)
        self._events.subscribe(self._links.heart.events)
        self._events.emit(event.SupervisorStarted(self._node.id, self._node.pid, kinds))
        try:
            self._links.start()
            self._loop()
        finally:
            self._end()
            self._events.unsubscribe(self._links.heart.events)
            self._tell_last()
        engine._code, engine.ended = self._code, draining.ended(self._view)
        return self._ended

    def _loop(self) -> None:
        self._step([i.Tick()], time.monotonic())
        while not self._ended:
            items = self._next()
            now = time.monotonic()
            while self._asked:  # first, because failures from now on may be caused by the stop
                self._take([self._asked.popleft()], now)
            if self._take(items, now):
                return
            self._tell_held_up(now)
            if now >= self._next_tick:
                self._next_tick = now + self._options.poll_s
                self._step([self._executor.progress()], now)
            if now >= self._abort_at:
                self._ended, self._code = True, self._code or FAILED
            elif now >= self._grace_at and self._links.settlers.held_up:
                self._ended = True

    def _tell_held_up(self, now: float) -> None:
        """Report once that a stop waits for the database, and for how long, if it does."""
        if self._told_held_up or math.isinf(self._grace_at):
            return
        if reason := self._links.settlers.held_up:
            self._told_held_up, wait_s = True, max(0.0, self._grace_at - now)
            self._events.emit(event.SupervisorHeldUp(wait_s, reason))

    def _next(self) -> list[object]:
        """Wait for something to happen, or for the time at which the plan wants to go on.

        Returns what has happened by then, up to a limit: the more there is to do, the less each
        item costs.
        """
        now = time.monotonic()
        until = min(plan.deadline(self._view, now), self._abort_at)
        try:
            items: list[object] = [self._inbox.get(timeout=max(0.0, until - now))]
        except Empty:
            self._next_tick = 0.0
            return []
        for _ in range(min(self._inbox.qsize(), MOST_AT_ONCE)):
            items.append(self._inbox.get())
        return items

    def _take(self, items: Sequence[object], now: float) -> bool:
        """Take in what was in the inbox, in its order; returns True if this life is over."""
        inputs: list[i.Input] = []
        for item in items:
            if isinstance(item, i.Input):
                if isinstance(item, i.StopAsked):
                    self._stop_asked(now)
                inputs.append(item)
                continue
            self._step(inputs, now)
            inputs = []
            if isinstance(item, event.Event):
                self._events.emit(item)
            elif isinstance(item, Asked):
                pids = self._executor.pids()
                item.answer(asked.answer(self._node.id, self._view, pids, now))
            elif isinstance(item, Disowned):
                return True
            elif isinstance(item, Fatal):
                self._fatal(item.error, now)
        self._step(inputs, now)
        return False

    def _stop_asked(self, now: float) -> None:
        """Set the time by which all must be over; it is later if the database may still write."""
        grace_s = self._options.grace_s if math.isinf(self._abort_at) else 0.0
        self._grace_at = min(self._grace_at, now + grace_s)
        self._abort_at = min(self._abort_at, now + grace_s + LAST_FLUSH_S)

    def _fatal(self, error: BaseException, now: float) -> None:
        """Stop as far as that is possible: somebody must act before we can go on."""
        self._events.emit(event.SupervisorFailed(str(error) or repr(error)))
        if not isinstance(error, StoreError):
            raise error
        self._code = WRONG_SCHEMA if isinstance(error, SchemaMismatch) else UNREACHABLE
        self._stop_asked(now)
        if self._view.phase == "running":
            self._step([i.StopAsked()], now)

    def _step(self, inputs: list[i.Input], now: float) -> None:
        if self._ended:
            for input_ in inputs:
                self._inbox.put(input_)  # for the last look into it
        if self._ended or not inputs:
            return
        for effect in plan.step(self._view, inputs, now):
            self._perform(effect)
        if self._view.phase != "running" and math.isinf(self._abort_at):
            self._stop_asked(now)

    def _perform(self, effect: e.Effect) -> None:
        match effect:
            case e.Claim() | e.AskDue() | e.AskLeft() | e.GiveBack() | e.Hunger():
                self._links.claimer.order(effect)
            case e.Settle(settlement):
                self._links.heart.n_settled += settlement.n
                self._links.settlers.order(settlement)
            case e.Emit(happened):
                self._events.emit(happened)
            case e.Finish():
                self._ended = True
            case e.Spawn() | e.Send() | e.Recall() | e.CancelJob() | e.StopActor() | e.KillActor():
                self._executor.perform(effect)

    def _end(self) -> None:
        """Leave nothing behind: no actor, no thread, no row of this node."""
        self._executor.close()
        self._links.stop()
        if self._links.settlers.held_up:
            self._links.settlers.join(LAST_TRY_S)
            self._links.settlers.abandon()
        self._links.join(JOIN_S)
        self._leave()
        self._take_last()
        n_unsettled = sum(held.unwritten for held in self._view.held.values())
        ended, reason = draining.ended(self._view), self._links.settlers.held_up
        if self._ended or self._code:
            self._events.emit(ended)
            if (n_unsettled or ended.short) and self._code == OK:
                self._code = FAILED
        short = draining.shortfall(self._view) or "its stop was cut short"
        short, reason = short if self._code == FAILED else "", reason if n_unsettled else ""
        self._events.emit(event.SupervisorStopped(self._node.id, n_unsettled, reason, short))

    def _leave(self) -> None:
        """Remove the node's row; whatever it still holds is then reaped by others.

        Claims for which a hard stop did not wait are given back first: nobody has begun them.
        """
        from actorq.supervisor.threads.start import open_store

        try:
            store = open_store(self._options, self._node.id, "actorq leave")
            try:
                for claim, _ in self._view.claims.values():
                    store.give_back(claim.lease, claim.n_batches)
                store.leave()
            finally:
                store.close()
        except StoreError as exc:
            self._events.emit(event.ConnectionLost("leave", str(exc)))

    def _tell_last(self) -> None:
        """Let followers know how this life ended, if there are any."""
        from actorq.supervisor.threads.start import open_store

        events = self._links.heart.events
        if not events.is_wanted:
            return
        try:
            store = open_store(self._options, self._node.id, "actorq leave")
            try:
                tell(store, events)
            finally:
                store.close()
        except StoreError:
            pass  # they miss these events, and learn from the numbers of others that they do

    def _take_last(self) -> None:
        """Publish what the threads reported while they left; nothing else is done about it."""
        while not self._inbox.empty():
            item = self._inbox.get()
            if isinstance(item, event.Event):
                self._events.emit(item)
            elif isinstance(item, i.Settled):
                for effect in plan.step(self._view, [item], time.monotonic()):
                    if isinstance(effect, e.Emit):
                        self._events.emit(effect.event)
