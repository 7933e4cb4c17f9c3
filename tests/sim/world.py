"""The simulated world: a clock, a table, supervisors, and trouble. All follows from the seed."""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random
from typing import Any

from actorq.core.plan import actors as plan_actors
from actorq.core.plan import inputs as i
from tests.sim.scenario import JobPlan, Scenario
from tests.sim.supervisor import Supervisor
from tests.sim.table import Job, Table

RESTART_S = 0.2
ONCE = {"snooze1": "snooze", "rest1": "rest", "restart1": "restart"}
"""What a job may do once, uncharged."""


class World:
    def __init__(self, scenario: Scenario, trace: list[str] | None = None) -> None:
        self.scenario, self.trace = scenario, trace
        self.random = Random(scenario.seed)
        self.now, self._n, self._queue = 0.0, 0, []  # type: tuple[float, int, list[Any]]
        self.table = Table()
        self.supervisors: list[Supervisor] = []
        self.n_nodes = 0
        self.told: list[tuple[float, Any]] = []  # events, with their instants
        self.n_deaths: dict[int, int] = {}  # job → actors it has killed
        self.n_asked: dict[int, int] = {}  # job → fresh processes it has asked for
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

    def latency(self) -> float:
        return self.random.random() * self.scenario.latency_s

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
            *((at, self._retire_actor) for at in s.retires),
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
        hungry = sorted(node for lane, node in self.table.hungry if lane == job.lane)
        if job.run_at <= self.us + 1_000_000 and hungry:
            named = self.random.sample(hungry, min(2, len(hungry)))
            for supervisor in self.living():
                if not self.chance(self.scenario.lost_notes):
                    woken = i.Woken(job.lane, mine=supervisor.node in named)
                    self.after(0.001, supervisor.post, woken)

    def play(self, id_: int) -> str:
        """Tell what a job does this time."""
        does, job = self.plans[id_].does, self.table.jobs[id_]
        if does in ONCE:
            first = id_ not in self.snoozed
            self.snoozed.add(id_)
            return ONCE[does] if first else "ok"
        if does[-1].isdigit():
            fewer = job.n_failed + job.n_crashed < int(does[-1])
            return does[:-1] if fewer else "ok"
        return does

    def _kill_actor(self) -> None:
        actors = [a for s in self.living() for a in s.actors.values() if not a.dead]
        if actors:
            self.random.choice(actors).die()

    def _retire_actor(self) -> None:
        places = [(s, a) for s in self.living() for a in s.view.actors.values() if a.ready]
        if places:
            supervisor, actor = self.random.choice(places)
            plan_actors.retire(supervisor.view, actor, self.now)
            supervisor.watch.n_stirs += 1
            supervisor.post(i.Tick())

    def _kill_supervisor(self) -> None:
        if self.living():
            victim = self.random.choice(self.living())
            victim.vanish()
            self.after(self.scenario.ttl_s, self.table.nodes.discard, victim.node)
            self.after(RESTART_S, self.start_supervisor)

    def _bury_alive(self) -> None:
        if self.living():
            self.table.nodes.discard(self.random.choice(self.living()).node)

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
