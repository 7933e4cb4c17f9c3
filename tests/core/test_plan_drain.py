"""Draining: what is waited for, how often, and what is left then."""

from __future__ import annotations

import pytest

from actorq.core import event
from actorq.core.job.model import ErrorInfo, Verdict
from actorq.core.job.policy import KindPolicy
from actorq.core.plan import draining as plan_drain
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan.draining import CHECK_S, REST_TRIES, START_TRIES
from actorq.core.store_values import ClaimReply, Due, Left
from tests.core.desk import DEAD, ERROR, Desk


def draining(*policies: KindPolicy, **settings: object) -> Desk:
    """Return a drain that has started, has asked what is due and was told of nothing."""
    desk = Desk(*policies, drain=True, **settings)
    desk.start()
    desk.nothing_due()
    return desk


def left(desk: Desk, *found: Left, after: float = 0.0) -> list[e.Effect]:
    """Answer the last question for what is left; of lanes that are not named, nothing is."""
    named = {one.lane for one in found}
    others = [Left(lane) for lane in desk.view.lanes if lane not in named]
    return desk.feed(i.LeftKnown(desk.view.left_no, [*found, *others]), after)


def settled(desk: Desk) -> None:
    """Commit what the last step wants written."""
    for effect in desk.of(e.Settle):
        desk.written(effect.settlement)


def test_a_drain_ends_when_answers_asked_at_rest_say_so() -> None:
    desk = draining()
    desk.answer(1)
    assert desk.of(e.StopActor) == []
    desk.feed(i.Tick(), after=CHECK_S)
    assert desk.one(e.AskDue).asks[0].frontier == {}
    desk.nothing_due()
    assert desk.of(e.StopActor) == []
    assert desk.one(e.AskLeft).lanes == [1]
    left(desk)
    assert desk.of(e.StopActor) == [e.StopActor(1)]
    assert not plan_drain.fell_short(desk.view)


def test_what_happens_while_a_drain_leaves_does_not_discard_its_last_count() -> None:
    desk = draining()
    desk.answer(1)
    desk.feed(i.Tick(), after=CHECK_S)
    desk.nothing_due()
    left(desk)
    assert desk.of(e.StopActor) == [e.StopActor(1)]
    desk.feed(i.Woken(1))
    desk.due(Due(1, True, None, []))
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    assert desk.of(e.Finish)
    assert plan_drain.ended(desk.view).known


def test_the_last_count_of_a_drain_that_is_stopped_is_waited_for_whatever_happens() -> None:
    desk = draining()
    desk.answer(1)
    desk.feed(i.StopAsked())
    assert desk.of(e.AskLeft)
    desk.feed(i.Woken(1))
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    assert not desk.of(e.Finish)
    left(desk, Left(1, 3))
    assert desk.of(e.Finish)
    assert plan_drain.ended(desk.view).left == (("k", 3, "it was stopped"),)


def test_a_drain_does_not_end_before_suspects_that_only_the_due_query_sees() -> None:
    desk = draining()
    desk.answer(1)
    desk.feed(i.Tick(), after=CHECK_S)
    desk.due(Due(1, False, None, [77]))
    assert desk.one(e.Claim).suspect == 77


def test_a_drain_looks_for_what_became_due_while_it_counted() -> None:
    desk = at_its_end(draining())
    left(desk, Left(1, n_due=1))
    assert desk.of(e.StopActor) == []
    assert desk.one(e.Claim).frontier == {}


def test_a_count_that_something_has_overtaken_is_asked_again() -> None:
    desk = at_its_end(draining())
    number = desk.view.left_no
    desk.feed(i.Woken(1))
    desk.feed(i.LeftKnown(number, [Left(1)]))
    assert desk.of(e.StopActor) == []
    desk.answer(next(iter(desk.view.claims)))
    desk.feed(i.Tick(), after=CHECK_S)
    desk.nothing_due()
    assert desk.one(e.AskLeft).no > number


def at_its_end(desk: Desk) -> Desk:
    """Bring a drain with nothing to do to where it asks what is left."""
    while desk.view.claims:
        desk.answer(next(iter(desk.view.claims)))
    for _ in range(3):
        if desk.view.left_asked:
            break
        desk.feed(i.Tick(), after=CHECK_S)
        if desk.view.due_asked:
            desk.nothing_due()
    assert desk.view.left_asked
    return desk


def test_a_drain_does_not_wait_for_jobs_that_are_not_due() -> None:
    desk = at_its_end(draining())
    left(desk, Left(1, n_later=3, next_in_s=60.0))
    assert desk.of(e.StopActor) == [e.StopActor(1)]
    assert not plan_drain.fell_short(desk.view)
    assert plan_drain.ended(desk.view).n_scheduled == 3


