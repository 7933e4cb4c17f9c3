"""The life of an actor: it starts, is ready, is too slow, dies. Part of `actorq.core.plan`."""

from __future__ import annotations

import math

from actorq.core import event
from actorq.core.fleet.actor import ActorState, Slot
from actorq.core.fleet.batch import BatchState
from actorq.core.job.model import ErrorInfo
from actorq.core.plan import batches as plan_batches
from actorq.core.plan import blaming, looking
from actorq.core.plan import inputs as i
from actorq.core.plan.effects import KillActor, Spawn
from actorq.core.plan.state import TEARDOWN_S, KindState, View


def start(view: View, now: float) -> None:
    """Start an actor in every empty slot whose time has come; replace those that are broken."""
    while view.renew:
        actor = view.actors.get(view.renew.pop())
        if actor is not None and view.phase == "running":
            retire(view, actor, now)
    if view.phase != "running" or now < view.start_at:
        return
    view.start_at = math.inf
    for name, kind in view.kinds.items():
        for slot in kind.slots:
            if slot.actor is None and now >= slot.start_at:
                actor = ActorState(view.next_actor, name, slot.index, born_at=now)
                view.next_actor += 1
                view.actors[actor.id] = actor
                slot.seat(actor.id)
                view.do(Spawn(actor.id, name, slot.index))
            elif slot.actor is None:
                view.start_at = min(view.start_at, slot.start_at)


def ready(view: View, input_: i.Ready, now: float) -> None:
    """Begin to give an actor work."""
    actor = view.actors.get(input_.actor)
    if actor is None:
        return
    actor.set_up(now)
    kind = view.kinds[actor.kind]
    kind.slots[actor.index].set_up()
    kind.quarantine.cost.was_set_up(now - actor.born_at)
    if not kind.available:
        kind.serve(True)
        view.due_at = view.due_by = now
        view.emit(event.KindAvailable(actor.kind))
    view.emit(event.ActorReady(actor.kind, actor.index))
    looking.actor_idle(view, kind, now)


def boot_failed(view: View, input_: i.BootFailed, now: float) -> None:
    """Record that a handler cannot start; no job is charged for it."""
    actor = view.actors.get(input_.actor)
    if actor is not None:
        error = input_.error
        text = f"{error.type}: {error.message}"
        view.emit(event.ActorBootFailed(actor.kind, actor.index, text, error.traceback))


def tick(view: View, input_: i.Tick, now: float) -> None:
    """Record which batches have begun; kill the actors whose batch has taken too long."""
    for actor_id, lease in input_.taken.items():
        actor = view.actors.get(actor_id)
        if actor is None:
            continue
        for held in actor.held:
            if held.batch.lease == lease:
                held.runs(input_.running.get(actor_id, ()), now)
            _time_out(view, actor, held, now)
    for actor in view.actors.values():
        if not actor.ready and not actor.killed_for:
            _give_up_on_setup(view, actor, now)
        if actor.leaving and view.phase == "running":
            _see_out(view, actor, now)
        elif view.kinds[actor.kind].policy.max_age_s is not None:
            _retire_of_age(view, actor, now)


def _retire_of_age(view: View, actor: ActorState, now: float) -> None:
    """Retire an actor that has reached its maximum age, if all others of its kind can work."""
    kind = view.kinds[actor.kind]
    max_age_s = kind.policy.max_age_s
    assert max_age_s is not None
    of_age = view.phase == "running" and now >= actor.ready_at + max_age_s
    if of_age and sum(1 for _ in view.ready_actors(kind)) == len(kind.slots):
        retire(view, actor, now, f"max_age_s={max_age_s:g}")


def grown(view: View, input_: i.Grown, now: float) -> None:
    """Retire an actor whose memory has grown beyond what its kind allows."""
    actor = view.actors.get(input_.actor)
    if actor is not None and view.phase == "running":
        max_rss = view.kinds[actor.kind].policy.max_rss or 0
        retire(view, actor, now, f"it has {input_.rss:,} bytes, max_rss={max_rss:,}")


def retire(view: View, actor: ActorState, now: float, reason: str = "its kind rests") -> None:
    """Let an actor end in order; a fresh one takes its slot as soon as it is gone.

    The actor finishes the batch that it has begun. Batches that it has not begun are recalled
    and wait for another actor. Nobody is charged and no death is counted. The fresh actor does
    not start earlier, because a slot may stand for a device with room for one model. An actor
    that is still starting is fresh, and one that is being killed will be replaced anyway: both
    are left alone.
    """
    if not actor.ready or actor.leaving or actor.killed_for:
        return
    for held in actor.held:
        plan_batches.recall(view, actor, held)
    plan_batches.dismiss(view, actor, reason)
    _see_out(view, actor, now)


def _see_out(view: View, actor: ActorState, now: float) -> None:
    """Limit the teardown of a retiring actor, counted from the answer to its last batch."""
    if actor.held or actor.killed_for:
        return
    if math.isinf(actor.leave_by):
        actor.leave_at(now + TEARDOWN_S)
    elif now >= actor.leave_by:
        actor.killed("stop")
        view.do(KillActor(actor.id))


