"""Waiting for a number of jobs, whichever they are."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, TypedDict

from actorq.client.follow import AGAIN_S, Follower
from actorq.core.following.events import Gap, JobEvent
from actorq.core.job.policy import check_integer
from actorq.durations import CENTURY_S, Duration, check_duration
from actorq.errors import ConfigError, StoreUnavailable, WaitEnded, WaitTimeout

if TYPE_CHECKING:
    from actorq.client.database import Database


class CountSettings(TypedDict, total=False):
    """What `app.wait` takes beside `count` and `timeout_s`."""

    kinds: Collection[str] | None
    states: Iterable[str] | None
    since: str | None
    notify: bool


FINAL = ("completed", "failed", "cancelled")
MOST = 2**62
SLICE_S = 1.0


def wait_for_count(
    database: Database,
    count: int,
    *,
    kinds: Collection[str] | None = None,
    states: Iterable[str] | None = None,
    timeout_s: Duration,
    since: str | None = None,
    notify: bool = True,
    tell: Callable[[int], object] | None = None,
) -> Counter[str]:
    """Wait until so many jobs have become final; return how many came to which state.

    They are counted from now on, or from a follower's cursor. `tell` is called with the number so
    far. Raises WaitTimeout, which says how many are missing, and WaitEnded if jobs of some kinds
    are counted and what was missed cannot be told by kind.
    """
    wanted = _finals(states)
    check_integer("count", count, 1, MOST)
    limit_s = check_duration("timeout_s", timeout_s, 0, CENTURY_S)
    until = time.monotonic() + limit_s
    found: Counter[str] = Counter()
    make = functools.partial(
        Follower, database, kinds=kinds, states=wanted, since=since, notify=notify, name="wait"
    )
    with _begun(make, until) as follower:
        for states_ in _counted(follower, until, wanted, by_kind=kinds is not None):
            found.update(states_)
            if tell is not None:
                tell(found.total())
            if found.total() >= count:
                return found
    of = "" if kinds is None else f" of kind {' or '.join(sorted(kinds))}"
    raise WaitTimeout(
        f"{count - found.total():,} of {count:,} jobs{of} have not become final within "
        f"{limit_s:g} s; nothing was changed",
        [],
    )


def _finals(states: Iterable[str] | None) -> tuple[str, ...]:
    """Return the final states that are counted; raises ConfigError for any other."""
    if isinstance(states, str):
        raise ConfigError(f"states={states!r}: give a list, even of one: states=[{states!r}]")
    wanted = tuple(FINAL if states is None else states)
    if unknown := set(wanted) - set(FINAL):
        raise ConfigError(f"states: {unknown.pop()!r} is not final: choose from {', '.join(FINAL)}")
    return wanted


def _begun(make: Callable[[], Follower], until: float) -> Follower:
    """Return a follower as soon as the database answers, or raise why it does not in time."""
    while True:
        try:
            return make()
        except StoreUnavailable:
            if time.monotonic() >= until:
                raise
            time.sleep(AGAIN_S)


def _counted(
    follower: Follower, until: float, wanted: tuple[str, ...], *, by_kind: bool
) -> Iterator[dict[str, int]]:
    """Yield how many jobs came to which state, until the time is up."""
    while True:
        event = follower.next(timeout_s=max(0.0, min(SLICE_S, until - time.monotonic())))
        if isinstance(event, JobEvent):
            yield {event.state: 1}
        elif isinstance(event, Gap):
            if by_kind or event.jobs is None:
                raise WaitEnded(
                    "some changes were missed, and of what kinds they were is not known: count "
                    "without kinds, or begin to wait before the jobs are enqueued",
                    [],
                )
            yield {state: n for state, n in event.jobs.items() if state in wanted}
        elif event is None and time.monotonic() >= until:
            return
