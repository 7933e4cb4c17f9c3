"""The rules from what happened to what is written, as a table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.core.job import settle
from actorq.core.job.model import Counts, ErrorInfo, Row, Verdict
from actorq.core.job.policy import KindPolicy

POLICY = KindPolicy(name="k", max_attempts=3, crash_budget=2, retry=10.0)
ERROR = ErrorInfo("ValueError", "no")

FRESH = Counts()
ONCE = Counts(attempt=1, n_failed=1)
SPENT = Counts(attempt=2, n_failed=2)
OWN_LIMIT = Counts(attempt=0, max_attempts=1)
MANY_LOSSES = Counts(attempt=9, n_lost=9)

TABLE: list[tuple[Verdict, Counts, dict[str, Any]]] = [
    (Verdict(0, "result", result=b"1"), FRESH, {"state": "completed", "result": b"1"}),
    (Verdict(0, "result"), SPENT, {"state": "completed", "charge": "none", "attempt": 2}),
    (Verdict(0, "error", error=ERROR), FRESH, {"state": "pending", "charge": "failed"}),
    (Verdict(0, "error", error=ERROR), FRESH, {"retry_in_s": 10.0, "suspect": 0}),
    (Verdict(0, "error", error=ERROR), ONCE, {"state": "pending", "attempt": 1}),
    (Verdict(0, "error", error=ERROR), SPENT, {"state": "failed"}),
    (Verdict(0, "error", error=ERROR), OWN_LIMIT, {"state": "failed", "error": ERROR}),
    (Verdict(0, "error", error=ERROR), MANY_LOSSES, {"state": "pending"}),
    (Verdict(0, "retry", after_s=2.0), FRESH, {"charge": "failed", "retry_in_s": 2.0}),
    (Verdict(0, "retry", after_s=0.0), FRESH, {"charge": "failed", "retry_in_s": 0.0}),
    (Verdict(0, "retry"), FRESH, {"charge": "failed", "retry_in_s": 10.0}),
    (Verdict(0, "retry", after_s=2.0), SPENT, {"state": "failed", "retry_in_s": None}),
    (Verdict(0, "snooze", after_s=5.0), SPENT, {"state": "pending", "charge": "none"}),
    (Verdict(0, "snooze", after_s=5.0), SPENT, {"retry_in_s": 5.0, "error": None}),
    (Verdict(0, "fail", error=ERROR), FRESH, {"state": "failed", "charge": "failed"}),
    (Verdict(0, "cancel"), FRESH, {"state": "cancelled", "charge": "none", "error": None}),
]


@pytest.mark.parametrize(("verdict", "counts", "expected"), TABLE)
def test_each_verdict_becomes_its_row(
    verdict: Verdict, counts: Counts, expected: dict[str, Any]
) -> None:
    row = settle.row_of(verdict, 7, counts, POLICY, 0.5)
    assert row.id == 7
    assert {name: getattr(row, name) for name in expected} == expected


def test_a_crash_is_counted_apart_and_runs_alone_afterwards() -> None:
    first = settle.crashed_attempt(7, SPENT, ERROR, POLICY, 0.5, 99)
    assert (first.state, first.charge, first.suspect, first.retry_in_s) == (
        "pending",
        "crashed",
        99,
        10.0,
    )
    last = settle.crashed_attempt(7, Counts(n_crashed=1), ERROR, POLICY, 0.5, 99)
    assert (last.state, last.charge) == ("failed", "crashed")


def test_what_is_returned_keeps_its_place_and_pays_nothing() -> None:
    assert settle.returned(7, ONCE, 4) == Row(7, 1, "pending", suspect=4)


verdicts = st.builds(
    Verdict,
    st.just(0),
    st.sampled_from(["result", "error", "retry", "snooze", "fail", "cancel"]),
    after_s=st.none() | st.floats(0, 1e6),
    error=st.none() | st.just(ERROR),
)
counts = st.builds(
    Counts,
    attempt=st.integers(0, 10**6),
    n_failed=st.integers(0, 100),
    n_crashed=st.integers(0, 100),
    n_lost=st.integers(0, 100),
    max_attempts=st.none() | st.integers(1, 100),
)


@given(verdicts, counts, st.floats(0, 1, exclude_max=True))
def test_a_final_row_never_returns_and_a_pending_one_always_says_when(
    verdict: Verdict, counts: Counts, u: float
) -> None:
    row = settle.row_of(verdict, 7, counts, POLICY, u)
    assert row.attempt == counts.attempt
    assert (row.state == "pending") == (row.retry_in_s is not None)
    if row.charge == "failed" and row.state == "pending":
        assert counts.n_failed + 1 < (counts.max_attempts or POLICY.max_attempts)
    if row.state == "failed":
        assert row.error is not None
