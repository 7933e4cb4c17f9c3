"""When the supervisor claims, what it asks for, and when it sleeps."""

from __future__ import annotations

import pytest

from actorq.core.job.model import ClaimedBatch, ErrorInfo
from actorq.core.job.policy import KindPolicy
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan import plan
from actorq.core.plan.looking import QUIET_DUE_S
from actorq.core.plan.room import QUICK_S, UNWRITTEN_JOBS
from actorq.core.plan.state import Question
from actorq.core.store_values import ClaimReply, Due
from tests.core.desk import Desk


def resting(*policies: KindPolicy, **settings: object) -> Desk:
    desk = Desk(*policies, **settings)
    desk.start()
    desk.at_rest()
    return desk


def test_nothing_is_claimed_before_an_actor_is_ready() -> None:
    desk = Desk()
    (spawn,) = desk.feed(i.Tick())
    assert isinstance(spawn, e.Spawn)
    desk.feed(i.Woken(1))
    assert desk.of(e.Claim) == []
    desk.feed(i.Ready(spawn.actor))
    assert desk.one(e.Claim).limit == 4


def test_an_idle_lane_waits_for_a_wake_up_or_the_due_query() -> None:
    desk = resting(poll_s=0.1, notify=False)
    assert desk.feed(i.Tick(), after=0.05) == []
    desk.feed(i.Tick(), after=0.05)
    assert desk.one(e.AskDue).asks[0].lane == 1
    desk.due(Due(1, True, None, []))
    assert desk.one(e.Claim).lane == 1


def test_a_wake_up_is_followed_by_a_claim_at_once() -> None:
    desk = resting()
    desk.feed(i.Woken(1))
    assert desk.one(e.Claim).lane == 1


def test_a_wake_up_for_others_is_followed_by_a_question_and_by_a_claim_if_they_did_not() -> None:
    desk = resting(poll_s=0.1)
    assert desk.feed(i.Woken(1, mine=False)) == []
    desk.feed(i.Tick(), after=0.1)
    assert desk.of(e.Claim) == []
    assert desk.one(e.AskDue).asks[0].lane == 1
    desk.due(Due(1, True, None, []))
    assert desk.one(e.Claim).lane == 1


def asked_after(desk: Desk, step_s: float = 0.01) -> float:
    """Return how long it takes until the next due query, and answer it."""
    begun = desk.now
    while not desk.of(e.AskDue):
        desk.feed(i.Tick(), after=step_s)
        assert desk.now < begun + 5.0
    desk.due(Due(1, False, None, []))
    return desk.now - begun


def test_while_notifications_come_and_nothing_else_the_question_is_asked_once_a_second() -> None:
    desk = resting(poll_s=0.1)
    desk.feed(i.Listening(True))
    waits = [asked_after(desk) for _ in range(8)]
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(QUIET_DUE_S, abs=0.02)
    assert waits[-2] == pytest.approx(QUIET_DUE_S, abs=0.02)


def test_the_question_is_asked_as_often_as_before_once_something_comes() -> None:
    desk = resting(poll_s=0.1)
    desk.feed(i.Listening(True))
    for _ in range(8):
        asked_after(desk)
    desk.feed(i.Woken(1))
    desk.answer(desk.one(e.Claim).lease)
    assert asked_after(desk) <= 0.12


@pytest.mark.parametrize("notify", [True, False])
def test_without_notifications_the_question_is_asked_at_the_usual_pace(notify: bool) -> None:
    desk = resting(poll_s=0.1, notify=notify)
    if not notify:
        desk.feed(i.Listening(True))
    for _ in range(8):
        assert asked_after(desk) <= 0.12


def test_a_drain_asks_at_the_usual_pace_for_what_its_own_jobs_enqueue() -> None:
    desk = Desk(poll_s=0.1, drain=True)
    desk.start()
    desk.feed(i.Listening(True))
    desk.answer(1, [1])
    desk.at_rest()
    for _ in range(8):
        assert asked_after(desk) <= 0.12


