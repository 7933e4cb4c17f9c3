"""Recovery from a fault is told by the backlog alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from actorq.stress.core.figures import Window
from actorq.stress.core.recovery import recovered_s, recovery_text

RATE, FAULT_AT = 100.0, 1.0


def windows(*backlog: int) -> Sequence[Window]:
    return [Window(n / 10, 10, 10, jobs) for n, jobs in enumerate(backlog)]


BEFORE = [3] * 10


@pytest.mark.parametrize(
    ("after", "found"),
    [
        ([3] * 20, 0.0),
        ([50] * 5 + [3] * 15, 0.5),
        ([50] * 5 + [3] * 2 + [60] * 3 + [3] * 10, 1.0),  # it came back
        ([50] * 20, None),
        ([3] * 17 + [50] + [3] * 2, None),  # too late to know
        ([15] * 20, 0.0),  # less than a fifth of a second's arrivals
    ],
)
def test_recovered_is_a_backlog_that_stays_usual(after: list[int], found: float | None) -> None:
    assert recovered_s(windows(*BEFORE, *after), FAULT_AT, 3.0, RATE) == found


def test_a_queue_that_was_long_before_need_not_become_short() -> None:
    seen = windows(*[40] * 10, *[200] * 3, *[60] * 17)
    assert recovered_s(seen, FAULT_AT, 3.0, RATE) == 0.3


def test_what_comes_after_the_load_proves_nothing() -> None:
    seen = windows(*BEFORE, *[50] * 20, *[3] * 20)
    assert recovered_s(seen, FAULT_AT, 3.0, RATE) is None


def test_a_recovery_is_told_in_words() -> None:
    assert recovery_text(1.25) == "the backlog was as before after 1.2 s"
    assert recovery_text(0.0) == "the backlog never grew"
    assert "not as before until the end" in recovery_text(None)


def test_a_fault_at_the_end_of_a_step_has_no_recovery() -> None:
    assert recovered_s(windows(*BEFORE), 1.0, 1.0, RATE) is None
