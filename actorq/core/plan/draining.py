"""Draining: when there is nothing left to wait for, and what is left then. Part of `core.plan`.

A drain waits for jobs that are due. It does not wait for a kind that cannot start after three
tries, nor for one that rests for the third time; the due jobs of these kinds are left. A drain
until everything is final also waits, up to its time limit, for rests, for jobs due later and for
other supervisors.
"""

from __future__ import annotations

import math

from actorq.core import event
from actorq.core.lanes.lane import Lane
from actorq.core.plan import inputs as i
from actorq.core.plan.effects import AskLeft
from actorq.core.plan.state import KindState, View
from actorq.core.plan.totals import total
from actorq.core.store_values import Left

CHECK_S = 0.01
"""How soon a drain that has found nothing may ask again whether really nothing is due."""

START_TRIES = 3
"""How often each actor of a kind may fail to start: the second try comes 1 s later, then 2 s."""

REST_TRIES = 3
"""A kind is given up at this rest in a row; two rests, of 1 s and 2 s, were waited for by then."""

DEATH_S = 1.5
"""How long a drain waits at its beginning for leases to end: the jobs of a supervisor that has just
died on the same host are given back within a second. Other leases are left to their owners."""

STOPPED = "it was stopped"

RECOUNT_S = 1.0
"""How often to count again while other supervisors hold jobs, since nothing tells of their end."""


def trouble(kind: KindState, now: float) -> str:
    """Return what keeps a kind's jobs from being claimed; empty if nothing does."""
    if kind.available is False:
        return "could not start"
    return "rests" if now < kind.quarantine.rest_until else ""


def given_up(view: View, kind: KindState, now: float) -> bool:
    """Tell whether a drain no longer waits for a kind."""
    if kind.available is False:
        return all(slot.n_bad_starts >= START_TRIES for slot in kind.slots)
    rests = now < kind.quarantine.rest_until and kind.quarantine.n_rests >= REST_TRIES
    return rests and not view.settings.until_final


def limit_at(view: View) -> float:
    """Return when a drain ends whatever is left."""
    return view.began_at + view.settings.limit_s if view.settings.until_final else math.inf


def is_over(view: View, now: float) -> bool:
    """Tell whether everything is written and there is nothing more to wait for.

    First the claims must find nothing; then the due query, asked after them, which alone sees
    suspects; and then the count of what is left.
    """
    if view.held or view.claims:
        return False
    waited = _waited(view, now)
    if any(view.agenda.of_kind(name).nonempty for name in waited):
        return False
    if any(lane.kind in waited for lane in view.agenda.suspected.values()):
        return False
    if not view.checked:
        view.due_at = view.due_by = min(view.due_at, max(now, view.due_last + CHECK_S))
        return False
    if view.left is None:
        if now >= view.left_at:
            count(view, now)
        return False
    return not _worth_waiting(view, view.left, waited, now)


def _waited(view: View, now: float) -> set[str]:
    """Return the kinds that a drain waits for."""
    return {name for name, kind in view.kinds.items() if not given_up(view, kind, now)}


def _worth_waiting(view: View, left: list[Left], waited: set[str], now: float) -> bool:
    """Tell whether this supervisor will still finish some of what is left; then look for it."""
    here = [found for found in left if view.lanes[found.lane].kind in waited]
    lane = next((view.lanes[found.lane] for found in here if found.n_due), None)
    if lane is not None:
        view.stir(lane)
        lane.want()
        lane.look_by(now)
        return True
    hope = any(_hopeful(view, found, now) for found in here)
    view.left = None if hope else left
    return hope


def _hopeful(view: View, found: Left, now: float) -> bool:
    """Tell whether jobs that cannot be claimed yet can be soon, or are running elsewhere."""
    if found.orphaned or (found.n_held and now < view.began_at + DEATH_S):
        return True
    if not view.settings.until_final:
        return False
    in_time = found.next_in_s is not None and now + found.next_in_s < limit_at(view)
    return in_time or found.n_held > 0


def some_come_late(view: View) -> bool:
    """Tell whether jobs are left that become due only after the limit of a drain."""
    return view.settings.until_final and any(found.n_later for found in view.left or [])


def count(view: View, now: float) -> None:
    """Ask how many jobs are left in each lane, and under leases, which others hold by now."""
    if view.left_asked:
        return
    view.left_no += 1
    view.left_asked, view.left_at = True, now + RECOUNT_S
    view.do(AskLeft(view.left_no, list(view.lanes)))


def left_known(view: View, input_: i.LeftKnown, now: float) -> None:
    """Store the count of what is left, unless something has happened since it was asked for."""
    if input_.no == view.left_no and view.left_asked:
        view.left_asked = False
        view.left = input_.left


def left_lost(view: View, input_: i.LeftLost, now: float) -> None:
    """Go on without the count; a drain that continues asks again later."""
    if input_.no == view.left_no:
        view.left_asked = False


def flush(view: View, now: float) -> None:
    """Claim jobs that wait for others to join their batch, once no others can come any more.

    Others come from running handlers, and from jobs that can be claimed, now or once their kind
    has started or rested. Of several lanes whose jobs wait, only the first is let go: its handler
    may enqueue into the others.
    """
    if view.held or view.claims:
        return
    first = _first_to_go(view, now)
    lanes = [view.agenda.of_kind(name) for name in _waited(view, now)] if first else []
    if first is None or not all(o.gathers for of_kind in lanes for o in of_kind.nonempty.values()):
        return
    delayed = (lane for of_kind in lanes for lane in of_kind.delayed.values())
    later = view.settings.until_final and any(o.next_at < limit_at(view) for o in delayed)
    if not later:
        first.let_go(now)


def _first_to_go(view: View, now: float) -> Lane | None:
    """Return the first lane whose jobs wait for others and could be claimed now."""
    ready = {
        name
        for name, kind in view.kinds.items()
        if kind.available and not trouble(kind, now) and not given_up(view, kind, now)
    }
    gathering = [lane for lane in view.agenda.gathering.values() if lane.kind in ready]
    return min(gathering, key=lambda lane: lane.no, default=None)


def ended(view: View) -> event.RunEnded:
    """Return what was run, and for a drain what is left and why."""
    sums, left = total(view), view.left or []
    due: dict[str, int] = {}
    for found in left:
        name = view.lanes[found.lane].kind
        due[name] = due.get(name, 0) + found.n_due
    return event.RunEnded(
        sums.completed,
        sums.failed,
        sums.cancelled,
        tuple((name, n, view.reasons.get(name, "")) for name, n in due.items() if n),
        sum(found.n_later for found in left),
        sum(found.n_held for found in left),
        exact=not any(found.capped for found in left),
        known=not view.settings.drain or view.left is not None,
        short=fell_short(view),
        n_died=view.n_died,
    )


def fell_short(view: View) -> bool:
    """Tell whether something that was asked for was not done: then the exit code is 1."""
    return bool(shortfall(view))


def shortfall(view: View) -> str:
    """Return what was not done that was asked for, empty if nothing."""
    if view.impatient and view.n_cut > 0:
        return "batches were killed before they had finished"
    if not view.settings.drain:
        return ""
    if view.left is None:
        return "what is left is not known"
    if any(found.n_due for found in view.left):
        return "due jobs are left"
    if not view.settings.until_final:
        return ""
    if total(view).failed > 0:
        return "jobs have failed"
    return "jobs are left" if any(f.n_later + f.n_held for f in view.left) else ""