def test_a_connection_lost_that_notifies_brings_the_usual_pace_back() -> None:
    desk = resting(poll_s=0.1)
    desk.feed(i.Listening(True))
    for _ in range(8):
        asked_after(desk)
    desk.feed(i.Listening(False))
    assert asked_after(desk) <= 0.12
    assert asked_after(desk) <= 0.12


def test_a_wake_up_for_a_foreign_lane_is_nothing() -> None:
    assert resting().feed(i.Woken(99)) == []


def test_what_comes_during_a_claim_is_looked_for_after_it() -> None:
    desk = resting()
    desk.feed(i.Woken(1))
    desk.feed(i.Woken(1))
    assert desk.of(e.Claim) == []
    desk.answer(desk.view.next_lease - 1)
    assert desk.one(e.Claim).frontier == {}


def test_the_next_claim_begins_where_the_last_ended_and_a_short_one_is_followed_by_all() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=2, actors=4))
    desk.start()
    desk.answer(1, [1, 2])
    assert [claim.frontier for claim in desk.of(e.Claim)] == [{5: (2, 2)}] * 2
    desk.answer(2, [3])
    assert desk.of(e.Claim) == []
    desk.answer(3)
    assert desk.one(e.Claim).frontier == {}
    assert desk.answer(4) == []


def test_a_backlog_is_claimed_ahead_until_a_claim_comes_back_short() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=2, actors=4))
    desk.start()
    assert [claim.after for claim, _ in desk.view.claims.values()] == [0]
    desk.answer(1, [1, 2])
    assert [claim.after for claim in desk.of(e.Claim)] == [0, 2]
    desk.answer(2, [3, 4])
    assert desk.one(e.Claim).after == 3
    desk.answer(3, [5])
    assert desk.of(e.Claim) == []


def test_a_claim_ahead_begins_behind_the_one_before_it_if_that_was_carried_out() -> None:
    claim = e.Claim(1, 8, 2, frontier={3: (1, 1), 5: (2, 2)}, after=7)
    assert claim.begin(7, {5: (9, 9)}) == {3: (1, 1), 5: (9, 9)}
    assert claim.begin(6, {5: (9, 9)}) == claim.frontier


def test_a_look_behind_the_frontier_comes_before_claims_ahead() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=2, actors=4))
    desk.start()
    desk.answer(1, [1, 2])
    desk.answer(2, [3, 4], after=1.1)
    assert desk.of(e.Claim) == []
    desk.answer(3, [5, 6])
    assert desk.of(e.Claim)[0].frontier == {}


@pytest.mark.parametrize("bounded", [False, True])
def test_only_what_may_stand_behind_the_frontier_is_looked_for_there(bounded: bool) -> None:
    desk = Desk(KindPolicy(name="k", max_batch=2, actors=4))
    desk.start()
    desk.answer(1, [1, 2])
    desk.view.due_asked = Question(set(), {1} if bounded else set(), False)
    desk.due(Due(1, True, None, []))
    desk.answer(2, [3, 4])
    assert desk.view.lanes[1].frontier.wanted is not bounded


def test_what_was_due_before_the_first_claim_tells_nothing_of_what_is_behind_it() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=2, actors=4))
    desk.start()
    desk.answer(1, [1, 2])
    desk.due(Due(1, True, None, []))
    desk.answer(2, [3, 4])
    assert not desk.view.lanes[1].frontier.wanted


def test_suspects_come_before_claims_ahead() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=2, actors=4), poll_s=10.0)
    desk.start()
    desk.due(Due(1, True, None, [77]))
    desk.answer(1, [1, 2])
    assert [(claim.suspect, claim.after) for claim in desk.of(e.Claim)] == [(77, 0)]


def test_no_more_is_claimed_than_actors_and_pipes_can_hold() -> None:
    desk = Desk()
    desk.start()
    desk.answer(1, [1, 2, 3, 4])
    desk.answer(2, [5, 6, 7, 8])
    assert desk.of(e.Claim) == []
    assert len(desk.of(e.Send)) == 1
    assert len(desk.view.actors[1].held) == 2