def test_a_drain_waits_for_actors_that_still_start() -> None:
    desk = Desk(drain=True)
    desk.feed(i.Tick())
    desk.feed(i.Tick(), after=60.0)
    assert desk.of(e.Finish) == []


def test_a_drain_waits_for_jobs_whose_supervisor_is_gone_until_they_are_given_back() -> None:
    desk = at_its_end(draining())
    left(desk, Left(1, n_held=2, orphaned=True), after=100.0)
    assert desk.of(e.StopActor) == []
    desk.feed(i.Woken(1, behind=True))
    assert desk.one(e.Claim).frontier == {}


def test_a_drain_leaves_to_others_what_they_still_hold_after_a_while() -> None:
    desk = at_its_end(draining())
    left(desk, Left(1, n_held=2))
    assert desk.of(e.StopActor) == [], "they may have died just now"
    desk.feed(i.Tick(), after=plan_drain.DEATH_S)
    left(desk, Left(1, n_held=2))
    assert desk.of(e.StopActor) == [e.StopActor(1)]
    assert not plan_drain.fell_short(desk.view)


# ---- kinds that cannot start, and kinds that rest ----


def test_a_kind_that_cannot_start_is_tried_so_often_while_its_jobs_are_due() -> None:
    desk = Desk(drain=True)
    desk.feed(i.Tick())
    desk.due(Due(1, True, None, []))
    for n in range(1, START_TRIES + 1):
        assert not desk.view.left_asked
        desk.feed(i.ActorDied(n, DEAD, 0, []))
        if n < START_TRIES:
            desk.feed(i.Tick(), after=10.0)
            assert desk.of(e.Spawn)
            desk.due(Due(1, True, None, []))
    desk.feed(i.Tick(), after=0.3)
    desk.due(Due(1, True, None, []))
    left(desk, Left(1, n_due=12))
    assert desk.effects == [e.Finish()]
    assert plan_drain.fell_short(desk.view)
    assert plan_drain.ended(desk.view).left == (("k", 12, "could not start"),)


def test_a_kind_that_cannot_start_is_not_waited_for_where_nothing_of_it_is_due() -> None:
    desk = Desk(drain=True)
    desk.feed(i.Tick())
    desk.nothing_due()
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    desk.feed(i.Tick(), after=CHECK_S)
    desk.nothing_due() if desk.view.due_asked else None
    left(desk)
    assert desk.effects == [e.Finish()]
    assert not plan_drain.fell_short(desk.view)


def test_a_kind_that_starts_at_its_last_try_is_served() -> None:
    desk = Desk(drain=True)
    desk.feed(i.Tick())
    for n in range(1, START_TRIES):
        desk.feed(i.ActorDied(n, DEAD, 0, []))
        desk.feed(i.Tick(), after=10.0)
    desk.feed(i.Ready(START_TRIES))
    if desk.view.due_asked:
        desk.due(Due(1, True, None, []))
    assert desk.view.claims


@pytest.mark.parametrize("until_final", [False, True])
def test_a_kind_that_rests_is_tried_so_often_unless_all_is_to_be_final(until_final: bool) -> None:
    desk = draining(until_final=until_final)
    quarantine = desk.view.kinds["k"].quarantine
    for n in range(1, REST_TRIES + 1):
        quarantine.rest(ErrorInfo("ConnectionError", "no"), desk.now)
        over = n == REST_TRIES and not until_final
        assert plan_drain.given_up(desk.view, desk.view.kinds["k"], desk.now) is over
        desk.now = quarantine.rest_until
    assert not plan_drain.given_up(desk.view, desk.view.kinds["k"], desk.now)


# ---- until all is final ----


def test_until_final_waits_for_what_is_due_within_its_limit() -> None:
    desk = at_its_end(draining(until_final=True, limit_s=100.0))
    left(desk, Left(1, n_later=1, next_in_s=50.0))
    assert desk.of(e.StopActor) == []
    desk = at_its_end(draining(until_final=True, limit_s=100.0))
    left(desk, Left(1, n_later=1, next_in_s=101.0))
    assert desk.of(e.StopActor) == [e.StopActor(1)]
    (told,) = [told for told in desk.events if isinstance(told, event.SupervisorStopping)]
    assert told.why == "the rest is due after its limit of 100 s"
    assert plan_drain.fell_short(desk.view)


def test_until_final_waits_for_other_supervisors_and_counts_again() -> None:
    desk = at_its_end(draining(until_final=True))
    left(desk, Left(1, n_held=4))
    assert desk.of(e.StopActor) == []
    desk.feed(i.Tick(), after=plan_drain.RECOUNT_S)
    assert desk.view.left_asked
    left(desk)
    assert desk.of(e.StopActor) == [e.StopActor(1)]


