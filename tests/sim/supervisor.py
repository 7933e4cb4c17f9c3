"""A simulated supervisor: the real plan, and around it what the engine does.

One claimer and one settler, each carrying out one statement after another, a heart, ticks, and
scripted actors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from actorq.core import event
from actorq.core.job.model import Settlement
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan import plan
from actorq.core.plan.view import Settings, View
from actorq.core.store_values import ReadyPosition
from tests.sim.actors import Actor
from tests.sim.properties import Watch
from tests.support.done import by_attempt, pairs

if TYPE_CHECKING:
    from tests.sim.world import World

RECONNECT_S = 0.02
KEPT_S = 0.05
KILL_S = 0.03


class Supervisor:
    """Do around one view what the engine does."""

    def __init__(self, world: World, node: int) -> None:
        s = world.scenario
        self.world, self.node = world, node
        settings = Settings(
            poll_s=s.poll_s,
            grace_s=s.grace_s,
            part_settle_s=s.part_settle_s,
            notify=s.notify,
            drain=s.drain,
            until_final=s.until_final,
            limit_s=s.limit_s,
            heed_s=0.0,  # its scripts heed nothing
        )
        kinds = [(k.policy, {lane: f"q{lane}" for lane in k.lanes}) for k in s.kinds]
        self.view: View = plan.begin(settings, kinds, s.seed + node)
        self.gone = False  # dead, disowned or finished
        self.actors: dict[int, Actor] = {}
        self.orders: list[e.Effect] = []  # of the claimer
        self.order: e.Effect | None = None  # being carried out
        self.claimer_busy = False
        self.last: tuple[int, dict[int, ReadyPosition]] = (
            0,
            {},
        )  # the last claim, and where it ended
        self.unwritten: list[Settlement] = []
        self.whole: dict[int, Settlement] = {}
        self.settler_busy = False
        self.settle_no = 0
        self.wake_at = self.last_tick = world.now
        self.watch = Watch(self)
        world.table.nodes[node] = 0
        self.post(i.Tick())
        if s.notify:
            world.after(0.001, self.post, i.Listening(True))
        world.after(s.beat_s, self._beat)

    # ---- the loop ----

    def post(self, input_: i.Input) -> None:
        if self.gone:
            return
        world, now = self.world, self.world.now
        if world.trace is not None:
            world.trace.append(f"{now:9.4f} node {self.node} <- {input_}")
        effects = plan.step(self.view, input_, now)
        self.watch.before(input_)
        for effect in effects:
            if world.trace is not None and not isinstance(effect, e.Emit):
                world.trace.append(f"{now:9.4f} node {self.node}    -> {effect}")
            self.watch.effect(effect)
            DO[type(effect)](self, effect)
        if not self.gone:
            self.watch.after()
            self._sleep()

    def _sleep(self) -> None:
        now = self.world.now
        until = min(plan.deadline(self.view, now), self.last_tick + self.view.settings.poll_s)
        if until < self.wake_at or self.wake_at <= now:
            self.wake_at = max(until, now)
            self.world.after(self.wake_at - now, self._wake, self.wake_at)

    def _wake(self, at: float) -> None:
        if self.gone or at != self.wake_at:
            return
        now = self.world.now
        until = min(plan.deadline(self.view, now), self.last_tick + self.view.settings.poll_s)
        if until > now:
            self.wake_at = now
            self._sleep()
            return
        self.last_tick = now
        self.watch.ticked()
        taken = {a.id: a.taken_lease for a in self.actors.values() if a.taken_lease}
        running = {a.id: tuple(a.begun) for a in self.actors.values() if a.one_by_one}
        self.post(i.Tick(taken, running))

    def vanish(self) -> None:
        """Be gone with everything: actors, and statements that nobody reads the replies of."""
        self.gone = True
        for actor in self.actors.values():
            actor.dead = True
        self.world.table.hungry = {h for h in self.world.table.hungry if h[1] != self.node}

    def _beat(self) -> None:
        world = self.world
        if self.gone:
            return
        if world.outage_ends() is None:
            leases = world.table.beat(self.node)
            if leases is None:
                self.vanish()
                world.start_supervisor()
                return
            world.after(0.001, self.post, i.Beaten(leases, world.now))
            for lane in world.table.reap(world.us):
                self.post(i.Woken(lane, behind=True))
        world.after(world.scenario.beat_s, self._beat)

    # ---- the claimer ----

    def _order(self, effect: e.Effect) -> None:
        self.orders.append(effect)
        if not self.claimer_busy:
            self._next_order()

    def _latency(self) -> float:
        return self.world.random.random() * self.world.scenario.latency_s

    def _next_order(self) -> None:
        end = self.world.outage_ends()
        self.claimer_busy, self.order = bool(self.orders), None
        if end is not None and self.orders:
            self.world.after(end - self.world.now + RECONNECT_S, self._next_order)
        elif self.orders:
            self.order = self.orders.pop(0)
            self.world.after(self._latency(), self._carry_out, self.order)

    def _carry_out(self, order: e.Effect) -> None:
        world = self.world
        dead = self.gone and world.random.random() < 0.5
        if dead or world.outage_ends() is not None:
            self._lost_order(order)
            return
        wait = self._latency()
        if isinstance(order, e.Claim):
            if world.chance(world.scenario.lost_claims):
                if world.random.random() < 0.7:
                    late = world.random.choice((0.0, 0.0, 0.1, 1.0))
                    world.after(late, self._claim, order, False, 0.0)
                self._lost_order(order)
                return
            self._claim(order, True, wait)
        elif isinstance(order, e.AskDue):
            world.after(wait, self.post, i.DueKnown(world.table.due(order.asks, world.us), wait))
        elif isinstance(order, e.AskLeft):
            left = world.table.left(order.lanes, world.us)
            world.after(wait, self.post, i.LeftKnown(order.no, left))
        elif isinstance(order, e.GiveBack):
            world.table.give_back(self.node, order.lease, world.us)
        elif isinstance(order, e.Hunger):
            world.table.hungry |= {(lane, self.node) for lane in order.on}
            world.table.hungry -= {(lane, self.node) for lane in order.off}
        world.after(wait, self._next_order)

    def _claim(self, order: e.Claim, answered: bool, wait: float) -> None:
        world = self.world
        order = msgspec.structs.replace(order, frontier=order.begin(*self.last))
        reply = world.table.claim(self.node, order, world.us)
        if answered:
            self.last = order.lease, reply.last
            world.after(wait, self.post, i.Claimed(order.lane, order.lease, reply, 2 * wait))

    def _lost_order(self, order: e.Effect) -> None:
        world = self.world
        if isinstance(order, e.Claim):
            world.after(0.0, self.post, i.ClaimLost(order.lane, order.lease))
        elif isinstance(order, e.AskDue):
            world.after(0.0, self.post, i.DueLost())
        elif isinstance(order, e.AskLeft):
            world.after(0.0, self.post, i.LeftLost(order.no))
        else:
            self.orders.insert(0, order)
        if not self.gone:
            world.after(RECONNECT_S, self._next_order)

    # ---- the settler ----

    def _settle(self, effect: e.Settle) -> None:
        self.unwritten.append(effect.settlement)
        if not self.settler_busy:
            self._next_settle()

    def _next_settle(self) -> None:
        self.settler_busy = bool(self.unwritten)
        if self.unwritten:
            sent, self.unwritten = self.unwritten, []
            self.settle_no += 1
            self.world.after(self._latency(), self._write, sent)

    def _write(self, sent: list[Settlement]) -> None:
        world = self.world
        end = world.outage_ends()
        if self.gone and world.random.random() < 0.5:
            return
        if end is not None:
            world.after(end - world.now + RECONNECT_S, self._write, sent)
            return
        lost = world.chance(world.scenario.lost_settles)
        if lost and world.random.random() < 0.5:
            world.after(RECONNECT_S, self._write, sent)
            return
        kept = not lost and world.chance(world.scenario.kept)
        parts = [self._part(s) if kept else s for s in sent]
        applied, seqs = world.table.settle(self.node, self.settle_no, parts, world.us)
        wait = self._latency()
        if lost:  # only settle_no tells that it had committed, not which leases matched
            wait += RECONNECT_S
            applied = frozenset(s.lease for s in sent)
        whole = []
        for s, part in zip(sent, parts, strict=True):
            if part is s or s.lease not in applied:
                whole.append(self.whole.pop(s.lease, s))
            else:
                self.whole.setdefault(s.lease, s)
                world.after(KEPT_S, self._settle, e.Settle(_rest(s, part)))
        world.after(wait, self.post, i.Settled(whole, applied, seqs))
        world.after(wait, self._next_settle)

    def _part(self, s: Settlement) -> Settlement:
        """Leave out the jobs that somebody else has locked: the second half."""
        lease = self.world.table.leases.get((self.node, s.lease))
        if s.n < 2 or lease is None:
            return s
        done = pairs(s.done)[: s.n // 2]
        rows = s.rows[: s.n // 2 - len(done)]
        told = {id_ for id_, _ in done} | {row.id for row in rows}
        open_ = {p for p in lease.open if lease.ids[p] not in told}
        bits = sum(1 << p for p in open_).to_bytes((len(lease.ids) + 7) // 8, "little")
        return Settlement(s.lease, s.seq, by_attempt(done), rows, False, bits)

    # ---- all other effects ----

    def _spawn(self, effect: e.Spawn) -> None:
        world = self.world
        kind = next(k for k in world.scenario.kinds if k.policy.name == effect.kind)
        actor = self.actors[effect.actor] = Actor(world, self, effect.actor, kind, effect.index)
        actor.after(world.scenario.boot_s, actor.boot)

    def _finish(self, effect: e.Finish) -> None:
        """Write what the settler still has, then leave: what is left is reaped by others."""
        self.watch.finished()
        self.gone = True
        table = self.world.table
        for order in (self.order, *self.orders):
            if isinstance(order, e.GiveBack) and self.world.outage_ends() is None:
                table.give_back(self.node, order.lease, self.world.us)
        table.nodes.pop(self.node, None)
        table.hungry = {h for h in table.hungry if h[1] != self.node}

    def _to_actor(self, effect: Any) -> None:
        actor = self.actors.get(effect.actor)
        if actor is None or actor.dead:
            return
        match effect:
            case e.Send(_, batch, _, one_by_one):
                actor.send(batch, one_by_one)
            case e.Recall(_, no):
                actor.recall_batch(no)
            case e.CancelJob(_, no, position):
                actor.cancel(no, position)
            case e.StopActor():
                actor.stop()
            case e.KillActor():
                self.world.after(self.world.random.random() * KILL_S, actor.die)

    def _emit(self, effect: e.Emit) -> None:
        self.world.told.append((self.world.now, effect.event))
        if isinstance(effect.event, event.LeaseLost):
            self.watch.lease_lost(effect.event)
        elif isinstance(effect.event, event.SupervisorStopping):
            self.watch.stopping(effect.event)
        elif isinstance(effect.event, event.KindResting):
            self.watch.resting(effect.event.kind)


def _rest(s: Settlement, part: Settlement) -> Settlement:
    done = by_attempt(pairs(s.done)[len(pairs(part.done)) :])
    return Settlement(s.lease, s.seq + 1, done, s.rows[len(part.rows) :], s.closes, s.open_bits)


DO: dict[type[e.Effect], Any] = {
    e.Claim: Supervisor._order,
    e.AskDue: Supervisor._order,
    e.AskLeft: Supervisor._order,
    e.GiveBack: Supervisor._order,
    e.Hunger: Supervisor._order,
    e.Settle: Supervisor._settle,
    e.Spawn: Supervisor._spawn,
    e.Finish: Supervisor._finish,
    e.Emit: Supervisor._emit,
    e.Send: Supervisor._to_actor,
    e.Recall: Supervisor._to_actor,
    e.CancelJob: Supervisor._to_actor,
    e.StopActor: Supervisor._to_actor,
    e.KillActor: Supervisor._to_actor,
}
