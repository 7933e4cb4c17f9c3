"""The path of a batch: claimed, sent, answered, written. Part of `actorq.core.plan`.

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

from heapq import heappush

from actorq.core import event
from actorq.core.counters.committed import count_done
from actorq.core.fleet.actor import ActorState
from actorq.core.fleet.batch import BatchState
from actorq.core.job import settle
from actorq.core.job.model import ClaimedBatch, Cut, ErrorInfo, Row, Settlement, Verdict
from actorq.core.lanes.lane import Lane
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
from actorq.core.plan.state import PIPE_DEPTH, KindState, View

SOON_S = 0.05
"""A job that returns to run within this time may lie behind claims that began during the write."""


def claimed(view: View, input_: i.Claimed, now: float) -> None:
    """Process the reply to a claim."""
    claim, _ = view.claims.pop(input_.lease)
    lane, reply = view.lanes[input_.lane], input_.reply
    view.kinds[lane.kind].claim_ended(claim.n_batches)
    lane.answered(sum(batch.n for batch in reply.batches) if reply.batches else None)
    _look_again(view, lane, claim, input_, now)
    for k, batch in enumerate(reply.batches):
        _take_in(view, lane, claim, batch, reply.n_taken, reply.waited if k == 0 else {}, now)
    if view.early:
        for lease in claim.leases:
            view.early.pop(lease, None)


def _take_in(
    view: View,
    lane: Lane,
    claim: Claim,
    batch: ClaimedBatch,
    n_taken: int,
    waited: dict[int, int],
    now: float,
) -> None:
    """Hold one batch of a claim that took so many jobs, and let it wait for an actor."""
    kind, early = view.kinds[lane.kind], view.early.get(batch.lease)
    n_before = claim.limit * (batch.lease - claim.lease)
    cut = _cut(view, kind, claim, min(n_taken - n_before, claim.limit))
    held = BatchState(
        batch,
        lane.kind,
        cut,
        unwritten=batch.n,
        claimed_at=now,
        one_by_one=claim.one_by_one,
        cancels=[p for p, id_ in enumerate(batch.ids) if id_ in early] if early else [],
        waited=waited,
    )
    view.held[batch.lease] = held
    kind.took(batch.n)
    if batch.ids:
        lane.measure(batch.lens)
    view.emit(event.BatchClaimed(lane.queue, lane.kind, batch.lease, batch.n, cut))
    if not batch.ids:
        held.close([], now)
    elif claim.free:
        learning.set_free(view, held, now)
    elif view.phase == "running" and now >= kind.quarantine.rest_until:
        kind.wait(held)
    else:
        give_back(view, held, now)


def _look_again(view: View, lane: Lane, claim: Claim, input_: i.Claimed, now: float) -> None:
    """Decide when this lane is worth another claim."""
    reply = input_.reply
    if not claim.suspect:
        lane.looked(
            reply,
            now,
            limit=claim.n_jobs,
            linger_s=claim.linger_s,
            took_s=input_.took_s,
            unbounded=not claim.frontier,
        )
    elif reply.n_taken < claim.limit:
        view.kinds[lane.kind].quarantine.came_short(claim.suspect, reply.n_taken)
    else:
        lane.suspect([claim.suspect])


def _cut(view: View, kind: KindState, claim: Claim, n: int) -> Cut:
    """Return why a batch has no more jobs."""
    if claim.suspect:
        return "suspects"
    if n >= claim.limit:
        if claim.limit >= kind.policy.max_batch:
            return "full"
        return "limited" if claim.limit >= kind.quarantine.limit else "bytes"
    if n >= kind.policy.min_batch:
        return "idle"
    return "flush" if claim.min_n == 1 or view.phase != "running" else "linger"


def dispatch(view: View, now: float) -> None:
    """Send waiting batches to actors that have room, those with the least work first."""
    for kind in view.kinds.values():
        while kind.spare:
            actor = min(view.ready_actors(kind), key=lambda a: len(a.held), default=None)
            if actor is None or len(actor.held) >= PIPE_DEPTH:
                break
            _send(view, kind, actor, kind.next_spare(), now)


def _send(view: View, kind: KindState, actor: ActorState, held: BatchState, now: float) -> None:
    one_by_one = held.one_by_one
    if not held.batch.suspect:
        one_by_one = kind.quarantine.cost.run_one_by_one(held.batch.n)
    held.sent(actor.id, now, one_by_one=one_by_one)
    actor.sent(held)
    view.do(Send(actor.id, held.batch, held.cut, one_by_one))
    for position in held.cancels:
        view.do(CancelJob(actor.id, held.batch.lease, position))
    if actor.n_sent == kind.policy.max_batches:
        dismiss(view, actor, f"max_batches={actor.n_sent}")


def dismiss(view: View, actor: ActorState, reason: str) -> None:
    """Let an actor leave once it has answered what it was sent."""
    actor.leave()
    view.do(StopActor(actor.id))
    view.emit(event.ActorRetired(actor.kind, actor.index, reason))


def outcomes(view: View, input_: i.Outcomes, now: float) -> None:
    """Process outcomes of one batch; a duplicate or foreign outcome is the actor's fault."""
    actor, held = answering(view, input_.actor, input_.lease)
    if actor is None or held is None:
        return
    positions = [*input_.done, *(v.pos for v in input_.verdicts)]
    if not _acceptable(held, positions):
        _protocol_error(view, actor, held)
        return
    kind = view.kinds[held.kind]
    held.tell(positions, input_.done, [_row(view, kind, held, v) for v in input_.verdicts], now)
    if kind.restarts:
        learning.forget_restarts(kind, held, positions, input_.last)
    if input_.done and not input_.last:
        learning.works(view, actor, held, now)
    if input_.last:
        held.rest_is_done()
        learning.passed(view, actor, held, now)
        kind.slots[actor.index].passed()
        finish(view, actor, held, now)


