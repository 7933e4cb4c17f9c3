"""Telling what a supervisor is doing, for whoever looks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from actorq.core.fleet.actor import ActorState
from actorq.core.plan.state import KindState, View
from actorq.core.report import (
    ActorDoing,
    ActorReport,
    GroupReport,
    KindDoing,
    KindReport,
    LaneReport,
    Report,
)


def report(view: View, pids: Mapping[int, int], now: float) -> Report:
    """Return what a supervisor is doing; `pids` are the processes of its actors."""
    return Report(
        view.phase,
        view.n_died,
        [_kind(kind, now) for kind in view.kinds.values()],
        _lanes(view),
        list(_actors(view, pids, now)),
    )


def _kind(kind: KindState, now: float) -> KindReport:
    quarantine = kind.quarantine
    groups = [GroupReport(g.n, g.bad, g.crashed) for g in quarantine.groups.values()]
    return KindReport(
        kind.name,
        _kind_does(kind, now),
        max(0.0, quarantine.rest_until - now) if quarantine.rest_until > now else 0.0,
        quarantine.fault,
        kind.policy.max_batch,
        quarantine.limit,
        len(kind.spare),
        len(quarantine.waiting),
        groups,
    )


def _kind_does(kind: KindState, now: float) -> KindDoing:
    if kind.available is None:
        return "starting"
    if not kind.available:
        return "unavailable"
    if now < kind.quarantine.rest_until:
        return "resting"
    return "doubted" if kind.quarantine.in_doubt or kind.quarantine.state else "available"


def _lanes(view: View) -> list[LaneReport]:
    jobs, batches = Counter[int](), Counter[int]()
    for held in view.held.values():
        jobs[held.batch.lane] += held.unwritten
        batches[held.batch.lane] += 1
    return [
        LaneReport(lane.queue, lane.kind, batches[lane.id], jobs[lane.id])
        for lane in view.lanes.values()
    ]


def _actors(view: View, pids: Mapping[int, int], now: float) -> Iterator[ActorReport]:
    for actor in view.actors.values():
        doing, since = _actor_does(view, actor, now)
        first = actor.held[0] if actor.held else None
        yield ActorReport(
            actor.kind,
            actor.index,
            actor.id,
            pids.get(actor.id, 0),
            doing,
            max(0.0, now - since),
            first.batch.lease if first else 0,
            first.batch.n if first else 0,
        )


def _actor_does(view: View, actor: ActorState, now: float) -> tuple[ActorDoing, float]:
    """Return what an actor does, and since when."""
    if actor.held:
        held = actor.held[0]
        return "running", held.sent_at if held.taken_at is None else held.taken_at
    if actor.killed_for or actor.leaving:
        return "stopping", now
    if not actor.ready:
        return "loading", actor.born_at
    idle_since = max(actor.free_at, actor.ready_at if math.isfinite(actor.ready_at) else 0.0)
    quarantine = view.kinds[actor.kind].quarantine
    return ("resting" if now < quarantine.rest_until else "idle"), idle_since
