"""Bugs to plant: actors that end, drains and stops."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actorq.core.plan import actors as plan_actors
from actorq.core.plan import (
    batches,
    draining,
    stopping,
)
from actorq.core.plan import inputs as i
from actorq.core.plan.state import View
from tests.sim.teeth import handle, plant, plant_where


@plant
def a_batch_that_waited_is_forgotten_when_its_actor_dies(m: pytest.MonkeyPatch) -> None:
    died = plan_actors.died

    def forgetful(view: View, input_: i.ActorDied, now: float) -> None:
        actor = view.actors.get(input_.actor)
        if actor is not None:
            actor.held = [h for h in actor.held if h.batch.lease == input_.taken]
        died(view, input_, now)

    handle(m, i.ActorDied, forgetful)


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
def a_dead_actor_is_not_replaced(m: pytest.MonkeyPatch) -> None:
    start = plan_actors.start

    def once(view: View, now: float) -> None:
        if view.next_actor == 1:
            start(view, now)

    m.setattr(plan_actors, "start", once)
