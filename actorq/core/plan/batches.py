"""The way of a batch: claimed, sent, answered, written. Part of `actorq.core.plan`.

where it is          what moves it on                          where to
claims in flight     Claimed                                   spare
                     ClaimLost                                 given back by its number
spare                an actor has room: Send                   a pipe
                     no actor will start soon; a stop          finished: all returned
a pipe               Outcomes(last)                            finished
                     HandlerFailed; death of the actor, begun  finished: blamed
                     HandedBack                                finished: all returned
                     death, not begun                          spare; in a stop: finished
                     Returned, to a retiring actor's slot      spare
                     Returned in a stop, or in a rest          finished: all returned
finished             Settle, then Settled                      gone, its lease with it
anywhere             Settled without its lease; Beaten         gone: it was taken away
"""

from __future__ import annotations

import math
from heapq import heappush

from actorq.core import event
from actorq.core.job import settle
from actorq.core.job.model import ClaimedBatch, Cut, ErrorInfo, Row, Settlement
from actorq.core.lanes import fair
from actorq.core.plan import inputs as i
from actorq.core.plan import learning, looking
from actorq.core.plan.effects import (
    CancelJob,
    Claim,
    KillActor,
    Recall,
    Send,
    Settle,
    StopActor,
)
from actorq.core.plan.hunger import look_soon
from actorq.core.plan.view import PIPE_DEPTH, ActorState, BatchState, KindState, Lane, View

HELD_S = 0.005
"""The least wait after a claim that `min_batch` held back: jobs that have waited long enough and
are still not taken are locked by somebody."""

SOON_S = 0.05
"""A job that returns to run this soon may lie behind claims that began while it was written."""

MEAN_WEIGHT = 0.2
"""How fast the mean bytes per job follow the last batch: five batches, roughly."""


def claimed(view: View, input_: i.Claimed, now: float) -> None:
    """Take in what a claim brought."""
    claim, _ = view.claims.pop(input_.lease)
    lane, reply = view.lanes[input_.lane], input_.reply
    kind = view.kinds[lane.kind]
    kind.n_claiming -= 1
    lane.n_claiming -= 1
    early = view.early.pop(input_.lease, [])
    _look_again(view, lane, claim, input_, now)
    if reply.batch is None:
        return
    cut = _cut(view, kind, claim, reply.n_taken)
    held = BatchState(reply.batch, lane.kind, cut, unwritten=reply.batch.n, claimed_at=now)
    held.one_by_one = claim.one_by_one
    view.held[reply.batch.lease] = held
    kind.n_unwritten += reply.batch.n
    _measure(lane, reply.batch)
    fair.charge(lane, reply.batch.n, lane.weight)
    view.emit(event.BatchClaimed(lane.queue, lane.kind, input_.lease, reply.batch.n, cut))
    if not reply.batch.ids:
        held.finished = True
    elif claim.free:
        learning.set_free(view, held, now)
    elif view.phase == "running" and now >= kind.quarantine.rest_until:
        kind.spare.append(held)
    else:
        give_back(view, held, now)
    held.cancels = [p for p, id_ in enumerate(reply.batch.ids) if id_ in early] if early else []


def _look_again(view: View, lane: Lane, claim: Claim, input_: i.Claimed, now: float) -> None:
    """Decide when this lane is worth another claim."""
    reply = input_.reply
    short, unbounded = reply.n_taken < claim.limit, not claim.frontier
    if claim.suspect:
        if short:
            view.kinds[lane.kind].quarantine.came_short(claim.suspect, reply.n_taken)
        elif claim.suspect not in lane.suspects:
            lane.suspects.append(claim.suspect)
        return
    lane.frontier.claimed(reply.last, short, unbounded, input_.took_s, now)
    if reply.n_taken:
        lane.came_at = now
    if lane.behind:
        lane.frontier.wanted = True
    if reply.oldest_s is not None:
        lane.gathers = True
        lane.look_at = min(lane.look_at, now + max(claim.linger_s - reply.oldest_s, HELD_S))
    elif not short:
        lane.look_at = now
    elif unbounded:
        lane.empty = not lane.stirred
    else:
        lane.look_at = min(lane.look_at, lane.frontier.allowed_at())
    if short:
        lane.look_at = min(lane.look_at, look_soon(lane, now))


