"""What others report about the leases held here: the database's list, and requests to cancel.

Part of `actorq.core.plan`.
"""

from __future__ import annotations

from actorq.core import event
from actorq.core.plan import inputs as i
from actorq.core.plan.batches import lost
from actorq.core.plan.effects import CancelJob, GiveBack
from actorq.core.plan.state import View

RELEASED_S = 60.0
"""How long an ended lease is remembered: a heartbeat that was asked earlier may still list it."""


def cancel_asked(view: View, input_: i.CancelAsked, now: float) -> None:
    """Pass a request to cancel on to the actor that has the job."""
    if view.claiming(input_.lease):
        view.early.setdefault(input_.lease, []).append(input_.job)
    held = view.held.get(input_.lease)
    if held is None or held.finished or input_.job not in held.batch.ids:
        return
    position = held.batch.ids.index(input_.job)
    held.cancel(position)
    actor = view.actors.get(held.actor or 0)
    if actor is not None and not actor.killed_for:
        view.do(CancelJob(actor.id, held.batch.lease, position))


def beaten(view: View, input_: i.Beaten, now: float) -> None:
    """Compare the leases that the database has for this node with those held here."""
    for lease in input_.leases:
        if lease not in view.held and lease not in view.released and not view.claiming(lease):
            view.emit(event.LeaseFound(lease))
            view.do(GiveBack(lease))
            view.ask_soon(view.settings.poll_s, now)  # nothing else tells that they are back
    for lease, held in list(view.held.items()):
        known_then = held.claimed_at < input_.asked_at
        if known_then and lease not in input_.leases and not held.writing:
            lost(view, held, now)
    for lease, at in list(view.released.items()):
        if at < now - RELEASED_S:
            del view.released[lease]
