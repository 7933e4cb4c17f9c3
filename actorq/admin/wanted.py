"""The arguments of administrative calls, checked before a connection is opened.

A message about a missing one names both the command's option and the argument in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from actorq.core.job.policy import check_integer
from actorq.core.job.states import PRUNABLE, PRUNED_BY_DEFAULT, RETRIABLE, STATES
from actorq.durations import CENTURY_S, Duration, check_duration
from actorq.errors import ConfigError
from actorq.store.admin.change import check_states
from actorq.store.admin.jobs import LAST

JOBS_LIMIT = 50
"""As many jobs as fit on a screen."""

MAX_JOBS = 10_000
"""The most rows of one answer; more are read in pages."""

RETRY_LIMIT = 1000
MAX_LIMIT = 2**62


def jobs(
    state: str | None, kind: str | None, queue: str | None, limit: int, before: int | None
) -> dict[str, Any]:
    """Return the filters of a search for jobs."""
    _check_state(state, STATES)
    _check_names(kind=kind, queue=queue)
    return {
        "state": state,
        "kind": kind,
        "queue": queue,
        "limit": check_integer("limit", limit, 1, MAX_JOBS),
        "before": LAST if before is None else check_integer("before", before, 0, LAST),
    }


def ids(given: int | Iterable[int]) -> list[int]:
    """Return the ids that were given, after checking that each can be one."""
    found = [given] if isinstance(given, int) else list(given)
    return [check_integer("id", id_, 0, LAST) for id_ in dict.fromkeys(found)]


def retry(
    given: int | Iterable[int] | None,
    state: str | None,
    kind: str | None,
    queue: str | None,
    limit: int | None,
) -> list[int] | dict[str, Any]:
    """Return the ids of the jobs to retry, or the filters that choose them."""
    named = None if given is None else ids(given)
    is_filtered = any((state, kind, queue))
    if (named is not None) == is_filtered or (named is not None and limit is not None):
        raise ConfigError(
            "retry: say which jobs, either by ids, or with --state, --kind or --queue; "
            "--limit goes with these three only (in Python: ids, state, kind, queue, limit)"
        )
    if named is not None:
        return named
    _check_state(state, RETRIABLE)
    _check_names(kind=kind, queue=queue)
    _check_limit(limit)
    return {
        "state": state or "failed",
        "kind": kind,
        "queue": queue,
        "limit": RETRY_LIMIT if limit is None else limit,
    }


def prune(
    older_than_s: Duration | None,
    state: str | Sequence[str] | None,
    kind: str | None,
    limit: int | None,
) -> dict[str, Any]:
    """Return the filters of the finished jobs to delete."""
    states = [state] if isinstance(state, str) else list(state or [])
    if older_than_s is None and not states:
        raise ConfigError(
            "prune: say which jobs, with --older-than-s or --state "
            "(in Python: older_than_s or state)"
        )
    check_states(states, PRUNABLE)
    _check_names(kind=kind)
    _check_limit(limit)
    age = 0.0 if older_than_s is None else older_than_s
    return {
        "states": states or PRUNED_BY_DEFAULT,
        "older_than_s": check_duration("older_than_s", age, 0.0, CENTURY_S),
        "kind": kind,
        "limit": limit,
    }


def wait(wait_s: Duration) -> float:
    """Return for how many seconds to wait."""
    return check_duration("wait_s", wait_s, 0.0, CENTURY_S)


def doctor(repair: bool, limit: int | None) -> None:
    """Check the arguments of `doctor`."""
    _check_limit(limit)
    if repair and limit is not None:
        raise ConfigError("doctor: a repair looks at all jobs: give no limit with it")


def _check_state(state: str | None, allowed: Sequence[str]) -> None:
    if state is not None:
        check_states([state], allowed)


def _check_limit(limit: int | None) -> None:
    if limit is not None:
        check_integer("limit", limit, 1, MAX_LIMIT)


def _check_names(**names: str | None) -> None:
    for what, name in names.items():
        if name is not None and not isinstance(name, str):
            raise ConfigError(f"{what}={name!r} must be the name of a {what}")