def _cut(view: View, kind: KindState, claim: Claim, n: int) -> Cut:
    """Say why a batch ends where it ends."""
    if claim.suspect:
        return "suspects"
    if n >= claim.limit:
        if claim.limit >= kind.policy.max_batch:
            return "full"
        return "limited" if claim.limit >= kind.quarantine.limit else "bytes"
    if n >= kind.policy.min_batch:
        return "idle"
    return "flush" if claim.min_n == 1 or view.phase != "running" else "linger"


def _measure(lane: Lane, batch: ClaimedBatch) -> None:
    if batch.ids:
        mean = sum(batch.lens) / batch.n + 1  # a comma
        lane.mean_bytes += (MEAN_WEIGHT if lane.measured else 1.0) * (mean - lane.mean_bytes)
        lane.mean_bytes, lane.measured = max(lane.mean_bytes, mean / 2), True


def dispatch(view: View, now: float) -> None:
    """Send waiting batches to actors that have room, the idlest first."""
    for kind in view.kinds.values():
        while kind.spare:
            actor = min(view.ready_actors(kind), key=lambda a: len(a.held), default=None)
            if actor is None or len(actor.held) >= PIPE_DEPTH:
                break
            held = kind.spare.popleft()
            held.actor, held.sent_at = actor.id, now
            if not held.batch.suspect:
                held.one_by_one = kind.quarantine.cost.run_one_by_one(held.batch.n)
            actor.used = True
            actor.held.append(held)
            view.do(Send(actor.id, held.batch, held.cut, held.one_by_one))
            for position in held.cancels:
                view.do(CancelJob(actor.id, held.batch.lease, position))
            actor.n_sent += 1
            if actor.n_sent == kind.policy.max_batches:
                dismiss(view, actor, f"max_batches={actor.n_sent}")


def dismiss(view: View, actor: ActorState, reason: str) -> None:
    """Have an actor leave once it has answered what it was sent."""
    actor.leaving = True
    view.do(StopActor(actor.id))
    view.emit(event.ActorRetired(actor.kind, actor.index, reason))


def outcomes(view: View, input_: i.Outcomes, now: float) -> None:
    """Take in outcomes of one batch; a duplicate or foreign one is the actor's fault."""
    actor, held = answering(view, input_.actor, input_.lease)
    if actor is None or held is None:
        return
    positions = [*input_.done, *(v.pos for v in input_.verdicts)]
    if not _acceptable(held, positions):
        _protocol_error(view, actor, held)
        return
    kind, batch = view.kinds[held.kind], held.batch
    for v in input_.verdicts:
        u = view.random.random() if v.what in ("error", "retry") else 0.0
        if v.what == "error" and v.error is not None and is_excused(view, v.error):
            held.rows.append(settle.returned(batch.ids[v.pos], held.counts(v.pos), batch.suspect))
            continue
        held.rows.append(settle.row_of(v, batch.ids[v.pos], held.counts(v.pos), kind.policy, u))
    held.done += input_.done
    held.told.update(positions)
    held.since = min(held.since, now)
    if kind.restarts:
        learning.forget_restarts(kind, held, positions, input_.last)
    if input_.done and not input_.last:
        learning.works(view, actor, held, now)
    if input_.last:
        held.done += held.left() if held.told else range(batch.n)
        learning.passed(view, actor, held, now)
        kind.slots[actor.index].n_restarts = 0
        finish(view, actor, held, now)