def _row(view: View, kind: KindState, held: BatchState, v: Verdict) -> Row:
    """Return what is to be written for a job that is not a plain completion."""
    u = view.random.random() if v.what in ("error", "retry") else 0.0
    id_, counts = held.batch.ids[v.pos], held.counts(v.pos)
    if v.what == "error" and v.error is not None and is_excused(view, v.error):
        return settle.returned(id_, counts, held.batch.suspect)
    return settle.row_of(v, id_, counts, kind.policy, u)


def is_excused(view: View, error: ErrorInfo) -> bool:
    """Tell whether the stop in progress may have caused a failure, so that nobody pays for it.

    Whoever stops a supervisor may signal every process, as service managers do, and processes
    that handlers have started die of it. A time limit is no such failure, nor is the death of an
    actor, which ignores those signals.
    """
    return view.phase != "running" and error.cause != "timeout"


def _acceptable(held: BatchState, positions: list[int]) -> bool:
    unique = set(positions)
    legal = len(unique) == len(positions) and unique.isdisjoint(held.told)
    return legal and all(0 <= p < held.batch.n for p in unique)


def _protocol_error(view: View, actor: ActorState, held: BatchState) -> None:
    """Kill an actor that answered for a job twice, or for a job that it was not given."""
    view.emit(event.ProtocolBroken(held.kind, actor.index, held.batch.lease))
    if not actor.killed_for:
        view.do(KillActor(actor.id))
    actor.killed("protocol", held.batch.lease)


def answering(view: View, actor_id: int, lease: int) -> tuple[ActorState | None, BatchState | None]:
    """Return the actor and the batch that an answer is about; None if it is to be ignored."""
    actor = view.actors.get(actor_id)
    if actor is None or actor.killed_for == "protocol":
        return None, None
    return actor, next((h for h in actor.held if h.batch.lease == lease), None)


def finish(view: View, actor: ActorState, held: BatchState, now: float) -> None:
    """Record that an actor has answered for every job of a batch: it has room again."""
    held.answered(now - max(held.sent_at, actor.free_at))
    actor.answered(held, now)
    kind = view.kinds[actor.kind]
    kind.slots[actor.index].answered()
    if not actor.held:
        looking.actor_idle(view, kind, now)
    view.emit(event.BatchFinished(held.kind, actor.index, held.batch.lease, held.batch.n))


def returned(view: View, input_: i.Returned, now: float) -> None:
    """Return a recalled batch to the queue, uncharged; or keep it for its actor's successor."""
    actor, held = answering(view, input_.actor, input_.lease)
    if actor is None or held is None:
        return
    actor.rid_of(held)
    kind = view.kinds[held.kind]
    resting = now < kind.quarantine.rest_until
    if view.phase == "running" and held.batch.lease in view.held and not resting:
        wait_again(kind, held)
    else:
        give_back(view, held, now)


