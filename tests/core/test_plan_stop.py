"""Stopping, in named phases."""

from __future__ import annotations

import pytest

from actorq.core import event
from actorq.core.job.model import ErrorInfo, Verdict
from actorq.core.job.policy import KindPolicy
from actorq.core.plan import draining, plan
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan.state import TEARDOWN_S
from tests.core.desk import DEAD, Desk


@pytest.fixture
def desk() -> Desk:
    """One actor that runs lease 1 (jobs 10, 11), behind it lease 2 (12, 13)."""
    desk = Desk(KindPolicy(name="k", max_batch=2), grace_s=30.0)
    desk.start()
    desk.answer(1, [10, 11])
    desk.answer(2, [12, 13])
    desk.nothing_due()
    desk.feed(i.Tick({1: 1}))
    return desk


def test_what_has_not_begun_goes_back_uncharged_and_what_runs_may_finish(desk: Desk) -> None:
    desk.feed(i.StopAsked())
    assert desk.of(e.Recall) == [e.Recall(1, 1), e.Recall(1, 2)]
    assert desk.of(e.Settle) == [], "the actor may just be taking it"
    desk.feed(i.Returned(1, 2))
    back = desk.one(e.Settle).settlement
    assert [(row.id, row.charge, row.retry_in_s) for row in back.rows] == [
        (12, "none", None),
        (13, "none", None),
    ]
    desk.written(back)
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    desk.written(desk.one(e.Settle).settlement)
    assert desk.effects == [e.StopActor(1)]
    desk.feed(i.ActorDied(1, DEAD, 1, []))
    assert desk.effects == [e.Finish()]


def test_nothing_is_claimed_or_started_while_stopping(desk: Desk) -> None:
    desk.feed(i.StopAsked())
    desk.feed(i.Woken(1))
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    desk.feed(i.Tick(), after=5.0)
    assert desk.of(e.Claim) == []
    assert desk.of(e.Spawn) == []


def test_a_claim_that_was_in_flight_goes_back() -> None:
    desk = Desk()
    desk.start()
    desk.feed(i.StopAsked())
    assert desk.effects == []
    desk.answer(1, [10, 11])
    back = desk.one(e.Settle).settlement
    assert {row.charge for row in back.rows} == {"none"}
    desk.written(back)
    assert desk.effects == [e.StopActor(1)]


def test_a_claim_whose_answer_is_lost_goes_back_too() -> None:
    desk = Desk()
    desk.start()
    desk.feed(i.StopAsked())
    assert desk.feed(i.ClaimLost(1, 1)) == [e.GiveBack(1), e.StopActor(1)]


def test_what_still_runs_after_the_grace_time_is_killed_and_pays_nothing(desk: Desk) -> None:
    desk.feed(i.StopAsked())
    assert plan.deadline(desk.view, desk.now + 29.95) == pytest.approx(desk.now + 30.0)
    desk.feed(i.Tick(), after=30.0)
    assert desk.effects == [e.KillActor(1)]
    desk.feed(i.ActorDied(1, DEAD, 1, [0]))
    rows = [row for settle in desk.of(e.Settle) for row in settle.settlement.rows]
    assert sorted(row.id for row in rows) == [10, 11, 12, 13]
    assert {row.charge for row in rows} == {"none"}


def test_a_crash_while_stopping_is_charged_as_ever(desk: Desk) -> None:
    desk.feed(i.StopAsked())
    desk.feed(i.ActorDied(1, DEAD, 1, [0]))
    rows = {row.id: row for s in desk.of(e.Settle) for row in s.settlement.rows}
    assert rows[10].charge == "crashed"
    assert {rows[id_].charge for id_ in (11, 12, 13)} == {"none"}


def test_a_second_request_skips_the_grace_time_and_a_third_does_not_wait_for_commits(
    desk: Desk,
) -> None:
    desk.feed(i.StopAsked())
    desk.feed(i.StopAsked(), after=1.0)
    assert desk.effects == [e.KillActor(1)]
    desk.feed(i.ActorDied(1, DEAD, 1, [0]))
    assert len(desk.of(e.Settle)) == 2
    assert plan.deadline(desk.view, desk.now) > desk.now
    desk.feed(i.StopAsked())
    assert desk.effects == [e.Finish()]


