"""How often a waiter looks, as a function of what happened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.client.pace import (
    CHUNK,
    FIRST_S,
    LEAST_HINTED_S,
    MOST_AGAIN_S,
    MOST_HINTED_S,
    MOST_S,
    SHARE,
    Pace,
)

TOOK_S = st.floats(0.0001, 1.0)


@given(st.lists(st.tuples(TOOK_S, st.booleans())), st.integers(1, 100 * CHUNK))
def test_a_fifth_of_a_core_is_used_at_most(looks: list[tuple[float, bool]], n_jobs: int) -> None:
    pace = Pace()
    for took_s, found in looks:
        assert pace.after(took_s, n_jobs, found) >= max(FIRST_S, SHARE * took_s)


@pytest.mark.parametrize("n_jobs", [1, CHUNK, CHUNK + 1, 3 * CHUNK, 100 * CHUNK])
def test_while_nothing_happens_there_are_at_most_20_looks_a_second(n_jobs: int) -> None:
    pace = Pace()
    pauses = [pace.after(0.001, n_jobs, found=False) for _ in range(100)]
    assert min(pauses[10:]) >= 1 / 20
    assert max(pauses) <= MOST_S
    assert pauses == sorted(pauses)


def test_after_something_happened_or_was_added_the_pauses_are_short_again() -> None:
    pace = Pace()
    for event in (lambda: pace.after(0.001, 1, found=True), pace.hurry):
        while pace.after(0.001, 1, found=False) < MOST_S:
            pass
        event()
        assert pace.after(0.001, 1, found=False) == FIRST_S


def test_failures_are_repeated_more_and_more_rarely_until_there_is_an_answer() -> None:
    pace = Pace()
    pauses = [pace.after_failure() for _ in range(10)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == MOST_AGAIN_S
    pace.after(0.001, 1, found=False)
    assert pace.after_failure() == pauses[0]


def test_with_notifications_looks_at_everything_are_rare_whatever_happens() -> None:
    pace = Pace()
    assert {pace.after(0.001, 5, found, is_notified=True) for found in (True, False)} == {MOST_S}


def test_notifications_that_are_about_other_jobs_are_heeded_more_and_more_rarely() -> None:
    pace = Pace()
    pauses = [pace.after_hint(0.0, False) for _ in range(9)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (LEAST_HINTED_S, MOST_HINTED_S)
    assert pace.after_hint(0.0, True) == 0.0
    assert pace.after_hint(0.0, False) == LEAST_HINTED_S
