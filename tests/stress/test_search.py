"""The search for the knee finds it, in few steps, and judges steps by what was seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.stress.core.figures import SentFigures, StepEnd, Window
from actorq.stress.core.plan import LoadPlan
from actorq.stress.core.search import Search, Trial, advance, begin, wanted
from actorq.stress.core.steady import judged
from actorq.stress.core.verdict import knee_of

Answer = Callable[[Trial], StepEnd]


def searched(load: LoadPlan, answer: Answer) -> tuple[Search, list[Trial]]:
    search, trials = begin(load), []
    while (trial := wanted(search)) is not None:
        trials.append(trial)
        assert len(trials) < 200
        search = advance(search, answer(trial))
    return search, trials


def borne_up_to(knee: float, end: StepEnd = "overloaded") -> Answer:
    return lambda trial: "held" if trial.rate <= knee else end


@given(st.floats(1.0, 200_000.0))
def test_the_knee_is_found_wherever_it_lies(knee: float) -> None:
    load = LoadPlan()
    search, trials = searched(load, borne_up_to(knee))
    assert search.held is not None
    assert search.broken is not None
    assert search.held <= knee < search.broken
    assert search.broken / search.held < 1.1
    factors = [trial.factor or 0.0 for trial in trials if trial.role == "curve"]
    assert sorted(factors) == sorted([*load.factors, *[0.5] * load.repeats])
    assert factors[0] == 0.5
    assert len(trials) <= 9 + load.bisections + len(factors) + 3


def test_a_load_that_always_holds_has_no_knee() -> None:
    search, trials = searched(LoadPlan(max_rate=10_000.0), lambda trial: "held")
    assert search.broken is None
    assert [t.rate for t in trials if t.role == "double"] == [2000.0, 4000.0, 8000.0, 10_000.0]
    assert "the knee lies above" in knee_of(search).sentence


def test_a_load_that_never_holds_ends() -> None:
    search, trials = searched(LoadPlan(first_rate=1.0), lambda trial: "overloaded")
    assert search.held is None
    assert min(trial.rate for trial in trials) >= 0.1
    assert knee_of(search).rate is None


def test_where_the_generator_is_the_limit_nothing_is_claimed() -> None:
    search, _ = searched(LoadPlan(), borne_up_to(5000.0, "generator"))
    knee = knee_of(search)
    assert knee.generator_limited
    assert "nothing is known of what the database" in knee.sentence
    assert not knee_of(searched(LoadPlan(), borne_up_to(5000.0))[0]).generator_limited


def test_an_unsteady_step_is_tried_once_more() -> None:
    seen: list[float] = []

    def once_unsteady(trial: Trial) -> StepEnd:
        seen.append(trial.rate)
        if trial.rate == 4000.0 and seen.count(4000.0) == 1:
            return "unsteady"
        return "held" if trial.rate <= 9000.0 else "overloaded"

    search, _ = searched(LoadPlan(), once_unsteady)
    assert seen[:4] == [2000.0, 4000.0, 4000.0, 8000.0]
    assert search.held is not None
    assert search.held > 8000.0


def test_given_rates_are_interleaved_and_not_searched() -> None:
    _, trials = searched(LoadPlan(rates=(10.0, 20.0), repeats=2), lambda trial: "overloaded")
    assert [trial.rate for trial in trials] == [10.0, 20.0, 10.0, 20.0]


def test_a_search_that_is_cut_short_ends() -> None:
    search, trials = searched(LoadPlan(), lambda trial: "cut short")
    assert len(trials) == 1
    assert search.phase == "ended"


# ---- what a step says -----------------------------------------------------------------------

RATE = 1000.0
ALL_SENT = SentFigures(intended=4000, sent=4000, skipped=0, late=0)


def windows(*backlog: float) -> list[Window]:
    return [Window(n / 10, 100, 100, int(jobs)) for n, jobs in enumerate(backlog)]


CALM = windows(*[5, 8, 3, 6] * 10)


@pytest.mark.parametrize(
    ("seen", "end"),
    [
        (CALM, "held"),
        (windows(*(n * 20 for n in range(40))), "overloaded"),
        (windows(*[5] * 20, 300, 200, 100, *[5] * 17), "held"),  # a stall that is made up for
        (windows(*[5] * 20, 1500, 800, 100, *[5] * 17), "overloaded"),  # more than a second of it
    ],
)
def test_a_backlog_is_judged_by_slope_and_peak(seen: list[Window], end: StepEnd) -> None:
    assert judged(RATE, seen, (1.0, 1.0), ALL_SENT).end == end


@pytest.mark.parametrize(
    ("sent", "end"),
    [
        (SentFigures(intended=4000, sent=4000, skipped=0, late=0, cpu_share=0.95), "generator"),
        (SentFigures(intended=4000, sent=3000, skipped=1000, late=0), "generator"),
        (SentFigures(intended=4000, sent=4000, skipped=0, late=9, lag_p99_ms=400), "generator"),
        (SentFigures(intended=4000, sent=4000, skipped=0, late=9, lag_p99_ms=400,
                     database_share=0.9), "overloaded"),
    ],
)  # fmt: skip
def test_who_held_the_arrivals_up_is_told_first(sent: SentFigures, end: StepEnd) -> None:
    grows = windows(*(n * 20 for n in range(40)))
    assert judged(RATE, grows, (1.0, 1.0), sent).end == end


def test_a_latency_that_drifts_is_unsteady() -> None:
    found = judged(RATE, CALM, (20.0, 70.0), ALL_SENT)
    assert found.end == "unsteady"
    assert "from 20.0 to 70.0 ms" in found.why
    assert judged(RATE, CALM, (2.0, 7.0), ALL_SENT).end == "held"


def test_a_broken_bound_is_not_borne() -> None:
    found = judged(RATE, CALM, (1.0, 1.0), ALL_SENT, "p99_ms was 9.0, above the 5 that is allowed")
    assert found == ("overloaded", "p99_ms was 9.0, above the 5 that is allowed")
