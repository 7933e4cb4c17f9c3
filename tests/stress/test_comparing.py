"""What is compared: A and B in turns, and a test with an earlier one."""

from __future__ import annotations

import random

import msgspec
import pytest

from actorq.errors import ConfigError
from actorq.stress.compare import Duel, check, once
from actorq.stress.core.comparing import against, compared, figures_by_name, other_conditions
from actorq.stress.core.plan import LoadPlan, StressPlan
from tests.stress import reports


def test_a_difference_beyond_chance_is_told_although_both_drift() -> None:
    rng = random.Random(1)
    pairs = []
    for n in range(8):
        disturbed = 100.0 * (1 + n / 4)  # the machine becomes slower and slower
        pairs.append(({"p99": disturbed}, {"p99": disturbed * rng.uniform(1.15, 1.25)}))
    [found] = compared(pairs, rng)
    assert found.ratio == pytest.approx(1.2, abs=0.05)
    assert found.interval is not None
    assert found.interval[0] > 1
    assert "B is 1" in found.says


def test_no_difference_is_claimed_where_chance_explains_it() -> None:
    rng = random.Random(2)
    pairs = [({"x": rng.gauss(100, 5)}, {"x": rng.gauss(100, 5)}) for _ in range(8)]
    assert "no difference seen" in compared(pairs, rng)[0].says
    assert "too few pairs" in compared(pairs[:2], rng)[0].says


def test_only_what_both_have_is_compared() -> None:
    found = compared([({"x": 1.0, "y": 1.0}, {"x": 2.0, "z": 1.0})], random.Random(3))
    assert [each.name for each in found] == ["x"]


def test_figures_have_the_loop_and_the_rate_in_their_names() -> None:
    steps = [reports.step(None), reports.step(200.0, role="given"), reports.step(300.0)]
    assert set(figures_by_name(steps)) == {
        "drained jobs/s", "p50 in ms at 200 jobs/s", "p99 in ms at 200 jobs/s",
    }  # fmt: skip


def test_an_unsteady_step_has_no_figure() -> None:
    steps = [reports.step(200.0, role="given", end="unsteady")]
    assert figures_by_name(steps) == {}


def test_a_plan_that_only_searches_cannot_be_compared() -> None:
    with pytest.raises(ConfigError, match=r"plan B has neither drain_jobs nor load\.rates"):
        check(Duel((StressPlan(drain_jobs=10), StressPlan()), 3))
    check(Duel((StressPlan(drain_jobs=10), StressPlan(load=LoadPlan(rates=(5.0,)))), 3))


def test_each_turn_runs_the_loads_once_and_no_search() -> None:
    plan = StressPlan(load=LoadPlan(rates=(5.0, 6.0), repeats=4))
    assert once(plan, 60.0).load == LoadPlan(rates=(5.0, 6.0), repeats=1)
    assert once(StressPlan(drain_jobs=10), 60.0).load is False


def test_a_baseline_says_what_became_worse_or_better() -> None:
    old = reports.report()
    slower = {**old.half_knee, "p99_ms": 18.0, "p50_ms": 2.05}
    assert old.knee is not None
    knee = msgspec.structs.replace(old.knee, rate=6000.0)
    new = msgspec.structs.replace(old, half_knee=slower, knee=knee)
    said = {each.name: each.says for each in against(old, new)}
    assert "18, worse than the baseline (9)" in said["p99 in ms at half of the knee"]
    assert "as in the baseline" in said["p50 in ms at half of the knee"]
    assert "6,000, better than the baseline (4,000)" in said["knee in jobs/s"]
    assert "as in the baseline" in said["drained jobs/s"]


def test_other_conditions_than_the_baselines_are_named() -> None:
    old = reports.report(manifest={"settings": {"fsync": "on"}, "machine": {"load_1m": 1}})
    new = reports.report(manifest={"settings": {"fsync": "off"}, "machine": {"load_1m": 5}})
    assert other_conditions(old, old) == []
    [said] = other_conditions(old, new)
    assert said.endswith("other conditions: fsync on → off.")
    other = reports.report(plan=StressPlan(seed=2), manifest=old.manifest)
    assert "another plan" in other_conditions(old, other)[0]


def test_a_report_can_be_read_back() -> None:
    report = reports.report(compared=against(reports.report(), reports.report()))
    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report
