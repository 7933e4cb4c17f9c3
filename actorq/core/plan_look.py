"""When to look for work, and where: claims, the due query, hunger. Part of `actorq.core.plan`."""

from __future__ import annotations

import math

from actorq.core import fair
from actorq.core import inputs as i
from actorq.core.ask import DueAsk
from actorq.core.effects import AskDue, Claim, GiveBack, Hunger
from actorq.core.view import PIPE_DEPTH, Kind, Lane, View

CLAIMS_IN_FLIGHT = 2
"""One runs in the database, the next is on its way: the claimer's connection never waits."""

UNWRITTEN_BATCHES = 3
"""Per actor, beside what is in its pipe: enough to keep claimer and settler both busy."""

UNWRITTEN_JOBS = 256
"""Batches of a few jobs may be many more than that, for one settle writes them all."""

BUSY_DUE_S = 1.0
"""How often a supervisor with enough to do asks for suspects and for lanes it neglects."""

HUNGER_S = 1.0
"""A hunger flag changes at most once a second, or its own dead rows would slow every insert."""

FLOOD_PER_S = 200
"""Notifications a second above which they cost more than they bring."""


def look(view: View, now: float) -> None:
    """Send the claims and the question that are due."""
    while len(view.claims) < CLAIMS_IN_FLIGHT:
        lane = fair.pick(lane for lane in view.lanes.values() if _worth(view, lane, now))
        if lane is None:
            break
        _claim(view, lane, now)
    if view.due_asked is None and now >= view.due_at:
        _ask_due(view, now)
    if view.settings.notify:
        _declare_hunger(view, now)


def _worth(view: View, lane: Lane, now: float) -> bool:
    if lane.claiming or not (lane.suspects or _may_look(view, lane, now)):
        return False
    return _room(view, view.kinds[lane.kind])


def _may_look(view: View, lane: Lane, now: float) -> bool:
    if view.settings.drain and not lane.empty:
        return now >= min(lane.look_at, lane.frontier.allowed_at())
    return now >= lane.look_at


def _room(view: View, kind: Kind) -> bool:
    """Tell whether a batch more could go into a pipe, and its outcomes be written soon."""
    actors = list(view.ready_actors(kind))
    places = sum(PIPE_DEPTH - len(actor.held) for actor in actors)
    if places - len(kind.spare) - kind.n_claiming <= 0:
        return False
    most = (UNWRITTEN_BATCHES + PIPE_DEPTH) * len(actors) * kind.policy.max_batch
    return kind.n_unwritten < max(most, UNWRITTEN_JOBS)


def _claim(view: View, lane: Lane, now: float) -> None:
    """Claim from a quarantine group or from the fresh jobs of a lane, in turns."""
    kind, policy = view.kinds[lane.kind], view.kinds[lane.kind].policy
    lease, view.next_lease = view.next_lease, view.next_lease + 1
    fresh = _may_look(view, lane, now)
    if lane.suspects and (lane.suspect_turn or not fresh):
        claim = Claim(lane.id, lease, policy.max_batch, suspect=lane.suspects.popleft())
        lane.suspect_turn = False
    else:
        by_bytes = max(1, int(policy.max_batch_bytes / max(lane.mean_bytes, 1.0)))
        flush = view.settings.drain
        claim = Claim(
            lane.id,
            lease,
            min(policy.max_batch, by_bytes),
            frontier=lane.frontier.bounds(now),
            min_n=1 if flush else policy.min_batch,
            linger_s=0.0 if flush else policy.linger_s,
        )
        lane.suspect_turn, lane.woken = True, False
    lane.claiming = True
    kind.n_claiming += 1
    view.claims[lease] = (claim, now)
    view.do(claim)


def claim_lost(view: View, input_: i.ClaimLost, now: float) -> None:
    """Give up a claim whose answer never came: its lease, if there is one, goes back."""
    view.claims.pop(input_.lease)
    lane = view.lanes[input_.lane]
    lane.claiming = False
    lane.frontier.wanted, lane.empty = True, False
    lane.look_at = now + view.settings.poll_s
    view.kinds[lane.kind].n_claiming -= 1
    view.do(GiveBack(input_.lease))


