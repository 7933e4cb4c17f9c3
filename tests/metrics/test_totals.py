"""Counters made of minutes: they only grow, and count everything once."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from actorq.core.counters.figures import Figures
from actorq.metrics.totals import Totals

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def figures(n: int) -> Figures:
    return Figures(1, {5: n}, {7: n}, {n: 1}, {"full": 1}, n, 0, 0, 0, 0)


def test_what_was_there_at_the_first_reading_is_no_news() -> None:
    totals = Totals()
    found = [(START - MINUTE, 1, figures(10)), (START - 300 * MINUTE, 1, figures(99))]
    assert totals.take(START, found)[1].n_completed == 0
    later = [*found, (START, 1, figures(3)), (START, 2, figures(4))]
    total = totals.take(START, later)
    assert (total[1].n_completed, total[1].waited[5], total[2].n_completed) == (3, 3, 4)


def test_a_minute_that_is_dropped_stays_counted() -> None:
    totals = Totals()
    totals.take(START, [])
    totals.take(START, [(START, 1, figures(3))])
    late = START + 10 * MINUTE
    assert totals.since(late) <= START
    assert totals.take(late, [(START, 1, figures(3))])[1].n_completed == 3
    assert totals.take(late + 10 * MINUTE, [])[1].n_completed == 3


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.lists(st.tuples(st.integers(0, 4), st.integers(1, 9)))),
        max_size=12,
    )
)
def test_totals_are_the_sum_of_all_that_came(
    rounds: list[tuple[int, list[tuple[int, int]]]],
) -> None:
    """Whatever comes late, by up to four minutes, and however rarely it is read."""
    totals, now, stored, n = Totals(), START, defaultdict[datetime, list[int]](list), 0
    totals.take(now, [])
    for minutes, came in rounds:
        now += minutes * MINUTE
        for late, jobs in came:
            stored[now - late * MINUTE].append(jobs)
            n += jobs
        since = totals.since(now)
        found = [(at, 1, figures(j)) for at, jobs in stored.items() if at >= since for j in jobs]
        total = totals.take(now, found).get(1, Figures())
        assert total.n_completed == n
