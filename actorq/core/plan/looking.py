"""When to look for work, and where: claims, the due query, hunger. Part of `actorq.core.plan`."""

from __future__ import annotations

from heapq import heappop

from msgspec.structs import replace

from actorq.core import event
from actorq.core.blame.quarantine import UNRELATED, Take
from actorq.core.lanes import fair
from actorq.core.lanes.lane import Lane
from actorq.core.plan import draining
from actorq.core.plan import inputs as i
from actorq.core.plan.effects import AskDue, Claim, GiveBack, Hunger
from actorq.core.plan.room import room
from actorq.core.plan.state import KindState, Question, View
from actorq.core.store_values import DueAsk, ReadyPosition

CLAIMS_IN_FLIGHT = 2
"""One claim runs while the next is queued, so the claimer's connection is never idle."""

BUSY_DUE_S = 1.0
"""How often a supervisor with enough to do asks for suspects and for lanes that it neglects."""

QUIET_DUE_S = 1.0
"""The least frequency of the due query while notifications are enabled and none arrive. One may be
lost, so it must be asked; but twenty idle supervisors that ask ten times a second are a load."""

OTHERS_LOOK = 0.2, 1.0
"""When to check whether the supervisor that was notified has taken the jobs, as shares of `poll_s`.
The time is drawn from this range, so that the other supervisors do not all ask at once."""

HUNGER_CHECK_S = 0.01
"""How often to look for lanes that have nothing to do: most have something again by then."""

LAG_BATCHES = 4
"""How many batches a lane that rested may lag behind the others, and so be served first."""


def look(view: View, now: float) -> None:
    """Send the claims and the due query whose time has come."""
    if len(view.claims) < CLAIMS_IN_FLIGHT:
        _claim_some(view, now)
    # A lane has nothing to do: only the answer can tell of jobs that become due later.
    is_time = view.due_asked is None and now >= view.due_at
    if is_time and (now >= view.due_by or view.agenda.any_waits()):
        _ask_due(view, now)
    if view.settings.notify:
        _declare_hunger(view, now)


def _claim_some(view: View, now: float) -> None:
    """Claim from the lanes whose turn it is while there are any; otherwise claim ahead."""
    while len(view.claims) < CLAIMS_IN_FLIGHT:
        if not _claim_next(view, now):
            _claim_ahead(view, now)
            return


def _claim_next(view: View, now: float) -> bool:
    """Claim from the first lane that may be claimed from; tell whether there is one.

    Among each kind's due lanes, only the one whose turn it is needs a look: if its fresh jobs may
    not be claimed, for lack of room or because other jobs are to be tested first, neither may those
    of the kind's other lanes. Suspects are different: every lane that has some is looked at.
    """
    lanes = view.agenda.served_next()
    lanes += [o for o in view.agenda.suspected.values() if not o.n_claiming and o not in lanes]
    for lane in fair.order(lanes) if len(lanes) > 1 else lanes:
        take = _choice(view, view.kinds[lane.kind], lane, now)
        if take is not None:
            _claim(view, lane, take, now)
            return True
    return False


def _claim_ahead(view: View, now: float) -> None:
    """Claim once more from a lane with a backlog, before its claim in flight is answered.

    Otherwise the connection would be idle while the answer travels here and the next claim travels
    there: half a millisecond of the two that a batch of 100 takes.
    """
    for lease, (claim, _) in list(view.claims.items()):
        lane = view.lanes[claim.lane]
        rests = claim.suspect or lane.suspects or lane.frontier.unbounded(now)
        kind = view.kinds[lane.kind]
        calm = not kind.quarantine.in_doubt and not kind.quarantine.state
        if not (lane.frontier.busy and not rests and calm):
            continue
        if n_batches := room(view, kind, now):
            _claim(view, lane, _fresh(view, kind, lane, n_batches), now, after=lease)
            return


def _choice(view: View, kind: KindState, lane: Lane, now: float) -> Take | None:
    """Choose what to claim from a lane if there is room: suspects and fresh jobs take turns."""
    quarantine, suspects = kind.quarantine, lane.suspects and _at_rest(view, lane)
    if suspects and (free := quarantine.to_free(suspects)):
        return free
    n_batches = room(view, kind, now)
    if not n_batches:
        return None
    fresh = now >= lane.look_at and not _fresh_wait(view, kind)
    turn = not fresh or (lane.suspect_turn and not quarantine.state)
    if suspects and turn:
        return quarantine.next_of(suspects)
    return _fresh(view, kind, lane, n_batches) if fresh else None


def _at_rest(view: View, lane: Lane) -> list[int]:
    """Return the lane's groups that are not being searched: a group is searched in one place."""
    known = view.kinds[lane.kind].quarantine.groups
    running = {h.batch.suspect for h in view.held.values() if not (h.finished or h.verdict_waits)}
    return [group for group in lane.suspects if group not in running or group not in known]


