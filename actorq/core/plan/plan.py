"""The whole supervisor as a reducer: step(view, inputs, now) → effects.

There is no I/O and no clock: the caller passes `now`, in monotonic seconds. Randomness comes from
the view's own seeded generator. The same inputs at the same times therefore give the same effects,
on which the simulator in tests/sim relies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from actorq.core.fleet.actor import Slot
from actorq.core.job.policy import KindPolicy
from actorq.core.lanes.agenda import Agenda
from actorq.core.lanes.lane import Lane
from actorq.core.plan import (
    actors,
    batches,
    blaming,
    draining,
    handing_back,
    leases,
    looking,
    stopping,
    totals,
)
from actorq.core.plan import inputs as i
from actorq.core.plan.effects import Effect
from actorq.core.plan.state import KindState, Settings, View

HANDLERS: dict[type[i.Input], Callable[[View, Any, float], None]] = {
    i.Tick: actors.tick,
    i.Claimed: batches.claimed,
    i.ClaimLost: looking.claim_lost,
    i.DueKnown: looking.due_known,
    i.DueLost: looking.due_lost,
    i.LeftKnown: draining.left_known,
    i.LeftLost: draining.left_lost,
    i.Ready: actors.ready,
    i.BootFailed: actors.boot_failed,
    i.ActorDied: actors.died,
    i.Outcomes: batches.outcomes,
    i.HandlerFailed: blaming.failed,
    i.HandedBack: handing_back.handed_back,
    i.Grown: actors.grown,
    i.Returned: batches.returned,
    i.Settled: batches.settled,
    i.Woken: looking.woken,
    i.Listening: looking.listening,
    i.CancelAsked: leases.cancel_asked,
    i.Beaten: leases.beaten,
    i.StopAsked: stopping.asked,
}


def begin(
    settings: Settings, kinds: Sequence[tuple[KindPolicy, dict[int, str]]], seed: int
) -> View:
    """Return the view of a supervisor that has just started.

    `kinds` pairs each policy with its lanes: lane id → queue.
    """
    view = View(settings, {}, {}, Agenda(), Random(seed))
    for policy, lanes in kinds:
        slots = [Slot(index) for index in range(policy.actors)]
        view.kinds[policy.name] = KindState(policy, slots)
        for id_, queue in lanes.items():
            view.lanes[id_] = Lane(id_, queue, policy.name, policy.weight, view.agenda)
    return view


def step(view: View, inputs: Sequence[i.Input], now: float) -> list[Effect]:
    """Take inputs in, then converge: start, dispatch, write, look. Return what to do.

    A caller that falls behind has several inputs at hand; converging once for all of them is
    what lets it catch up.
    """
    view.began_at = min(view.began_at, now)
    view.agenda.advance(now)
    for input_ in inputs:
        HANDLERS[type(input_)](view, input_, now)
    if view.troubled:
        blaming.proceed(view, now)
    actors.start(view, now)
    batches.dispatch(view, now)
    batches.write(view, now)
    if view.phase == "running" and view.settings.drain:
        _drain(view, now)
    if view.phase == "running":
        looking.look(view, now)
    if view.phase != "running":
        stopping.proceed(view, now)
    totals.tell(view, now)
    view.stepped_at = now
    effects, view.out = view.out, []
    return effects


def _drain(view: View, now: float) -> None:
    """End a drain whose time has come; otherwise see that no jobs wait for others in vain."""
    limit = f"its limit of {view.settings.limit_s:g} s"
    if draining.is_over(view, now):
        comes_late = draining.some_come_late(view)
        stopping.begin(view, now, f"the rest is due after {limit}" if comes_late else "")
    elif now >= draining.limit_at(view):
        stopping.begin(view, now, f"{limit} is reached")
    else:
        draining.flush(view, now)


def deadline(view: View, now: float) -> float:
    """Return the latest instant at which the next `Tick` is needed."""
    soon = min(now + view.settings.poll_s, view.stop_at)
    if view.phase != "running":
        return max(soon, now)
    soon = min(soon, draining.limit_at(view))
    # What was due at the last step and was not done waits for some other event. What has become
    # due since then is handled by the next step, at once.
    if view.due_asked is None:
        soon = min(soon, view.due_at if view.stepped_at < view.due_at else view.due_by)
    look_at = view.agenda.next_at()
    if view.stepped_at < look_at:
        soon = min(soon, look_at)
    return max(now, min(soon, view.start_at))
