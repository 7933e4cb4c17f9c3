"""The sentences of a report: what is wrong is named, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from actorq.stress.core.figures import CountedFigures
from actorq.stress.core.found import queues_of
from actorq.stress.core.reading import BUILT_IN
from actorq.stress.core.verdict import broken_bound, findings, slo_figures
from actorq.stress.report.summary import figures_of, is_well, text_of
from tests.stress import reports


def test_where_all_is_well_only_what_was_not_followed_is_named() -> None:
    assert findings([reports.step()]) == []
    [said] = findings([reports.step(counted=CountedFigures(table=4, polling=4))])
    assert "Events were not followed in 1 step" in said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"lost": 3}, "3 jobs lost: sent and answered for"),
        ({"duplicates": 1}, "1 job in the table more than once"),
        ({"wrong_state": 2}, "2 jobs final in another state"),
        ({"wrong_results": 2}, "2 jobs with another result"),
    ],
)
def test_a_job_that_is_not_right_is_named_and_makes_the_test_fail(
    wrong: dict[str, Any], said: str
) -> None:
    step = reports.step(audit=reports.audit(**wrong))
    assert said in findings([step])[0]
    assert not is_well(reports.report([step]))
    assert is_well(reports.report([reports.step()]))


def test_jobs_that_were_not_final_in_time_are_named_but_not_lost() -> None:
    step = reports.step(audit=reports.audit(unfinished=7))
    assert "7 jobs not final when the time was up" in findings([step])[0]
    assert is_well(reports.report([step]))


@pytest.mark.parametrize("counted", [(10, 9, None), (10, 10, 11)])
def test_counts_that_differ_are_named(counted: tuple[int, int, int | None]) -> None:
    table, polling, events = counted
    step = reports.step(counted=CountedFigures(table=table, polling=polling, events=events))
    assert "counts of final jobs differ: 10 in the table" in findings([step])[0]
    assert figures_of(reports.report([step]))["counts_agree"] is False
    assert not is_well(reports.report([step]))


def test_slow_supervisors_are_named_by_the_calmest_step() -> None:
    slow = {"send": 0.1, "enqueue": 1.0, "wait": 6.1, "dispatch": 0.4, "run": 0.1, "settle": 1.0}
    steps = [reports.step(500.0, stages_ms=slow), reports.step(4000.0)]
    [said] = findings(steps)
    assert "Supervisors are slow: even at 500 jobs/s" in said
    assert "6.1 of them between the enqueue's answer and its claim" in said
    later = [reports.step(500.0), reports.step(4000.0, stages_ms=slow)]
    busy = [reports.step(500.0, stages_ms=slow, busy_share=0.5)]
    assert findings(later) == findings(busy) == []


def test_a_step_that_the_generator_limited_is_named() -> None:
    step = reports.step(end="generator", why="the generator was the limit: it slept")
    [said] = findings([step])
    assert "the generator was the limit: it slept; its figures say nothing about the server" in said


def test_bounds_hold_or_break_and_what_is_unknown_is_not_kept() -> None:
    found = slo_figures(
        {"p99_ms": 50.0, "lost": 0.0, "knee_jobs_per_s": 100.0, "max_ms": 9.0},
        {"p99_ms": 50.0, "lost": 1, "knee_jobs_per_s": 120.0, "max_ms": None},
    )
    assert [slo.kept for slo in found] == [True, False, True, False]


def test_a_bound_that_is_not_kept_makes_the_test_fail() -> None:
    kept = slo_figures({"lost": 0.0, "p99_ms": 50.0}, {"lost": 0, "p99_ms": 9.0})
    broken = slo_figures({"p99_ms": 5.0}, {"p99_ms": 9.0})
    assert is_well(reports.report(slo=kept))
    assert not is_well(reports.report(slo=broken))
    assert "SLO p99_ms 5: 9, BROKEN" in text_of(reports.report(slo=broken))


def test_a_test_that_could_not_go_on_fails_and_one_whose_time_was_up_does_not() -> None:
    assert not is_well(reports.report(cut_short="it could not go on: a supervisor has ended"))
    assert is_well(reports.report(cut_short="the time was up"))


def test_the_bound_that_breaks_is_named() -> None:
    latency = reports.latencies(ms=2.0)
    assert "p99_ms was" in broken_bound({"p50_ms": 5.0, "p99_ms": 1.0}, latency)
    assert broken_bound({"p99_ms": 500.0}, latency) == ""
    assert broken_bound({"p99_ms": 1.0}, None) == ""


def test_the_summary_names_both_loops() -> None:
    text = text_of(reports.report())
    assert "closed loop (drain): 5,000 jobs/s" in text
    assert "open loop: The knee lies between 4,000 jobs/s" in text
    assert "0 lost, 0 duplicates" in text


def test_queues_stand_side_by_side_by_rate_and_say_how_they_are_served() -> None:
    plan = BUILT_IN["mixed"]
    quick, slow = reports.latencies(1500, ms=1.0), reports.latencies(1500, ms=50.0)
    steps = [reports.step(200.0, queues={"listen": quick, "poll": slow}) for _ in range(2)]
    heard, looked_for = queues_of(plan, steps)
    assert (heard.queue, heard.served_by, heard.n) == ("listen", "LISTEN and polling", 3000)
    assert (looked_for.queue, looked_for.served_by) == ("poll", "polling only")
    assert heard.p99_ms is not None
    assert looked_for.p99_ms is not None
    assert looked_for.p99_ms > 10 * heard.p99_ms
    assert "queue poll (polling only) at 200 jobs/s in all: p50" in text_of(
        reports.report(steps, plan=plan)
    )
    assert queues_of(BUILT_IN["default"], steps) == []
