"""When to be notified of new jobs. Part of `actorq.core.plan`.

A notification wakes a supervisor within a millisecond, and costs every transaction that sends one a
lock of the whole server. So a lane asks for them (it is *hungry*) while it has nothing to do, and
no longer when they flood in: then it is looked at often instead. Whether they still would, nobody
can tell without them, as jobs enqueued together are told of once: now and then it asks again.
"""

from __future__ import annotations

import math

from actorq.core.plan.effects import Hunger
from actorq.core.plan.view import Lane, View

HUNGER_S = 1.0
"""A hunger flag is raised at most once a second, or its own dead rows would slow every insert."""

HUNGER_CHECK_S = 0.01

FLOOD_PER_S = 500
"""Notifications a second above which they cost more than looking every 5 ms."""

FLOOD_WINDOW_S = 0.1
FLOOD_LOOK_S = 0.005
"""How often to look into a lane that was flooded and still has work."""

LONGEST_WAIT_S = 10.0
"""How long a lane that was flooded again and again does without notifications at most."""

QUIET_S = 1.0
"""A flood is over when nothing has come for so long."""


def declare_hunger(view: View, now: float) -> None:
    """Ask for notifications where they would help, and no longer where they flood in."""
    if now < view.hunger_at:
        return
    view.hunger_at = now + HUNGER_CHECK_S
    on, off = set(), set()
    for lane in view.lanes.values():
        if lane.hungry and _floods(lane, now):
            off.add(lane.id)
            _sate(lane, now)
        elif not lane.hungry and _wants_to_be_woken(view, lane, now):
            on.add(lane.id)
            lane.hungry, lane.flooded, lane.hunger_at = True, False, now
            lane.n_woken, lane.window_at = 0, now
    if on or off:
        view.do(Hunger(frozenset(on), frozenset(off)))


def _floods(lane: Lane, now: float) -> bool:
    """Tell whether too many notifications came in the present window of counting."""
    if lane.n_woken > FLOOD_PER_S * FLOOD_WINDOW_S:
        return True
    if now >= lane.window_at + FLOOD_WINDOW_S:
        lane.n_woken, lane.window_at = 0, now
    return False


def _sate(lane: Lane, now: float) -> None:
    """Do without notifications, the longer the sooner they flooded in again."""
    lasted = now - lane.hunger_at > LONGEST_WAIT_S
    lane.hunger_wait_s = HUNGER_S if lasted else min(LONGEST_WAIT_S, 2 * lane.hunger_wait_s)
    lane.hunger_wait_s = max(HUNGER_S, lane.hunger_wait_s)
    lane.hungry, lane.flooded, lane.hunger_at = False, True, now
    lane.look_at = min(lane.look_at, now + FLOOD_LOOK_S)


def _wants_to_be_woken(view: View, lane: Lane, now: float) -> bool:
    # A flooded lane is looked at all the time: that it is not idle at this moment means little.
    idle = not lane.frontier.busy if lane.flooded else lane.look_at > now and not lane.n_claiming
    if not idle or not view.kinds[lane.kind].available:
        return False
    wait_s = HUNGER_S if now >= lane.came_at + QUIET_S else lane.hunger_wait_s
    return now >= lane.hunger_at + wait_s


def look_soon(lane: Lane, now: float) -> float:
    """Return when to look into a lane again that was found empty; inf: when there is a sign."""
    is_over = now >= lane.came_at + QUIET_S
    return now + FLOOD_LOOK_S if lane.flooded and not is_over else math.inf
