"""Which lanes ask for notifications. Part of `core.plan`; `core.lanes.appetite` says why."""

from __future__ import annotations

from actorq.core.lanes.lane import Lane
from actorq.core.plan.effects import Hunger
from actorq.core.plan.view import View

HUNGER_CHECK_S = 0.01
"""How often to look for lanes that have nothing to do: most have something again by then."""


def declare_hunger(view: View, now: float) -> None:
    """Ask for notifications where they help, and stop asking where they flood in."""
    if now < view.hunger_at:
        return
    view.hunger_at = now + HUNGER_CHECK_S
    off, on = _flooded(view), _idle(view, now)
    for lane in off:
        lane.be_sated(now)
    for lane in on:
        lane.be_woken(now)
    if on or off:
        view.do(Hunger(frozenset(o.id for o in on), frozenset(o.id for o in off)))


def _flooded(view: View) -> list[Lane]:
    return [lane for lane in view.agenda.take_flooding() if lane.appetite.hungry]


def _idle(view: View, now: float) -> list[Lane]:
    """Return the lanes that have nothing to do and may ask by now; forget those that have work."""
    found: list[Lane] = []
    for name, lanes in view.agenda.kinds.items():
        if not (lanes.quiet and view.kinds[name].available):
            continue
        for no, lane in list(lanes.quiet.items()):
            wants = lane.wants_to_be_woken(now)
            if wants:
                found.append(lane)
            if wants or wants is None:
                lanes.asked(no)
    return found