def _fresh_wait(view: View, kind: KindState) -> bool:
    """Tell whether to spare fresh jobs: several batches have failed, and suspects can be tested."""
    return kind.quarantine.n_unrelated >= UNRELATED and view.astir(kind)


def _fresh(view: View, kind: KindState, lane: Lane, n_batches: int) -> Take:
    """Decide how many fresh jobs to claim: full batches, or the one job that is tried.

    Several batches together hold no more bytes than one may.
    """
    if kind.quarantine.state:
        return Take(0, 1)
    by_bytes = max(1, int(kind.policy.max_batch_bytes / max(lane.mean_bytes, 1.0)))
    limit = min(kind.quarantine.limit, by_bytes)
    return Take(0, limit, n_batches=min(n_batches, by_bytes // limit))


def _claim(view: View, lane: Lane, take: Take, now: float, after: int = 0) -> None:
    """Claim from a quarantine group or from the fresh jobs of a lane."""
    kind, policy = view.kinds[lane.kind], view.kinds[lane.kind].policy
    lease, view.next_lease = view.next_lease, view.next_lease + take.n_batches
    slack = LAG_BATCHES * policy.max_batch / lane.weight
    if take.group:
        claim = Claim(lane.id, lease, take.limit, suspect=take.group)
        claim = replace(claim, one_by_one=take.one_by_one, free=take.free)
        view.level = lane.suspects_sent(take.group, view.level, slack)
    else:
        claim = _fresh_claim(kind, lane, take, lease, now, after)
        if lane.next_at <= now:
            view.ask_soon(view.settings.poll_s, now)  # the next delayed job is not known yet
        view.level = lane.fresh_sent(view.level, slack, now, ahead=bool(after))
    view.outdate(lane)
    kind.claim_sent(claim.n_batches)
    view.claims[lease] = (claim, now)
    view.do(claim)


def _fresh_claim(
    kind: KindState, lane: Lane, take: Take, lease: int, now: float, after: int
) -> Claim:
    flush = lane.flush or bool(kind.quarantine.state)  # a trial does not wait for more jobs
    return Claim(
        lane.id,
        lease,
        take.limit,
        frontier=lane.frontier.bounds(now),
        min_n=1 if flush else kind.policy.min_batch,
        linger_s=0.0 if flush else kind.policy.linger_s,
        after=after,
        n_batches=take.n_batches,
    )


def claim_lost(view: View, input_: i.ClaimLost, now: float) -> None:
    """Give up a claim whose answer never came, and give its leases back if there are any."""
    claim, _ = view.claims.pop(input_.lease)
    lane = view.lanes[input_.lane]
    lane.answered()
    if input_.too_much and not claim.suspect and claim.limit > 1:
        _ask_for_less(view, lane, claim.limit // 2)
    view.stir(lane)
    lane.want()
    lane.look_by(now + view.settings.poll_s)
    view.kinds[lane.kind].claim_ended(claim.n_batches)
    for lease in claim.leases:
        view.early.pop(lease, None)
    view.do(GiveBack(input_.lease, claim.n_batches))


def _ask_for_less(view: View, lane: Lane, limit: int) -> None:
    """Assume args so large that the next claim asks for no more jobs than this."""
    lane.take_to_be(view.kinds[lane.kind].policy.max_batch_bytes / limit)
    view.emit(event.BatchLimited(lane.kind, limit))


def _ask_due(view: View, now: float) -> None:
    """Ask for all lanes at once what is due beyond the point up to which each has looked."""
    drains = view.settings.drain  # a drain has to know whether a kind that does not start is needed
    lanes = [lane for lane in view.lanes.values() if drains or view.kinds[lane.kind].available]
    if not lanes:
        view.due_at = view.due_by = now + view.settings.poll_s
        return
    asks = [DueAsk(lane.id, _behind(view, lane, now)) for lane in lanes]
    view.due_asked = Question(
        {ask.lane for ask in asks if not ask.frontier and not view.lanes[ask.lane].n_claiming},
        {ask.lane for ask in asks if ask.frontier or not view.lanes[ask.lane].frontier.last},
        idle=not view.held and not view.claims,
    )
    view.due_last = now
    view.do(AskDue(asks))


def _behind(view: View, lane: Lane, now: float) -> dict[int, ReadyPosition]:
    """Return where to look from; a drain must not end before a job that was committed late.

    If the due query is sent rarely, it also looks for what lies behind the frontier.
    """
    last_look = view.settings.drain and lane.empty
    is_rare = view.due_wait_s > view.settings.poll_s and now >= lane.frontier.allowed_at()
    return {} if last_look or is_rare else lane.frontier.bounds(now)


def due_known(view: View, input_: i.DueKnown, now: float) -> None:
    """Look where something is due; otherwise sleep until the next instant that is known."""
    question, view.due_asked = view.due_asked or Question(set(), set(), False), None
    given_up = {
        name
        for name, kind in view.kinds.items()
        if view.settings.drain and draining.given_up(view, kind, now)
    }
    for due in input_.dues:
        lane = view.lanes[due.lane]
        if lane.kind in given_up:
            continue
        _suspects_found(view, lane, due.suspects)
        if due.due:
            view.stir(lane, behind=lane.id not in question.bounded)
            _gather(view, lane, now)
        elif lane.id in question.unbounded:
            lane.found_nothing(input_.took_s, now)
        if due.next_in_s is not None:
            lane.later(now + due.next_in_s)
    view.checked = question.idle and not any(
        (due.due or due.suspects) and view.lanes[due.lane].kind not in given_up
        for due in input_.dues
    )
    _next_due(view, now)


def _suspects_found(view: View, lane: Lane, groups: list[int]) -> None:
    claiming = {claim.suspect for claim, _ in view.claims.values() if claim.lane == lane.id}
    lane.suspect(group for group in groups if group not in claiming)


def due_lost(view: View, input_: i.DueLost, now: float) -> None:
    """Ask again later."""
    _next_due(view, now)


def _next_due(view: View, now: float) -> None:
    poll_s = view.settings.poll_s
    view.due_asked = None
    grown_s = min(2 * view.due_wait_s, QUIET_DUE_S) if _is_told(view) else poll_s
    view.due_wait_s = max(poll_s, grown_s)
    view.due_at = now + view.due_wait_s
    view.due_by = now + max(BUSY_DUE_S, poll_s)
    while view.returns and view.returns[0] <= view.due_last:  # no later ones
        heappop(view.returns)
    if view.returns:
        view.due_at = min(view.due_at, max(view.returns[0], now + poll_s))


def _is_told(view: View) -> bool:
    """Tell whether a notification will come for whatever is enqueued."""
    if not view.listening or view.settings.drain:
        return False
    lanes = [view.agenda.of_kind(name) for name, kind in view.kinds.items() if kind.available]
    return all(of_kind.n_hungry == of_kind.n for of_kind in lanes)


def _gather(view: View, lane: Lane, now: float) -> None:
    """Claim what has just come: at once for an idle actor, otherwise after the linger."""
    kind = view.kinds[lane.kind]
    idle = any(not actor.held for actor in view.ready_actors(kind))
    if idle and not kind.spare:
        lane.look_by(now)
    else:
        lane.gather(now + kind.policy.linger_s, now)


def woken(view: View, input_: i.Woken, now: float) -> None:
    """Note a sign of work; if jobs were given back, look behind the frontier too."""
    lane = view.lanes.get(input_.lane)
    if lane is None:
        return
    lane.woken(input_.n, now)
    view.stir(lane)
    lane.want()
    poll_s = view.settings.poll_s
    if input_.mine:
        if input_.behind:
            lane.look_by(now)
        else:
            _gather(view, lane, now)
        view.ask_soon(poll_s, now)
    else:
        view.ask_soon(poll_s * view.random.uniform(*OTHERS_LOOK), now)


def listening(view: View, input_: i.Listening, now: float) -> None:
    """Record whether notifications arrive; ask for what came while they did not."""
    view.listening = input_.on
    view.ask_soon(view.settings.poll_s, now)


def actor_idle(view: View, kind: KindState, now: float) -> None:
    """Stop lingering: an idle actor takes what is there at once."""
    if kind.policy.min_batch == 1:
        for lane in view.agenda.of_kind(kind.name).stirred.values():
            lane.look_by(now)


def _declare_hunger(view: View, now: float) -> None:
    """Ask for notifications where they help, and stop asking where they flood in."""
    if now < view.hunger_at:
        return
    view.hunger_at = now + HUNGER_CHECK_S
    off, on = _flooded(view), _idle(view, now)
    for lane in off:
        lane.be_sated(now)
    for lane in on:
        lane.be_woken(now)
    if on or off:
        view.do(Hunger(frozenset(o.id for o in on), frozenset(o.id for o in off)))


def _flooded(view: View) -> list[Lane]:
    return [lane for lane in view.agenda.take_flooding() if lane.appetite.hungry]


def _idle(view: View, now: float) -> list[Lane]:
    """Return the lanes that have nothing to do and may ask by now; forget those that have work."""
    found: list[Lane] = []
    for name, lanes in view.agenda.kinds.items():
        if not (lanes.quiet and view.kinds[name].available):
            continue
        for no, lane in list(lanes.quiet.items()):
            wants = lane.wants_to_be_woken(now)
            if wants:
                found.append(lane)
            if wants or wants is None:
                lanes.asked(no)
    return found
