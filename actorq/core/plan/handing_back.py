"""Batches that a handler hands back: for a fresh process, or for a rest. Part of `core.plan`."""

from __future__ import annotations

from collections.abc import Sequence

from actorq.core import event
from actorq.core.fleet.actor import ActorState
from actorq.core.fleet.batch import BatchState
from actorq.core.job.model import ErrorInfo
from actorq.core.plan import actors, batches, blaming
from actorq.core.plan import inputs as i
from actorq.core.plan.state import PIPE_DEPTH, KindState, View

MAX_RESTARTS = 3
"""How many fresh processes a job may ask for; the next request counts as a failure of the job."""


def handed_back(view: View, input_: i.HandedBack, now: float) -> None:
    """Return the jobs that have no outcome, uncharged; replace their actor, or rest."""
    actor, held = batches.answering(view, input_.actor, input_.lease)
    if actor is None or held is None:
        return
    error, left = input_.error, held.left()
    where = (held.kind, actor.index, held.batch.lease, len(left))
    view.emit(event.BatchHandedBack(*where, f"{error.type}: {error.message}"))
    if input_.rest_s is not None:
        batches.give_back(view, held, now)
        batches.finish(view, actor, held, now)
        _rest(view, view.kinds[held.kind], input_.rest_s, error, now)
    else:
        _restart(view, actor, held, [p for p in input_.begun if p not in held.told], error, now)


def _restart(
    view: View, actor: ActorState, held: BatchState, begun: list[int], error: ErrorInfo, now: float
) -> None:
    """Return a batch and replace its actor; blame the batch if it has asked for that too often.

    By then it has had enough fresh processes, so this process is not at fault.
    """
    kind, left = view.kinds[held.kind], held.left()
    if _times_asked(kind, [held.batch.ids[p] for p in begun or left]) > MAX_RESTARTS:
        blaming.charge(view, actor, held, begun, error, now, crashed=False)
        batches.finish(view, actor, held, now)
        return
    batches.give_back(view, held, now)
    batches.finish(view, actor, held, now)
    _leave_in_order(view, kind, now)
    kind.slots[actor.index].restart()
    actors.retire(view, actor, now, f"{error.type}: {error.message}")


def _leave_in_order(view: View, kind: KindState, now: float) -> None:
    """Return a bundle that waits: its batches would run before those jobs that want a process.

    They would meet the end of another process, again and again, and pay for it.
    """
    if len(kind.spare) > PIPE_DEPTH:
        for waiting in kind.give_up_spare():
            batches.give_back(view, waiting, now)


def _times_asked(kind: KindState, jobs: Sequence[int]) -> int:
    """Count one more request for each of these jobs; return the most that one has made."""
    return kind.count_restarts(jobs)


def _rest(view: View, kind: KindState, rest_s: float, error: ErrorInfo, now: float) -> None:
    """Let a kind rest, and leave what has not begun to other supervisors."""
    quarantine = kind.quarantine
    quarantine.rest_by_wish(rest_s, now)
    text = f"{error.type}: {error.message}"
    view.emit(event.KindResting(kind.policy.name, quarantine.rest_until - now, text))
    for held in kind.give_up_spare():
        batches.give_back(view, held, now)
    for actor in view.actors.values():
        for held in actor.held if actor.kind == kind.policy.name else ():
            batches.recall(view, actor, held)
