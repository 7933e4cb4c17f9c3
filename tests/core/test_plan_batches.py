"""The way of a batch: sent, answered, written, lost."""

from __future__ import annotations

import pytest

from actorq.core.job.model import Counts, Verdict
from actorq.core.job.policy import KindPolicy
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan.batches import open_bits
from tests.core.desk import ERROR, Desk


@pytest.fixture
def desk() -> Desk:
    """One actor with lease 1, jobs 10 to 13, in its pipe; nothing else to be had."""
    desk = Desk()
    desk.start()
    desk.answer(1, [10, 11, 12, 13])
    desk.at_rest()
    return desk


def test_a_batch_whose_jobs_are_plainly_done_is_written_in_one(desk: Desk) -> None:
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    settlement = desk.one(e.Settle).settlement
    assert settlement.done == {0: [10, 11, 12, 13]}
    assert settlement.rows == []
    assert settlement.closes
    assert desk.feed(i.Tick()) == []
    desk.written(settlement)
    assert not desk.view.held
    assert desk.view.kinds["k"].n_unwritten == 0


def test_counters_travel_from_the_claim_to_the_settle() -> None:
    desk = Desk()
    desk.start()
    desk.answer(1, [10, 11], notes={1: Counts(attempt=3, n_failed=3)})
    desk.feed(i.Outcomes(1, 1, [], [Verdict(0, "result", result=b"1")], last=True))
    settlement = desk.one(e.Settle).settlement
    assert settlement.done == {3: [11]}
    assert [(row.id, row.state, row.attempt) for row in settlement.rows] == [(10, "completed", 0)]


def test_streamed_outcomes_wait_for_the_end_of_the_batch_or_half_a_second(desk: Desk) -> None:
    assert desk.feed(i.Outcomes(1, 1, [1], [Verdict(2, "error", error=ERROR)], last=False)) == []
    desk.feed(i.Tick(), after=0.5)
    settlement = desk.one(e.Settle).settlement
    assert (settlement.closes, settlement.seq, settlement.open_bits) == (False, 0, b"\x09")
    assert settlement.done == {0: [11]}
    assert [row.id for row in settlement.rows] == [12]
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    assert desk.of(e.Settle) == [], "one settlement of a lease at a time"
    desk.written(settlement)
    last = desk.one(e.Settle).settlement
    assert (last.closes, last.seq, last.done) == (True, 1, {0: [10, 13]})


@pytest.mark.parametrize(
    ("done", "verdicts"),
    [
        ([0, 0], []),
        ([4], []),
        ([-1], []),
        ([1], [Verdict(1, "cancel")]),
    ],
)
def test_an_actor_that_answers_twice_or_for_others_is_killed(
    desk: Desk, done: list[int], verdicts: list[Verdict]
) -> None:
    desk.feed(i.Outcomes(1, 1, [3], [], last=False))
    assert desk.feed(i.Outcomes(1, 1, done, verdicts, last=False)) == [e.KillActor(1)]
    assert desk.feed(i.Outcomes(1, 1, [], [], last=True)) == [], "it is not listened to again"
    desk.feed(i.ActorDied(1, ERROR, 1, [2]))
    rows = {row.id: row.charge for row in desk.rows()}
    assert rows == {10: "none", 11: "none", 12: "crashed"}


def test_an_answer_for_an_unknown_batch_is_nothing(desk: Desk) -> None:
    assert desk.feed(i.Outcomes(1, 99, [0], [], last=True)) == []
    assert desk.feed(i.Outcomes(9, 1, [0], [], last=True)) == []


def test_a_batch_that_raises_charges_the_job_that_was_running(desk: Desk) -> None:
    desk.feed(i.Outcomes(1, 1, [0], [], last=False))
    desk.feed(i.HandlerFailed(1, 1, ERROR, [2]))
    settlement = desk.one(e.Settle).settlement
    assert settlement.done == {0: [10]}
    rows = {row.id: (row.charge, row.suspect != 0) for row in desk.rows()}
    assert rows == {11: ("none", False), 12: ("failed", True), 13: ("none", False)}


def test_a_vectorised_batch_that_raises_charges_nobody_and_one_job_of_it_is_asked(
    desk: Desk,
) -> None:
    desk.feed(i.HandlerFailed(1, 1, ERROR, []))
    settlement = desk.one(e.Settle).settlement
    (group,) = {row.suspect for row in settlement.rows}
    assert all(row.charge == "none" for row in settlement.rows)
    desk.written(settlement)
    assert [(claim.suspect, claim.limit) for claim in desk.of(e.Claim)] == [(group, 1)]


def test_a_job_that_raises_alone_is_charged() -> None:
    desk = Desk()
    desk.start()
    desk.answer(1, [10])
    desk.feed(i.HandlerFailed(1, 1, ERROR, []))
    (row,) = desk.one(e.Settle).settlement.rows
    assert row.charge == "failed"
    assert row.retry_in_s == pytest.approx(10.0)


def test_what_came_back_is_looked_for_behind_the_frontier(desk: Desk) -> None:
    desk.feed(i.HandlerFailed(1, 1, ERROR, [0]))
    desk.written(desk.one(e.Settle).settlement)
    assert desk.one(e.Claim).frontier == {}


