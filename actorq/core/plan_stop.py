"""Stopping, in named phases. Part of `actorq.core.plan`.

draining   nothing is claimed; what no actor has begun goes back uncharged; running batches
           have until the grace time
killing    the actors that still run are killed; what they had not finished goes back uncharged;
           ends when all outcomes are written, or at the next request to stop
leaving    everything is written; idle actors tear down, the slow ones are killed
finished   no actor is left
A second request to stop skips a phase.
"""

from __future__ import annotations

import math

from actorq.core import event, plan_batches
from actorq.core import inputs as i
from actorq.core.effects import Finish, KillActor, StopActor
from actorq.core.view import LEAVE_S, View

CHECK_S = 0.01
"""How soon a drain that has found nothing may ask again whether really nothing is due."""


def asked(view: View, input_: i.StopAsked, now: float) -> None:
    """Begin to stop, or stop harder."""
    if view.phase == "running":
        begin(view, now)
    elif view.phase == "killing":
        _leave(view, now)
    elif view.phase != "finished":
        view.stop_at = now


def begin(view: View, now: float) -> None:
    """Stop claiming and call back what has not begun."""
    view.phase, view.stop_at = "draining", now + view.settings.grace_s
    view.emit(event.SupervisorStopping("draining"))
    for kind in view.kinds.values():
        while kind.spare:
            plan_batches.give_back(view, kind.spare.popleft(), now)
    for actor in view.actors.values():
        for held in actor.held:
            plan_batches.recall(view, actor, held)


def proceed(view: View, now: float) -> None:
    """Go on to the next phase when this one is over, or has taken too long."""
    if view.phase == "draining" and now >= view.stop_at:
        _kill(view)
    if view.phase in ("draining", "killing") and not view.held and not view.claims:
        _leave(view, now)
    if view.phase == "leaving":
        if now >= view.stop_at:
            _kill_all(view)
        if not view.actors:
            view.phase, view.stop_at = "finished", math.inf
            view.do(Finish())


def _kill(view: View) -> None:
    view.phase, view.stop_at = "killing", math.inf
    busy = [actor for actor in view.actors.values() if actor.held]
    view.emit(event.SupervisorStopping("killing"))
    for actor in busy:
        if not actor.killed_for:
            actor.killed_for = "stop"
            view.do(KillActor(actor.id))


def _leave(view: View, now: float) -> None:
    view.phase, view.stop_at = "leaving", now + LEAVE_S
    for actor in view.actors.values():
        actor.leaving = True
        view.do(StopActor(actor.id) if actor.ready and not actor.held else KillActor(actor.id))


def _kill_all(view: View) -> None:
    view.stop_at = math.inf
    for actor in view.actors.values():
        view.do(KillActor(actor.id))


def drained(view: View, now: float) -> bool:
    """Tell whether nothing is due any more and everything is written.

    The claims have to say so, and the due query asked after them: it alone sees suspects.
    """
    if view.held or view.claims:
        return False
    lanes = [o for o in view.lanes.values() if view.kinds[o.kind].available is not False]
    if not all(lane.empty and not lane.suspects for lane in lanes):
        return False
    view.due_at = view.due_by = min(view.due_at, max(now, view.due_last + CHECK_S))
    return view.checked or not lanes
