"""Stopping, in named phases. Part of `actorq.core.plan`.

draining   nothing is claimed; batches that no actor has begun go back uncharged; running
           batches may go on for the grace time
killing    the actors that still run are killed; what they had not finished goes back
           uncharged; ends when all outcomes are written, or at the next request to stop
leaving    everything is written; idle actors tear down, the slow ones are killed
finished   no actor is left
A second request to stop skips a phase.
"""

from __future__ import annotations

import math

from actorq.core import event
from actorq.core.plan import batches, draining
from actorq.core.plan import inputs as i
from actorq.core.plan.effects import Finish, KillActor, StopActor
from actorq.core.plan.state import TEARDOWN_S, View


def asked(view: View, input_: i.StopAsked, now: float) -> None:
    """Begin to stop; if already stopping, skip a phase."""
    if view.phase == "running":
        begin(view, now, draining.STOPPED)
    elif view.phase == "killing":
        _leave(view, now)
    elif view.phase != "finished":
        view.impatient = view.impatient or view.phase == "draining"
        view.stop_at = now


def begin(view: View, now: float, why: str = "") -> None:
    """Stop claiming and recall what has not begun; `why` jobs of other kinds are left."""
    view.phase, view.stop_at = "draining", now + view.settings.grace_s
    n_batches = sum(bool(actor.held) for actor in view.actors.values())
    said = "" if why == draining.STOPPED else why
    view.emit(event.SupervisorStopping("draining", n_batches, view.settings.grace_s, said))
    for name, kind in view.kinds.items():
        view.reasons[name] = draining.trouble(kind, now) or why
    for kind in view.kinds.values():
        for held in kind.give_up_spare():
            batches.give_back(view, held, now)
    for actor in view.actors.values():
        for held in actor.held:
            batches.recall(view, actor, held)


def proceed(view: View, now: float) -> None:
    """Go on to the next phase when this one is over or has taken too long."""
    if view.phase == "draining" and now >= view.stop_at:
        _kill(view)
    if view.phase in ("draining", "killing") and not view.held and not view.claims:
        _leave(view, now)
    if view.phase == "leaving":
        if now >= view.stop_at:
            _kill_all(view)
            view.left_asked = False
        if not view.actors and not view.left_asked:
            view.phase, view.stop_at = "finished", math.inf
            view.do(Finish())


def _kill(view: View) -> None:
    view.phase, view.stop_at = "killing", math.inf
    busy = [actor for actor in view.actors.values() if actor.held]
    view.emit(event.SupervisorStopping("killing", len(busy)))
    for actor in busy:
        if not actor.killed_for:
            actor.killed("stop")
            view.do(KillActor(actor.id))


def _leave(view: View, now: float) -> None:
    left_at = view.stop_at if view.phase == "draining" else now
    view.phase, view.stop_at = "leaving", max(left_at, now + TEARDOWN_S)
    if view.settings.drain and view.left is None:
        draining.count(view, now)
    for actor in view.actors.values():
        actor.leave()
        view.do(StopActor(actor.id) if actor.ready and not actor.held else KillActor(actor.id))


def _kill_all(view: View) -> None:
    view.stop_at = math.inf
    for actor in view.actors.values():
        view.do(KillActor(actor.id))