def test_what_came_back_during_a_claim_is_looked_for_after_it(desk: Desk) -> None:
    desk.feed(i.HandlerFailed(1, 1, ERROR, [0]))
    settlement = desk.one(e.Settle).settlement
    desk.feed(i.Woken(1))
    lease = desk.one(e.Claim).lease
    desk.written(settlement)
    desk.answer(lease)
    assert desk.one(e.Claim).frontier == {}


def test_a_lease_that_was_taken_away_is_forgotten_and_its_actor_left_alone(desk: Desk) -> None:
    desk.feed(i.Beaten(frozenset(), desk.now + 1))
    assert desk.of(e.Recall) == [e.Recall(1, 1)]
    assert not desk.view.held
    assert desk.view.kinds["k"].n_unwritten == 0
    assert desk.feed(i.Outcomes(1, 1, [], [], last=True)) == []
    assert not desk.view.actors[1].held


def test_a_lost_batch_that_is_handed_back_is_not_written(desk: Desk) -> None:
    desk.feed(i.Beaten(frozenset(), desk.now + 1))
    assert desk.of(e.Settle) == []
    desk.feed(i.Returned(1, 1))
    assert desk.of(e.Settle) == []
    assert not desk.view.actors[1].held


def test_a_heartbeat_asked_before_a_claim_says_nothing_about_it(desk: Desk) -> None:
    desk.feed(i.Beaten(frozenset(), desk.now - 1))
    assert 1 in desk.view.held


def test_a_heartbeat_does_not_take_away_what_is_being_written(desk: Desk) -> None:
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    settlement = desk.one(e.Settle).settlement
    desk.feed(i.Beaten(frozenset(), desk.now + 1))
    assert 1 in desk.view.held
    desk.written(settlement)
    assert desk.feed(i.Beaten(frozenset({1}), desk.now - 1)) == [], "it ended since"


def test_a_lease_that_nobody_knows_is_given_back(desk: Desk) -> None:
    desk.feed(i.Woken(1))
    in_flight = desk.one(e.Claim).lease
    leases = frozenset({1, in_flight, 77})
    assert desk.feed(i.Beaten(leases, desk.now + 1)) == [e.GiveBack(77)]


def test_a_settle_that_no_longer_held_the_lease_is_void(desk: Desk) -> None:
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    desk.written(desk.one(e.Settle).settlement, applied=False)
    assert not desk.view.held
    assert desk.view.kinds["k"].n_unwritten == 0


def test_a_cancel_reaches_the_actor_that_has_the_job(desk: Desk) -> None:
    assert desk.feed(i.CancelAsked(1, 12)) == [e.CancelJob(1, 1, 2)]
    assert desk.feed(i.CancelAsked(1, 99)) == []
    assert desk.feed(i.CancelAsked(9, 12)) == []


def test_a_cancel_of_a_job_whose_verdict_waits_concerns_no_actor(desk: Desk) -> None:
    desk.feed(i.HandlerFailed(1, 1, ERROR, [2]))
    assert desk.view.held[1].verdict_waits
    assert desk.feed(i.CancelAsked(1, 12)) == []


def test_an_actor_that_is_being_killed_is_told_nothing_more(desk: Desk) -> None:
    desk.feed(i.Outcomes(1, 1, [0, 0], [], last=True))
    desk.one(e.KillActor)
    assert desk.feed(i.CancelAsked(1, 12)) == []
    desk.feed(i.StopAsked())
    assert desk.of(e.Recall) == []


def test_a_cancel_of_a_job_that_is_being_claimed_is_kept_for_it() -> None:
    desk = Desk()
    desk.start()
    assert desk.feed(i.CancelAsked(1, 11)) == []
    desk.answer(1, [10, 11])
    sent = [effect for effect in desk.effects if isinstance(effect, e.Send | e.CancelJob)]
    assert sent[1:] == [e.CancelJob(1, 1, 1)]


def test_a_cancel_follows_a_batch_to_another_actor() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=1))
    desk.start()
    desk.answer(1, [10])
    desk.answer(2, [11])
    assert desk.feed(i.CancelAsked(2, 11)) == [e.CancelJob(1, 2, 0)]
    desk.feed(i.ActorDied(1, ERROR, 1, [0]))
    desk.feed(i.Ready(desk.one(e.Spawn).actor))
    assert desk.one(e.CancelJob) == e.CancelJob(2, 2, 0)


def test_every_batch_knows_why_it_was_cut() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=2, actors=3))
    desk.start()
    desk.answer(1, [1, 2])
    assert desk.one(e.Send).cut == "full"
    desk.answer(2, [3])
    assert desk.one(e.Send).cut == "idle"


def test_the_bits_of_open_jobs() -> None:
    assert open_bits(9, set()) == b"\xff\x01"
    assert open_bits(9, {0, 8}) == b"\xfe\x00"


def test_outcomes_of_jobs_that_run_at_once_are_written_as_they_come() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=4, concurrency=2))
    desk.start()
    desk.answer(1, [10, 11, 12, 13])
    desk.feed(i.Outcomes(1, 1, [1], [], last=False))
    first = desk.one(e.Settle).settlement
    assert (first.done, first.closes) == ({0: [11]}, False)
    desk.feed(i.Outcomes(1, 1, [0], [], last=False))
    assert desk.of(e.Settle) == [], "one statement of a batch at a time"
    desk.written(first)
    assert desk.one(e.Settle).settlement.done == {0: [10]}
