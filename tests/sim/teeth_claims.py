"""Bugs to plant: what is claimed, when, and how its answer is taken."""

from __future__ import annotations

from typing import Any

import pytest

from actorq.core.claiming import Errands
from actorq.core.fleet.batch import BatchState
from actorq.core.lanes.frontier import Frontier
from actorq.core.lanes.lane import Lane
from actorq.core.plan import (
    batches,
    handing_back,
    leases,
    looking,
    plan,
)
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan.state import View
from tests.sim.teeth import handle, plant, plant_where


@plant
def nobody_looks_behind_the_frontier(m: pytest.MonkeyPatch) -> None:
    m.setattr(Frontier, "unbounded", lambda self, now: not self.last)


@plant_where("restart", drain=False)
def nobody_counts_what_is_asked_for(m: pytest.MonkeyPatch) -> None:
    m.setattr(handing_back, "_times_asked", lambda kind, jobs: 1)


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


@plant_where(latency_s=0.02)
def a_claim_in_flight_is_given_back(m: pytest.MonkeyPatch) -> None:
    beaten = leases.beaten

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
def a_claim_forgets_the_claims_before_it(m: pytest.MonkeyPatch) -> None:
    def room(view: View, kind: Any, now: float) -> int:
        return any(len(actor.held) < 2 for actor in view.ready_actors(kind))

    m.setattr(looking, "room", room)


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
def a_claim_begins_where_any_other_has_ended(m: pytest.MonkeyPatch) -> None:
    m.setattr(Errands, "frontier", lambda self, order: order.frontier | self._ended)


@plant
def a_claim_that_was_not_answered_is_forgotten(m: pytest.MonkeyPatch) -> None:
    failed = Errands.failed

    def silent(self: Errands, order: Any, *args: Any) -> Any:
        answer = failed(self, order, *args)
        return None if isinstance(answer, i.ClaimLost) else answer

    m.setattr(Errands, "failed", silent)
