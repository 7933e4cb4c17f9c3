"""How much may be claimed of a kind beyond what is under way. Part of `actorq.core.plan`.

A batch costs a claim, a step of this core, and two messages, whatever its jobs cost. If batches are
small and quick, that is most of the work, so several are claimed at once: a *bundle*, which takes
its actor no longer than `QUICK_S` and holds no more than `BUNDLE_JOBS`. As many bundles may then be
on their way to an actor as otherwise batches may. A kind whose batches are large or slow has one
batch to a bundle.
"""

from __future__ import annotations

from math import isnan

from actorq.core.plan.state import PIPE_DEPTH, KindState, View

UNWRITTEN_BATCHES = 6
"""Per actor, beside what is in its pipe: enough to keep claimer and settler both busy. With
three, 150,000 jobs in batches of 1000 took 4 % longer; of 300,000 no difference was seen."""

UNWRITTEN_JOBS = 1000
"""Batches of a few jobs may be many more than that: a settle writes up to 1,000 at once."""

UNWRITTEN_BUNDLES = 4
"""Of several batches each, per actor: two in the pipe or waiting, one being claimed and one being
written. All of them are run again if the supervisor is killed."""

BUNDLE_JOBS = 1000
"""What a claim of several batches takes at most: as many jobs as a settle writes at once."""

LEAST_BATCHES = 4
"""A batch of more than a quarter of that is claimed alone, since its own cost hardly counts."""

BUNDLE_BATCHES = 100
"""… and as many batches: each has a row of its own in `lease`."""

QUICK_S = 0.01
"""How long a bundle may keep an actor busy. Its jobs are not to be had elsewhere meanwhile."""


def bundle(kind: KindState, limit: int) -> int:
    """Return how many batches of `limit` jobs make a bundle."""
    cost, policy = kind.quarantine.cost, kind.policy
    if LEAST_BATCHES * limit > BUNDLE_JOBS or policy.min_batch > 1 or isnan(cost.share_s()):
        return 1
    if kind.quarantine.state or kind.quarantine.in_doubt or cost.run_one_by_one(limit):
        return 1
    if kind.restarts:  # jobs that want a fresh process are not to wait behind others
        return 1
    by_time = int(QUICK_S / max(limit * cost.share_s(), 1e-9))
    return max(1, min(by_time, BUNDLE_JOBS // limit, BUNDLE_BATCHES))


def room(view: View, kind: KindState, now: float) -> int:
    """Return how many batches more may be claimed: pipes take them, and settles keep up."""
    quarantine, size = kind.quarantine, kind.policy.max_batch
    if not kind.available or now < quarantine.rest_until:
        return 0
    if quarantine.state and not _may_try(view, kind):
        return 0
    n_actors = n_under_way = 0
    for actor in view.ready_actors(kind):
        n_actors += 1
        n_under_way += len(actor.held)
    per_bundle = bundle(kind, quarantine.limit)
    n_waiting = len(kind.spare) + kind.n_claiming
    places = PIPE_DEPTH * n_actors * per_bundle - n_under_way - n_waiting
    if places <= 0 or (n_waiting and 2 * places < per_bundle):
        return 0  # or the next bundles would be small ones
    most = max(_most_unwritten(n_actors, size, per_bundle), UNWRITTEN_JOBS)
    credit = most - kind.n_unwritten - kind.n_claiming * size
    return min(places, per_bundle, -(-credit // size)) if credit > 0 else 0


def _most_unwritten(n_actors: int, size: int, per_bundle: int) -> int:
    batches = (UNWRITTEN_BATCHES + PIPE_DEPTH) * size
    bundles = UNWRITTEN_BUNDLES * size * per_bundle if per_bundle > 1 else 0
    return n_actors * max(batches, bundles)


def _may_try(view: View, kind: KindState) -> bool:
    """Tell whether a kind that rested may be tried: with one job at a time."""
    idle = not kind.n_claiming and not kind.spare
    actors = view.ready_actors(kind)
    return kind.quarantine.state == "tried" and idle and not any(a.held for a in actors)