@pytest.mark.parametrize(("worked_s", "may_leave_s"), [(0.0, 30.0), (29.0, TEARDOWN_S)])
def test_an_actor_that_does_not_leave_is_killed_when_the_grace_time_is_over(
    desk: Desk, worked_s: float, may_leave_s: float
) -> None:
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    desk.written(desk.one(e.Settle).settlement)
    desk.at_rest()
    desk.feed(i.Outcomes(1, 2, [], [], last=True))
    last = desk.one(e.Settle).settlement
    desk.feed(i.StopAsked())
    desk.at_rest()
    desk.feed(i.Tick(), after=worked_s)
    desk.written(last)
    assert desk.effects == [e.StopActor(1)]
    desk.feed(i.Tick(), after=may_leave_s - 0.01)
    assert desk.effects == []
    desk.feed(i.Tick(), after=0.01)
    assert desk.effects == [e.KillActor(1)]
    assert plan.deadline(desk.view, desk.now) > desk.now


def test_an_actor_that_still_starts_is_killed() -> None:
    desk = Desk()
    desk.feed(i.Tick())
    desk.feed(i.StopAsked())
    assert desk.effects == [e.KillActor(1)]


def test_a_request_after_the_end_is_nothing(desk: Desk) -> None:
    desk = Desk()
    desk.feed(i.StopAsked())
    assert desk.effects == [e.Finish()]
    assert desk.feed(i.StopAsked()) == []
    assert plan.deadline(desk.view, desk.now) > desk.now


def test_a_second_request_that_kills_a_running_batch_falls_short(desk: Desk) -> None:
    desk.feed(i.StopAsked())
    assert not draining.fell_short(desk.view)
    desk.feed(i.StopAsked())
    desk.feed(i.ActorDied(1, DEAD, 1, [0]))
    assert draining.fell_short(desk.view)
    assert draining.shortfall(desk.view) == "batches were killed before they had finished"
    assert draining.ended(desk.view).n_died == 0  # for it was killed on purpose


def test_deaths_that_nobody_wanted_are_counted(desk: Desk) -> None:
    desk.feed(i.ActorDied(1, DEAD, 1, [0]))
    assert draining.ended(desk.view).n_died == 1


def test_a_stop_whose_grace_time_was_over_went_as_it_was_told(desk: Desk) -> None:
    desk.feed(i.StopAsked())
    desk.feed(i.Tick(), after=30.0)
    desk.feed(i.ActorDied(1, DEAD, 1, [0]))
    assert not draining.fell_short(desk.view)


def test_a_second_request_that_meets_only_what_has_not_begun_cuts_nothing_short() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=2))
    desk.start()
    desk.answer(1, [10, 11])
    desk.feed(i.StopAsked())
    desk.feed(i.StopAsked())
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    assert not draining.fell_short(desk.view)


def test_the_first_request_says_what_is_waited_for(desk: Desk) -> None:
    desk.feed(i.StopAsked())
    assert event.SupervisorStopping("draining", 1, 30.0) in desk.events
    desk.feed(i.StopAsked())
    assert event.SupervisorStopping("killing", 1) in desk.events


def test_the_end_of_a_stop_makes_no_kind_unavailable() -> None:
    desk = Desk()
    desk.feed(i.Tick())
    desk.feed(i.StopAsked())
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    assert not [told for told in desk.events if isinstance(told, event.KindUnavailable)]


def test_what_a_stop_breaks_is_charged_to_nobody(desk: Desk) -> None:
    # A service manager may signal every process: one that a handler has started dies of it.
    desk.feed(i.StopAsked())
    desk.feed(i.Returned(1, 2))
    desk.written(desk.one(e.Settle).settlement)
    desk.feed(i.HandlerFailed(1, 1, ErrorInfo("BrokenPipeError", "no reader"), [0]))
    rows = desk.one(e.Settle).settlement.rows
    assert [(row.id, row.state, row.charge) for row in rows] == [
        (10, "pending", "none"),
        (11, "pending", "none"),
    ]


def test_a_job_that_raises_during_a_stop_is_not_charged_but_what_it_said_counts(
    desk: Desk,
) -> None:
    desk.feed(i.StopAsked())
    broken = Verdict(0, "error", error=ErrorInfo("CalledProcessError", "died with SIGTERM"))
    desk.feed(i.Outcomes(1, 1, [], [broken, Verdict(1, "fail")], last=True))
    rows = {row.id: row for settle in desk.of(e.Settle) for row in settle.settlement.rows}
    assert (rows[10].state, rows[10].charge) == ("pending", "none")
    assert (rows[11].state, rows[11].charge) == ("failed", "failed")


def test_a_batch_whose_time_is_up_during_a_stop_is_charged_as_ever() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=2), grace_s=30.0)
    desk.start()
    desk.answer(1, [10])
    desk.nothing_due()
    desk.feed(i.StopAsked())
    over = ErrorInfo("BatchTimedOut", "over", cause="timeout")
    desk.feed(i.HandlerFailed(1, 1, over, [0]))
    assert [row.charge for row in desk.one(e.Settle).settlement.rows] == ["failed"]
