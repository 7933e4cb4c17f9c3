"""A simulated supervisor: the real plan, and around it what the engine does.

The real decisions of claimer and settlers, each carrying out one statement after another, a heart,
ticks, and scripted actors.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from actorq.core import event
from actorq.core.claiming import Order
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan import plan
from actorq.core.plan.state import Settings, View
from tests.sim.actors import Actor
from tests.sim.claimer import Claimer
from tests.sim.properties import Watch
from tests.sim.settler import Settlers

if TYPE_CHECKING:
    from tests.sim.world import World

KILL_S = 0.03

LATE_S = 0.0005


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
        self.view.done = {}
        self.inbox: list[i.Input] = []
        self.lateness = Random(f"late {s.seed} {node}")
        self.gone = False  # dead, disowned or finished
        self.actors: dict[int, Actor] = {}
        self.claimer, self.settlers = Claimer(self), Settlers(self)
        self.wake_at = self.last_tick = world.now
        self.watch = Watch(self)
        world.table.nodes.add(node)
        self.post(i.Tick())
        if s.notify:
            world.after(0.001, self.post, i.Listening(True))
        world.after(s.beat_s, self._beat)

    # ---- the loop ----

    def post(self, input_: i.Input) -> None:
        """Take an input in; or later, with others, where the loop is sometimes late."""
        self.inbox.append(input_)
        if self.lateness.random() < self.world.scenario.late_steps:
            self.world.after(LATE_S, self._take)
        else:
            self._take()

    def _take(self) -> None:
        inputs, self.inbox = self.inbox, []
        if inputs and not self.gone:
            self._step(inputs)

    def _step(self, inputs: list[i.Input]) -> None:
        world, now = self.world, self.world.now
        if world.trace is not None:
            world.trace += [f"{now:9.4f} node {self.node} <- {input_}" for input_ in inputs]
        effects = plan.step(self.view, inputs, now)
        self.watch.before(inputs)
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
        self._step([i.Tick(taken, running)])

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

    # ---- the threads ----

    def _order(self, effect: Order) -> None:
        self.claimer.give(effect)

    def _settle(self, effect: e.Settle) -> None:
        self.settlers.order(effect.settlement)

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
        for order in self.claimer.unfinished():
            if isinstance(order, e.GiveBack) and self.world.outage_ends() is None:
                for n in range(order.lease, order.lease + order.n_leases):
                    table.give_back(self.node, n, self.world.us)
        table.nodes.discard(self.node)
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
