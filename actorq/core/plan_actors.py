"""The life of actors: started, ready, too slow, dead. Part of `actorq.core.plan`."""

from __future__ import annotations

import math

from actorq.core import event, plan_batches, plan_blame, plan_look
from actorq.core import inputs as i
from actorq.core.effects import KillActor, Spawn
from actorq.core.model import ErrorInfo
from actorq.core.restart import restart_delay_s
from actorq.core.view import Actor, Held, Kind, Slot, View


def start(view: View, now: float) -> None:
    """Start an actor in every empty slot whose time has come."""
    if view.phase != "running" or now < view.start_at:
        return
    view.start_at = math.inf
    for name, kind in view.kinds.items():
        for slot in kind.slots:
            if slot.actor is None and now >= slot.start_at:
                actor = Actor(view.next_actor, name, slot.index, born_at=now)
                view.next_actor += 1
                view.actors[actor.id] = actor
                slot.actor = actor.id
                view.do(Spawn(actor.id, name, slot.index))
            elif slot.actor is None:
                view.start_at = min(view.start_at, slot.start_at)


def ready(view: View, input_: i.ActorReady, now: float) -> None:
    """Give an actor work from now on."""
    actor = view.actors.get(input_.actor)
    if actor is None:
        return
    actor.ready = True
    kind = view.kinds[actor.kind]
    kind.slots[actor.index].n_bad_starts = 0
    if not kind.available:
        kind.available = True
        view.due_at = view.due_by = now
        view.emit(event.KindAvailable(actor.kind))
    view.emit(event.ActorReady(actor.kind, actor.index))
    plan_look.actor_idle(view, kind, now)


def boot_failed(view: View, input_: i.BootFailed, now: float) -> None:
    """Note that a handler cannot start; no job is charged for it."""
    actor = view.actors.get(input_.actor)
    if actor is not None:
        error = input_.error
        text = f"{error.type}: {error.message}"
        view.emit(event.ActorBootFailed(actor.kind, actor.index, text, error.traceback))


def tick(view: View, input_: i.Tick, now: float) -> None:
    """Note which batches have been begun; kill the actors whose batch took too long."""
    for actor_id, lease in input_.taken.items():
        actor = view.actors.get(actor_id)
        if actor is None:
            continue
        for held in actor.held:
            if held.batch.lease == lease:
                _follow(held, input_.running.get(actor_id, ()), now)
            _time_out(view, actor, held, now)
    for actor in view.actors.values():
        if not actor.ready and not actor.killed_for:
            _give_up_on_setup(view, actor, now)


def _give_up_on_setup(view: View, actor: Actor, now: float) -> None:
    limit = view.kinds[actor.kind].policy.setup_timeout_s
    if now >= actor.born_at + limit:
        actor.killed_for = "timeout"
        view.do(KillActor(actor.id))


def _follow(held: Held, running: tuple[int, ...], now: float) -> None:
    """Remember since when a batch, and the job in it, has been running."""
    if held.taken_at is None:
        held.taken_at = now
    if running != held.running:
        held.running, held.running_since = running, now if running else math.inf


def _time_out(view: View, actor: Actor, held: Held, now: float) -> None:
    """Kill an actor whose handler did not heed the exception that its own limit raised."""
    policy = view.kinds[held.kind].policy
    since = (policy.batch_timeout_s, held.taken_at), (policy.job_timeout_s, held.running_since)
    late = now - view.settings.heed_s
    over = any(limit is not None and at is not None and late >= at + limit for limit, at in since)
    if over and not actor.killed_for:
        actor.killed_for, actor.killed_lease = "timeout", held.batch.lease
        view.do(KillActor(actor.id))


def died(view: View, input_: i.ActorDied, now: float) -> None:
    """Bury an actor: blame what it was running, keep what it had not begun."""
    actor = view.actors.pop(input_.actor, None)
    if actor is None:
        return
    kind = view.kinds[actor.kind]
    error = _cause(view, actor, input_.error)
    planned = actor.leaving or actor.killed_for == "stop"
    view.emit(event.ActorExited(actor.kind, actor.index, error.cause, error.message, planned))
    suspected = False
    for held in reversed(actor.held):
        if held.batch.lease not in view.held:
            continue
        begun = held.batch.lease == input_.taken or bool(held.told)
        view.n_cut += actor.killed_for == "stop" and held.batch.lease == input_.taken
        if begun and actor.killed_for != "stop" and actor.killed_lease in (0, held.batch.lease):
            plan_blame.charge(view, held, input_.begun, error, now, slot=actor.index, crashed=True)
            suspected = suspected or held.batch.suspect != 0
        elif view.phase == "running" and not held.told:
            held.actor, held.taken_at, held.recalled = None, None, False
            held.running, held.running_since = (), math.inf
            kind.spare.appendleft(held)
        else:
            plan_batches.give_back(view, held, now)
    slot = kind.slots[actor.index]
    slot.actor, slot.start_at = None, now
    if view.phase != "running":
        return
    slot.n_bad_starts += not actor.ready
    if not suspected:
        slot.n_deaths += 1
        slot.start_at += restart_delay_s(slot.n_deaths, actor.ready)
    _vacated(view, kind, slot, actor, now)


def _vacated(view: View, kind: Kind, slot: Slot, actor: Actor, now: float) -> None:
    """Say whether a kind is still served, and give back what waits for nobody."""
    view.start_at = min(view.start_at, slot.start_at)
    served = any(view.ready_actors(kind))
    hopeful = any(s.actor is not None and s.n_deaths == 0 for s in kind.slots)
    if not actor.ready and not served and not hopeful and kind.available is not False:
        kind.available = False
        view.emit(event.KindUnavailable(actor.kind, slot.start_at - now))
    nobody = all(s.actor is None and s.start_at > now for s in kind.slots)
    if kind.available is False or nobody:
        _give_up_spare(view, kind, now)


def _give_up_spare(view: View, kind: Kind, now: float) -> None:
    """Return the batches that wait for an actor which will not start soon."""
    spare: list[Held] = list(kind.spare)
    kind.spare.clear()
    for held in spare:
        plan_batches.give_back(view, held, now)


def _cause(view: View, actor: Actor, error: ErrorInfo) -> ErrorInfo:
    """Name our own reason for killing an actor rather than the signal that did it."""
    if actor.killed_for != "timeout":
        return error
    policy = view.kinds[actor.kind].policy
    limits = f"batch_timeout_s={policy.batch_timeout_s}, job_timeout_s={policy.job_timeout_s}"
    text = f"its handler did not stop when the time was up ({limits})"
    if not actor.ready:
        text = f"it was not ready after setup_timeout_s={policy.setup_timeout_s}"
    return ErrorInfo("Timeout", text, cause="timeout")