def test_outcomes_that_are_not_written_hold_claims_back() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=400))
    desk.start()
    lease, id_, settles = 1, 0, list[e.Settle]()
    while desk.view.claims:
        desk.answer(lease, list(range(id_, id_ + 400)))
        for send in desk.of(e.Send):
            last = i.Outcomes(send.actor, send.batch.lease, [], [], last=True)
            desk.feed(last, after=QUICK_S)
            settles += desk.of(e.Settle)
        lease, id_ = lease + 1, id_ + 400
    assert desk.view.kinds["k"].n_unwritten == 8 * 400  # two in the pipe, six beside it
    desk.written(settles[0].settlement)
    assert desk.of(e.Claim)


def test_small_batches_may_be_many_and_unwritten() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=1))
    desk.start()
    for lease in range(1, UNWRITTEN_JOBS + 1):
        desk.answer(lease, [lease])
        for send in desk.of(e.Send):
            desk.feed(i.Outcomes(1, send.batch.lease, [], [], last=True), after=QUICK_S)
    assert not desk.view.claims


def test_a_claim_is_cut_by_bytes() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=100, max_batch_bytes=5000, actors=2))
    desk.start()
    assert desk.view.claims[1][0].limit == 1, "a cautious guess"
    desk.answer(1, [1])
    claim = desk.of(e.Claim)[0]
    assert claim.limit == 100, "3 bytes a job, as measured"
    batch = ClaimedBatch(claim.lease, 1, 0, [2, 3], [500, 498], [], {})
    desk.feed(i.Claimed(1, claim.lease, ClaimReply([batch], 2, {}), 0.001))
    desk.answer(3)
    assert desk.one(e.Claim).limit == 20, "large ones are believed sooner than small ones"


def test_min_batch_is_held_back_and_looked_at_when_the_oldest_has_waited() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=4, min_batch=4, linger_s=0.5), poll_s=10.0)
    desk.start()
    desk.nothing_due()
    assert desk.view.claims[1][0].min_n == 4
    held_back = ClaimReply([], 0, {}, n_waiting=2, oldest_s=0.2)
    assert desk.feed(i.Claimed(1, 1, held_back, 0.001)) == []
    assert plan.deadline(desk.view, desk.now) == pytest.approx(desk.now + 0.3)
    desk.feed(i.Tick(), after=0.31)
    assert desk.one(e.Claim).linger_s == 0.5


def test_jobs_that_waited_long_enough_but_are_locked_are_not_asked_for_in_a_spin() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=4, min_batch=4, linger_s=0.5))
    desk.start()
    desk.feed(i.Claimed(1, 1, ClaimReply([], 0, {}, n_waiting=4, oldest_s=9.0), 0.001))
    assert plan.deadline(desk.view, desk.now) >= desk.now + 0.001


def test_linger_holds_a_claim_only_while_every_actor_is_busy() -> None:
    desk = resting(KindPolicy(name="k", max_batch=4, linger_s=0.2))
    desk.feed(i.Woken(1))
    lease = desk.one(e.Claim).lease
    desk.answer(lease, [1])
    desk.at_rest()
    desk.feed(i.Woken(1))
    assert desk.of(e.Claim) == []
    assert plan.deadline(desk.view, desk.now) <= desk.now + 0.2
    desk.feed(i.Outcomes(1, lease, [], [], last=True))
    assert desk.of(e.Claim)


def test_a_delayed_job_is_claimed_when_it_is_due() -> None:
    desk = resting(poll_s=10.0)
    desk.feed(i.Tick(), after=10.0)
    desk.due(Due(1, False, 0.7, []))
    assert plan.deadline(desk.view, desk.now) == pytest.approx(desk.now + 0.7)
    desk.feed(i.Woken(1))
    desk.answer(desk.one(e.Claim).lease)
    assert plan.deadline(desk.view, desk.now) == pytest.approx(desk.now + 0.7)
    desk.feed(i.Tick(), after=0.7)
    assert desk.of(e.Claim)


def test_what_becomes_due_between_a_step_and_the_wait_after_it_is_not_slept_over() -> None:
    desk = resting(poll_s=10.0)
    desk.view.lanes[1].look_by(desk.now + 0.005)
    desk.feed(i.Beaten(frozenset(), desk.now), after=0.0049)
    assert desk.of(e.Claim) == []
    later = desk.now + 0.0002  # carrying the step's effects out took so long
    assert plan.deadline(desk.view, later) == later


