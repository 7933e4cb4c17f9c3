"""The rules from a verdict to what a job's row becomes.

The constructors below are the only legal combinations. One other place builds a `Row`:
store.queue.settles fails a job whose outcome the database refuses.
"""

from __future__ import annotations

from actorq.core.job.model import Counts, ErrorInfo, Row, Verdict
from actorq.core.job.policy import KindPolicy
from actorq.core.job.retry import delay_s


def completed(id_: int, counts: Counts, result: bytes | None) -> Row:
    """Complete a job, with a result to store."""
    return Row(id_, counts.attempt, "completed", result=result)


def returned(id_: int, counts: Counts, suspect: int = 0) -> Row:
    """Return a job uncharged, at its old place in the queue or into a quarantine group."""
    return Row(id_, counts.attempt, "pending", suspect=suspect)


def snoozed(id_: int, counts: Counts, after_s: float) -> Row:
    """Return a job uncharged, to run after `after_s` seconds."""
    return Row(id_, counts.attempt, "pending", retry_in_s=after_s)


def cancelled(id_: int, counts: Counts, error: ErrorInfo | None = None) -> Row:
    """Cancel a job; the reason, if there is one, is kept with it."""
    return Row(id_, counts.attempt, "cancelled", error=error)


def failed_for_good(id_: int, counts: Counts, error: ErrorInfo) -> Row:
    """Fail a job whatever attempts are left, because its handler said so."""
    return Row(id_, counts.attempt, "failed", charge="failed", error=error)


def attempts(counts: Counts, policy: KindPolicy) -> int:
    """Return how many failures a job may have: its own limit, or its kind's."""
    return counts.max_attempts or policy.max_attempts


def failed_attempt(
    id_: int,
    counts: Counts,
    error: ErrorInfo,
    policy: KindPolicy,
    u: float,
    *,
    after_s: float | None = None,
    suspect: int = 0,
) -> Row:
    """Charge a handler failure: the job runs again later, or has used up its attempts."""
    n_failed = counts.n_failed + 1
    if n_failed >= attempts(counts, policy) or error.final:
        return Row(id_, counts.attempt, "failed", charge="failed", error=error)
    wait = delay_s(policy.retry, n_failed, u) if after_s is None else after_s
    return Row(
        id_, counts.attempt, "pending", "failed", retry_in_s=wait, suspect=suspect, error=error
    )


def crashed_attempt(
    id_: int, counts: Counts, error: ErrorInfo, policy: KindPolicy, u: float, suspect: int
) -> Row:
    """Charge a crash: the job runs again alone, or has used up its crash budget.

    A job with a single attempt is not run again, whatever ended that attempt.
    """
    n_crashed = counts.n_crashed + 1
    if n_crashed >= policy.crash_budget or attempts(counts, policy) == 1:
        return Row(id_, counts.attempt, "failed", "crashed", error=error)
    wait = delay_s(policy.retry, n_crashed, u)
    return Row(
        id_, counts.attempt, "pending", "crashed", retry_in_s=wait, suspect=suspect, error=error
    )


def row_of(verdict: Verdict, id_: int, counts: Counts, policy: KindPolicy, u: float) -> Row:
    """Turn a verdict on one job into its row; u ∈ [0, 1) is the jitter's randomness."""
    error = verdict.error or ErrorInfo(verdict.what.capitalize(), "")
    match verdict.what:
        case "result":
            return completed(id_, counts, verdict.result)
        case "error":
            return failed_attempt(id_, counts, error, policy, u)
        case "retry":
            return failed_attempt(id_, counts, error, policy, u, after_s=verdict.after_s)
        case "snooze":
            return snoozed(id_, counts, verdict.after_s or 0.0)
        case "fail":
            return failed_for_good(id_, counts, error)
        case "cancel":
            return cancelled(id_, counts, verdict.error)
