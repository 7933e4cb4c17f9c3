"""Who pays for a batch that raised or died: the verdicts of blame and quarantine, made into rows.

Part of `actorq.core.plan`. The states of a kind and of its suspects are described in
`actorq.core.blame.quarantine`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from actorq.core import event
from actorq.core.blame.blame import Blame, blame
from actorq.core.blame.quarantine import ALIKE, Waiting, likeness
from actorq.core.fleet.actor import ActorState
from actorq.core.fleet.batch import BatchState
from actorq.core.job import settle
from actorq.core.job.model import ErrorInfo, Row
from actorq.core.plan import inputs as i
from actorq.core.plan import learning
from actorq.core.plan.batches import answering, finish, give_back, is_excused
from actorq.core.plan.state import KindState, View

MOST_WAITING = 2 * ALIKE
"""How many verdicts may wait at once: so many jobs, each failing in its own way, will pay."""


def failed(view: View, input_: i.HandlerFailed, now: float) -> None:
    """Find out who pays for a batch whose handler raised or broke the rules."""
    actor, held = answering(view, input_.actor, input_.lease)
    if actor is None or held is None:
        return
    charge(view, actor, held, input_.begun, input_.error, now, crashed=False)
    finish(view, actor, held, now)


class Failure(NamedTuple):
    """What has happened to a batch in an actor, and when."""

    kind: KindState
    actor: ActorState
    held: BatchState
    error: ErrorInfo
    crashed: bool  # the actor died
    at: float

    @property
    def like(self) -> str:
        """Return what another failure must share to count as the same failure."""
        return likeness(self.error)


def charge(
    view: View,
    actor: ActorState,
    held: BatchState,
    begun: list[int],
    error: ErrorInfo,
    now: float,
    *,
    crashed: bool,
    certain: bool = False,
) -> bool:
    """Give every job that has no outcome its share of the blame for a failed batch.

    `certain` says that the one job which had begun is the culprit, even if the time was up.
    Return whether the next actor may start without delay: a single job was blamed, its batch ran
    apart from healthy ones, or the kind rests, which sets the pace.
    """
    batch = held.batch
    if not crashed and is_excused(view, error):
        _tell(view, actor, held, error, 0)
        give_back(view, held, now)
        return False
    failure = Failure(view.kinds[held.kind], actor, held, error, crashed, now)
    certain = certain or batch.n == 1 or error.cause != "timeout" or _ran_once(failure, begun)
    verdict = blame(held.left(), begun, certain=certain)
    spared = verdict != Blame() and _is_spared(view, failure, verdict)
    if spared:
        verdict = Blame()
    _tell(view, actor, held, error, len(verdict.suspects))
    _back(held, verdict.innocent, 0)
    if verdict.suspects:
        _suspect(view, failure, verdict.suspects)
    for p in verdict.charged:
        _hear(view, failure, p, begun)
    if not held.verdict_waits:
        give_back(view, held, now)
    elif held.rows or held.done:
        held.hurry()  # the other jobs need not wait
    return bool(batch.suspect or verdict.charged or spared)


def _tell(
    view: View, actor: ActorState, held: BatchState, error: ErrorInfo, n_suspect: int
) -> None:
    batch, text = held.batch, f"{error.type}: {error.message}"
    where = (held.kind, actor.index, batch.lease, batch.n, n_suspect)
    view.emit(event.BatchFailed(*where, error.cause, text))


def _ran_once(failure: Failure, begun: list[int]) -> bool:
    """Tell whether running these jobs again would exceed the single attempt that each has."""
    policy, held = failure.kind.policy, failure.held
    return bool(begun) and all(settle.attempts(held.counts(p), policy) == 1 for p in begun)


# ---- not the jobs' fault ------------------------------------------------------------------------


def _is_spared(view: View, failure: Failure, verdict: Blame) -> bool:
    """Tell whether no job is to blame: the kind rests already, or the actor itself is broken."""
    quarantine, held, actor = failure.kind.quarantine, failure.held, failure.actor
    if quarantine.state and held.claimed_at < quarantine.rest_until:
        return True  # it began before the rest
    if quarantine.is_fault(failure.error):
        _tried_in_vain(view, failure)
        return True
    quarantine.acquit()
    expected = not verdict.charged and quarantine.is_bad(held.batch.suspect)
    job = held.batch.ids[verdict.charged[0]] if verdict.charged else 0
    if failure.crashed or expected or not actor.is_worse(failure.like, job, quarantine.passed_at):
        return False
    _renew(view, failure)
    return True


def _renew(view: View, failure: Failure) -> None:
    """Replace a broken process by a fresh one; nobody is to blame for its failures."""
    view.renew.add(failure.actor.id)
    mine = [w for w in failure.kind.quarantine.waiting if w.actor == failure.actor.id]
    _excuse(view, failure.kind, mine, failure.at)


def _is_of_its_process(view: View, failure: Failure) -> bool:
    """Tell whether all failures that are alike are in one process, which has worked before.

    Nothing may have passed in other processes meanwhile, as they can be in the middle of their
    batches. A fresh process that fails alike again has never worked: then it is the kind.
    """
    actor, kind = failure.actor, failure.kind
    alike = [w for w in kind.quarantine.waiting if likeness(w.error) == failure.like]
    others = (a for a in view.ready_actors(kind) if a.id != actor.id)
    return (
        actor.passed_at > -math.inf
        and all(w.actor == actor.id for w in alike)
        and any(other.failed_like != failure.like for other in others)
    )


def _tried_in_vain(view: View, failure: Failure) -> None:
    """Let a kind rest longer, because the job that was tried failed like those before."""
    kind, held = failure.kind, failure.held
    (p,) = held.left()
    again = held.batch.ids[p] in kind.quarantine.asked
    rest_s = let_rest(view, kind, failure.error, failure.at)
    if again:
        held.back(p, _charged(view, kind, held, _waiting(failure, p)))
    else:
        _put_behind(kind, held, p, rest_s)


def _put_behind(kind: KindState, held: BatchState, p: int, rest_s: float) -> None:
    """Return a job uncharged, behind the others, so that another one is tried after the rest.

    A job that was charged before continues to run alone.
    """
    id_, counts = held.batch.ids[p], held.counts(p)
    kind.quarantine.blame_behind(id_)
    if held.batch.suspect and (counts.n_failed or counts.n_crashed):
        held.back(p, settle.returned(id_, counts, held.batch.suspect))
    else:
        held.back(p, settle.snoozed(id_, counts, rest_s))


def let_rest(view: View, kind: KindState, error: ErrorInfo, now: float) -> float:
    """Let a kind rest because of this error, charging nobody; return for how many seconds."""
    rest_s = kind.quarantine.rest(error, now)
    view.troubled.add(kind.name)
    view.emit(event.KindResting(kind.name, rest_s, f"{error.type}: {error.message}"))
    for waiting, held in _end_waiting(view, kind, kind.quarantine.waiting, now):
        kind.quarantine.cost.mistook()
        _put_behind(kind, held, waiting.position, rest_s)
    return rest_s


# ---- suspects, and verdicts that wait -----------------------------------------------------------


def _suspect(view: View, failure: Failure, positions: tuple[int, ...]) -> None:
    """Put jobs that failed together into quarantine."""
    quarantine, held, number = failure.kind.quarantine, failure.held, view.group(len(positions))
    if not quarantine.failed(held.batch.suspect, held.batch.n):
        quarantine.unrelated(failure.at)
        failure.actor.failed(failure.like, 0, failure.at)
    quarantine.put(number, len(positions), failure.error)
    _back(held, positions, number)


def _hear(view: View, failure: Failure, position: int, begun: list[int]) -> None:
    """Learn from a job that failed alone: first from what passed before it, then from itself."""
    held = failure.held
    if begun and position > 0:  # jobs run one after the other: those before it have passed
        learning.works(view, failure.actor, held, failure.at)
    if held.batch.n > 1 and begun and not held.one_by_one:
        failure.kind.quarantine.cost.marked()
    _speak_against(view, failure, position)


def _speak_against(view: View, failure: Failure, position: int) -> None:
    """Use a job that failed alone as evidence: against itself, or against its kind."""
    kind, held, waiting = failure.kind, failure.held, _waiting(failure, position)
    quarantine = kind.quarantine
    quarantine.failed(held.batch.suspect, held.batch.n)
    if not waiting.convicted:
        quarantine.doubt(failure.at)
        failure.actor.failed(failure.like, held.batch.ids[position], failure.at)
    quarantine.cost.found(crashed=failure.crashed)
    quarantine.await_verdict(waiting)
    held.await_verdict()
    view.troubled.add(kind.name)
    if quarantine.alike(failure.error) >= ALIKE:
        if _is_of_its_process(view, failure):
            _renew(view, failure)
        else:
            let_rest(view, kind, failure.error, failure.at)
    elif len(quarantine.waiting) > MOST_WAITING:
        _pay(view, kind, quarantine.waiting, failure.at)


def _waiting(failure: Failure, position: int) -> Waiting:
    counts, lease = failure.held.counts(position), failure.held.batch.lease
    return Waiting(
        lease,
        position,
        failure.error,
        failure.crashed,
        failure.actor.id,
        failure.at,
        convicted=counts.n_failed + counts.n_crashed > 0,
    )


def proceed(view: View, now: float) -> None:
    """Give the verdicts that can be given now, and end the rests that are over."""
    for kind in [view.kinds[name] for name in view.troubled]:
        quarantine = kind.quarantine
        if quarantine.waiting:
            _decide(view, kind, now)
        if quarantine.state == "resting" and now >= quarantine.rest_until:
            quarantine.try_again()
            view.renew |= {a.id for a in view.actors.values() if a.kind == kind.name and a.used}
        if not quarantine.waiting and not quarantine.state:
            view.troubled.discard(kind.name)


def _decide(view: View, kind: KindState, now: float) -> None:
    """Charge jobs whose actor has passed something since, or that are the last to be tested."""
    quarantine = kind.quarantine
    if view.phase == "running" and not kind.available:
        _excuse(view, kind, quarantine.waiting, now)
        return
    last = view.phase != "running" or not _others(view, kind, now)
    _pay(view, kind, [w for w in quarantine.waiting if last or _is_proven(view, kind, w)], now)


def _others(view: View, kind: KindState, now: float) -> bool:
    """Tell whether any other job is left to test."""
    if view.astir(kind) or view.agenda.of_kind(kind.name).wanted:
        return True
    return view.agenda.is_due(kind.name)


def _is_proven(view: View, kind: KindState, waiting: Waiting) -> bool:
    """Tell whether something has passed since, in the same process if that still lives."""
    actor = view.actors.get(waiting.actor)
    return (actor or kind.quarantine).passed_at > waiting.at


def _pay(view: View, kind: KindState, due: Iterable[Waiting], now: float) -> None:
    """Charge jobs whose verdict has waited."""
    for waiting, held in _end_waiting(view, kind, due, now):
        held.judged_row(_charged(view, kind, held, waiting))


def _excuse(view: View, kind: KindState, due: Iterable[Waiting], now: float) -> None:
    """Return jobs whose verdict has waited to the fresh jobs, uncharged.

    A job that was charged before continues to run alone.
    """
    for waiting, held in _end_waiting(view, kind, due, now):
        kind.quarantine.cost.mistook()
        counts = held.counts(waiting.position)
        before = counts.n_failed or counts.n_crashed
        _back(held, (waiting.position,), held.batch.suspect if before else 0)


def _end_waiting(
    view: View, kind: KindState, due: Iterable[Waiting], now: float
) -> list[tuple[Waiting, BatchState]]:
    """Return those whose verdict is given now, except jobs whose lease was lost meanwhile."""
    ended = kind.quarantine.judge(due)
    found = [(w, view.held[w.lease]) for w in ended if w.lease in view.held]
    for waiting, held in found:
        held.judged(waiting.position, now)
    return found


# ---- rows ---------------------------------------------------------------------------------------


def _back(held: BatchState, positions: Iterable[int], group: int) -> None:
    """Return jobs uncharged: to a quarantine group, or to the fresh jobs."""
    for p in positions:
        held.back(p, settle.returned(held.batch.ids[p], held.counts(p), group))


def _charged(view: View, kind: KindState, held: BatchState, waiting: Waiting) -> Row:
    """Return the row of a job that pays for the failure; it runs again in a group of its own."""
    p, policy, u = waiting.position, kind.policy, view.random.random()
    id_, counts, group = held.batch.ids[p], held.counts(p), view.group()
    if waiting.crashed:
        return settle.crashed_attempt(id_, counts, waiting.error, policy, u, group)
    return settle.failed_attempt(id_, counts, waiting.error, policy, u, suspect=group)
