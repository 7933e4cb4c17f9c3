"""The simulated world: a clock, a table, supervisors that run the real plan, and trouble.

A supervisor here does what the engine does around the plan: one claimer and one settler, each
carrying out one statement after another, a heart, and ticks. All of it follows from the seed.
"""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random
from typing import Any

from actorq.core import effects as e
from actorq.core import event, plan
from actorq.core import inputs as i
from actorq.core.model import Settlement
from actorq.core.view import Settings, View
from tests.sim.actors import Actor
from tests.sim.properties import Watch
from tests.sim.scenario import JobPlan, Scenario
from tests.sim.table import Job, Table, Violation

RECONNECT_S = 0.02
RESTART_S = 0.2
KEPT_S = 0.05


class World:
    def __init__(self, scenario: Scenario, trace: list[str] | None = None) -> None:
        self.scenario, self.trace = scenario, trace
        self.random = Random(scenario.seed)
        self.now, self._n, self._queue = 0.0, 0, []  # type: tuple[float, int, list[Any]]
        self.table = Table()
        self.supervisors: list[Supervisor] = []
        self.n_nodes = 0
        self.n_deaths: dict[int, int] = {}  # job → actors it has killed
        self.snoozed: set[int] = set()
        self.plans = {job.id: job for job in scenario.jobs}
        self.n_to_come = len(scenario.jobs)

    # ---- time ----

    def after(self, delay: float, act: Any, *args: Any) -> None:
        self._n += 1
        heappush(self._queue, (self.now + delay, self._n, act, args))

    def run(self, until: float, done: Any) -> bool:
        """Let things happen until `done()`, or until that time; tells whether it was done."""
        queue = self._queue
        while not done():
            if not queue or queue[0][0] > until:
                return False
            self.now, _, act, args = heappop(queue)
            act(*args)
        return True

    @property
    def us(self) -> int:
        return round(self.now * 1e6)

    def chance(self, p: float) -> bool:
        return p > 0 and self.now < self.scenario.calm_at and self.random.random() < p

    def outage_ends(self) -> float | None:
        for begin, end in self.scenario.outages:
            if begin <= self.now < end:
                return end
        return None

    # ---- what happens to it ----

    def begin(self) -> None:
        s = self.scenario
        for job in s.jobs:
            self.after(job.at, self._enqueue, job)
        for _ in range(s.n_supervisors):
            self.start_supervisor()
        for at, what in (
            *((at, self._kill_actor) for at in s.actor_kills),
            *((at, self._kill_supervisor) for at in s.deaths),
            *((at, self._bury_alive) for at in s.burials),
        ):
            self.after(at, what)
        for at, n in s.stops:
            self.after(at, self._stop, n)
        for at, id_ in s.cancels:
            self.after(at, self._cancel, id_)

    def start_supervisor(self) -> None:
        self.n_nodes += 1
        self.supervisors.append(Supervisor(self, self.n_nodes))

    def living(self) -> list[Supervisor]:
        return [s for s in self.supervisors if not s.gone]

    def _enqueue(self, plan_: JobPlan) -> None:
        job = Job(plan_.id, plan_.lane, plan_.priority, round(plan_.run_at * 1e6))
        job.max_attempts = plan_.max_attempts
        job.put_at = max(job.run_at, self.us)
        self.n_to_come -= 1
        self.table.insert(job)
        if job.run_at <= self.us and any(lane == job.lane for lane, _ in self.table.hungry):
            for supervisor in self.living():
                if not self.chance(self.scenario.lost_notes):
                    self.after(0.001, supervisor.post, i.Woken(job.lane))

    def play(self, id_: int) -> str:
        """Tell what a job does this time."""
        does, job = self.plans[id_].does, self.table.jobs[id_]
        if does == "snooze1":
            first = id_ not in self.snoozed
            self.snoozed.add(id_)
            return "snooze" if first else "ok"
        if does[-1].isdigit():
            fewer = job.n_failed + job.n_crashed < int(does[-1])
            return does[:-1] if fewer else "ok"
        return does

    def _kill_actor(self) -> None:
        actors = [a for s in self.living() for a in s.actors.values() if not a.dead]
        if actors:
            self.random.choice(actors).die()

    def _kill_supervisor(self) -> None:
        if self.living():
            victim = self.random.choice(self.living())
            victim.vanish()
            self.after(self.scenario.ttl_s, self.table.nodes.pop, victim.node, None)
            self.after(RESTART_S, self.start_supervisor)

    def _bury_alive(self) -> None:
        if self.living():
            self.table.nodes.pop(self.random.choice(self.living()).node, None)

    def _stop(self, n: int) -> None:
        supervisor = self.supervisors[n]
        if not supervisor.gone:
            supervisor.watch.stop_asked()
            supervisor.post(i.StopAsked())
            self.after(RESTART_S, self._replace, supervisor)

    def _replace(self, stopped: Supervisor) -> None:
        """Start another supervisor once this one has stopped, unless there is one already."""
        if not stopped.gone:
            self.after(RESTART_S, self._replace, stopped)
        elif not self.living():
            self.start_supervisor()

    def _cancel(self, id_: int) -> None:
        job = self.table.jobs.get(id_)
        place = self.table.cancel(job, self.us) if job else None
        for supervisor in self.living():
            if place and supervisor.node == place[0]:
                self.after(0.001, supervisor.post, i.CancelAsked(place[1], id_))


