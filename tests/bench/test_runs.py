"""What the benchmarks make of their runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench import _runs

Run = dict[str, float]


def compare(first: list[Run], second: list[Run], repeat: int) -> dict[str, object]:
    runs: dict[str, Iterator[Run]] = {"a": iter(first), "b": iter(second)}
    return _runs.against(("a", "b"), lambda name: next(runs[name]), repeat)


def test_the_first_pair_warms_up_and_ratios_are_those_of_pairs() -> None:
    slow = [{"jobs_per_s": rate} for rate in (1.0, 10.0, 20.0, 60.0)]
    fast = [{"jobs_per_s": rate} for rate in (999.0, 20.0, 20.0, 30.0)]
    made = compare(slow, fast, 3)
    assert made["ratio"] == 1.0
    assert made["ratio_spread"] == [0.5, 2.0]
    assert (made["a_jobs_per_s"], made["b_jobs_per_s"]) == (20, 20)


def test_cpu_is_compared_where_it_is_known() -> None:
    runs = [{"jobs_per_s": 1.0, "server_us_per_job": us} for us in (3.0, 4.0)]
    assert compare(runs[:1], runs[1:], 1)["server_cpu_ratio"] == 0.75


@pytest.mark.parametrize("second", [{}, {"server_us_per_job": 0.0}])
def test_cpu_below_the_clock_s_tick_is_not_compared(second: Run) -> None:
    made = compare(
        [{"jobs_per_s": 1.0, "server_us_per_job": 3.0}], [{"jobs_per_s": 2.0} | second], 1
    )
    assert "server_cpu_ratio" not in made
    assert made["ratio"] == 0.5