def is_excused(view: View, error: ErrorInfo) -> bool:
    """Tell whether a failure may be the stop's doing that is under way: nobody pays for it.

    Whoever stops a supervisor may signal every process, as service managers do: those that
    handlers have started die of it. That time was up is no such thing, nor that an actor died: it
    does not heed those signals.
    """
    return view.phase != "running" and error.cause != "timeout"


def _acceptable(held: BatchState, positions: list[int]) -> bool:
    unique = set(positions)
    legal = len(unique) == len(positions) and unique.isdisjoint(held.told)
    return legal and all(0 <= p < held.batch.n for p in unique)


def _protocol_error(view: View, actor: ActorState, held: BatchState) -> None:
    """Kill an actor that answers for a job twice, or for one that it was not given."""
    view.emit(event.ProtocolBroken(held.kind, actor.index, held.batch.lease))
    if not actor.killed_for:
        view.do(KillActor(actor.id))
    actor.killed_for, actor.killed_lease = "protocol", held.batch.lease


def answering(view: View, actor_id: int, lease: int) -> tuple[ActorState | None, BatchState | None]:
    """Return the actor and the batch that it answers for; None for what is not to be heard."""
    actor = view.actors.get(actor_id)
    if actor is None or actor.killed_for == "protocol":
        return None, None
    return actor, next((h for h in actor.held if h.batch.lease == lease), None)


def finish(view: View, actor: ActorState, held: BatchState, now: float) -> None:
    """Note that an actor has answered for every job of a batch: it has room again."""
    held.finished = not held.verdict_waits
    held.batch.args = []  # nobody will be sent them again
    actor.held.remove(held)
    actor.free_at = now
    kind = view.kinds[actor.kind]
    kind.slots[actor.index].n_deaths = 0
    if not actor.held:
        looking.actor_idle(view, kind, now)
    view.emit(event.BatchFinished(held.kind, actor.index, held.batch.lease, held.batch.n))


def returned(view: View, input_: i.Returned, now: float) -> None:
    """Give a recalled batch back to the queue, uncharged; or to who follows its actor."""
    actor, held = answering(view, input_.actor, input_.lease)
    if actor is None or held is None:
        return
    actor.held.remove(held)
    kind = view.kinds[held.kind]
    resting = now < kind.quarantine.rest_until
    if view.phase == "running" and held.batch.lease in view.held and not resting:
        wait_again(kind, held)
    else:
        give_back(view, held, now)


def wait_again(kind: KindState, held: BatchState) -> None:
    """Let a batch that its actor had not begun wait for another, in the order of claims."""
    held.actor, held.taken_at, held.recalled = None, None, False
    held.running, held.running_since = (), math.inf
    later = (k for k, h in enumerate(kind.spare) if h.batch.lease > held.batch.lease)
    kind.spare.insert(next(later, len(kind.spare)), held)


def give_back(view: View, held: BatchState, now: float) -> None:
    """Return every job that has no outcome, uncharged and where it came from."""
    suspect, ids = held.batch.suspect, held.batch.ids
    held.rows += [settle.returned(ids[p], held.counts(p), suspect) for p in held.left()]
    held.told.update(range(held.batch.n))
    held.since = min(held.since, now)
    held.finished = True


def write(view: View, now: float) -> None:
    """Settle finished batches at once, streamed outcomes of others after a while."""
    for held in view.held.values():
        if held.writing:
            continue
        if held.finished or (held.since <= now and _is_time(view, held, now)):
            view.do(Settle(_settlement(held)))


def _is_time(view: View, held: BatchState, now: float) -> bool:
    """Tell whether to write what has come of a batch that still runs.

    Jobs that run at once end at all times, and each has somebody who waits for it alone.
    """
    at_once = view.kinds[held.kind].policy.concurrency is not None
    return at_once or now >= held.since + view.settings.part_settle_s


def _settlement(held: BatchState) -> Settlement:
    """Move the outcomes at hand into a settlement."""
    batch = held.batch
    made = Settlement(batch.lease, batch.seq, _done(held), held.rows, closes=held.finished)
    if not held.finished:
        made.open_bits = open_bits(batch.n, held.told)
    held.done, held.rows, held.since, held.writing = [], [], math.inf, True
    return made


