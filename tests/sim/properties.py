"""What must hold whatever happens: checked at every step, at intervals, and at the end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from actorq.core import event
from actorq.core.job.tally import Tally
from actorq.core.lanes.frontier import COST_FACTOR, UNBOUNDED_EVERY_S
from actorq.core.plan import draining, looking
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan.draining import CHECK_S, REST_TRIES, START_TRIES
from actorq.core.plan.handing_back import MAX_RESTARTS
from actorq.core.plan.looking import (
    CLAIMS_IN_FLIGHT,
    QUIET_DUE_S,
)
from actorq.core.plan.room import (
    UNWRITTEN_BATCHES,
    UNWRITTEN_BUNDLES,
    UNWRITTEN_JOBS,
    bundle,
)
from actorq.core.plan.state import PIPE_DEPTH, KindState
from actorq.core.plan.totals import total
from actorq.core.reporting import report
from tests.sim.scenario import CHARGED, Scenario
from tests.sim.table import READY, Violation

if TYPE_CHECKING:
    from tests.sim.supervisor import Supervisor
    from tests.sim.world import World

MONITOR_S = 0.1
REPORT_EVERY = 16  # ticks
SLACK_S = 0.35
"""What statements, notifications and deaths of actors may take on top of the stated bounds."""


def check(ok: bool, text: str) -> None:
    if not ok:
        raise Violation(text)


class Watch:
    """Watch one supervisor, step by step."""

    def __init__(self, owner: Supervisor) -> None:
        self.owner, self.began_at = owner, owner.world.now
        self.settled: dict[int, set[int]] = {}  # lease → jobs written
        self.batches: dict[int, list[int]] = {}
        self.sent: dict[int, list[tuple[int, int, int]]] = {}  # lane → order of sending
        self.n_ticks = self.n_stirs = self.n_woken = self.n_empty = self.n_dues = self.n_starts = 0
        self.stop_at = math.inf  # when a stop has to be over
        self.n_bad_boots: dict[str, int] = {}  # kind → starts that failed
        self.n_rests: dict[str, int] = {}  # … and how often it was put to rest
        self.starving: dict[int, float] = {}  # lane → since when
        self.n_stops = 0
        self.is_over_time = False  # a drain's limit is the first request to stop
        self.spun_at = (0.0, 0)
        self.bundles: dict[str, int] = {}  # kind → most batches that were ever claimed as one
        self.in_pipes: set[tuple[int, int]] = set()  # actor, lease: not answered yet
        self.were_in_pipes: set[tuple[int, int]] = set()  # … before the inputs of this step

    # ---- at every step ----

    def before(self, inputs: list[i.Input]) -> None:
        """Look at what a step has taken in, before its effects."""
        self.were_in_pipes = set(self.in_pipes) if len(inputs) > 1 else set()
        for input_ in inputs:
            self._taken_in(input_)

    def _taken_in(self, input_: i.Input) -> None:
        self._answered(input_)
        if isinstance(input_, i.Claimed):
            for batch in input_.reply.batches:
                self.batches[batch.lease] = batch.ids
                self._served(input_.lane)
            if not input_.reply.batches and input_.reply.oldest_s is None:
                self.n_empty += 1
        elif not isinstance(input_, i.Tick | i.Outcomes):
            self.n_stirs += 1
            self.n_woken += isinstance(input_, i.Woken)
        if isinstance(input_, i.BootFailed):
            name = self.owner.actors[input_.actor].kind.policy.name
            self.n_bad_boots[name] = self.n_bad_boots.get(name, 0) + 1

    def _served(self, lane: int) -> None:
        """Forget that a lane was starving; everywhere, where jobs come back again and again."""
        world = self.owner.world
        for supervisor in world.supervisors if world.n_asked else (self.owner,):
            supervisor.watch.starving.pop(lane, None)

    def _answered(self, input_: i.Input) -> None:
        """Follow what is in the pipes: a process forgets a batch once it has answered for it."""
        match input_:
            case i.ActorDied(actor):
                self.in_pipes = {place for place in self.in_pipes if place[0] != actor}
            case i.Outcomes(actor, lease, last=True):
                self.in_pipes.discard((actor, lease))
            case i.HandlerFailed(actor, lease) | i.HandedBack(actor, lease):
                self.in_pipes.discard((actor, lease))
            case i.Returned(actor, lease):
                self.in_pipes.discard((actor, lease))

    def effect(self, effect: e.Effect) -> None:
        if isinstance(effect, e.Send):
            self.in_pipes.add((effect.actor, effect.batch.lease))
        elif isinstance(effect, e.Recall | e.CancelJob):
            there = (effect.actor, effect.lease) in self.in_pipes | self.were_in_pipes
            check(there, f"{effect} concerns a batch that its actor does not have")
        if isinstance(effect, e.Settle):
            self._settle(effect)
        elif isinstance(effect, e.Send):
            check(self.owner.view.phase == "running", "a batch is sent while stopping")
            jobs = self.owner.world.table.jobs
            for id_ in effect.batch.ids:
                job = jobs[id_]
                order = self.sent.setdefault(job.lane, [])
                order.append((job.priority, job.run_at, id_))
        elif isinstance(effect, e.Claim):
            check(self.owner.view.phase == "running", "a claim while stopping")
        elif isinstance(effect, e.AskDue):
            self.n_dues += 1
        elif isinstance(effect, e.Spawn):
            self.n_starts += 1

    def _settle(self, effect: e.Settle) -> None:
        """A lease writes each of its jobs once, and all of them before it closes."""
        s = effect.settlement
        written = self.settled.setdefault(s.lease, set())
        for id_ in s.ids:
            check(id_ not in written, f"lease {s.lease} settles job {id_} twice")
            written.add(id_)
        check(written <= set(self.batches[s.lease]), f"lease {s.lease} settles a foreign job")
        if s.closes:
            check(len(written) == len(self.batches[s.lease]), f"lease {s.lease} forgets jobs")

    def after(self) -> None:
        view = self.owner.view
        check(len(view.claims) <= CLAIMS_IN_FLIGHT, "too many claims in flight")
        claims, freed = dict.fromkeys(view.kinds, 0), dict.fromkeys(view.kinds, 0)
        for claim, _ in view.claims.values():
            claims[view.lanes[claim.lane].kind] += claim.n_batches
            freed[view.lanes[claim.lane].kind] += claim.free  # these need no actor
        unwritten = dict.fromkeys(view.kinds, 0)
        for held in view.held.values():
            unwritten[held.kind] += held.unwritten
            check(held.unwritten >= 0, "more outcomes written than jobs claimed")
        in_pipes = dict.fromkeys(view.kinds, 0)
        for actor in view.actors.values():
            in_pipes[actor.kind] += len(actor.held)
            check(len(actor.held) <= PIPE_DEPTH, "more batches in a pipe than it may hold")
        for name, kind in view.kinds.items():
            check(kind.n_claiming == claims[name], "claims in flight are miscounted")
            check(kind.n_unwritten == unwritten[name], "unwritten outcomes are miscounted")
            in_flight = in_pipes[name] + len(kind.spare) + claims[name] - freed[name]
            n = max(self.bundles.get(name, 1), bundle(kind, kind.quarantine.limit))
            self.bundles[name] = n
            most = PIPE_DEPTH * len(kind.slots) * n
            check(in_flight <= most, "more in flight than actors can hold")
            check(kind.n_unwritten <= _most_unwritten(kind, n), "too many outcomes unwritten")
        self._reported()

    def _reported(self) -> None:
        """Check that what is counted by lane is what is counted by kind, and can be reported."""
        view, told = self.owner.view, Tally()
        for figures in (view.done or {}).values():
            told.completed += figures.n_completed
            told.failed += figures.n_failed
            told.cancelled += figures.n_cancelled
            told.later += figures.n_retried + figures.n_snoozed
        check(told == total(view), "outcomes are miscounted")
        if self.n_ticks % REPORT_EVERY == 0:
            found = report(view, {}, self.owner.world.now)
            n_unwritten = sum(kind.n_unwritten for kind in view.kinds.values())
            check(sum(lane.n_running for lane in found.lanes) == n_unwritten, "it reports others")
            check(all(actor.since_s >= 0 for actor in found.actors), "it reports the future")

    def ticked(self) -> None:
        self.n_ticks += 1
        now, at = self.owner.world.now, self.spun_at
        self.spun_at = (now, at[1] + 1 if at[0] == now else 0)
        check(self.spun_at[1] < 3, "ticks follow one another without time passing")

    def lease_lost(self, lost: event.LeaseLost) -> None:
        s = self.owner.world.scenario
        check(bool(s.burials or s.deaths), f"lease {lost.lease} was given up for no reason")

    # ---- stopping ----

    def stop_asked(self) -> None:
        self.n_stops += 1
        if math.isinf(self.stop_at):
            s = self.owner.world.scenario
            outages = sum(end - begin + 0.1 for begin, end in s.outages)
            running = min(s.grace_s, max(kind.batch_s for kind in s.kinds))
            if any(job.does in ("slow", "late", "hang", "hang1") for job in s.jobs):
                running = s.grace_s
            trouble = outages + (1.0 if s.kept or s.lost_settles or s.lost_claims else 0.0)
            trouble += 3.0 if s.kept or s.slow_rows < 1000 else 0.0  # part by part
            self.stop_at = self.owner.world.now + running + SLACK_S + 20 * s.latency_s + trouble

    def finished(self) -> None:
        view = self.owner.view
        check(not view.actors, "stopped while an actor lives")
        if self.n_stops + self.is_over_time < 2:
            check(not view.claims, "stopped with a claim in flight")
            check(not view.held, "stopped with outcomes unwritten")
        self._counted()

    def resting(self, kind: str) -> None:
        self.n_rests[kind] = self.n_rests.get(kind, 0) + 1

    def _may_leave(self, name: str) -> bool:
        """Tell whether a kind was tried often enough for a drain to give it up."""
        tried = self.n_bad_boots.get(name, 0) >= START_TRIES or bool(
            self.owner.world.scenario.actor_kills
        )
        final = self.owner.world.scenario.until_final
        return tried or (self.n_rests.get(name, 0) >= REST_TRIES and not final)

    def _counted(self) -> None:
        """What a supervisor says that it has run is what it has run."""
        world, s = self.owner.world, self.owner.world.scenario
        if not (s.calm and s.n_supervisors == 1 and len(world.supervisors) == 1) or s.cancels:
            return
        if self.n_stops > 1 or s.lost_settles:
            return
        states = [job.state for job in world.table.jobs.values()]
        ended = draining.ended(self.owner.view)
        check(ended.n_completed == states.count("completed"), "completed jobs are miscounted")
        check(ended.n_failed == states.count("failed"), "failed jobs are miscounted")
        if s.drain:
            due = [
                n for lane in self.owner.view.lanes for n in world.table.due_rows(lane, world.us)
            ]
            since = world.us - round(1e6 * (0.1 + CHECK_S + 4 * s.latency_s))
            settled = [at for _, at in due if at < since]
            check(ended.short or not settled, "a drain that has left due jobs says it is done")
            told = sum(n for _, n, _ in ended.left)
            # What came to light while it left may have made its last count worthless: it says so.
            is_told = told >= len(settled) or not ended.known
            check(is_told, f"{len(settled)} due jobs are left, {told} are told of")

    def stopping(self, stopping: event.SupervisorStopping) -> None:
        """A drain that ends leaves nothing that it should have waited for."""
        world = self.owner.world
        if not world.scenario.drain or self.n_stops or stopping.phase != "draining":
            return
        if stopping.why.endswith("is reached"):
            self.is_over_time = True
            late = world.now - self.began_at - world.scenario.limit_s
            check(
                world.scenario.until_final and -1e-6 < late < SLACK_S, "the limit comes at a time"
            )
            return
        since = world.us - round(1e6 * (0.01 + CHECK_S + 4 * world.scenario.latency_s))
        if world.scenario.lost_claims or world.scenario.n_supervisors > 1 or world.scenario.deaths:
            return
        until = self.began_at + world.scenario.limit_s - SLACK_S
        for lane in self.owner.view.lanes.values():
            if not self._may_leave(lane.kind):
                due = [d for d in world.table.due_rows(lane.id, world.us) if d[1] < since]
                check(not due, f"drained while lane {lane.id} has due jobs {due}")
                if world.scenario.until_final:
                    self._none_until(lane.id, round(1e6 * until), since)

    def _none_until(self, lane: int, until: int, since: int) -> None:
        """No job that was there becomes due before the drain would have to end."""
        world = self.owner.world
        left = [
            job.id for job in world.table.jobs.values()
            if job.lane == lane and job.state == "pending" and job.run_at < until
            and world.plans[job.id].at * 1e6 < since
        ]  # fmt: skip
        check(not left, f"drained while lane {lane} has jobs to come: {left}")

    # ---- at intervals ----

    def monitor(self) -> None:
        world, view = self.owner.world, self.owner.view
        check(world.now < self.stop_at, "the stop takes too long")
        s = world.scenario
        if s.until_final and view.phase == "running":
            check(world.now < view.began_at + s.limit_s + SLACK_S, "the drain has no limit")
        faulty = world.scenario.lost_claims and world.now < world.scenario.calm_at
        if view.phase != "running" or world.outage_ends() is not None or faulty:
            self.starving.clear()
            return
        for lane in view.lanes.values():
            kind = view.kinds[lane.kind]
            idle = any(not actor.held for actor in view.ready_actors(kind))
            resting = bool(kind.quarantine.state) or looking._fresh_wait(view, kind)
            searched = kind.quarantine.groups  # each in one place at a time
            due = [d for d in world.table.due_rows(lane.id, world.us) if d[0] not in searched]
            if not idle or resting or kind.spare or not due:
                self.starving.pop(lane.id, None)
                continue
            since = self.starving.setdefault(lane.id, world.now)
            check(
                world.now - since < self._patience(kind),
                f"lane {lane.id} has due jobs since {since:.3f}, an actor is idle, none is claimed",
            )

    def _patience(self, kind: KindState) -> float:
        s = self.owner.world.scenario
        policy, n_kinds = kind.policy, len(s.kinds)
        own = s.poll_s + MONITOR_S + SLACK_S + 8 * n_kinds * s.latency_s
        if policy.min_batch > 1:
            own += policy.linger_s
        own += COST_FACTOR * 2 * s.latency_s
        if s.lost_notes:
            own += max(QUIET_DUE_S, s.poll_s)
        # What somebody else put behind the frontier is looked for once a second.
        return own if s.prompt else own + max(UNBOUNDED_EVERY_S, s.poll_s)

    # ---- at the end ----

    def final(self) -> None:
        s = self.owner.world.scenario
        took = self.owner.world.now - self.began_at
        quiet = took / s.poll_s
        most = 15 + 3 * quiet + 4 * self.n_stirs + 40 * len(self.batches)
        check(self.n_ticks <= most, f"{self.n_ticks} ticks in {took:.1f} s: it spins")
        most = 4 + 3 * self.n_stirs
        check(self.n_empty <= most, f"{self.n_empty} claims in vain, {self.n_stirs} reasons")
        most = 5 + 1.5 * quiet + self.n_starts + self.n_woken
        most += sum(job.run_at > job.at for job in s.jobs)  # each asks for the next delayed one
        most += self.n_stirs + 100 * took if s.drain else 0
        check(self.n_dues <= most, f"{self.n_dues} due queries in {took:.1f} s")
        if s.plain and not any(job.at for job in s.jobs):
            for lane, sent in self.sent.items():
                due = [row for row in sent if not row[1]]
                check(due == sorted(due), f"lane {lane} is not sent in order: {due}")


def _most_unwritten(kind: KindState, bundle: int) -> int:
    n, size = len(kind.slots), kind.policy.max_batch
    per_actor = max((UNWRITTEN_BATCHES + PIPE_DEPTH) * size, UNWRITTEN_BUNDLES * size * bundle)
    return max(n * per_actor, UNWRITTEN_JOBS) + CLAIMS_IN_FLIGHT * size * bundle


def check_places(world: World) -> None:
    """Every pending job is in `ready` or under one open lease: nothing is lost."""
    held = {}
    for key, lease in world.table.leases.items():
        for p in lease.open:
            held[lease.ids[p]] = key
    waiting = {row[2] for rows in world.table.ready.values() for row in rows}
    for job in world.table.jobs.values():
        if job.state == "pending":
            there = job.id in waiting if job.place == READY else held.get(job.id) == job.place
            check(there, f"job {job.id} is lost: it should be in {job.place}")


def check_blame(world: World) -> None:
    """Nobody pays for another: not for batch-mates, not for a stop."""
    s: Scenario = world.scenario
    for job in world.table.jobs.values():
        plan, kind = world.plans[job.id], s.kind_of(job.lane)
        if s.calm and len(s.stops) < 2:
            check(not job.n_lost, f"job {job.id} was charged for a lost supervisor")
        is_refused = job.id in s.refused
        if plan.does not in CHARGED and not (s.actor_kills or kind.down_until or is_refused):
            check(not job.n_failed, f"innocent job {job.id} was charged a failure")
            once = (job.max_attempts or kind.policy.max_attempts) == 1
            # Its time is up with its batch's: to tell whose fault that is, it had to run again.
            late = (once or plan.does == "slow") and kind.policy.batch_timeout_s is not None
            check(not job.n_crashed or late, f"innocent job {job.id} was charged a crash")
        poison = plan.does in ("crash", "dup") and not kind.down_until
        if poison and job.state == "failed" and s.calm:
            once = (job.max_attempts or kind.policy.max_attempts) == 1
            budget = 1 if once else kind.policy.crash_budget
            check_budget(world, job.id, budget, kind.policy.max_batch)
        if plan.does == "restart" and s.calm and not s.stops:
            check_restarts(world, job.id, job.max_attempts or kind.policy.max_attempts)


def check_budget(world: World, id_: int, budget: int, max_batch: int) -> None:
    job, n = world.table.jobs[id_], world.n_deaths.get(id_, 0)
    if not world.scenario.actor_kills and not world.scenario.lost_settles:
        check(job.n_crashed == budget, f"poison job {id_} failed at {job.n_crashed} crashes")
        others = world.scenario.n_supervisors - 1  # they run some parts a second time
        search = (2 + math.ceil(math.log2(max_batch))) * (1 + others)
        most = budget - 1 + search + len(world.scenario.stops)
        check(n <= most, f"poison job {id_} killed {n} actors, {most} at most")


def check_restarts(world: World, id_: int, attempts: int) -> None:
    """Nobody asks for a fresh process for ever: a job is charged, and in the end has failed."""
    most = world.scenario.n_supervisors * MAX_RESTARTS + attempts
    most *= 1 + math.ceil(math.log2(world.scenario.kind_of(world.plans[id_].lane).policy.max_batch))
    asked = world.n_asked.get(id_, 0)
    check(asked <= most, f"job {id_} asked for {asked} fresh processes, {most} at most")