def wait_again(kind: KindState, held: BatchState) -> None:
    """Let a batch that its actor had not begun wait for another actor, in the order of claims."""
    held.wait_again()
    kind.wait_again(held)


def give_back(view: View, held: BatchState, now: float) -> None:
    """Return every job that has no outcome, uncharged and to where it came from."""
    suspect, ids = held.batch.suspect, held.batch.ids
    held.close([settle.returned(ids[p], held.counts(p), suspect) for p in held.left()], now)


def write(view: View, now: float) -> None:
    """Settle finished batches at once, streamed outcomes of the others after a while."""
    for held in view.held.values():
        if held.writing:
            continue
        if held.finished or (held.since <= now and _is_time(view, held, now)):
            view.do(Settle(_settlement(held)))


def _is_time(view: View, held: BatchState, now: float) -> bool:
    """Tell whether to write the outcomes at hand of a batch that still runs.

    Jobs that run concurrently end at different times, and somebody may wait for each of them.
    """
    at_once = view.kinds[held.kind].policy.concurrency is not None
    return at_once or now >= held.since + view.settings.part_settle_s


def _settlement(held: BatchState) -> Settlement:
    """Move the outcomes at hand into a settlement."""
    batch = held.batch
    done, rows = held.write()
    if not held.finished:
        bits = open_bits(batch.n, held.told)
        return Settlement(batch.lease, batch.seq, _done(held, done), rows, False, bits)
    return Settlement(batch.lease, batch.seq, _done(held, done), rows, ended=held.ended())


def _done(held: BatchState, positions: list[int]) -> dict[int, list[int]]:
    """Return the plain completions by attempt."""
    batch, done = held.batch, dict[int, list[int]]()
    if positions and not batch.notes:
        whole = len(positions) == batch.n
        return {0: batch.ids if whole else [batch.ids[p] for p in positions]}
    for p in positions:
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
    """Process a commit: publish its outcomes, make room, look for jobs that came back."""
    for settlement in input_.settlements:
        held = view.held.get(settlement.lease)
        if held is None:
            continue
        held.written()
        if settlement.lease not in input_.applied:
            lost(view, held, now)
            continue
        n = settlement.n
        held.applied(n, input_.seqs.get(settlement.lease, settlement.seq + 1))
        view.kinds[held.kind].wrote(n)
        _publish(view, held, settlement, input_.refused)
        if view.done is not None:
            count_done(view.done, held.batch.lane, settlement, input_.refused)
        lane = view.lanes[held.batch.lane]
        for row in settlement.rows:
            if row.state == "pending":
                _came_back(view, lane, row, now)
        if settlement.closes:
            _release(view, held, now)


def _release(view: View, held: BatchState, now: float) -> None:
    view.kinds[held.kind].wrote(held.unwritten)
    del view.held[held.batch.lease]
    view.released[held.batch.lease] = now


def lost(view: View, held: BatchState, now: float) -> None:
    """Forget a batch that was taken away: another supervisor is responsible for its jobs now.

    Its actor continues undisturbed, but nothing that it says about this batch is written.
    """
    view.emit(event.LeaseLost(held.kind, held.batch.lease, held.unwritten))
    kind = view.kinds[held.kind]
    kind.drop(held)
    actor = view.actors.get(held.actor or 0)
    if actor is not None and held in actor.held:
        recall(view, actor, held)
    _release(view, held, now)


def _publish(view: View, held: BatchState, settlement: Settlement, refused: frozenset[int]) -> None:
    """Count and publish what became of the jobs, after the commit that made it so."""
    completed = view.kinds[held.kind].count(settlement, refused)
    view.emit(event.BatchSettled(held.kind, settlement.lease, settlement.n, completed))
    for row in settlement.rows:
        if row.error is not None and row.charge != "none":
            view.emit(
                event.AttemptFailed(
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
        else:
            lane.suspect([row.suspect])
        view.outdate(lane)
        return
    if wait_s < SOON_S:
        view.stir(lane)
        lane.want()
    lane.later(now + wait_s)


def recall(view: View, actor: ActorState, held: BatchState) -> None:
    """Ask for a batch back, once; an actor that is being killed need not be asked."""
    if not held.recalled and not actor.killed_for:
        held.recall()
        view.do(Recall(actor.id, held.batch.lease))
