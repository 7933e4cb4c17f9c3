from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorq.core.lanes.frontier import BUSY_FACTOR, COST_FACTOR, UNBOUNDED_EVERY_S, Frontier

HERE = {5: (1000, 7)}


def moved(now: float = 10.0, took_s: float = 0.0) -> Frontier:
    frontier = Frontier()
    frontier.claimed(HERE, short=False, unbounded=True, took_s=took_s, now=now)
    return frontier


def test_the_first_look_begins_at_the_head() -> None:
    assert Frontier().bounds(0.0) == {}


def test_the_next_claim_begins_where_the_last_one_ended() -> None:
    frontier = moved()
    assert frontier.bounds(10.1) == HERE
    frontier.claimed({5: (2000, 9), 7: (1, 1)}, short=False, unbounded=False, took_s=0, now=10.1)
    assert frontier.bounds(10.2) == {5: (2000, 9), 7: (1, 1)}


def test_an_unbounded_claim_moves_it_back() -> None:
    frontier = moved()
    frontier.claimed({5: (3, 1)}, short=False, unbounded=True, took_s=0, now=11)
    assert frontier.bounds(11.1) == {5: (3, 1)}


def test_a_short_claim_is_followed_by_an_unbounded_one() -> None:
    frontier = moved()
    frontier.claimed({}, short=True, unbounded=False, took_s=0, now=10.1)
    assert frontier.bounds(10.1) == {}
    frontier.claimed({}, short=True, unbounded=True, took_s=0, now=10.1)
    assert frontier.bounds(10.2) == HERE


def test_a_backlog_that_never_ends_starves_nobody_behind_the_frontier() -> None:
    frontier = moved(now=10.0)
    assert frontier.bounds(10.0 + UNBOUNDED_EVERY_S) == {}


def test_looks_that_nothing_asks_for_have_a_smaller_ration_beside_a_backlog() -> None:
    for short, factor in ((False, BUSY_FACTOR), (True, COST_FACTOR)):
        frontier = moved(took_s=0.001)
        frontier.claimed(HERE, short=short, unbounded=True, took_s=0.101, now=10.0)
        assert frontier.bounds(10.0 + factor * 0.1 - 0.01) == HERE
        assert frontier.bounds(10.0 + factor * 0.1 + 0.01) == {}


def test_unbounded_looks_are_rationed_by_what_they_cost() -> None:
    frontier = moved(took_s=0.001)
    frontier.claimed({}, short=True, unbounded=True, took_s=0.039, now=10.0)
    frontier.wanted = True
    assert frontier.bounds(10.0 + COST_FACTOR * 0.038 - 0.01) == HERE
    assert frontier.bounds(10.0 + COST_FACTOR * 0.038 + 0.01) == {}


def test_what_the_first_look_cost_is_known_once_another_was_cheaper() -> None:
    frontier = moved(took_s=0.04)
    frontier.claimed(HERE, short=True, unbounded=False, took_s=0.002, now=10.1)
    assert frontier.bounds(10.0 + COST_FACTOR * 0.038 - 0.01) == HERE
    assert frontier.bounds(10.0 + COST_FACTOR * 0.038 + 0.01) == {}


def test_a_slow_network_is_no_cost() -> None:
    frontier = moved(took_s=0.05)
    frontier.claimed({}, short=True, unbounded=False, took_s=0.05, now=10.0)
    assert frontier.bounds(10.0) == {}


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 0.1)), max_size=20))
def test_it_is_never_longer_without_an_unbounded_look_than_the_ration_says(
    claims: list[tuple[bool, bool, float]],
) -> None:
    frontier, now, last, cost = moved(), 10.0, 10.0, 0.0
    for short, wanted, took_s in claims:
        now += 0.3
        unbounded = not frontier.bounds(now)
        factor = BUSY_FACTOR if frontier.busy and not frontier.wanted else COST_FACTOR
        assert unbounded or now < max(last + UNBOUNDED_EVERY_S, last + factor * cost)
        frontier.claimed({}, short=short, unbounded=unbounded, took_s=took_s, now=now)
        if unbounded:
            last, cost = now, took_s
        frontier.wanted = frontier.wanted or wanted