def _done(held: BatchState) -> dict[int, list[int]]:
    """Return the plain completions by attempt."""
    batch, done = held.batch, dict[int, list[int]]()
    if held.done and not batch.notes:
        whole = len(held.done) == batch.n
        return {0: batch.ids if whole else [batch.ids[p] for p in held.done]}
    for p in held.done:
        done.setdefault(held.counts(p).attempt, []).append(batch.ids[p])
    return done


def open_bits(n: int, told: set[int]) -> bytes:
    """Return one bit per position, set while it has no outcome; lowest bit first."""
    bits = bytearray((n + 7) // 8)
    for p in range(n):
        if p not in told:
            bits[p >> 3] |= 1 << (p & 7)
    return bytes(bits)


def settled(view: View, input_: i.Settled, now: float) -> None:
    """Take in what was committed: publish it, make room, look for what came back."""
    for settlement in input_.settlements:
        held = view.held.get(settlement.lease)
        if held is None:
            continue
        held.writing = False
        if settlement.lease not in input_.applied:
            lost(view, held, now)
            continue
        held.batch.seq = input_.seqs.get(settlement.lease, settlement.seq + 1)
        held.unwritten -= settlement.n
        view.kinds[held.kind].n_unwritten -= settlement.n
        _publish(view, held, settlement, input_.refused)
        lane = view.lanes[held.batch.lane]
        for row in settlement.rows:
            if row.state == "pending":
                _came_back(view, lane, row, now)
        if settlement.closes:
            _release(view, held, now)


def _release(view: View, held: BatchState, now: float) -> None:
    view.kinds[held.kind].n_unwritten -= held.unwritten
    del view.held[held.batch.lease]
    view.released[held.batch.lease] = now


def lost(view: View, held: BatchState, now: float) -> None:
    """Forget a batch that was taken away: what its jobs do now is another's business.

    Its actor goes on undisturbed; nothing that it says about this batch is written.
    """
    view.emit(event.LeaseLost(held.kind, held.batch.lease, held.unwritten))
    kind = view.kinds[held.kind]
    if held in kind.spare:
        kind.spare.remove(held)
    actor = view.actors.get(held.actor or 0)
    if actor is not None and held in actor.held:
        recall(view, actor, held)
    _release(view, held, now)


def _publish(view: View, held: BatchState, settlement: Settlement, refused: frozenset[int]) -> None:
    """Count and publish what became of the jobs, after the commit that made it so."""
    completed = view.kinds[held.kind].tally.add(settlement, refused)
    view.emit(event.BatchSettled(held.kind, settlement.lease, settlement.n, completed))
    for row in settlement.rows:
        if row.error is not None and row.charge != "none":
            view.emit(
                event.JobFailed(
                    held.kind,
                    row.id,
                    row.attempt + 1,
                    row.error.cause,
                    f"{row.error.type}: {row.error.message}",
                    row.retry_in_s,
                )
            )


def _came_back(view: View, lane: Lane, row: Row, now: float) -> None:
    """Remember when a job that returned to the queue can be claimed."""
    wait_s = row.retry_in_s or 0.0
    if row.suspect:
        if row.retry_in_s is not None:
            at = now + max(row.retry_in_s, view.settings.poll_s)
            heappush(view.returns, at)
            view.due_at = min(view.due_at, at)
        elif row.suspect not in lane.suspects:
            lane.suspects.append(row.suspect)
        view.outdate(lane)
        return
    if wait_s < SOON_S:
        view.stir(lane)
        lane.frontier.wanted = True
    looking.later(lane, now + wait_s)


def recall(view: View, actor: ActorState, held: BatchState) -> None:
    """Ask for a batch back, once; an actor that is being killed need not be asked."""
    if not held.recalled and not actor.killed_for:
        held.recalled = True
        view.do(Recall(actor.id, held.batch.lease))