def test_until_final_ends_at_its_limit_with_what_runs_given_its_grace_time() -> None:
    desk = draining(until_final=True, limit_s=10.0)
    desk.answer(1, [10])
    desk.feed(i.Tick({1: 1}), after=10.0)
    assert desk.of(e.Recall)
    (told,) = [told for told in desk.events if isinstance(told, event.SupervisorStopping)]
    assert (told.n_batches, "limit of 10 s" in told.why) == (1, True)


def test_until_final_falls_short_where_a_job_has_failed() -> None:
    desk = draining(KindPolicy(name="k", max_attempts=1), until_final=True)
    desk.answer(1, [10, 11])
    desk.feed(i.Outcomes(1, 1, [], [Verdict(1, "error", error=ERROR)], last=True))
    settled(desk)
    at_its_end(desk)
    left(desk)
    ended = plan_drain.ended(desk.view)
    assert (ended.n_completed, ended.n_failed, ended.short) == (1, 1, True)


def test_a_drain_that_is_stopped_counts_what_it_leaves() -> None:
    desk = draining()
    desk.answer(1, [10, 11])
    desk.feed(i.StopAsked())
    desk.feed(i.Returned(1, 1))
    settled(desk)
    desk.one(e.AskLeft)
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    assert desk.of(e.Finish) == [], "the answer is worth waiting for"
    left(desk, Left(1, n_due=2))
    assert desk.of(e.Finish)
    assert plan_drain.ended(desk.view).left == (("k", 2, "it was stopped"),)


def test_a_drain_whose_count_is_lost_does_not_say_that_it_is_done() -> None:
    desk = draining()
    desk.feed(i.StopAsked())
    desk.answer(1)
    desk.feed(i.LeftLost(desk.view.left_no))
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    assert desk.of(e.Finish)
    assert (plan_drain.fell_short(desk.view), plan_drain.ended(desk.view).known) == (True, False)


# ---- jobs that wait for others to join them ----

FIRST = KindPolicy(name="first", max_batch=10)
SECOND = KindPolicy(name="second", max_batch=40, min_batch=40, linger_s=20.0)


def held_back(desk: Desk, lane: int, n: int = 5) -> list[e.Effect]:
    """Answer the claim of a lane: fewer than its min_batch are there."""
    (lease,) = [lease for lease, (claim, _) in desk.view.claims.items() if claim.lane == lane]
    return desk.feed(i.Claimed(lane, lease, ClaimReply([], 0, {}, n, 0.1), 0.001))


def test_fewer_than_min_batch_wait_while_others_run_that_could_enqueue_more() -> None:
    desk = Desk(FIRST, SECOND, drain=True)
    desk.start()
    claims = {claim.lane: lease for lease, (claim, _) in desk.view.claims.items()}
    assert desk.view.claims[claims[2]][0].min_n == 40
    desk.answer(claims[1], [1, 2])
    held_back(desk, 2)
    desk.feed(i.Tick(), after=1.0)
    assert not [c for c, _ in desk.view.claims.values() if c.lane == 2]
    desk.feed(i.Outcomes(1, claims[1], [], [], last=True))
    settled(desk)
    while desk.view.claims and all(c.lane == 1 for c, _ in desk.view.claims.values()):
        desk.answer(next(iter(desk.view.claims)))
        if desk.view.due_asked:
            desk.due(Due(1, False, None, []), Due(2, True, None, []))
        desk.feed(i.Tick(), after=0.1)
    ((claim, _),) = desk.view.claims.values()
    assert (claim.lane, claim.min_n, claim.linger_s) == (2, 1, 0.0)


def test_a_batch_that_is_small_as_nothing_more_can_come_says_so() -> None:
    desk = draining(SECOND)
    held_back(desk, 1)
    (lease,) = desk.view.claims
    desk.answer(lease, [1, 2, 3])
    assert desk.one(e.Send).cut == "flush"


def test_of_two_lanes_that_wait_the_first_goes_first() -> None:
    first = KindPolicy(name="first", max_batch=9, min_batch=9, linger_s=20.0)
    desk = draining(first, SECOND)
    held_back(desk, 1)
    held_back(desk, 2)
    assert [claim.lane for claim, _ in desk.view.claims.values()] == [1]


def test_jobs_wait_for_others_of_a_kind_that_still_starts() -> None:
    desk = Desk(FIRST, SECOND, drain=True)
    desk.feed(i.Tick())
    desk.due(Due(1, True, None, []), Due(2, True, None, []))
    desk.feed(i.Ready(2))
    held_back(desk, 2)
    desk.feed(i.Tick(), after=1.0)
    assert not desk.view.claims, "the first kind has jobs and will start"