def _give_up_on_setup(view: View, actor: ActorState, now: float) -> None:
    limit = view.kinds[actor.kind].policy.setup_timeout_s
    if now >= actor.born_at + limit:
        actor.killed("timeout")
        view.do(KillActor(actor.id))


def _time_out(view: View, actor: ActorState, held: BatchState, now: float) -> None:
    """Kill an actor whose handler ignored the exception that its own time limit raised."""
    policy, late = view.kinds[held.kind].policy, now - view.settings.heed_s
    job_over = _is_over(policy.job_timeout_s, held.running_since, late)
    if held.one_by_one:  # each job is a batch of its own
        job_over |= _is_over(policy.batch_timeout_s, held.running_since, late)
        over = job_over
    else:
        over = job_over or _is_over(policy.batch_timeout_s, held.taken_at, late)
    if over and not actor.killed_for:
        actor.killed("timeout", held.batch.lease, job=job_over)
        view.do(KillActor(actor.id))


def _is_over(limit_s: float | None, since: float | None, now: float) -> bool:
    return limit_s is not None and since is not None and now >= since + limit_s


def died(view: View, input_: i.ActorDied, now: float) -> None:
    """Clean up after an actor: blame what it was running, keep what it had not begun."""
    actor = view.actors.pop(input_.actor, None)
    if actor is None:
        return
    kind, slot = view.kinds[actor.kind], view.kinds[actor.kind].slots[actor.index]
    error = _cause(view, actor, input_.error)
    batches = [held for held in reversed(actor.held) if held.batch.lease in view.held]
    in_order = actor.leaving and not any(_begun(held, input_) for held in batches)
    planned = in_order or actor.killed_for == "stop"
    view.n_died += actor.ready and not planned
    view.emit(event.ActorExited(actor.kind, actor.index, error.cause, error.message, planned))
    named = False
    for held in batches:
        view.n_cut += actor.killed_for == "stop" and held.batch.lease == input_.taken
        if _is_blamed(actor, held, input_):
            named |= _charge(view, actor, held, input_.begun, error, now)
        elif view.phase == "running" and not held.told:
            plan_batches.wait_again(kind, held)
        else:
            plan_batches.give_back(view, held, now)
    slot.vacate(now)
    if view.phase != "running":
        return
    slot.died(ready=actor.ready, planned=planned, named=named)
    _vacated(view, kind, slot, actor, now)


def _charge(
    view: View, actor: ActorState, held: BatchState, begun: list[int], error: ErrorInfo, now: float
) -> bool:
    """Blame a batch for the death of its actor; return what `blaming.charge` returns."""
    own_time = actor.killed_job and tuple(begun) == held.running
    return blaming.charge(view, actor, held, begun, error, now, crashed=True, certain=own_time)


def _is_blamed(actor: ActorState, held: BatchState, input_: i.ActorDied) -> bool:
    """Tell whether a batch was running when its actor died, and caused its death."""
    of_it = actor.killed_for != "stop" and actor.killed_lease in (0, held.batch.lease)
    return of_it and _begun(held, input_)


def _begun(held: BatchState, input_: i.ActorDied) -> bool:
    return held.batch.lease == input_.taken or bool(held.told)


def _vacated(view: View, kind: KindState, slot: Slot, actor: ActorState, now: float) -> None:
    """Report whether a kind is still served; give back batches that no actor will take."""
    view.start_at = min(view.start_at, slot.start_at)
    served = any(view.ready_actors(kind))
    hopeful = any(s.actor is not None and s.n_deaths == 0 for s in kind.slots)
    if not actor.ready and not served and not hopeful and kind.available is not False:
        kind.serve(False)
        view.emit(event.KindUnavailable(actor.kind, slot.start_at - now))
    nobody = all(s.actor is None and s.start_at > now for s in kind.slots)
    if kind.available is False or nobody:
        _give_up_spare(view, kind, now)


def _give_up_spare(view: View, kind: KindState, now: float) -> None:
    """Return the batches that wait for an actor which will not start soon."""
    for held in kind.give_up_spare():
        plan_batches.give_back(view, held, now)


def _cause(view: View, actor: ActorState, error: ErrorInfo) -> ErrorInfo:
    """Replace the signal that ended an actor by our own reason for killing it."""
    if actor.killed_for != "timeout":
        return error
    policy = view.kinds[actor.kind].policy
    given = {"batch_timeout_s": policy.batch_timeout_s, "job_timeout_s": policy.job_timeout_s}
    limits = ", ".join(f"{name}={value:g}" for name, value in given.items() if value is not None)
    text = f"its handler did not stop when the time was up ({limits})"
    if not actor.ready:
        text = f"it was not ready after setup_timeout_s={policy.setup_timeout_s:g}"
    return ErrorInfo("Timeout", text, cause="timeout")