class Supervisor:
    """Do around one view what the engine does."""

    def __init__(self, world: World, node: int) -> None:
        s = world.scenario
        self.world, self.node = world, node
        settings = Settings(poll_s=s.poll_s, grace_s=s.grace_s, notify=s.notify, drain=s.drain)
        kinds = [(k.policy, {lane: f"q{lane}" for lane in k.lanes}) for k in s.kinds]
        self.view: View = plan.begin(settings, kinds, s.seed + node)
        self.gone = False  # dead, disowned or finished
        self.actors: dict[int, Actor] = {}
        self.orders: list[e.Effect] = []  # of the claimer
        self.order: e.Effect | None = None  # being carried out
        self.claimer_busy = False
        self.unwritten: list[Settlement] = []
        self.whole: dict[int, Settlement] = {}
        self.settler_busy = False
        self.settle_no = 0
        self.wake_at = self.last_tick = world.now
        self.watch = Watch(self)
        world.table.nodes[node] = 0
        self.post(i.Tick())
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
        self.post(i.Tick(taken))

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
        elif isinstance(order, e.GiveBack):
            world.table.give_back(self.node, order.lease, world.us)
        elif isinstance(order, e.Hunger):
            world.table.hungry |= {(lane, self.node) for lane in order.on}
            world.table.hungry -= {(lane, self.node) for lane in order.off}
        world.after(wait, self._next_order)

    def _claim(self, order: e.Claim, answered: bool, wait: float) -> None:
        world = self.world
        reply = world.table.claim(self.node, order, world.us)
        if answered:
            world.after(wait, self.post, i.Claimed(order.lane, order.lease, reply, 2 * wait))

    def _lost_order(self, order: e.Effect) -> None:
        world = self.world
        if isinstance(order, e.Claim):
            world.after(0.0, self.post, i.ClaimLost(order.lane, order.lease))
        elif isinstance(order, e.AskDue):
            world.after(0.0, self.post, i.DueLost())
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
        done = s.done[: s.n // 2]
        rows = s.rows[: s.n // 2 - len(done)]
        told = {id_ for id_, _ in done} | {row.id for row in rows}
        open_ = {p for p in lease.open if lease.ids[p] not in told}
        bits = sum(1 << p for p in open_).to_bytes((len(lease.ids) + 7) // 8, "little")
        return Settlement(s.lease, s.seq, done, rows, False, bits)

    # ---- all other effects ----

    def _spawn(self, effect: e.Spawn) -> None:
        world = self.world
        kind = next(k for k in world.scenario.kinds if k.policy.name == effect.kind)
        actor = self.actors[effect.actor] = Actor(world, self, effect.actor, kind)
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
            case e.Send(_, batch, _):
                actor.send(batch)
            case e.Recall(_, no):
                actor.recall_batch(no)
            case e.CancelJob(_, no, position):
                actor.cancel(no, position)
            case e.StopActor():
                actor.stop()
            case e.KillActor():
                actor.die()

    def _emit(self, effect: e.Emit) -> None:
        if isinstance(effect.event, event.LeaseLost):
            self.watch.lease_lost(effect.event)


def _rest(s: Settlement, part: Settlement) -> Settlement:
    return Settlement(
        s.lease, s.seq + 1, s.done[len(part.done) :], s.rows[len(part.rows) :],
        s.closes, s.open_bits,
    )  # fmt: skip


DO: dict[type[e.Effect], Any] = {
    e.Claim: Supervisor._order,
    e.AskDue: Supervisor._order,
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

__all__ = ["Supervisor", "Violation", "World"]