def _ask_due(view: View, now: float) -> None:
    """Ask for all lanes at once what is due, where each has already looked."""
    lanes = [lane for lane in view.lanes.values() if view.kinds[lane.kind].available]
    if not lanes:
        view.due_at = now + view.settings.poll_s
        return
    asks = [DueAsk(lane.id, lane.frontier.bounds(now)) for lane in lanes]
    view.due_asked = frozenset(ask.lane for ask in asks if not ask.frontier)
    view.do(AskDue(asks))


def due_known(view: View, input_: i.DueKnown, now: float) -> None:
    """Look where something is due; sleep until the next instant that is known."""
    unbounded = view.due_asked or frozenset()
    for due in input_.dues:
        lane = view.lanes[due.lane]
        _suspects_found(view, lane, due.suspects)
        if due.due:
            lane.empty = False
            lane.look_at = min(lane.look_at, _eager(view, lane, now))
            continue
        if due.lane in unbounded and not lane.claiming and not lane.woken:
            lane.frontier.looked(input_.took_s, now)
            lane.empty, lane.look_at = True, math.inf
        if due.next_in_s is not None:
            lane.look_at = min(lane.look_at, now + due.next_in_s)
    _next_due(view, now)


def _suspects_found(view: View, lane: Lane, groups: list[int]) -> None:
    claiming = {claim.suspect for claim, _ in view.claims.values() if claim.lane == lane.id}
    for group in groups:
        if group not in lane.suspects and group not in claiming:
            lane.suspects.append(group)


def due_lost(view: View, input_: i.DueLost, now: float) -> None:
    """Ask again later."""
    _next_due(view, now)


def _next_due(view: View, now: float) -> None:
    view.due_asked = None
    idle = any(lane.look_at > now for lane in view.lanes.values())
    view.due_at = now + (view.settings.poll_s if idle else max(BUSY_DUE_S, view.settings.poll_s))


def _eager(view: View, lane: Lane, now: float) -> float:
    """Return when to claim what just came: at once for an idle actor, else after the linger."""
    kind = view.kinds[lane.kind]
    idle = any(not actor.held for actor in view.ready_actors(kind))
    return now if idle and not kind.spare else now + kind.policy.linger_s


def woken(view: View, input_: i.Woken, now: float) -> None:
    """Take a hint that there is work; with jobs given back, look behind the frontier too."""
    lane = view.lanes.get(input_.lane)
    if lane is None:
        return
    lane.n_woken += input_.n
    lane.woken, lane.empty = True, False
    lane.frontier.wanted = True
    if not lane.claiming:
        lane.look_at = min(lane.look_at, _eager(view, lane, now))


def actor_idle(view: View, kind: Kind, now: float) -> None:
    """Stop lingering: an idle actor takes what is there at once."""
    for id_ in kind.lanes:
        lane = view.lanes[id_]
        if lane.woken and not lane.claiming and kind.policy.min_batch == 1:
            lane.look_at = min(lane.look_at, now)


def _declare_hunger(view: View, now: float) -> None:
    on, off = set(), set()
    for lane in view.lanes.values():
        flooded = _flooded(lane, now)
        if now < lane.hunger_at + HUNGER_S:
            continue
        if not lane.hungry and lane.look_at > now and view.kinds[lane.kind].available:
            on.add(lane.id)
        elif lane.hungry and flooded:
            off.add(lane.id)
    for id_ in on | off:
        view.lanes[id_].hungry, view.lanes[id_].hunger_at = id_ in on, now
    if on or off:
        view.do(Hunger(frozenset(on), frozenset(off)))


def _flooded(lane: Lane, now: float) -> bool:
    """Count wake-ups over a second; tell whether there were too many in the last one."""
    if now < lane.woken_since + 1.0:
        return lane.n_woken > FLOOD_PER_S
    flooded = lane.n_woken > FLOOD_PER_S
    lane.n_woken, lane.woken_since = 0, now
    return flooded
