"""The whole supervisor as a reducer: step(view, input, now) → effects.

No I/O, no clock: `now` is monotonic seconds, brought by the caller; randomness comes from the
view's own seeded generator. The same inputs at the same times give the same effects, which is
what the simulator in tests/sim relies on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from actorq.core import inputs as i
from actorq.core import (
    plan_actors,
    plan_batches,
    plan_blame,
    plan_drain,
    plan_hand_back,
    plan_look,
    plan_stop,
    plan_told,
    tally,
)
from actorq.core.effects import Effect
from actorq.core.policy import KindPolicy
from actorq.core.view import Kind, Lane, Settings, Slot, View

HANDLERS: dict[type[i.Input], Callable[[View, Any, float], None]] = {
    i.Tick: plan_actors.tick,
    i.Claimed: plan_batches.claimed,
    i.ClaimLost: plan_look.claim_lost,
    i.DueKnown: plan_look.due_known,
    i.DueLost: plan_look.due_lost,
    i.LeftKnown: plan_drain.left_known,
    i.LeftLost: plan_drain.left_lost,
    i.ActorReady: plan_actors.ready,
    i.BootFailed: plan_actors.boot_failed,
    i.ActorDied: plan_actors.died,
    i.Outcomes: plan_batches.outcomes,
    i.BatchFailed: plan_blame.failed,
    i.HandedBack: plan_hand_back.handed_back,
    i.ActorGrown: plan_actors.grown,
    i.Returned: plan_batches.returned,
    i.Settled: plan_batches.settled,
    i.Woken: plan_look.woken,
    i.Listening: plan_look.listening,
    i.CancelAsked: plan_told.cancel_asked,
    i.Beaten: plan_told.beaten,
    i.StopAsked: plan_stop.asked,
}


def begin(
    settings: Settings, kinds: Sequence[tuple[KindPolicy, dict[int, str]]], seed: int
) -> View:
    """Return the view of a supervisor that has just started.

    `kinds` pairs each policy with its lanes: lane id → queue.
    """
    view = View(settings, {}, {}, Random(seed))
    for policy, lanes in kinds:
        slots = [Slot(index) for index in range(policy.actors)]
        view.kinds[policy.name] = Kind(policy, slots, list(lanes))
        for id_, queue in lanes.items():
            view.lanes[id_] = Lane(id_, queue, policy.name, policy.weight)
    return view


def step(view: View, input_: i.Input, now: float) -> list[Effect]:
    """Take one input in and return what is to be done; changes the view."""
    view.began_at = min(view.began_at, now)
    HANDLERS[type(input_)](view, input_, now)
    if view.troubled:
        plan_blame.proceed(view, now)
    plan_actors.start(view, now)
    plan_batches.dispatch(view, now)
    plan_batches.write(view, now)
    if view.phase == "running" and view.settings.drain:
        _drain(view, now)
    if view.phase == "running":
        plan_look.look(view, now)
    if view.phase != "running":
        plan_stop.proceed(view, now)
    tally.tell(view, now)
    view.stepped_at = now
    effects, view.out = view.out, []
    return effects


def _drain(view: View, now: float) -> None:
    """End a drain when its time has come, or else see that nothing waits in vain."""
    limit = f"its limit of {view.settings.limit_s:g} s"
    if plan_drain.is_over(view, now):
        comes_late = plan_drain.some_come_late(view)
        plan_stop.begin(view, now, f"the rest is due after {limit}" if comes_late else "")
    elif now >= plan_drain.limit_at(view):
        plan_stop.begin(view, now, f"{limit} is reached")
    else:
        plan_drain.flush(view, now)


def deadline(view: View, now: float) -> float:
    """Return the instant at which the next `Tick` is needed, at the latest."""
    soon = min(now + view.settings.poll_s, view.stop_at)
    if view.phase != "running":
        return max(soon, now)
    soon = min(soon, plan_drain.limit_at(view))
    # What was due at the last step and not done waits for something else to happen; what has
    # become due since that step is for the next one, at once.
    if view.due_asked is None:
        soon = min(soon, view.due_at if view.stepped_at < view.due_at else view.due_by)
    for lane in view.lanes.values():
        if view.stepped_at < lane.look_at < soon and not lane.n_claiming:
            soon = lane.look_at
    return max(now, min(soon, view.start_at))
