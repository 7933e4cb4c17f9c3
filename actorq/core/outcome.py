"""What a handler says about one job: the verdicts a user can return or mark.

A verdict is a frozen value; `core.settle` turns it into what is written.
"""

from __future__ import annotations

from typing import Any

import msgspec

from actorq.durations import Duration


class Outcome(msgspec.Struct, frozen=True):
    """Be the parent of the verdicts below."""


class Done(Outcome, frozen=True):
    """Complete the job; `result` is stored unless the kind stores none."""

    result: Any = None


class Retry(Outcome, frozen=True):
    """Charge an attempt and run the job again, after `after_s` or the kind's own delay.

    `after_s` is in seconds, a timedelta, or text like "1h30m"; at most 30 days.
    """

    after_s: Duration | None = None
    reason: str = ""


class Snooze(Outcome, frozen=True):
    """Run the job again after `after_s` seconds, at most 30 days; charges nothing."""

    after_s: Duration
    reason: str = ""


class Fail(Outcome, frozen=True):
    """Fail the job for good, whatever attempts are left."""

    reason: str = ""


class Cancel(Outcome, frozen=True):
    """Cancel the job: it is neither completed nor failed."""

    reason: str = ""


def done(result: Any = None) -> Done:
    """Return the verdict *completed*, with a result to store."""
    return Done(result)


def retry(after_s: Duration | None = None, reason: str = "") -> Retry:
    """Return the verdict *try again*, after at most 30 days; charges an attempt."""
    return Retry(after_s, reason)


def snooze(after_s: Duration, reason: str = "") -> Snooze:
    """Return the verdict *not now*, but within 30 days; charges nothing."""
    return Snooze(after_s, reason)


def fail(reason: str = "") -> Fail:
    """Return the verdict *failed for good*."""
    return Fail(reason)


def cancel(reason: str = "") -> Cancel:
    """Return the verdict *cancelled*."""
    return Cancel(reason)
