"""Stopping, in named phases, and draining."""

from __future__ import annotations

import pytest

from actorq.core import effects as e
from actorq.core import inputs as i
from actorq.core import plan
from actorq.core.ask import Due
from actorq.core.plan_stop import CHECK_S, LEAVE_S
from actorq.core.policy import KindPolicy
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


def test_an_actor_that_does_not_leave_is_killed(desk: Desk) -> None:
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    desk.written(desk.one(e.Settle).settlement)
    desk.at_rest()
    desk.feed(i.Outcomes(1, 2, [], [], last=True))
    last = desk.one(e.Settle).settlement
    desk.feed(i.StopAsked())
    desk.at_rest()
    desk.written(last)
    assert desk.effects == [e.StopActor(1)]
    desk.feed(i.Tick(), after=LEAVE_S)
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


# ---- drain ----


def draining() -> Desk:
    desk = Desk(drain=True)
    desk.start()
    desk.nothing_due()
    return desk


def test_a_drain_ends_when_an_answer_asked_at_rest_says_so() -> None:
    desk = draining()
    desk.answer(1)
    assert desk.of(e.StopActor) == []
    desk.feed(i.Tick(), after=CHECK_S)
    assert desk.one(e.AskDue).asks[0].frontier == {}
    desk.nothing_due()
    assert desk.of(e.StopActor) == [e.StopActor(1)]


def test_a_drain_does_not_end_before_suspects_that_only_the_due_query_sees() -> None:
    desk = draining()
    desk.answer(1)
    desk.feed(i.Tick(), after=CHECK_S)
    desk.due(Due(1, False, None, [77]))
    assert desk.one(e.Claim).suspect == 77


def test_a_drain_does_not_wait_for_jobs_that_are_not_due() -> None:
    desk = draining()
    desk.answer(1)
    desk.feed(i.Tick(), after=CHECK_S)
    desk.due(Due(1, False, 60.0, []))
    assert desk.of(e.StopActor) == [e.StopActor(1)]


def test_a_drain_does_not_linger() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=4, min_batch=4, linger_s=60.0), drain=True)
    desk.start()
    assert (desk.view.claims[1][0].min_n, desk.view.claims[1][0].linger_s) == (1, 0.0)


def test_a_drain_does_not_wait_for_a_kind_that_cannot_start() -> None:
    desk = Desk(drain=True)
    desk.feed(i.Tick())
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    assert desk.effects == [e.Finish()]


def test_a_drain_waits_for_actors_that_still_start() -> None:
    desk = Desk(drain=True)
    desk.feed(i.Tick())
    desk.feed(i.Tick(), after=60.0)
    assert desk.of(e.Finish) == []
