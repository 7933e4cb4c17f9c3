"""The settings of an actor as they are given, and the policy that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

import msgspec

from actorq.core.job.policy import CONCURRENCY, Arrays, KindPolicy, Nan
from actorq.durations import Duration, seconds_of
from actorq.errors import ConfigError


class ActorSettings(TypedDict, total=False):
    """The settings of an actor; None means the default, as if the setting were left out."""

    max_batch: int | None
    max_batch_bytes: int | None
    min_batch: int | None
    linger_ms: Duration | None
    actors: int | None
    weight: float | None
    batch_timeout_s: Duration | None
    job_timeout_s: Duration | None
    concurrency: int | None
    max_batches: int | None
    max_age_s: Duration | None
    max_rss: int | None
    setup_timeout_s: Duration | None
    max_attempts: int | None
    crash_budget: int | None
    retry: Any
    fatal: Any
    store_results: bool | None
    nan: Nan | None
    arrays: Arrays | None
    threads: int | None
    env: Mapping[str, str] | None


def with_settings(policy: KindPolicy, settings: Mapping[str, object]) -> KindPolicy:
    """Return the policy with an actor's settings, or raise ConfigError for a wrong one."""
    given = {name: value for name, value in settings.items() if value is not None}
    for name in given:
        if name not in ActorSettings.__annotations__:
            legal = ", ".join(ActorSettings.__annotations__)
            raise ConfigError(f"kind {policy.name!r}: no setting {name!r}; there are {legal}")
    try:
        if "linger_ms" in given:
            given["linger_s"] = _linger_s(given.pop("linger_ms"))
        made = msgspec.structs.replace(policy, **given)
        _check_linger(made)
        return made
    except ConfigError as error:
        raise ConfigError(f"kind {policy.name!r}: {error}") from None


def with_concurrency(policy: KindPolicy, runs_at_once: bool) -> KindPolicy:
    """Return the policy with the default of its concurrency, if its handler can have any."""
    if runs_at_once:
        return msgspec.structs.replace(policy, concurrency=policy.concurrency or CONCURRENCY)
    if policy.concurrency is not None:
        raise ConfigError(
            f"kind {policy.name!r}: concurrency={policy.concurrency} is for an `async def` of one "
            "job's own parameters; any other handler is called once at a time: use actors=…"
        )
    return policy


def _check_linger(policy: KindPolicy) -> None:
    if policy.linger_s > 0 and policy.min_batch == 1:
        raise ConfigError(
            f"linger_ms={policy.linger_s * 1000:g} does nothing without min_batch: a job waits for "
            "others only where a batch has a least size, so say how many are worth a call"
        )


def _linger_s(linger_ms: object) -> float:
    """Return seconds; a number is in milliseconds, and text needs a unit."""
    seconds = seconds_of(linger_ms)
    if isinstance(linger_ms, int | float) and seconds is not None:
        seconds /= 1000
    elif isinstance(linger_ms, str) and not linger_ms.rstrip()[-1:].isalpha():
        seconds = None
    if seconds is not None and 0 <= seconds <= 600:
        return float(seconds)
    raise ConfigError(
        f"linger_ms={linger_ms!r} must be a number from 0 to 600,000, a timedelta, or text like "
        "'50ms' or '2s'"
    )
