"""Who pays for a batch that raised or died: what `actorq.core.blame` says, put into rows.

Part of `actorq.core.plan`.
"""

from __future__ import annotations

from actorq.core import event, settle
from actorq.core import inputs as i
from actorq.core.blame import Blame, blame
from actorq.core.model import ErrorInfo, Row
from actorq.core.plan_batches import answering, finish, give_back, is_excused
from actorq.core.view import Held, View


def failed(view: View, input_: i.BatchFailed, now: float) -> None:
    """Find out who pays for a batch whose handler raised or broke the rules."""
    actor, held = answering(view, input_.actor, input_.lease)
    if actor is None or held is None:
        return
    charge(view, held, input_.begun, input_.error, now, slot=actor.index, crashed=False)
    finish(view, actor, held, now)


def charge(
    view: View,
    held: Held,
    begun: list[int],
    error: ErrorInfo,
    now: float,
    *,
    slot: int,
    crashed: bool,
) -> None:
    """Give every job that has no outcome its share of the blame for a failed batch."""
    if not crashed and is_excused(view, error):
        _tell(view, held, error, 0, slot)
        give_back(view, held, now)
        return
    verdict = _judge(view, held, begun, error, now)
    n_suspect = sum(map(len, verdict.suspects))
    _tell(view, held, error, n_suspect, slot)
    alone = len(verdict.charged) == 1
    for p in verdict.charged:
        held.rows.append(_charged(view, held, p, error, view.group() if alone else 0, crashed))
    parts = {view.group(): positions for positions in verdict.suspects}
    ids, quarantine = held.batch.ids, view.kinds[held.kind].quarantine
    for group, positions in parts.items():
        held.rows += [settle.returned(ids[p], held.counts(p), group) for p in positions]
    if parts:
        sizes = {group: len(positions) for group, positions in parts.items()}
        quarantine.split(held.batch.suspect, error, n_suspect, sizes)
    elif alone:
        quarantine.alone(held.batch.suspect, error)
    held.rows += [settle.returned(ids[p], held.counts(p)) for p in verdict.innocent]
    held.told.update(range(held.batch.n))
    held.since = min(held.since, now)
    held.finished = True


def _tell(view: View, held: Held, error: ErrorInfo, n_suspect: int, slot: int) -> None:
    text = f"{error.type}: {error.message}"
    failure = (held.kind, slot, held.batch.lease, held.batch.n, n_suspect, error.cause, text)
    view.emit(event.BatchFailed(*failure))


def _judge(view: View, held: Held, begun: list[int], error: ErrorInfo, now: float) -> Blame:
    """Decide who is blamed; if it is the kind's own trouble, let it rest."""
    quarantine, left = view.kinds[held.kind].quarantine, held.left()
    if left and quarantine.is_fault(held.batch.suspect, error):
        rest_s = quarantine.rest(error, now)
        view.emit(event.KindResting(held.kind, rest_s, f"{error.type}: {error.message}"))
        return Blame(charged=tuple(left))
    certain = held.batch.n == 1 or error.cause != "timeout"
    return blame(left, begun, certain=certain)


def _charged(view: View, held: Held, p: int, error: ErrorInfo, group: int, crashed: bool) -> Row:
    """Return the row of a job that pays for the failure; it runs again in this group."""
    policy, id_, counts = view.kinds[held.kind].policy, held.batch.ids[p], held.counts(p)
    u = view.random.random()
    if crashed:
        return settle.crashed_attempt(id_, counts, error, policy, u, group)
    return settle.failed_attempt(id_, counts, error, policy, u, suspect=group)