def test_the_due_query_starts_at_the_frontier() -> None:
    desk = Desk(poll_s=0.1)
    desk.start()
    desk.nothing_due()
    desk.answer(1, [5])
    while desk.view.claims:
        desk.answer(next(iter(desk.view.claims)))
    desk.feed(i.Tick(), after=0.11)
    assert desk.one(e.AskDue).asks[0].frontier == {5: (5, 5)}


def test_an_answer_older_than_a_wake_up_does_not_hide_it() -> None:
    desk = Desk()
    desk.start()
    desk.answer(1)
    desk.feed(i.Woken(1))
    desk.answer(2, [1, 2, 3, 4])
    desk.nothing_due()
    assert not desk.view.lanes[1].empty


def test_suspects_and_fresh_jobs_take_turns() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=1, actors=4))
    desk.start()
    desk.due(Due(1, True, None, [77, 78]))
    groups = []
    for lease in range(1, 5):
        groups.append(desk.view.claims[lease][0].suspect)
        desk.answer(lease, [lease])
    assert groups == [0, 77, 0, 78]


def test_a_group_larger_than_a_batch_is_claimed_to_its_end() -> None:
    desk = resting(KindPolicy(name="k", max_batch=2, actors=4), poll_s=0.1)
    desk.feed(i.Tick(), after=0.1)
    desk.due(Due(1, False, None, [80]))
    desk.answer(desk.one(e.Claim).lease, [1, 2])
    assert desk.one(e.Claim).suspect == 80
    desk.answer(desk.one(e.Claim).lease, [3])
    assert desk.of(e.Claim) == []


def test_a_claim_without_an_answer_is_given_back_and_made_again_after_a_while() -> None:
    desk = Desk()
    desk.start()
    assert desk.feed(i.ClaimLost(1, 1)) == [e.GiveBack(1)]
    desk.nothing_due()
    desk.feed(i.Tick(), after=0.1)
    assert desk.one(e.Claim).frontier == {}
    assert desk.view.kinds["k"].n_claiming == 1


def test_a_due_query_without_an_answer_is_asked_again() -> None:
    desk = Desk()
    desk.start()
    desk.answer(1)
    assert desk.feed(i.DueLost()) == []
    desk.feed(i.Tick(), after=0.1)
    assert desk.of(e.AskDue)


def test_a_kind_whose_actors_cannot_start_is_neither_claimed_nor_asked_for() -> None:
    desk = Desk(KindPolicy(name="a"), KindPolicy(name="b"))
    first, second = (s.actor for s in desk.feed(i.Tick()) if isinstance(s, e.Spawn))
    desk.feed(i.ActorDied(first, ErrorInfo("ImportError", "no"), 0, []))
    desk.feed(i.Ready(second))
    assert [claim.lane for claim in desk.of(e.Claim)] == [2]
    assert [ask.lane for ask in desk.one(e.AskDue).asks] == [2]


def test_two_claims_are_in_flight_at_most() -> None:
    desk = Desk(*(KindPolicy(name=f"k{n}") for n in range(4)))
    desk.start()
    assert len(desk.view.claims) == 2


def test_kinds_that_flood_the_claimer_share_it_by_weight() -> None:
    weights = (3.0, 1.0, 1.0, 1.0)
    desk = Desk(*(KindPolicy(name=f"k{w}-{n}", weight=w) for n, w in enumerate(weights)))
    desk.start()
    served = dict.fromkeys(desk.view.lanes, 0)
    for _ in range(3000):
        lease, (claim, _) = next(iter(desk.view.claims.items()))
        served[claim.lane] += 1
        desk.answer(lease, list(range(claim.limit)))
        for send in desk.of(e.Send):
            last = i.Outcomes(send.actor, send.batch.lease, [], [], last=True)
            desk.feed(last, after=QUICK_S)  # or several batches would be claimed at once
            desk.written(desk.one(e.Settle).settlement)
    assert served[1] == pytest.approx(1500, rel=0.05)
    assert [served[n] for n in (2, 3, 4)] == pytest.approx([500] * 3, rel=0.05)
