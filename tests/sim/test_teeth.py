"""The simulator has teeth: each of these bugs, planted into the core, breaks a property soon."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from actorq.core.blame import blame
from actorq.core.blame.quarantine import Quarantine, Take
from actorq.core.claiming import Errands
from actorq.core.fleet.actor import ActorState
from actorq.core.fleet.batch import BatchState
from actorq.core.job import settle
from actorq.core.job.tally import Tally
from actorq.core.lanes.frontier import Frontier
from actorq.core.lanes.lane import Lane
from actorq.core.plan import actors as plan_actors
from actorq.core.plan import (
    batches,
    blaming,
    draining,
    handing_back,
    looking,
    plan,
    stopping,
    telling,
)
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan.view import View
from actorq.core.store_values import SettleReply
from actorq.core.writing import writer
from actorq.core.writing.writer import Writer
from tests.sim.run import Report, run
from tests.sim.scenario import Scenario, draw

SEEDS = range(20_000, 22_000)

Plant = Callable[[pytest.MonkeyPatch], None]
PLANTS: dict[str, tuple[Plant, dict[str, Any]]] = {}


def plant(function: Plant) -> Plant:
    PLANTS[function.__name__] = function, {}
    return function


def plant_where(does: str = "", **options: Any) -> Callable[[Plant], Plant]:
    """Plant a bug that shows only where a rare thing happens: there it is made common.

    `does` is what every fourth job does, each of a batch for itself.
    """

    def planted(function: Plant) -> Plant:
        PLANTS[function.__name__] = function, {"does": does, **options}
        return function

    return planted


def scenario_for(name: str, seed: int) -> Scenario:
    scenario, options = draw(seed), dict(PLANTS[name][1])
    does = options.pop("does", "")
    for job in scenario.jobs[::4] if does else ():
        job.does = does
    for kind in scenario.kinds:
        kind.mode = "each" if does else kind.mode
    for option, value in options.items():
        setattr(scenario, option, value)
    for kind in scenario.kinds:
        kind.broken = kind.broken and scenario.drain
    scenario.until_final = scenario.until_final and scenario.drain
    return scenario


def caught(name: str, seeds: range = SEEDS) -> Report | None:
    """Return the report of the first seed in which something is wrong."""
    for seed in seeds:
        report = run(scenario_for(name, seed), safety=seed % 4 == 3)
        assert "TypeError" not in report.violation, f"{name} no longer fits: {report.violation}"
        if report.violation:
            return report
    return None


def handle(monkeypatch: pytest.MonkeyPatch, input_: type[i.Input], handler: Any) -> None:
    monkeypatch.setitem(plan.HANDLERS, input_, handler)


@plant
def an_outcome_is_written_twice(m: pytest.MonkeyPatch) -> None:
    made = batches._settlement

    def settlement(held: BatchState) -> Any:
        made_ = made(held)
        held.writing = False
        return made_

    m.setattr(batches, "_settlement", settlement)


@plant
def a_batch_that_waited_is_forgotten_when_its_actor_dies(m: pytest.MonkeyPatch) -> None:
    died = plan_actors.died

    def forgetful(view: View, input_: i.ActorDied, now: float) -> None:
        actor = view.actors.get(input_.actor)
        if actor is not None:
            actor.held = [h for h in actor.held if h.batch.lease == input_.taken]
        died(view, input_, now)

    handle(m, i.ActorDied, forgetful)


@plant
def a_whole_batch_is_charged(m: pytest.MonkeyPatch) -> None:
    m.setattr(blaming, "blame", lambda open_, *_, **__: blame.Blame(charged=tuple(open_)))


@plant
def nobody_is_ever_charged(m: pytest.MonkeyPatch) -> None:
    m.setattr(blaming, "blame", lambda open_, *_, **__: blame.Blame(innocent=tuple(open_)))


@plant
def nobody_looks_behind_the_frontier(m: pytest.MonkeyPatch) -> None:
    m.setattr(Frontier, "unbounded", lambda self, now: not self.last)


@plant_where(stops=[(0.3, 0)], drain=False)
def a_recalled_batch_is_not_taken_back(m: pytest.MonkeyPatch) -> None:
    handle(m, i.Returned, lambda view, input_, now: None)


@plant_where(retires=[0.1, 0.2, 0.3, 0.4, 0.5], drain=False)
def what_a_retiring_actor_returns_waits_for_nobody(m: pytest.MonkeyPatch) -> None:
    m.setattr(batches, "wait_again", lambda kind, held: None)


@plant_where(retires=[0.1, 0.2, 0.3, 0.4, 0.5], drain=False)
def an_actor_that_retires_is_given_work(m: pytest.MonkeyPatch) -> None:
    def ready(view: View, kind: Any) -> Any:
        actors = (view.actors.get(slot.actor or 0) for slot in kind.slots)
        return (a for a in actors if a and a.ready and not a.killed_for)

    m.setattr(View, "ready_actors", ready)


@plant_where("restart", drain=False)
def nobody_counts_what_is_asked_for(m: pytest.MonkeyPatch) -> None:
    m.setattr(handing_back, "_times_asked", lambda kind, jobs: 1)


@plant_where("rest1", drain=False)
def what_is_handed_back_is_charged(m: pytest.MonkeyPatch) -> None:
    m.setattr(
        batches,
        "give_back",
        lambda view, held, now: blaming.charge(
            view, ActorState(0, held.kind, 0), held, [], i.ErrorInfo("E", ""), now, crashed=False
        ),
    )


@plant_where("restart1", poll_s=0.05, latency_s=0.005, drain=False)
def what_came_during_a_claim_is_dropped(m: pytest.MonkeyPatch) -> None:
    look_again = batches._look_again

    def forgetful(view: View, lane: Lane, claim: e.Claim, input_: i.Claimed, now: float) -> None:
        lane.found_nothing(0.0, now)
        lane.suspects.clear()
        view.agenda.suspected.pop(lane.no, None)
        look_again(view, lane, claim, input_, now)

    m.setattr(batches, "_look_again", forgetful)


@plant_where("crash1", latency_s=0.02, drain=True)
def an_old_answer_overwrites_what_was_learned_since(m: pytest.MonkeyPatch) -> None:
    m.setattr(View, "outdate", lambda self, lane: None)


@plant_where(drain=True)
def a_drain_does_not_ask_for_suspects(m: pytest.MonkeyPatch) -> None:
    def is_over(view: View, now: float) -> bool:
        lanes = [o for o in view.lanes.values() if view.kinds[o.kind].available is not False]
        return not view.held and not view.claims and all(o.empty for o in lanes)

    m.setattr(draining, "is_over", is_over)


@plant_where(drain=True)
def a_drain_tries_a_kind_only_once(m: pytest.MonkeyPatch) -> None:
    m.setattr(draining, "START_TRIES", 1)


@plant_where(drain=True)
def a_drain_tries_a_kind_for_ever(m: pytest.MonkeyPatch) -> None:
    m.setattr(draining, "given_up", lambda view, kind, now: False)


@plant_where(drain=True, until_final=True, limit_s=30.0)
def what_is_due_later_is_never_waited_for(m: pytest.MonkeyPatch) -> None:
    m.setattr(draining, "_hopeful", lambda view, found, now: False)


@plant_where(drain=True, until_final=True, limit_s=0.5)
def a_drain_until_final_has_no_limit(m: pytest.MonkeyPatch) -> None:
    m.setattr(draining, "limit_at", lambda view: math.inf)


@plant_where(drain=True)
def a_drain_that_left_due_jobs_is_done(m: pytest.MonkeyPatch) -> None:
    m.setattr(draining, "fell_short", lambda view: False)


@plant
def an_attempt_that_runs_again_counts_as_completed(m: pytest.MonkeyPatch) -> None:
    def add(self: Tally, settlement: Any, refused: frozenset[int]) -> int:
        self.completed += settlement.n
        return int(settlement.n)

    m.setattr(Tally, "add", add)


@plant
def an_outcome_on_its_way_counts_as_a_lost_lease(m: pytest.MonkeyPatch) -> None:
    beaten = telling.beaten

    def hasty(view: View, input_: i.Beaten, now: float) -> None:
        for held in view.held.values():
            held.writing = False
        beaten(view, input_, now)

    handle(m, i.Beaten, hasty)


@plant_where(latency_s=0.02)
def a_claim_in_flight_is_given_back(m: pytest.MonkeyPatch) -> None:
    beaten = telling.beaten

    def hasty(view: View, input_: i.Beaten, now: float) -> None:
        claims, view.claims = view.claims, {}
        beaten(view, input_, now)
        view.claims = claims

    handle(m, i.Beaten, hasty)


@plant
def a_claim_without_an_answer_is_left_alone(m: pytest.MonkeyPatch) -> None:
    step = plan.step

    def careless(view: View, inputs: list[i.Input], now: float) -> list[e.Effect]:
        return [f for f in step(view, inputs, now) if not isinstance(f, e.GiveBack)]

    m.setattr(plan, "step", careless)


@plant
def the_open_bits_are_those_of_the_told(m: pytest.MonkeyPatch) -> None:
    bits = batches.open_bits
    m.setattr(batches, "open_bits", lambda n, told: bits(n, {p for p in range(n) if p not in told}))


@plant
def the_fence_number_is_not_counted(m: pytest.MonkeyPatch) -> None:
    settled = batches.settled

    def forgetful(view: View, input_: i.Settled, now: float) -> None:
        seqs = {s.lease: s.seq for s in input_.settlements}
        settled(view, i.Settled(input_.settlements, input_.applied, seqs), now)

    handle(m, i.Settled, forgetful)


@plant
def a_claim_forgets_the_claims_before_it(m: pytest.MonkeyPatch) -> None:
    def room(view: View, kind: Any, now: float) -> int:
        return any(len(actor.held) < 2 for actor in view.ready_actors(kind))

    m.setattr(looking, "room", room)


@plant
def nothing_ever_takes_too_long(m: pytest.MonkeyPatch) -> None:
    m.setattr(plan_actors, "_time_out", lambda view, actor, held, now: None)


@plant_where("late", poll_s=0.1)
def a_late_kill_hits_the_next_batch(m: pytest.MonkeyPatch) -> None:
    died = plan_actors.died

    def blunt(view: View, input_: i.ActorDied, now: float) -> None:
        if input_.actor in view.actors:
            view.actors[input_.actor].killed_lease = 0
        died(view, input_, now)

    handle(m, i.ActorDied, blunt)


@plant
def a_stop_charges_what_it_kills(m: pytest.MonkeyPatch) -> None:
    died = plan_actors.died

    def unfair(view: View, input_: i.ActorDied, now: float) -> None:
        if input_.actor in view.actors:
            view.actors[input_.actor].killed_for = ""
        died(view, input_, now)

    handle(m, i.ActorDied, unfair)


@plant
def a_stop_waits_for_ever(m: pytest.MonkeyPatch) -> None:
    m.setattr(stopping, "_kill", lambda view: None)


@plant
def a_claim_answered_during_a_stop_is_kept(m: pytest.MonkeyPatch) -> None:
    claimed = batches.claimed

    def greedy(view: View, input_: i.Claimed, now: float) -> None:
        phase, view.phase = view.phase, "running"
        claimed(view, input_, now)
        view.phase = phase

    handle(m, i.Claimed, greedy)


@plant
def an_answer_given_twice_is_believed(m: pytest.MonkeyPatch) -> None:
    m.setattr(batches, "_acceptable", lambda held, positions: True)


@plant
def a_dead_actor_is_not_replaced(m: pytest.MonkeyPatch) -> None:
    start = plan_actors.start

    def once(view: View, now: float) -> None:
        if view.next_actor == 1:
            start(view, now)

    m.setattr(plan_actors, "start", once)


@plant
def the_due_query_is_never_asked(m: pytest.MonkeyPatch) -> None:
    m.setattr(looking, "_ask_due", lambda view, now: None)


@plant
def a_delayed_job_is_not_remembered(m: pytest.MonkeyPatch) -> None:
    handle(
        m,
        i.DueKnown,
        lambda view, input_, now: looking.due_known(
            view,
            i.DueKnown(
                [type(d)(d.lane, False, None, d.suspects) for d in input_.dues], input_.took_s
            ),
            now,
        ),
    )


@plant
def suspects_stay_in_quarantine(m: pytest.MonkeyPatch) -> None:
    m.setattr(looking, "_suspects_found", lambda view, lane, groups: None)


@plant
def a_group_is_run_as_a_whole_again_and_again(m: pytest.MonkeyPatch) -> None:
    m.setattr(Quarantine, "next_of", lambda self, numbers: Take(numbers[0], 10_000))


@plant
def what_is_left_of_a_group_stays_in_quarantine(m: pytest.MonkeyPatch) -> None:
    next_of = Quarantine.next_of

    def forgetful(self: Quarantine, numbers: list[int]) -> Take:
        bad = [number for number in numbers if number not in self.groups or self.is_bad(number)]
        return next_of(self, bad) if bad else Take(0, 1)

    m.setattr(Quarantine, "next_of", forgetful)
    m.setattr(Quarantine, "to_free", lambda self, numbers: None)


@plant
def a_verdict_that_waits_is_forgotten(m: pytest.MonkeyPatch) -> None:
    m.setattr(blaming, "proceed", lambda view, now: None)


@plant
def a_verdict_waits_for_ever(m: pytest.MonkeyPatch) -> None:
    m.setattr(blaming, "_others", lambda view, kind, now: True)


@plant
def a_crash_budget_is_never_spent(m: pytest.MonkeyPatch) -> None:
    crashed = settle.crashed_attempt

    def merciful(*args: Any) -> Any:
        row = crashed(*args)
        return type(row)(row.id, row.attempt, "pending", "crashed", 0.05, args[-1])

    m.setattr(settle, "crashed_attempt", merciful)


@plant
def batches_are_sent_last_come_first_served(m: pytest.MonkeyPatch) -> None:
    class Stack(list[BatchState]):
        def popleft(self) -> BatchState:
            return self.pop()

        def appendleft(self, held: BatchState) -> None:
            self.append(held)

    begin = plan.begin

    def begin_(*args: Any) -> View:
        view = begin(*args)
        for kind in view.kinds.values():
            kind.spare = Stack()  # type: ignore[assignment]
            kind.slots = kind.slots
        return view

    dispatch = batches.dispatch

    def late(view: View, now: float) -> None:
        if any(len(kind.spare) > 1 for kind in view.kinds.values()) or not view.claims:
            dispatch(view, now)

    m.setattr(plan, "begin", begin_)
    m.setattr(batches, "dispatch", late)


@plant
def the_plan_never_sleeps(m: pytest.MonkeyPatch) -> None:
    m.setattr(plan, "deadline", lambda view, now: now)


@plant
def an_empty_lane_is_looked_at_again_and_again(m: pytest.MonkeyPatch) -> None:
    look_again = batches._look_again

    def restless(view: View, lane: Lane, claim: e.Claim, input_: i.Claimed, now: float) -> None:
        look_again(view, lane, claim, input_, now)
        lane.look_by(now + 0.001)

    m.setattr(batches, "_look_again", restless)


@plant
def unwritten_outcomes_of_a_lost_lease_are_counted_for_ever(m: pytest.MonkeyPatch) -> None:
    release = batches._release

    def leaky(view: View, held: BatchState, now: float) -> None:
        n = held.unwritten
        release(view, held, now)
        view.kinds[held.kind].n_unwritten += n

    m.setattr(batches, "_release", leaky)


@plant_where(kept=0.5)
def what_is_kept_is_taken_for_written(m: pytest.MonkeyPatch) -> None:
    m.setattr(Writer, "_keep", lambda self, sent, kept, reply, now: False)


@plant_where(kept=0.5)
def the_rest_of_a_batch_is_taken_for_the_whole(m: pytest.MonkeyPatch) -> None:
    keep = Writer._keep

    def forgetful(self: Writer, *args: Any) -> bool:
        is_kept = keep(self, *args)
        self._whole.clear()
        return is_kept

    m.setattr(Writer, "_keep", forgetful)


@plant_where(kept=0.5)
def the_rest_of_a_batch_has_the_number_of_its_first_part(m: pytest.MonkeyPatch) -> None:
    keep = Writer._keep

    def stale(self: Writer, sent: Any, *args: Any) -> bool:
        is_kept = keep(self, sent, *args)
        if is_kept:
            self._kept[-1][1].seq = sent.seq
        return is_kept

    m.setattr(Writer, "_keep", stale)


@plant_where(kept=0.5, lost_settles=0.5)
def what_was_locked_is_forgotten_with_the_answer(m: pytest.MonkeyPatch) -> None:
    m.setattr(Writer, "doubtful", lambda self: [])


@plant_where(kept=0.5, lost_settles=0.5)
def a_lost_answer_brings_no_numbers(m: pytest.MonkeyPatch) -> None:
    def found(self: Writer, open_: list[int], now: float) -> Any:
        return self.written(SettleReply({s.lease for s in self.sent}, kept=list(open_)), now)

    m.setattr(Writer, "found", found)


@plant_where(lost_settles=0.5)
def a_lost_answer_means_written(m: pytest.MonkeyPatch) -> None:
    m.setattr(Writer, "is_written", lambda self, written: written is not None)


@plant_where(slow_rows=2)
def the_second_half_of_a_slow_statement_is_dropped(m: pytest.MonkeyPatch) -> None:
    failed = Writer.failed

    def careless(self: Writer, *args: Any) -> str:
        later = list(self._later)
        reason = failed(self, *args)
        self._later = later
        return reason

    m.setattr(Writer, "failed", careless)


@plant_where(slow_rows=2)
def what_a_slow_batch_leaves_is_kept_for_ever(m: pytest.MonkeyPatch) -> None:
    m.setattr(writer, "KEPT_WAIT_S", math.inf)


@plant_where(settle_rows=2)
def what_does_not_fit_any_more_is_dropped(m: pytest.MonkeyPatch) -> None:
    add = Writer.add

    def careless(self: Writer, more: Any) -> bool:
        goes_on = add(self, more)
        self._later.clear()
        return goes_on

    m.setattr(Writer, "add", careless)


@plant_where(kept=0.5, refused={1, 2, 3, 4, 5}, stops=[])
def who_was_refused_is_forgotten_while_others_are_kept(m: pytest.MonkeyPatch) -> None:
    written = Writer.written

    def forgetful(self: Writer, *args: Any) -> Any:
        said = written(self, *args)
        self._refused.clear()
        return said

    m.setattr(Writer, "written", forgetful)


@plant
def a_claim_begins_where_any_other_has_ended(m: pytest.MonkeyPatch) -> None:
    m.setattr(Errands, "frontier", lambda self, order: order.frontier | self._ended)


@plant
def a_claim_that_was_not_answered_is_forgotten(m: pytest.MonkeyPatch) -> None:
    failed = Errands.failed

    def silent(self: Errands, order: Any, *args: Any) -> Any:
        answer = failed(self, order, *args)
        return None if isinstance(answer, i.ClaimLost) else answer

    m.setattr(Errands, "failed", silent)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTS[name][0](monkeypatch)
    assert caught(name) is not None, f"{name}: not caught by {len(SEEDS)} seeds"


@pytest.mark.parametrize("name", [name for name in PLANTS if PLANTS[name][1]])
def test_without_the_bug_nothing_is_caught(name: str) -> None:
    report = caught(name, SEEDS[:300])
    assert report is None, report and report.text()
