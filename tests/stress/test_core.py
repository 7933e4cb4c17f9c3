"""What is computed: arrivals, histograms, intervals, the place of a count by polling."""

from __future__ import annotations

import itertools
import random
import statistics
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.stress.core.arrivals import arrivals_of, offsets, split, zipf_weights
from actorq.stress.core.histogram import (
    merged,
    percentiles_ms,
)
from actorq.stress.core.plan import StressKind
from actorq.stress.core.polled import Counting, Polled, counted, move_to, moved
from actorq.stress.core.spread import interval, slope

SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.floats(1.0, 2000.0), st.floats(0.5, 5.0), st.sampled_from(["poisson", "constant"]))
def test_arrivals_are_in_order_and_within_the_step(
    seed: int, rate: float, seconds: float, arrivals: str
) -> None:
    found = offsets(rate, seconds, arrivals, random.Random(seed))  # type: ignore[arg-type]
    assert found == sorted(found)
    assert all(0 <= at_s <= seconds for at_s in found)


def test_poisson_arrivals_have_the_rate_and_the_spread_of_chance() -> None:
    rng = random.Random(1)
    counts = [len(offsets(100.0, 1.0, "poisson", rng)) for _ in range(2000)]
    assert statistics.fmean(counts) == pytest.approx(100, rel=0.01)
    assert statistics.variance(counts) == pytest.approx(100, rel=0.1)


def test_constant_arrivals_are_as_many_as_the_rate_says() -> None:
    found = offsets(100.0, 3.0, "constant", random.Random(2))
    assert len(found) in (299, 300)
    assert {round(b - a, 6) for a, b in itertools.pairwise(found)} == {0.01}


def test_kinds_and_fates_come_by_their_shares() -> None:
    kinds = (StressKind(name="a", share=3.0), StressKind(name="b", fail=0.2, crash=0.1, keys=100))
    found = arrivals_of(kinds, [0.0] * 40_000, random.Random(3))
    of_b = [each for each in found if each.kind == 1]
    assert len(of_b) == pytest.approx(10_000, rel=0.05)
    fates = Counter(each.flag for each in of_b)
    assert fates["f"] == pytest.approx(2000, rel=0.1)
    assert fates["c"] == pytest.approx(1000, rel=0.15)
    assert not fates["h"]
    assert not any(each.flag or each.key for each in found if each.kind == 0)


def test_keys_are_as_uneven_as_zipf_says() -> None:
    [kind] = [StressKind(keys=50, zipf=1.0)]
    found = Counter(a.key for a in arrivals_of([kind], [0.0] * 50_000, random.Random(4)))
    weights = zipf_weights(50, 1.0)
    assert found["key-0"] / 50_000 == pytest.approx(1 / weights[-1], rel=0.05)
    assert found["key-0"] / found["key-9"] == pytest.approx(10, rel=0.2)


@given(st.integers(0, 10_000), st.integers(1, 20))
def test_a_split_is_whole_and_even(n: int, parts: int) -> None:
    found = split(n, parts)
    assert sum(found) == n
    assert max(found) - min(found) <= 1


def test_no_percentile_is_told_with_fewer_than_ten_values_above() -> None:
    found = percentiles_ms({100: 999})
    assert found["p90_ms"] is not None
    assert found["p99_ms"] is None
    assert percentiles_ms({100: 1000})["p99_ms"] is not None
    assert percentiles_ms({}) == dict.fromkeys(found)


def test_histograms_add_up() -> None:
    assert merged([{1: 2, 3: 4}, {3: 1}]) == {1: 2, 3: 5}


def test_an_interval_holds_the_median_and_narrows_with_more_values() -> None:
    rng = random.Random(5)
    few = [rng.gauss(100, 10) for _ in range(5)]
    many = [rng.gauss(100, 10) for _ in range(200)]
    widths = []
    for values in (few, many):
        found = interval(values, random.Random(6))
        assert found is not None
        assert found[0] <= statistics.median(values) <= found[1]
        widths.append(found[1] - found[0])
    assert widths[1] < widths[0] / 2
    assert interval([1.0, 2.0], rng) is None


def test_a_slope_is_that_of_the_line() -> None:
    assert slope([3.0 + 2.0 * n for n in range(20)], 0.5) == pytest.approx(4.0)
    assert slope([1.0]) == 0.0


class Table:
    """Jobs by id, with the transaction that makes each visible, and its state."""

    def __init__(self) -> None:
        self.visible: dict[int, bool] = {}
        self.open: dict[int, list[int]] = {}
        self.next_id, self.next_tx = 1, 100

    def poll(self, low: int) -> Polled:
        ids = [id_ for id_ in self.visible if id_ >= low]
        pending = [id_ for id_ in ids if not self.visible[id_]]
        return Polled(
            n_final=len(ids) - len(pending),
            first_pending=min(pending, default=None),
            last=max(ids, default=None),
            oldest=min(self.open, default=self.next_tx),
            next=self.next_tx,
        )

    def between(self, low: int, high: int) -> int:
        return sum(is_final for id_, is_final in self.visible.items() if low <= id_ < high)


@given(
    st.lists(st.sampled_from(["begin", "commit", "finish", "finish", "poll"]), max_size=120), SEEDS
)
def test_a_count_by_polling_misses_no_job_however_commits_are_ordered(
    deeds: list[str], seed: int
) -> None:
    rng, table, state = random.Random(seed), Table(), Counting()
    for deed in [*deeds, "poll"]:
        if deed == "begin":
            table.open[table.next_tx] = [table.next_id, table.next_id + 1]
            table.next_id, table.next_tx = table.next_id + 2, table.next_tx + 1
        elif deed == "commit" and table.open:
            ids = table.open.pop(rng.choice(list(table.open)))
            table.visible.update(dict.fromkeys(ids, False))
        elif deed == "finish" and table.visible:
            table.visible[rng.choice(list(table.visible))] = True
        elif deed == "poll":
            poll = table.poll(state.low)
            assert counted(state, poll) == sum(table.visible.values())
            to = move_to(state, poll)
            state = moved(state, poll, to, 0 if to is None else table.between(state.low, to))


def test_a_count_by_polling_does_not_look_twice_at_what_is_final() -> None:
    table, state = Table(), Counting()
    for _ in range(3):
        for _ in range(10):
            table.visible[table.next_id] = True
            table.next_id += 1
        poll = table.poll(state.low)
        to = move_to(state, poll)
        state = moved(state, poll, to, 0 if to is None else table.between(state.low, to))
        table.next_tx += 1
    assert state.low == 21
    assert state.n_below == 20
