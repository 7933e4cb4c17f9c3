"""Plans: what they take, what is refused, and that the message names the key."""

from __future__ import annotations

import re
import textwrap
from typing import Any, get_args

import msgspec
import pytest

from actorq.errors import ConfigError
from actorq.stress.core.plan import (
    SLO_AT_LEAST,
    SLO_AT_MOST,
    FaultName,
    LoadPlan,
    Serving,
    StressKind,
    StressPlan,
    WorkCost,
)
from actorq.stress.core.reading import BUILT_IN, changed, plan_of, plan_of_toml, slo_of
from tests.support.shell import ROOT


def test_a_plan_is_read_from_toml() -> None:
    text = """
        drain_jobs = 10
        slo = {p99_ms = 50, lost = 0}
        [load]
        rates = [100, 200]
        [[kinds]]
        name = "ocr"
        work = {form = "spin", call_ms = 2, job_ms = 0.5}
        [[supervisors]]
        poll_only = true
    """
    plan = plan_of_toml(text, "plan.toml")
    assert plan.load
    assert plan.load.rates == (100.0, 200.0)
    assert plan.kinds[0].work == WorkCost(form="spin", call_ms=2.0, job_ms=0.5)
    assert plan.supervisors == (Serving(poll_only=True),)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"ratee": 5}, r"plan.toml: unknown key 'ratee': .*it takes name, kinds"),
        ({"load": {"rate": 5}}, r"unknown key 'rate' in \[load\]: did you mean rates\?"),
        ({"kinds": [{"work": {"spin": 1}}]}, r"unknown key 'spin' in \[kinds\.work\]"),
        ({"load": {"step_s": "long"}}, r"load\.step_s: Expected `float`, got `str`"),
        ({"load": {"rates": [0]}}, r"load\.rate=0\.0 must be a number from 0\.1 to 1e\+06"),
        ({"load": {"rates": [float("nan")]}}, r"load\.rate=nan must be a number"),
        ({"load": {"rates": [1e6], "step_s": 60.0}}, "makes more than max_jobs=.* at most 16,667"),
        ({"drain_jobs": 5, "max_jobs": 4}, "drain_jobs=5 is more than max_jobs=4"),
        ({"load": {"step_s": 2.0, "warm_up_s": 2.0}}, r"warm_up_s=2 must be less than .*step_s=2"),
        ({"load": {"arrivals": "bursts"}}, r"load\.arrivals: Invalid enum value 'bursts'"),
        ({"kinds": [{"fail": 0.6, "crash": 0.6}]}, "fail, crash and hang .* at most 1"),
        ({"kinds": [{"result_bytes": 3}]}, r"result_bytes=3 must be 0 .* or from 10"),
        ({"kinds": [{"work": {"call_ms": 3.0}}]}, "need work.form: spin, sleep or numpy"),
        ({"kinds": [{"queue": "a b"}]}, "queue 'a b' is not a legal name"),
        ({"supervisors": [{"queues": ["other"]}]}, "queue 'stress' is served by no supervisor"),
        ({"supervisors": [{}, {"queues": ["x"]}]}, "names 'x', which no kind has"),
        ({"slo": {"p95_ms": 5.0}}, "'p95_ms' is not measured; there are p50_ms"),
        ({"faults": ["earthquake"]}, "faults: Invalid enum value 'earthquake'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_name(data: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan_of(data, "plan.toml")


def test_a_text_that_is_no_toml_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"plan\.toml is no TOML"):
        plan_of_toml("rates = [", "plan.toml")


@pytest.mark.parametrize("plan", BUILT_IN.values(), ids=lambda plan: plan.name)
def test_the_plans_that_have_a_name_are_valid(plan: StressPlan) -> None:
    assert BUILT_IN[plan.name] is plan


def test_options_change_a_plan() -> None:
    plan = changed(StressPlan(), {"load.rates": (5.0,), "seed": 7})
    assert plan == StressPlan(load=LoadPlan(rates=(5.0,)), seed=7)


def test_an_option_of_the_load_brings_back_a_load_that_was_left_out() -> None:
    assert changed(StressPlan(load=False), {"load.step_s": 2.0}).load == LoadPlan(step_s=2.0)


def test_a_changed_plan_is_checked_again() -> None:
    with pytest.raises(ConfigError, match=r"load\.rate=-1 must be"):
        changed(StressPlan(), {"load.rates": (-1,)})


def test_bounds_are_read() -> None:
    assert slo_of("p99_ms=50, lost=0") == {"p99_ms": 50.0, "lost": 0.0}
    with pytest.raises(ConfigError, match="'p99_ms' is not of the form"):
        slo_of("p99_ms")


def test_a_search_goes_no_higher_than_the_jobs_of_a_step_allow() -> None:
    load = StressPlan(load=LoadPlan(step_s=100.0), max_jobs=500_000).bounded_load
    assert load
    assert load.max_rate == 5000.0
    assert StressPlan().bounded_load == StressPlan().load


def test_kinds_have_names_of_their_own() -> None:
    with pytest.raises(ConfigError, match="each once"):
        StressPlan(kinds=(StressKind(), StressKind()))


# ---- the page ---------------------------------------------------------------------------------

PAGE = (ROOT / "actorq" / "docs" / "operating" / "stress.md").read_text("utf-8")


def test_the_plan_on_the_page_is_one() -> None:
    [block] = re.findall(r"(?:^    .*\n|^\n)+(?=\n?\| key of a plan)", PAGE, re.M)
    plan = plan_of_toml(textwrap.dedent(block), "the page")
    assert plan.kinds[0].work.form == "spin"
    assert plan.slo == {"p99_ms": 5000, "lost": 0}


@pytest.mark.parametrize("struct", [StressPlan, LoadPlan, StressKind, Serving, WorkCost])
def test_every_key_of_a_plan_is_on_the_page(struct: type[msgspec.Struct]) -> None:
    table = PAGE.split("| key of a plan")[1]
    missing = [f.name for f in msgspec.structs.fields(struct) if f"`{f.name}`" not in table]
    assert [name for name in missing if name not in ("kinds", "supervisors")] == []


def test_every_bound_and_fault_is_on_the_page() -> None:
    for name in (*SLO_AT_MOST, *SLO_AT_LEAST, *get_args(FaultName)):
        assert f"`{name}`" in PAGE, name
